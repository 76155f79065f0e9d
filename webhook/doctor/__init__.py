"""Find out why GPU pods do not work. Facts are read once from the API server; a small pure check looks for each cause."""
