{{/* Labels of every object. Names are fixed: a second installation in one cluster would only fight the first. */}}
{{- define "gpu-injector.labels" -}}
app.kubernetes.io/name: gpu-injector
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* What finds the webhook's own pods. It never changes: a Deployment's selector cannot. */}}
{{- define "gpu-injector.selector" -}}
app.kubernetes.io/name: gpu-injector
{{- end }}

{{- define "gpu-injector.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The restrictions of every container of ours. */}}
{{- define "gpu-injector.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The restrictions of every pod of ours. */}}
{{- define "gpu-injector.non-root" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What makes an object part of `helm test`. Argument: its place in the order. */}}
{{- define "gpu-injector.test" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* Whether the webhook may delete pods that its patch blocks. The right and the policy that limits it come together. */}}
{{- define "gpu-injector.deletes" -}}
{{- and .Values.policy.setbacks.plugins (ne .Values.policy.bootstrap.repair "report") }}
{{- end }}
