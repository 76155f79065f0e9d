"""YAML for users and kubectl: a text of several lines is a block scalar, and no line is folded."""

import yaml

from webhook.kube.yaml_scalars import plain_value

UNBROKEN = 1 << 16


class _Dumper(yaml.SafeDumper):
    """A dumper of its own, so that others keep their style."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write a value that is in two places twice."""
        return True


class _FastDumper(yaml.CSafeDumper):
    """The same, for the writer in C."""


def yaml_text(value: object) -> str:
    """Return a value as YAML in its own order; no line is folded."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=UNBROKEN)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else _quote(text))


def _quote(text: str) -> str | None:
    # PyYAML writes some texts without quotes that kubectl reads as booleans or numbers.
    return "'" if plain_value(text) != text else None


_Dumper.add_representer(str, _text)


def fast_yaml(value: object) -> str:
    """Return a large value as YAML, by the writer in C; texts of several lines are escaped."""
    return yaml.dump(value, Dumper=_FastDumper, sort_keys=False, allow_unicode=True, width=UNBROKEN)


def _fast_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, _quote(text))


_FastDumper.add_representer(str, _fast_text)
