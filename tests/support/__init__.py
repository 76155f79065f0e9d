"""Helpers of the tests: fakes, generators and worlds."""
