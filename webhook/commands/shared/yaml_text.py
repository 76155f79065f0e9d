"""YAML as people like to read it: texts of several lines stand as they are."""

import yaml


class _Dumper(yaml.SafeDumper):
    """A dumper of its own, so that others keep their style."""


def yaml_text(value: object) -> str:
    """Return a value as YAML in the order that it has; no line is broken."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 16)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def fast_yaml(value: object) -> str:
    """Return a large value as YAML, by the parser in C; texts of several lines are escaped."""
    return yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=1 << 16)
