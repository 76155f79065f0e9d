"""What the cluster has: the view, and how it is kept current."""
