{{- define "its.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "its.labels" -}}
{{ include "its.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "its.selector" -}}
app.kubernetes.io/name: emtrkmichel
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* image: repository, tag, digest */}}
{{- define "its.image" -}}
{{- $found := index . 0 -}}
{{- if index . 2 -}}{{ $found }}@{{ index . 2 }}{{- else -}}{{ $found }}:{{ index . 1 }}{{- end -}}
{{- end }}

{{- define "its.ownImage" -}}
{{- include "its.image" (list .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) .Values.image.digest) -}}
{{- end }}

{{- define "its.tritonImage" -}}
{{- include "its.image" (list .Values.triton.image (printf "%s-py3" .Values.triton.release) .Values.triton.digest) -}}
{{- end }}

{{/* whether Triton's release is as new as one: (list . "26.05") */}}
{{- define "its.since" -}}
{{- if ge (index . 0).Values.triton.release (index . 1) }}yes{{ end -}}
{{- end }}

{{- define "its.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "its.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* across nodes, and across zones where there are some: (list . "triton") */}}
{{- define "its.spread" -}}
{{- $component := index . 1 -}}
{{- $root := index . 0 -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "its.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ $component }}
{{- end }}
{{- end }}
