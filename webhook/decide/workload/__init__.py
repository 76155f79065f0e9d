"""The decision for a pod that requests a GPU."""
