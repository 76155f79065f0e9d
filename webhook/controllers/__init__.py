"""Finds plugin pods without a GPU, reports them, and evicts them if the policy says so."""
