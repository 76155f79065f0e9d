"""The page of the decisions: what is shown, filtered and rendered, from the JSON that a replica tells. Pure."""
