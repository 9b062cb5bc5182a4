"""Every expression of rules, dashboard and scaler: its grammar, and that its metrics are ones that exist."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import promql_parser
import pytest
import yaml

from lartpc.served.contract import INPUT_NAME, INPUT_SHAPE, OUTPUT_NAMES
from serving.balancer.clusters import CLUSTER, SERVERS_OR_WAITING, WAITING
from serving.balancer.endpoints import Health
from serving.balancer.envoy import Envoy
from serving.cluster.rendering import Manifest, find, read_values, render
from serving.connection import Connection
from serving.monitoring.canary import Canary
from serving.monitoring.dashboard import ROWS, dashboard, expressions
from serving.ports import LOOPBACK
from serving.triton import TritonServer
from tests.helpers.balancers import waiting_balancer
from tests.helpers.published_repository import MODEL, add

RELEASES = yaml.safe_load((Path(__file__).parent / "triton_releases.yaml").read_text())
NOT_ON_PROCESSORS = {
    "nv_gpu_utilization",
    "nv_gpu_memory_used_bytes",
    "nv_gpu_memory_total_bytes",
    "nv_gpu_power_usage",
    "nv_inference_first_response_histogram_ms_bucket",
}
"""Of a server with GPUs, or of a release later than the embedded one: read in the source alone."""

PROMETHEUS_OWN = {"up"}
"""What Prometheus says of those that it scrapes."""

PARTS = ("_bucket", "_sum", "_count", "_total")
"""What a family's samples are called beside its own name."""


def whole() -> list[Manifest]:
    return render(read_values("whole"), namespace="reconstruction")


def rules() -> list[dict[str, Any]]:
    [group] = find(whole(), "PrometheusRule")["spec"]["groups"]
    return group["rules"]


def triggers() -> list[dict[str, str]]:
    return [trigger["metadata"] for trigger in find(whole(), "ScaledObject")["spec"]["triggers"]]


def all_expressions() -> list[str]:
    return [*expressions(), *(rule["expr"] for rule in rules()), *(each["query"] for each in triggers())]


def metrics(expression: str) -> set[str]:
    """Names of the metrics of an expression; its grammar is an error."""
    names: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            names.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(expression), pre_visit=visit)
    return names


def test_every_expression_is_one() -> None:
    found = all_expressions()
    assert len(found) > 35
    for expression in found:
        assert metrics(expression), expression
        assert "$" not in expression and "{{" not in expression
    with pytest.raises(ValueError, match="."):
        metrics("sum(rate(nv_inference_count[1m])")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, server_environment: None) -> dict[str, set[str]]:
    """Who -> names of the metrics that he shows: a real Triton and Envoy that have answered, and a canary."""
    folder = tmp_path_factory.mktemp("metrics")
    add(folder / "models", 1)
    balancer = waiting_balancer(folder, most_s=30)
    with TritonServer(folder / "models") as server, Envoy(balancer, {server.grpc: Health.HEALTHY}) as envoy:
        with Connection(envoy.url) as connection:
            patches = {INPUT_NAME: np.zeros((2, *INPUT_SHAPE), np.float32)}
            connection.infer(MODEL, 1, patches, OUTPUT_NAMES)
        canary = Canary(envoy.url, 30, 2, {"adc_era": "2021"})
        assert canary.look() == []
        pages = {"nv": server.metrics, "envoy": f"http://{LOOPBACK}:{balancer.stats_port}/stats/prometheus"}
        found = {who: names_of(read(url)) for who, url in pages.items()}
    return {**found, "emtrkmichel": names_of(canary.text().decode())}


def read(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def names_of(text: str) -> set[str]:
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {line.partition("{")[0].partition(" ")[0] for line in lines}


def test_every_metric_is_one_that_a_real_server_balancer_or_canary_shows(shown: dict[str, set[str]]) -> None:
    asked = set().union(*map(metrics, all_expressions()))
    assert asked >= NOT_ON_PROCESSORS, "named here and asked nowhere"
    for name in sorted(asked - NOT_ON_PROCESSORS - PROMETHEUS_OWN):
        assert name in shown[name.partition("_")[0]], name
    assert len(asked) > 20


def test_those_that_no_processor_has_stand_in_the_releases_source() -> None:
    known = set(RELEASES["metrics"]["names"].split())
    for name in sorted(NOT_ON_PROCESSORS):
        family = next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)
        assert family in known or name in known, name


def test_groups_of_servers_are_called_as_envoy_calls_them() -> None:
    asked = {
        matcher.value
        for expression in all_expressions()
        for matcher in matchers(expression)
        if matcher.name == "envoy_cluster_name"
    }
    assert asked == {CLUSTER, SERVERS_OR_WAITING, WAITING}


def matchers(expression: str) -> list[Any]:
    found: list[Any] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.extend(node.matchers.matchers)
        return True

    promql_parser.walk(promql_parser.parse(expression), pre_visit=visit)
    return found


def test_the_dashboard_is_whole() -> None:
    its = json.loads(dashboard())
    panels = [panel for panel in its["panels"] if panel["type"] != "row"]
    assert len(panels) == sum(map(len, ROWS.values()))
    assert len({panel["id"] for panel in its["panels"]}) == len(its["panels"])
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in its["panels"]):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells and max(x for x, _ in cells) < 24
        taken |= cells
    config = find(whole(), "ConfigMap", "-dashboard")
    assert json.loads(config["data"]["emtrkmichel.json"]) == its


