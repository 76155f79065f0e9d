package main

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The namespace of device plugins, as in gpu-injector's default policy.
const pluginNamespace = "kube-system"

// addToScheme registers every group of which kinds are watched.
func addToScheme(scheme *runtime.Scheme) error {
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistrationv1.AddToScheme, appsv1.AddToScheme, nodev1.AddToScheme, resourcev1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	return nil
}

// watch starts informers for the kinds that gpu-injector watches, and returns once all of them have listed.
func watch(ctx context.Context, kubeconfig string, scheme *runtime.Scheme) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	inPluginNamespace := cache.ByObject{Namespaces: map[string]cache.Config{pluginNamespace: {}}}
	informers, err := cache.New(config, cache.Options{
		Scheme: scheme,
		// As the field does it to save memory.
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}: inPluginNamespace, &appsv1.DaemonSet{}: inPluginNamespace,
		},
	})
	if err != nil {
		return err
	}
	for _, kind := range []client.Object{
		&corev1.Node{}, &corev1.Namespace{}, &corev1.Pod{}, &appsv1.DaemonSet{}, &nodev1.RuntimeClass{},
		&resourcev1.ResourceSlice{}, &resourcev1.DeviceClass{},
		&admissionregistrationv1.ValidatingAdmissionPolicy{}, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{},
		&admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{},
	} {
		if _, err := informers.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return err
		}
	}
	go func() { _ = informers.Start(ctx) }()
	if !informers.WaitForCacheSync(ctx) {
		return fmt.Errorf("the informers did not list")
	}
	return nil
}
