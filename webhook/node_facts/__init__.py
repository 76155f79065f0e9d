"""Node facts: what an unprivileged pod sees of its node's GPUs and driver, and how it reports that."""
