"""The HTML page of decisions: filters and renders the JSON of the replicas. Pure."""
