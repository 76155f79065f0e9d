# Made by `gpu-injector eject -o kubectl`: it changes the objects in the cluster; their pods are re-created.
# Applying your sources later reverts this: add the patches there, too (`-o kustomize`).
# No patch for:
#   PyTorchJob trial/ddp: in dry-run: the webhook changes nothing here
#   Workflow ml/train- at /spec/templates/0: not covered by patches: no field for the class here; its pods are patched when they are created
#   DaemonSet kube-system/nvidia-device-plugin-daemonset: its template is one for all nodes, and they need different ones (bootstrap/nvml on gpu-1, bootstrap/runtime-class on gpu-2, leave/no-gpu-evidence on cpu-1 and cpu-2); see docs/eject.md
#   Job ml/nightly-: it has no name yet, so no patch can name it
#   Pod ml/alone: a pod cannot be changed; re-create it with runtimeClassName: nvidia in its manifest
#   Pod ml/made: Train a exit 1 creates it: add runtimeClassName: nvidia there
# Deployment ml/trainer: inject/runtime-class
kubectl -n ml patch Deployment.v1.apps trainer --type=json -p '[{"op": "add", "path": "/spec/template/spec/runtimeClassName", "value": "nvidia"}, {"op": "test", "path": "/spec/template/spec/initContainers/0/name", "value": "fetch"}, {"op": "add", "path": "/spec/template/spec/initContainers/0/env", "value": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}]}]'
# CronJob ml/nightly: inject/runtime-class
kubectl -n ml patch CronJob.v1.batch nightly --type=json -p '[{"op": "add", "path": "/spec/jobTemplate/spec/template/spec/runtimeClassName", "value": "nvidia"}]'
# RayCluster ml/ray: inject/runtime-class
kubectl -n ml patch RayCluster.v1.ray.io ray --type=json -p '[{"op": "add", "path": "/spec/workerGroupSpecs/0/template/spec/runtimeClassName", "value": "nvidia"}]'
# StatefulSet ml/v1.2-server: inject/runtime-class
kubectl -n ml patch StatefulSet.v1.apps v1.2-server --type=json -p '[{"op": "add", "path": "/spec/template/spec/runtimeClassName", "value": "nvidia"}, {"op": "test", "path": "/spec/template/spec/containers/1/name", "value": "proxy"}, {"op": "add", "path": "/spec/template/spec/containers/1/env/-", "value": {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}}]'
# Job ml/once: inject/runtime-class
# Its pod cannot be changed. Change the manifest, and delete and re-create the pod.
# Pod ml/not-yet: inject/runtime-class
kubectl -n ml patch Pod.v1. not-yet --type=json -p '[{"op": "add", "path": "/spec/runtimeClassName", "value": "nvidia"}]'
# PyTorchJob ml/ddp: inject/runtime-class
kubectl -n ml patch PyTorchJob.v1.kubeflow.org ddp --type=json -p '[{"op": "add", "path": "/spec/pytorchReplicaSpecs/Master/template/spec/runtimeClassName", "value": "nvidia"}, {"op": "add", "path": "/spec/pytorchReplicaSpecs/Worker/template/spec/runtimeClassName", "value": "nvidia"}]'
# DaemonSet kube-system/plugin-by-hand: bootstrap/nvml
kubectl -n kube-system patch DaemonSet.v1.apps plugin-by-hand --type=json -p '[{"op": "add", "path": "/spec/template/spec/volumes", "value": [{"name": "gpu-injector-nvml", "hostPath": {"path": "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "type": "File"}}, {"name": "gpu-injector-dev", "hostPath": {"path": "/dev"}}]}, {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "nvidia-device-plugin-ctr"}, {"op": "remove", "path": "/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation"}, {"op": "add", "path": "/spec/template/spec/containers/0/securityContext/privileged", "value": true}, {"op": "add", "path": "/spec/template/spec/containers/0/volumeMounts", "value": [{"name": "gpu-injector-nvml", "mountPath": "/usr/local/lib/libnvidia-ml.so.1", "readOnly": true}, {"name": "gpu-injector-dev", "mountPath": "/dev"}]}, {"op": "add", "path": "/spec/template/spec/containers/0/env/0/value", "value": "/opt:/usr/local/lib"}, {"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "PASS_DEVICE_SPECS", "value": "true"}}]'
# DaemonSet kube-system/plugin-of-chart: bootstrap/runtime-class
kubectl -n kube-system patch DaemonSet.v1.apps plugin-of-chart --type=json -p '[{"op": "add", "path": "/spec/template/spec/runtimeClassName", "value": "nvidia"}]'
