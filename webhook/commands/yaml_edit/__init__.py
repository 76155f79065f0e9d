"""Patches applied to the text of a YAML or JSON document, at the positions of its nodes: all other lines stay."""
