"""Why do GPU pods not work here? Facts are read once from the API server; each cause is a small pure check of them."""
