"""Everything that speaks to an API server."""
