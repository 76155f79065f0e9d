"""GPU nodes: which ones a pod may run on, and what each kind of node shows."""
