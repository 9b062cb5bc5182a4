{{/* the configuration of files/envoy, with the parts that this site wants; one that Helm cannot read is an error */}}
{{- define "its.envoy" -}}
{{- $part := dict -}}
{{- range list "envoy" "tls" "tokens" "tracing" "collector" -}}
{{- $text := tpl ($.Files.Get (printf "files/envoy/%s.json" .)) $ -}}
{{- $_ := set $part . (mustFromJson $text) -}}
{{- end -}}
{{- $resources := $part.envoy.static_resources -}}
{{- $chain := index (index $resources.listeners 0).filter_chains 0 -}}
{{- $manager := (index $chain.filters 0).typed_config -}}
{{- if .Values.balancer.tls.secret -}}
{{- if not .Values.balancer.tls.clients -}}
{{- $_ := set $part.tls.typed_config "require_client_certificate" false -}}
{{- $_ := unset $part.tls.typed_config.common_tls_context "validation_context" -}}
{{- end -}}
{{- $_ := set $chain "transport_socket" $part.tls -}}
{{- end -}}
{{- if .Values.balancer.jwt.issuer -}}
{{- $_ := set $manager "http_filters" (prepend $manager.http_filters $part.tokens) -}}
{{- end -}}
{{- if .Values.tracing.host -}}
{{- $_ := set $manager "tracing" $part.tracing -}}
{{- $_ := set $resources "clusters" (append $resources.clusters $part.collector) -}}
{{- end -}}
{{- toPrettyJson $part.envoy -}}
{{- end }}

{{/* clients are told to go elsewhere, and what is under way is answered; a page of the administration, by bash */}}
{{- define "its.drainBalancer" -}}
ask() { exec 3<>/dev/tcp/127.0.0.1/9901; printf '%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&3; cat <&3; exec 3>&-; };
sleep {{ .Values.balancer.forgetSeconds }}; ask 'POST /drain_listeners?graceful&skip_exit' >/dev/null;
for second in $(seq {{ .Values.balancer.drainSeconds }}); do
ask 'GET /stats?filter=^http.grpc.downstream_rq_active$' | grep -q '^http.grpc.downstream_rq_active: [1-9]' || exit 0; sleep 1; done
{{- end }}
