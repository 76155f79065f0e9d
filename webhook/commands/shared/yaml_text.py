"""YAML for users and kubectl: a text of several lines is a block scalar, and no line is folded."""

import re

import yaml

UNBROKEN = 1 << 16
# Texts that PyYAML writes without quotes, and that Go's YAML library, kubectl's, reads as booleans or numbers.
GO_SCALAR = re.compile(r"[yYnN]|[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+")


class _Dumper(yaml.SafeDumper):
    """A dumper of its own, so that others keep their style."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write a value that is in two places twice."""
        return True


def yaml_text(value: object) -> str:
    """Return a value as YAML in its own order; no line is folded."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=UNBROKEN)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else "'" if GO_SCALAR.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def fast_yaml(value: object) -> str:
    """Return a large value as YAML, by the parser in C; texts of several lines are escaped."""
    return yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=1 << 16)
