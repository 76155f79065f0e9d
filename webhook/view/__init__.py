"""The state of the cluster: frozen facts, and how they are kept current."""
