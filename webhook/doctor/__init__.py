"""Find out why GPU pods do not work. Facts are read once from the API server; small pure checks look for the causes."""
