"""The decision about a pod, and why. Pure: no I/O, no clock."""
