"""The webhook's own certificates: made, kept, served and renewed."""
