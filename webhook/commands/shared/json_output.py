"""The version in every ``-o json``."""

JSON_VERSION = 1
"""The form of the outputs. It rises when programs that read one must be changed; added keys do not raise it."""
