"""Creates, stores, serves and renews the webhook's own certificates."""
