{{/* What every entry of the registrations has. Arguments: the root, the path. */}}
{{- define "gpu-injector.called" -}}
admissionReviewVersions: [v1]
clientConfig:
  # The caBundle comes later: {{ ternary "cert-manager writes it" "the webhook writes it by itself" (index . 0).Values.certManager.enabled }}.
  service: {name: gpu-injector, namespace: {{ (index . 0).Release.Namespace }}, path: {{ index . 1 }}, port: 443}
failurePolicy: Ignore
matchPolicy: Equivalent
sideEffects: None
timeoutSeconds: 3
{{- end }}

{{/* The namespaces that asked, and the pods that did not refuse. */}}
{{- define "gpu-injector.asked" -}}
namespaceSelector:
  matchExpressions:
    {{- if .Values.policy.optOut }}
    - {key: gpu-injector.io/inject, operator: NotIn, values: [disabled]}
    {{- else }}
    - {key: gpu-injector.io/inject, operator: In, values: [enabled, dry-run]}
    {{- end }}
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: [{{ .Release.Namespace }}]}
{{ include "gpu-injector.not-refused" . }}
{{- end }}

{{- define "gpu-injector.not-refused" -}}
objectSelector:
  matchExpressions:
    - {key: gpu-injector.io/inject, operator: NotIn, values: [disabled]}
{{- end }}

{{/*
The conditions under which the API server calls: the same that webhook/registration/conditions.py makes of the policy (tests compare
them, and folding makes one line of each).
*/}}

{{/* A GPU pod, or one with the label value "always". Arguments: the root, the CEL texts of the pod's metadata and spec. */}}
{{- define "gpu-injector.requests-gpu" -}}
{{- $resources := (index . 0).Values.policy.resources }}
{{- $labels := printf "%s.labels" (index . 1) }}
{{- $spec := index . 2 -}}
(has({{ index . 1 }}) && has({{ $labels }}) && 'gpu-injector.io/inject' in {{ $labels }} &&
{{ $labels }}['gpu-injector.io/inject'] == 'always') ||
({{ $spec }}.containers + (has({{ $spec }}.initContainers) ? {{ $spec }}.initContainers : [])).exists(c,
has(c.resources) && ({{ include "gpu-injector.asks" (list "limits" $resources) }} ||
{{ include "gpu-injector.asks" (list "requests" $resources) }}))
{{- end }}

{{- define "gpu-injector.asks" -}}
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

{{/* A pod that is labelled like a known plugin: the administrator's, then those of webhook/view/plugin_projections.py. */}}
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

{{/* The pod template of the kinds that people apply; a CronJob's stands deeper. */}}
{{- define "gpu-injector.template" -}}
(has({{ . }}.spec.jobTemplate) ? {{ . }}.spec.jobTemplate.spec.template : {{ . }}.spec.template)
{{- end }}
