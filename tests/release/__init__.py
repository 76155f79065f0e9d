"""Everything that a release consists of, built from one source tree: `make release`, `make verify-release`."""
