"""The proof that GPU pods work: a probe pod on each GPU node, which is removed afterwards."""
