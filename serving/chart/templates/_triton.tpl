{{/* options of tritonserver, one a line of YAML */}}
{{- define "its.options" -}}
{{- $closed := ternary "trace,logging" "trace,logging,shared-memory" .Values.triton.clientSharedMemory -}}
- --model-repository=/models
- --model-control-mode=poll
- --repository-poll-secs=5
- --disable-auto-complete-config
- --strict-readiness=false
{{- if eq .Values.balancer.address "::" }}
- "--http-address=ipv6:::"
{{- end }}
- --http-port=8000
- --grpc-port=8001
- --metrics-port=8002
{{/* a key with a line break is one that no request can carry */}}
- {{ printf "--http-restricted-api=%s:key=\nclosed" $closed | quote }}
- {{ printf "--grpc-restricted-protocol=%s:key=\nclosed" $closed | quote }}
- --grpc-keepalive-permit-without-calls=1
- --grpc-http2-min-recv-ping-interval-without-data=1000
- --grpc-http2-max-ping-strikes=0
- --allow-gpu-metrics={{ gt (int .Values.triton.gpus) 0 }}
- --exit-timeout-secs={{ .Values.triton.exitSeconds }}
{{- if include "its.since" (list . "26.01") }}
- --metrics-config=histogram_latencies=true
{{- end }}
{{- if and .Values.triton.clientSharedMemory (include "its.since" (list . "26.05")) }}
- --allow-client-shm=true
{{- end }}
{{- if .Values.tracing.host }}
- --trace-config=mode=opentelemetry
- --trace-config=level=TIMESTAMPS
- --trace-config=rate={{ div 100 .Values.tracing.percent }}
- --trace-config=opentelemetry,url=http://{{ .Values.tracing.host }}:{{ .Values.tracing.httpPort }}/v1/traces
- --trace-config=opentelemetry,resource=service.name=triton
{{- end }}
{{- range .Values.triton.options }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{- define "its.tritonResources" -}}
{{- $resources := deepCopy .Values.triton.resources -}}
{{- if .Values.triton.gpus -}}
{{- $limits := get $resources "limits" | default dict -}}
{{- $_ := set $limits .Values.triton.gpuResource (int .Values.triton.gpus) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
{{- include "its.resources" (list "triton.resources" $resources) -}}
{{- end }}

{{/* models from where they lie to the node's disk, once, or again and again: (list . seconds) */}}
{{- define "its.fetch" -}}
{{- $root := index . 0 -}}
{{- $models := $root.Values.models -}}
image: {{ include "its.ownImage" $root }}
imagePullPolicy: IfNotPresent
command: [emtrkmichel, export.fetch]
args:
  - {{ ternary $models.bucket.url "/source" (eq $models.from "bucket") | quote }}
  - /models
  - --profile={{ $models.profile }}
  {{- if $models.tuning }}
  - --tuning=/tuning/tuning.json
  {{- end }}
  {{- if index . 1 }}
  - --every-s={{ index . 1 }}
  {{- end }}
env:
  - {name: HOME, value: /tmp}
  {{- if eq $models.from "bucket" }}
  {{- with $models.bucket.endpoint }}
  - {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
  {{- end }}
  {{- with $models.bucket.region }}
  - {name: AWS_REGION, value: {{ . | quote }}}
  {{- end }}
  {{- if $models.bucket.authority }}
  - {name: SSL_CERT_FILE, value: /authority/ca.crt}
  - {name: AWS_CA_BUNDLE, value: /authority/ca.crt}
  {{- end }}
  {{- end }}
{{- if and (eq $models.from "bucket") $models.bucket.secret }}
envFrom:
  - secretRef: {name: {{ $models.bucket.secret }}}
{{- end }}
securityContext:
  {{- include "its.security" $root | nindent 2 }}
resources:
  requests: {cpu: 100m, memory: 256Mi}
  limits: {memory: 1Gi}
volumeMounts:
  - {name: models, mountPath: /models}
  - {name: tmp, mountPath: /tmp}
  {{- if $models.tuning }}
  - {name: tuning, mountPath: /tuning, readOnly: true}
  {{- end }}
  {{- if ne $models.from "bucket" }}
  - name: source
    mountPath: /source
    readOnly: true
    {{- if ne $models.from "nfs" }}
    mountPropagation: HostToContainer
    {{- end }}
    {{- if and (eq $models.from "claim") $models.claim.folder }}
    subPath: {{ $models.claim.folder | quote }}
    {{- end }}
  {{- else if $models.bucket.authority }}
  - {name: authority, mountPath: /authority, readOnly: true}
  {{- end }}
{{- end }}

{{/* the volume that models come from; of a bucket what vouches for its server */}}
{{- define "its.source" -}}
{{- $models := .Values.models -}}
{{- if eq $models.from "claim" -}}
- name: source
  persistentVolumeClaim: {claimName: {{ required "models.claim.name names the claim that holds the repository" $models.claim.name | quote }}, readOnly: true}
{{- else if eq $models.from "nfs" -}}
- name: source
  nfs:
    server: {{ required "models.nfs.server names the NFS server" $models.nfs.server }}
    path: {{ required "models.nfs.path names the repository's path on it" $models.nfs.path }}
    readOnly: true
{{- else if eq $models.from "path" -}}
- name: source
  hostPath:
    path: {{ required "models.path names the folder of the node" $models.path }}
    type: Directory
{{- else if $models.bucket.authority -}}
- name: authority
  configMap: {name: {{ $models.bucket.authority | quote }}}
{{- end -}}
{{- end }}

{{- define "its.canary" -}}
{{- $canary := .Values.canary -}}
image: {{ include "its.ownImage" . }}
imagePullPolicy: IfNotPresent
command: [emtrkmichel, serving.canary]
args:
  - --url=127.0.0.1:8001
  - {{ printf "--address=%s" .Values.balancer.address | quote }}
  - --port=9400
  - --every-s={{ $canary.everySeconds }}
  - --timeout-s={{ $canary.timeoutSeconds }}
  - --rounds={{ $canary.rounds }}
  {{- with $canary.scoreScale }}
  - --require-score-scale={{ . }}
  {{- end }}
  {{- with $canary.adcEra }}
  - {{ printf "--require-adc-era=%s" . | quote }}
  {{- end }}
env:
  - {name: HOME, value: /tmp}
ports:
  - {name: canary, containerPort: 9400}
livenessProbe:
  httpGet: {path: /alive, port: canary}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
securityContext:
  {{- include "its.security" . | nindent 2 }}
resources:
  {{- include "its.resources" (list "canary.resources" $canary.resources) | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{/* a canary that is not there proves nothing */}}
{{- define "its.alive" -}}
{{- if .Values.canary.enabled -}}
if curl -sf -m 5 -o /dev/null http://localhost:9400/dead; then exit 1; fi;
{{- end }} curl -sf -m 8 -o /dev/null http://localhost:8000/v2/health/live
{{- end }}

{{/* no request comes any more when the balancers have forgotten the server; those that wait are answered */}}
{{- define "its.drain" -}}
sleep {{ .Values.triton.forgetSeconds }}; for second in $(seq {{ .Values.triton.drainSeconds }}); do
curl -sf -m 5 http://localhost:8002/metrics | grep -q '^nv_inference_pending_request_count.* [1-9]' || exit 0; sleep 1; done
{{- end }}
