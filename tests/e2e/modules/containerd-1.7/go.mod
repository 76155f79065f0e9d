module containerd

go 1.26.0

require github.com/containerd/containerd v1.7.28
