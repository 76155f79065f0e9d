"""What a cluster looked like, in one file without secrets: how it is reduced, written, and read again."""
