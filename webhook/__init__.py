"""gpu-injector: the admission webhook that gives GPU pods their driver."""
