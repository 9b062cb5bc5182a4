"""A dashboard for Grafana of servers, balancers and canaries, by model and version."""

import json
from dataclasses import dataclass
from typing import Any

SERVERS = 'namespace="$namespace",service="$release-triton"'
BALANCERS = 'namespace="$namespace",service="$release-balancer"'
OF_MODEL = f'{SERVERS},model=~"$model"'
OF_ENVOY = f'{BALANCERS},envoy_cluster_name="triton"'
EVERY = "$__rate_interval"

WIDTH, HEIGHT, COLUMNS = 8, 8, 24
"""Of a panel, and of the page, in Grafana's units."""


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        title: of it.
        unit: in Grafana's words.
        queries: what is drawn: expression of PromQL -> what its lines are called.
        text: what a reader should know.
    """

    title: str
    unit: str
    queries: dict[str, str]
    text: str = ""


def _rate(metric: str, labels: str = OF_MODEL, by: str = "model, version") -> str:
    return f"sum by ({by}) (rate({metric}{{{labels}}}[{EVERY}]))"


def _each_ms(metric: str) -> str:
    return f"{_rate(metric)} / 1000 / ({_rate('nv_inference_request_success')} > 0)"


def _quantile(share: float) -> str:
    buckets = _rate("nv_inference_first_response_histogram_ms_bucket", by="model, version, le")
    return f"histogram_quantile({share}, {buckets})"


LINE = "{{model}} {{version}}"
GPU = "{{pod}} {{gpu_uuid}}"

ROWS: dict[str, list[Panel]] = {
    "Load": [
        Panel("Hits", "short", {_rate("nv_inference_count"): LINE}, "Rows a second: patches, or planes."),
        Panel("Requests", "reqps", {_rate("nv_inference_request_success"): LINE}),
        Panel(
            "Rows an execution",
            "short",
            {f"{_rate('nv_inference_count')} / ({_rate('nv_inference_exec_count')} > 0)": LINE},
            "How much the server puts together of several requests.",
        ),
        Panel(
            "Waiting",
            "short",
            {f"sum by (pod, model) (nv_inference_pending_request_count{{{OF_MODEL}}})": "{{pod}} {{model}}"},
            "Requests that wait at a server now; by these, servers are added.",
        ),
    ],
    "Time of a request": [
        Panel(
            "In the queue", "ms", {_each_ms("nv_inference_queue_duration_us"): LINE}, "Counted at the answer."
        ),
        Panel("Computing", "ms", {_each_ms("nv_inference_compute_infer_duration_us"): LINE}),
        Panel(
            "Input and output",
            "ms",
            {
                _each_ms("nv_inference_compute_input_duration_us"): f"{LINE} input",
                _each_ms("nv_inference_compute_output_duration_us"): f"{LINE} output",
            },
        ),
        Panel(
            "Until the first answer",
            "ms",
            {_quantile(share): f"{LINE} {name}" for share, name in ((0.5, "50 %"), (0.99, "99 %"))},
            "Of Triton 26.01 and later.",
        ),
    ],
    "What goes wrong": [
        Panel(
            "Failed at servers",
            "reqps",
            {_rate("nv_inference_request_failure", by="model, version, reason"): f"{LINE} {{{{reason}}}}"},
        ),
        Panel(
            "Refused, asked again, held",
            "reqps",
            {
                _rate("envoy_cluster_upstream_rq_pending_overflow", OF_ENVOY, "pod"): "{{pod}} refused",
                _rate(
                    "envoy_cluster_upstream_rq_retry",
                    f'{BALANCERS},envoy_cluster_name="triton_or_waiting"',
                    "pod",
                ): "{{pod}} asked again",
                _rate(
                    "envoy_cluster_upstream_rq_total", f'{BALANCERS},envoy_cluster_name="waiting"', "pod"
                ): "{{pod}} held, no server",
            },
        ),
        Panel(
            "Servers",
            "short",
            {
                f"max(envoy_cluster_membership_healthy{{{OF_ENVOY}}})": "asked",
                f"max(envoy_cluster_outlier_detection_ejections_active{{{OF_ENVOY}}})": "left out",
            },
        ),
        Panel(
            "Canaries",
            "short",
            {
                f"max by (pod, model) (emtrkmichel_canary_dead{{{OF_MODEL}}})": "{{pod}} {{model}} dead",
                f"max by (model, what) (emtrkmichel_canary_mismatch{{{OF_MODEL}}})": "{{model}} {{what}}",
            },
        ),
    ],
    "What is served": [
        Panel(
            "Versions",
            "short",
            {
                "count by (model, version, score_scale, adc_era) "
                f"(emtrkmichel_canary_served_info{{{OF_MODEL}}})": (
                    "{{model}} {{version}} {{score_scale}} {{adc_era}}"
                )
            },
            "Servers that serve each.",
        ),
        Panel(
            "A canary's answer",
            "s",
            {f"max by (model, version) (emtrkmichel_canary_answer_seconds{{{OF_MODEL}}})": LINE},
        ),
        Panel(
            "Under way at balancers",
            "short",
            {f"sum by (pod) (envoy_cluster_upstream_rq_active{{{OF_ENVOY}}})": "{{pod}}"},
        ),
    ],
    "Machines": [
        Panel("GPU use", "percentunit", {f"nv_gpu_utilization{{{SERVERS}}}": GPU}),
        Panel(
            "GPU memory",
            "percentunit",
            {f"nv_gpu_memory_used_bytes{{{SERVERS}}} / nv_gpu_memory_total_bytes{{{SERVERS}}}": GPU},
        ),
        Panel("GPU power", "watt", {f"nv_gpu_power_usage{{{SERVERS}}}": GPU}),
        Panel("Processors", "percentunit", {f"nv_cpu_utilization{{{SERVERS}}}": "{{pod}}"}),
        Panel("Memory of Envoy", "bytes", {f"envoy_server_memory_allocated{{{BALANCERS}}}": "{{pod}}"}),
    ],
}

VARIABLES = {
    "namespace": "label_values(envoy_cluster_membership_total, namespace)",
    "release": 'label_values(envoy_cluster_membership_total{namespace="$namespace"}, service)',
    "model": f"label_values(nv_inference_request_success{{{SERVERS}}}, model)",
}


def expressions() -> list[str]:
    """Every expression of it, with the values that Grafana would put in."""
    found = [query for panels in ROWS.values() for panel in panels for query in panel.queries]
    values = {"$__rate_interval": "1m", "$namespace": "default", "$release": "hits", "$model": ".*"}
    for name, value in values.items():
        found = [query.replace(name, value) for query in found]
    return found


def dashboard() -> str:
    """The dashboard as Grafana reads it (JSON model of dashboards, version 41 of its schema)."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        panels.append({"type": "row", "title": title, "gridPos": _place(0, y, COLUMNS, 1), "panels": []})
        y += 1
        for number, panel in enumerate(row):
            column, line = number % (COLUMNS // WIDTH), number // (COLUMNS // WIDTH)
            panels.append(_panel(panel, _place(column * WIDTH, y + line * HEIGHT, WIDTH, HEIGHT)))
        y += HEIGHT * -(-len(row) // (COLUMNS // WIDTH))
    for number, each in enumerate(panels, 1):
        each["id"] = number
    whole = {
        "uid": "emtrkmichel",
        "title": "Hits of a liquid-argon TPC: servers",
        "schemaVersion": 41,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_datasource(), *(_variable(name) for name in VARIABLES)]},
        "panels": panels,
    }
    return json.dumps(whole, indent=1) + "\n"


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": source, "expr": query, "legendFormat": legend}
            for number, (query, legend) in enumerate(panel.queries.items())
        ],
    }


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _variable(name: str) -> dict[str, Any]:
    several = name == "model"
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": VARIABLES[name], "refId": name},
        "regex": "/(.*)-balancer/" if name == "release" else "",
        "refresh": 2,
        "multi": several,
        "includeAll": several,
        **({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if several else {}),
    }
