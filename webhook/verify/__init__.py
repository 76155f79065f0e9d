"""Shows that GPU pods work: runs a probe pod on each GPU node and removes it afterwards."""
