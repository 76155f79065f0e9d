"""gpu-injector as its users run it: the image of the Dockerfile, installed by Helm on a real node."""
