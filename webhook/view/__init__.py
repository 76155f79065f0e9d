"""What the cluster has: frozen facts, and how they are kept current."""
