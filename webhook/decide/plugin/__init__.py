"""The decision for a pod of NVIDIA's device plugin, or of another GPU management program."""
