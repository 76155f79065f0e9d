package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const (
	decisionKey    = "gpu-injector.io/decision"
	decision       = "inject/runtime-class"
	runtimeClass   = "nvidia"
	visibleDevices = "NVIDIA_VISIBLE_DEVICES"
)

// gpuInjector runs GPU pods of opted-in namespaces under the NVIDIA runtime class.
type gpuInjector struct {
	decoder admission.Decoder
	optedIn sets.Set[string]
}

// Handle implements admission.Handler.
func (g *gpuInjector) Handle(_ context.Context, req admission.Request) admission.Response {
	if !g.optedIn.Has(req.Namespace) {
		return admission.Allowed("")
	}
	pod := &corev1.Pod{}
	if err := g.decoder.Decode(req, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if pod.Spec.RuntimeClassName != nil || !requestsGPU(pod) {
		return admission.Allowed("")
	}
	inject(pod)
	patched, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	response := admission.PatchResponseFromRaw(req.Object.Raw, patched)
	response.AuditAnnotations = map[string]string{"decision": decision}
	return response
}

func requestsGPU(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Containers, wantsGPU) || slices.ContainsFunc(pod.Spec.InitContainers, wantsGPU)
}

func wantsGPU(container corev1.Container) bool {
	return hasGPU(container.Resources.Limits) || hasGPU(container.Resources.Requests)
}

func hasGPU(resources corev1.ResourceList) bool {
	for name, quantity := range resources {
		if isGPU(name) && quantity.Sign() > 0 {
			return true
		}
	}
	return false
}

func isGPU(name corev1.ResourceName) bool {
	return name == "nvidia.com/gpu" || name == "nvidia.com/gpu.shared" || strings.HasPrefix(string(name), "nvidia.com/mig-")
}

// inject sets the class, records the decision and hides the node's GPUs from the containers that requested none.
func inject(pod *corev1.Pod) {
	class := runtimeClass
	pod.Spec.RuntimeClassName = &class
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[decisionKey] = decision
	hideGPUs(pod.Spec.InitContainers)
	hideGPUs(pod.Spec.Containers)
}

func hideGPUs(containers []corev1.Container) {
	for i := range containers {
		container := &containers[i]
		if wantsGPU(*container) || len(container.EnvFrom) > 0 || slices.ContainsFunc(container.Env, setsDevices) {
			continue
		}
		container.Env = append(container.Env, corev1.EnvVar{Name: visibleDevices, Value: "void"})
	}
}

func setsDevices(env corev1.EnvVar) bool {
	return env.Name == visibleDevices
}
