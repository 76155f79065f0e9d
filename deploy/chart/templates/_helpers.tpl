{{/* Labels of every object. Names are fixed: a second installation in one cluster would conflict with the first. */}}
{{- define "gpu-injector.labels" -}}
app.kubernetes.io/name: gpu-injector
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* Selects the webhook's own pods. It must never change: a Deployment's selector is immutable. */}}
{{- define "gpu-injector.selector" -}}
app.kubernetes.io/name: gpu-injector
{{- end }}

{{/* A released chart has its image's digest in an annotation. In values.yaml, values that users keep would pin the old image. */}}
{{- define "gpu-injector.image" -}}
{{- $released := index .Chart.Annotations "gpu-injector.io/image-digest" -}}
{{- $digest := .Values.image.digest | default (ternary $released "" (empty .Values.image.tag)) -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with $digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The securityContext of our containers. */}}
{{- define "gpu-injector.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The securityContext of our pods. */}}
{{- define "gpu-injector.pod-security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Annotations of an object of `helm test`. Argument: its position in the order. */}}
{{- define "gpu-injector.test-hook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* Whether the webhook may delete pods that its patch blocks. The right and the policy that limits it come together. */}}
{{- define "gpu-injector.deletes" -}}
{{- and .Values.policy.setbacks.plugins (ne .Values.policy.bootstrap.repair "report") }}
{{- end }}
