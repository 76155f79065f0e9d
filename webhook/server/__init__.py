"""The HTTPS server, its administration, and its log and metrics."""
