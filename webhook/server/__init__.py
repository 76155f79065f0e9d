"""The HTTPS edge, its administration, and what is told about its work."""
