"""End-to-end tests: real control planes, the real webhook process, kubectl."""
