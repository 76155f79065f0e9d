"""What is registered with the API server: entries, conditions, and whether they apply to a pod."""
