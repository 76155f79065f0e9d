"""The client of an API server, its credentials, and list+watch."""
