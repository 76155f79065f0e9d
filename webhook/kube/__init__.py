"""Raw Kubernetes values: what several packages read from an object, without I/O."""
