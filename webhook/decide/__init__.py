"""The pure core: what becomes of a pod, and why."""
