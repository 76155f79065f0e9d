{{/* Labels of every object. Names are fixed: a second installation in one cluster would conflict with the first. */}}
{{- define "gpu-injector.labels" -}}
app.kubernetes.io/name: gpu-injector
{{ include "gpu-injector.common-labels" . }}
{{- end }}

{{/* Labels of every object, without the name. */}}
{{- define "gpu-injector.common-labels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: gpu-injector
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The ServiceAccount of the webhook. */}}
{{- define "gpu-injector.service-account" -}}
{{ .Values.serviceAccount.name | default "gpu-injector" }}
{{- end }}

{{/* A JSON list of the namespaces of plugins that get our Roles. A namespace that does not exist yet would make the
     installation fail half-way: its Roles follow with the next upgrade. Without a cluster (helm template) all count. */}}
{{- define "gpu-injector.plugin-namespaces" -}}
{{- $names := list }}
{{- $isOnline := lookup "v1" "Namespace" "" "kube-system" }}
{{- range .Values.policy.bootstrap.namespaces | uniq }}
{{- if or (not $isOnline) (eq . $.Release.Namespace) (lookup "v1" "Namespace" "" .) }}
{{- $names = append $names . }}
{{- end }}
{{- end }}
{{- $names | toJson }}
{{- end }}

{{/* Selects the webhook's own pods. It must never change: a Deployment's selector is immutable. */}}
{{- define "gpu-injector.selector" -}}
app.kubernetes.io/name: gpu-injector
{{- end }}

{{/* A released chart has its image's digest in an annotation. In values.yaml, values that users keep would pin the old image. */}}
{{- define "gpu-injector.image" -}}
{{- $released := index .Chart.Annotations "gpu-injector.io/image-digest" -}}
{{- $digest := .Values.image.digest | default (ternary $released "" (empty .Values.image.tag)) -}}
{{ with ((.Values.global).imageRegistry | default .Values.image.registry) }}{{ . }}/{{ end }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with $digest }}@{{ . }}{{ end }}
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

{{/* Whether the replicas store what failed and what was evicted. */}}
{{- define "gpu-injector.state" -}}
{{- or .Values.policy.setbacks.plugins (eq .Values.policy.bootstrap.repair "evict") }}
{{- end }}

{{/* A container of the node facts. Arguments: root, what (report or follow), visible (NVIDIA_VISIBLE_DEVICES). */}}
{{- define "gpu-injector.facts-container" -}}
- name: {{ .what }}
  image: {{ include "gpu-injector.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [/opt/venv/bin/python, -m, webhook.node_facts, {{ .what }}{{ if .root.Values.nodeFacts.testRoot }}, --root=/test-root{{ end }}]
  env:
    # NVIDIA's runtime, where it is the default, adds GPUs to a container that asks for all of them.
    - {name: NVIDIA_VISIBLE_DEVICES, value: {{ .visible }}}
    - {name: NVIDIA_DRIVER_CAPABILITIES, value: utility}
  terminationMessagePath: /dev/termination-log
  terminationMessagePolicy: File
  volumeMounts:
    - {name: facts, mountPath: /facts}
    {{- if .root.Values.nodeFacts.testRoot }}
    - {name: test-root, mountPath: /test-root, readOnly: true}
    {{- end }}
  resources: {{- toYaml .root.Values.nodeFacts.resources | nindent 4 }}
  securityContext: {{- include "gpu-injector.container-security" .root | nindent 4 }}
{{- end }}

{{/* The annotations of our registrations. */}}
{{- define "gpu-injector.webhook-annotations" -}}
{{- $all := .Values.webhookAnnotations }}
{{- if .Values.certManager.enabled }}
{{- $all = merge (dict "cert-manager.io/inject-ca-from" (printf "%s/gpu-injector" .Release.Namespace)) $all }}
{{- end }}
{{- with $all -}}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
