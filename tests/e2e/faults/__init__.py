"""Faults of the real cluster under constant pod creation: no pod is rejected."""
