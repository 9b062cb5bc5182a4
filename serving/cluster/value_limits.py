"""What the chart's values may be, beside their types, as JSON Schema says it."""

from typing import Any

Limit = dict[str, Any]

_NAME: Limit = {"pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"}
_QUANTITY: Limit = {"pattern": "^[0-9]+([.][0-9]+)?(m|Ki|Mi|Gi|Ti|k|M|G|T)?$"}
_DIGEST: Limit = {"pattern": "^(sha256:[0-9a-f]{64})?$"}
_SECONDS: Limit = {"minimum": 1, "maximum": 86400}
_WORD: Limit = {"pattern": "^[^\\s'\"\\\\]*$"}
_IMAGE: Limit = {"pattern": "^([^\\s'\"\\\\@]+/)?[^\\s'\"\\\\@:/]+$"}
_TEXTS: Limit = {"additionalProperties": {"type": "string"}}
_NETWORK: Limit = {"pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$"}
_PORTS: Limit = {"items": {"type": "integer", "minimum": 1, "maximum": 65535}, "minItems": 1}
_OBJECTS: Limit = {"items": {"type": "object"}}
_RESOURCES: Limit = {
    "additionalProperties": False,
    "properties": {
        part: {"type": "object", "additionalProperties": {"type": ["string", "integer"], **_QUANTITY}}
        for part in ("requests", "limits")
    },
}

LIMITS: dict[str, Limit] = {
    "image.repository": _IMAGE,
    "image.tag": _WORD,
    "image.digest": _DIGEST,
    "user": {"minimum": 0, "maximum": 2_147_483_647},
    "imagePullSecrets": {"items": {"type": "string"}},
    "triton.release": {"pattern": "^(2[5-9]|3[0-9])[.](0[1-9]|1[0-2])$", "not": {"const": "25.01"}},
    "triton.image": _IMAGE,
    "triton.digest": _DIGEST,
    "triton.replicas": {"minimum": 0, "maximum": 1000},
    "triton.gpus": {"minimum": 0, "maximum": 16},
    "triton.gpuResource": {"pattern": "^[a-z0-9.-]+/[a-zA-Z0-9._-]+$"},
    "triton.resources": _RESOURCES,
    "triton.sharedMemory": _QUANTITY,
    "triton.options": {"items": {"type": "string", "pattern": "^--[a-z]"}},
    "triton.startSeconds": {"minimum": 30, "maximum": 86400},
    "triton.forgetSeconds": {"minimum": 5, "maximum": 600},
    "triton.drainSeconds": {"minimum": 1, "maximum": 3600},
    "triton.exitSeconds": {"minimum": 1, "maximum": 3600},
    "triton.nodeSelector": _TEXTS,
    "triton.tolerations": _OBJECTS,
    "triton.affinity": {"additionalProperties": True},
    "triton.runtimeClassName": _NAME,
    "triton.priorityClassName": _NAME,
    "models.from": {"enum": ["bucket", "claim", "nfs", "path"]},
    "models.profile": {"enum": ["cpu", "gpu", "all"]},
    "models.everySeconds": _SECONDS,
    "models.copySize": _QUANTITY,
    "models.tuning": {"pattern": "^(\\s*\\{[\\s\\S]*)?$"},
    "models.bucket.url": {"pattern": "^(s3|gs|az)://[^\\s'\"\\\\]+$"},
    "models.bucket.endpoint": {"pattern": "^(https?://[^\\s'\"\\\\]+)?$"},
    "models.bucket.region": _WORD,
    "models.bucket.authority": _NAME,
    "models.bucket.secret": _NAME,
    "models.claim.name": _NAME,
    "models.claim.folder": {"pattern": "^([^/\\s'\"\\\\][^\\s'\"\\\\]*)?$"},
    "models.nfs.server": _WORD,
    "models.nfs.path": {"pattern": "^(/[^\\s'\"\\\\]*)?$"},
    "models.path": {"pattern": "^(/[^\\s'\"\\\\]*)?$"},
    "balancer.image": _IMAGE,
    "balancer.tag": {**_WORD, "minLength": 1},
    "balancer.digest": _DIGEST,
    "balancer.replicas": {"minimum": 1, "maximum": 100},
    "balancer.address": {"enum": ["0.0.0.0", "::"]},
    "balancer.mostRequests": {"minimum": 1, "maximum": 4096},
    "balancer.mostMb": {"minimum": 64, "maximum": 1_000_000},
    "balancer.threads": {"minimum": 1, "maximum": 256},
    "balancer.waitSeconds": {"minimum": 0, "maximum": 3600},
    "balancer.forgetSeconds": {"minimum": 1, "maximum": 600},
    "balancer.drainSeconds": {"minimum": 1, "maximum": 3600},
    "balancer.resources": _RESOURCES,
    "balancer.service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "balancer.service.port": {"minimum": 1, "maximum": 65535},
    "balancer.service.annotations": _TEXTS,
    "balancer.tls.secret": _NAME,
    "balancer.jwt.issuer": _WORD,
    "balancer.jwt.audience": _WORD,
    "balancer.jwt.secret": _NAME,
    "balancer.nodeSelector": _TEXTS,
    "balancer.tolerations": _OBJECTS,
    "canary.everySeconds": _SECONDS,
    "canary.timeoutSeconds": _SECONDS,
    "canary.rounds": {"minimum": 2, "maximum": 100},
    "canary.scoreScale": {"enum": ["", "upstream", "natural"]},
    "canary.adcEra": _WORD,
    "canary.resources": _RESOURCES,
    "scaling.least": {"minimum": 0, "maximum": 1000},
    "scaling.most": {"minimum": 1, "maximum": 1000},
    "scaling.prometheus": {"pattern": "^https?://[^\\s'\"\\\\]+$"},
    "scaling.authentication.name": _NAME,
    "scaling.authentication.kind": {"enum": ["TriggerAuthentication", "ClusterTriggerAuthentication"]},
    "scaling.authentication.modes": {"pattern": "^(basic|bearer|custom|tls)(,(basic|bearer|custom|tls))*$"},
    "scaling.waitingEach": {"minimum": 1, "maximum": 10_000},
    "scaling.queueMs": {"minimum": 1, "maximum": 1_000_000},
    "scaling.downSeconds": {"minimum": 30, "maximum": 86400},
    "scaling.fallback": {"minimum": 0, "maximum": 1000},
    "monitoring.labels": _TEXTS,
    "monitoring.everySeconds": {"minimum": 5, "maximum": 60},
    "monitoring.namespace": {**_NAME, "minLength": 1},
    "tracing.host": _NAME,
    "tracing.grpcPort": {"minimum": 1, "maximum": 65535},
    "tracing.httpPort": {"minimum": 1, "maximum": 65535},
    "tracing.percent": {"minimum": 1, "maximum": 100},
    "externalSecret.store": _NAME,
    "externalSecret.kind": {"enum": ["SecretStore", "ClusterSecretStore"]},
    "externalSecret.key": _WORD,
    "externalSecret.every": {"pattern": "^([0-9]+[hms])+$"},
    "networkPolicy.clients": _OBJECTS,
    "networkPolicy.storage.cidr": _NETWORK,
    "networkPolicy.storage.ports": _PORTS,
    "networkPolicy.dns.namespace": {**_NAME, "minLength": 1},
    "networkPolicy.dns.ports": _PORTS,
    "networkPolicy.dns.networks": {"items": {"type": "string", **_NETWORK}},
    "serviceAccount.annotations": _TEXTS,
    "serviceAccount.podLabels": _TEXTS,
}
"""Value -> its limits. Words go into the configurations of others and hold nothing that could end one."""