def test_an_alert_says_what_it_means_and_how_urgent_it_is() -> None:
    names = [rule["alert"] for rule in rules()]
    assert sorted(names) == sorted(CASES)
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["for"]
        assert len(rule["annotations"]["summary"]) > 30


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found


def test_promtool_takes_the_rules_and_refuses_a_broken_one(promtool: str, tmp_path: Path) -> None:
    groups = find(whole(), "PrometheusRule")["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(groups))
    done = subprocess.run([promtool, "check", "rules", str(tmp_path / "rules.yaml")], capture_output=True)
    assert done.returncode == 0 and b"8 rules found" in done.stdout, done.stderr
    groups["groups"][0]["rules"][0]["expr"] = "sum(("
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(groups))
    assert subprocess.run(
        [promtool, "check", "rules", str(tmp_path / "rules.yaml")], capture_output=True
    ).returncode


SERIES = 'namespace="reconstruction",service="hits-triton"'
BALANCER = 'namespace="reconstruction",service="hits-balancer"'


OF_TRITON, OF_WAITING = f'{BALANCER},envoy_cluster_name="triton"', f'{BALANCER},envoy_cluster_name="waiting"'
OF_POD, OF_MODEL = f'{SERIES},pod="a"', f'{SERIES},model="m"'

CASES: dict[str, dict[str, tuple[str, str]]] = {
    "HitsServersSaturated": {f"nv_inference_pending_request_count{{{OF_POD}}}": ("100x60", "10x60")},
    "HitsModelDoesNotAnswer": {
        f'emtrkmichel_canary_dead{{{OF_POD},model="m",version="1"}}': ("1x60", "0x60")
    },
    "HitsCanaryIsSilent": {f"emtrkmichel_canary_round_seconds{{{OF_POD}}}": ("0x60", "0+60x60")},
    "HitsErrors": {
        f'nv_inference_request_failure{{{OF_MODEL},reason="BACKEND"}}': ("0+60x60", "0+1x60"),
        f"nv_inference_request_success{{{OF_MODEL}}}": ("0+600x60", "0+600x60"),
    },
    "HitsRequestsRefused": {
        f"envoy_cluster_upstream_rq_pending_overflow{{{OF_TRITON}}}": ("0+60x60", "0+1x60"),
        f"envoy_cluster_upstream_rq_active_overflow{{{OF_TRITON}}}": ("0x60", "0x60"),
    },
    "HitsNoServer": {
        f"envoy_cluster_membership_healthy{{{OF_TRITON}}}": ("0x60", "0x60"),
        f"envoy_cluster_upstream_rq_total{{{OF_WAITING}}}": ("0+10x60", "10x60"),
    },
    "HitsVersionsDiffer": {
        f'emtrkmichel_canary_served_info{{{OF_MODEL},pod="a",digest="1"}}': ("1x60", "1x60"),
        f'emtrkmichel_canary_served_info{{{OF_MODEL},pod="b",digest="2"}}': ("1x60", "1x12"),
    },
    "HitsWrongScale": {f'emtrkmichel_canary_mismatch{{{OF_MODEL},what="adc_era"}}': ("1x60", "0x60")},
}
"""Alert -> series -> its values in 60 minutes by which the alert comes, and those by which it does not."""


GONE = {
    f'up{{{OF_POD},endpoint="canary"}}': ("0x60", "0x60"),
    f'up{{{OF_POD},endpoint="metrics"}}': ("1x60", "0x60"),
}
"""A canary that is not there beside a server that answers, and beside one that is still to start."""


@pytest.mark.parametrize(("alert", "its"), [*CASES.items(), ("HitsCanaryIsSilent", GONE)])
def test_an_alert_comes_when_it_should_and_not_otherwise(
    alert: str, its: dict[str, tuple[str, str]], promtool: str, tmp_path: Path
) -> None:
    rules_file, test_file = tmp_path / "rules.yaml", tmp_path / "test.yaml"
    rules_file.write_text(yaml.safe_dump(find(whole(), "PrometheusRule")["spec"]))
    for number, fires in enumerate((True, False)):
        series = [{"series": name, "values": values[number]} for name, values in its.items()]
        none = {"eval_time": "40m", "alertname": alert, "exp_alerts": []}
        test = {"interval": "1m", "input_series": series, "alert_rule_test": [none]}
        test_file.write_text(yaml.safe_dump({"rule_files": [str(rules_file)], "tests": [test]}))
        done = subprocess.run([promtool, "test", "rules", str(test_file)], capture_output=True, text=True)
        assert (done.returncode != 0) == fires, done.stderr
        assert not fires or alert in done.stderr


@pytest.mark.parametrize(
    ("came", "wait", "needed"), [("5x60", "3x60", 3), ("0+1x60", "0x60", 2), ("5x60", "0x60", 0)]
)
def test_a_server_is_wanted_as_long_as_a_request_waits(
    came: str, wait: str, needed: int, promtool: str, tmp_path: Path
) -> None:
    """By those that came of late, and by those that still wait."""
    [query] = [each["query"] for each in triggers() if WAITING in each["query"]]
    series = {"total": came, "active": wait}
    test = {
        "interval": "1m",
        "input_series": [
            {"series": f"envoy_cluster_upstream_rq_{what}{{{OF_WAITING}}}", "values": values}
            for what, values in series.items()
        ],
        "promql_expr_test": [
            {"expr": query, "eval_time": "40m", "exp_samples": [{"labels": "{}", "value": needed}]}
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
