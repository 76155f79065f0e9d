"""A release as its users get it: from a registry, into a cluster, and from one version to the next and back."""
