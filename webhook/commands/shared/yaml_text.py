"""YAML for users and kubectl: a text of several lines is a block scalar, and no line is folded."""

import yaml

from webhook.kube.yaml_scalars import plain_value

UNBROKEN = 1 << 16


class _Dumper(yaml.SafeDumper):
    """A dumper of its own, so that others keep their style."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write a value that is in two places twice."""
        return True


def yaml_text(value: object) -> str:
    """Return a value as YAML in its own order; no line is folded."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=UNBROKEN)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML writes some texts without quotes that kubectl reads as booleans or numbers.
    style = "|" if "\n" in text else "'" if plain_value(text) != text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def fast_yaml(value: object) -> str:
    """Return a large value as YAML, by the parser in C; texts of several lines are escaped."""
    return yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=1 << 16)
