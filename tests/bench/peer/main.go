// The peer of the benchmark: the GPU rule of gpu-injector, written with controller-runtime as such a webhook usually is.
package main

import (
	"flag"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

func main() {
	host := flag.String("host", "127.0.0.1", "address to listen on")
	port := flag.Int("port", webhook.DefaultPort, "port to listen on")
	certDir := flag.String("cert-dir", "", "folder of tls.crt and tls.key")
	optedIn := sets.New[string]()
	flag.Func("namespace", "namespace whose pods are patched (repeatable)", func(name string) error {
		optedIn.Insert(name)
		return nil
	})
	watched := flag.String("watched", "", "kubeconfig of a cluster whose nodes and other kinds are watched; none if empty")
	flag.Parse()
	ctrl.SetLogger(zap.New())

	scheme := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(addToScheme(scheme))
	ctx := ctrl.SetupSignalHandler()
	if *watched != "" {
		if err := watch(ctx, *watched, scheme); err != nil {
			ctrl.Log.Error(err, "the cluster cannot be watched")
			os.Exit(1)
		}
	}
	server := webhook.NewServer(webhook.Options{Host: *host, Port: *port, CertDir: *certDir})
	server.Register("/mutate/workloads", &admission.Webhook{
		Handler: &gpuInjector{decoder: admission.NewDecoder(scheme), optedIn: optedIn},
	})
	if err := server.Start(ctx); err != nil {
		ctrl.Log.Error(err, "webhook server failed")
		os.Exit(1)
	}
}
