"""Fuzzing of all that reads what others wrote: reviews, policy files, objects of the cluster, events, the Secret."""
