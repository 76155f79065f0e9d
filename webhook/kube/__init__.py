"""Raw Kubernetes objects: pure functions without I/O."""
