"""Hostile input: bodies and senders that try to make other requests wait, or to use up the memory."""
