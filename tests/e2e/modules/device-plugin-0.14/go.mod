module device-plugin

go 1.26.0

require github.com/NVIDIA/k8s-device-plugin v0.14.5

replace k8s.io/kubelet => k8s.io/kubelet v0.29.3
