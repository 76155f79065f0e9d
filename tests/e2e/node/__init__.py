"""A real node: kubelet, container runtime and NVIDIA's device plugin. Only the driver is a stand-in."""
