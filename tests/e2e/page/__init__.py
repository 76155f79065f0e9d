"""The page of the decisions in a real browser."""
