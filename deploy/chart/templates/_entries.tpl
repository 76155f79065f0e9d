{{/* The fields that all webhook entries share. Arguments: the root, the path. */}}
{{- define "gpu-injector.webhook-defaults" -}}
admissionReviewVersions: [v1]
clientConfig:
  # The caBundle is added later: {{ ternary "cert-manager writes it" "the webhook writes it" (index . 0).Values.certManager.enabled }}.
  service: {name: gpu-injector, namespace: {{ (index . 0).Release.Namespace }}, path: {{ index . 1 }}, port: 443}
failurePolicy: Ignore
matchPolicy: Equivalent
sideEffects: None
timeoutSeconds: 3
{{- end }}

{{/* Selects the namespaces that opted in, and the pods that did not opt out. */}}
{{- define "gpu-injector.opt-in-selectors" -}}
namespaceSelector:
  matchExpressions:
    {{- if .Values.policy.optOut }}
    - {key: gpu-injector.io/inject, operator: NotIn, values: [disabled]}
    {{- else }}
    - {key: gpu-injector.io/inject, operator: In, values: [enabled, dry-run]}
    {{- end }}
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: [{{ .Release.Namespace }}]}
{{ include "gpu-injector.opt-out-selector" . }}
{{- end }}

{{- define "gpu-injector.opt-out-selector" -}}
objectSelector:
  matchExpressions:
    - {key: gpu-injector.io/inject, operator: NotIn, values: [disabled]}
{{- end }}

{{/*
The matchConditions. They equal those that webhook/registration/conditions.py computes from the policy: tests compare
them. YAML folds each one into one line.
*/}}

{{/* A GPU pod, or one with the label value "always". Arguments: the root, the CEL texts of the pod's metadata and spec. */}}
{{- define "gpu-injector.requests-gpu" -}}
{{- $resources := (index . 0).Values.policy.resources }}
{{- $labels := printf "%s.labels" (index . 1) }}
{{- $spec := index . 2 -}}
(has({{ index . 1 }}) && has({{ $labels }}) && 'gpu-injector.io/inject' in {{ $labels }} &&
{{ $labels }}['gpu-injector.io/inject'] == 'always') ||
({{ $spec }}.containers + (has({{ $spec }}.initContainers) ? {{ $spec }}.initContainers : [])).exists(c,
has(c.resources) && ({{ include "gpu-injector.requests-resource" (list "limits" $resources) }} ||
{{ include "gpu-injector.requests-resource" (list "requests" $resources) }}))
{{- end }}

{{- define "gpu-injector.requests-resource" -}}
{{- $quantities := printf "c.resources.%s" (index . 0) -}}
(has({{ $quantities }}) &&
{{ $quantities }}.exists(k, ({{ include "gpu-injector.is-gpu" (index . 1) }}) &&
quantity(string({{ $quantities }}[k])).isGreaterThan(quantity('0'))))
{{- end }}

{{- define "gpu-injector.is-gpu" -}}
{{- $matches := list }}
{{- range . }}
{{- $match := printf "k == '%s'" . }}
{{- if hasSuffix "*" . }}
{{- $match = printf "k.startsWith('%s')" (trimSuffix "*" .) }}
{{- end }}
{{- $matches = append $matches $match }}
{{- end }}
{{- join " || " $matches }}
{{- end }}

{{/* True for a pod with the label of a known plugin: the policy's plugins, then those that the webhook knows. */}}
{{- define "gpu-injector.is-plugin" -}}
{{- $plugins := concat .Values.policy.bootstrap.plugins (list
  (dict "label" "name" "value" "nvidia-device-plugin-ds")
  (dict "label" "app.kubernetes.io/name" "value" "nvidia-device-plugin")
  (dict "label" "app.kubernetes.io/name" "value" "gpu-feature-discovery")
  (dict "label" "app.kubernetes.io/name" "value" "dcgm-exporter")
  (dict "label" "app.kubernetes.io/component" "value" "hami-device-plugin")
  (dict "label" "app" "value" "nvidia-device-plugin-daemonset")
  (dict "label" "k8s-app" "value" "nvidia-gpu-device-plugin")) }}
{{- $matches := list }}
{{- range $plugins }}
{{- $matches = append $matches (printf
  "('%s' in object.metadata.labels && object.metadata.labels['%s'] == '%s')" .label .label .value) }}
{{- end -}}
has(object.metadata.labels) && ({{ $matches | uniq | join " ||\n" }})
{{- end }}

{{/* The pod template of a workload; a CronJob's is one level deeper. */}}
{{- define "gpu-injector.pod-template" -}}
(has({{ . }}.spec.jobTemplate) ? {{ . }}.spec.jobTemplate.spec.template : {{ . }}.spec.template)
{{- end }}
