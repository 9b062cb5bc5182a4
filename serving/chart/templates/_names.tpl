{{/* services and the balancers' addresses are called by these names, which are labels of DNS */}}
{{- define "its.name" -}}
{{- $its := .Release -}}
{{- if not (and (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $its.Name) (le (len $its.Name) 40)) -}}
{{- fail (printf "the release's name %q must be of small letters, digits and dashes, begin with a letter, and have at most 40" $its.Name) -}}
{{- end -}}
{{- if not (and (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $its.Namespace) (le (len $its.Namespace) 63)) -}}
{{- fail (printf "the namespace %q must be of small letters, digits and dashes, and have at most 63" $its.Namespace) -}}
{{- end -}}
{{- $its.Name -}}
{{- end }}

{{- define "its.labels" -}}
{{ include "its.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "its.selector" -}}
app.kubernetes.io/name: emtrkmichel
app.kubernetes.io/instance: {{ .Release.Name | quote }}
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

{{/* a quantity such as 500m or 8Gi as a number */}}
{{- define "its.amount" -}}
{{- $text := ternary . (printf "%d" (int64 .)) (kindIs "string" .) -}}
{{- $number := regexFind "^[0-9.]+" $text -}}
{{- $unit := trimPrefix $number $text -}}
{{- $units := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (float64 $number) (float64 (get $units $unit)) -}}
{{- end }}

{{/* resources of a container, where no request is above its limit: (list "triton.resources" .Values.triton.resources) */}}
{{- define "its.resources" -}}
{{- $name := index . 0 -}}
{{- $resources := index . 1 -}}
{{- range $what, $limit := $resources.limits -}}
{{- with get ($resources.requests | default dict) $what -}}
{{- if gt (include "its.amount" . | float64) (include "its.amount" $limit | float64) -}}
{{- fail (printf "%s asks for %v of %s and limits it to %v: set both" $name . $what $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}

{{- define "its.podSecurity" -}}
runAsNonRoot: true
{{- with int .Values.user }}
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
{{- end }}
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
