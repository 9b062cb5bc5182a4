"""The chart rendered by Helm's own code: every kind of site, against the schemas of each manifest's owner."""

import copy
import json
import re
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from lartpc.errors import UserError
from serving.balancer.envoy import check_configuration
from serving.certificates import Authority
from serving.cluster.chart_files import chart_files, stale
from serving.cluster.manifest_schemas import NEWEST, OLDEST, faults, own_schemas
from serving.cluster.rendering import (
    CHART,
    VALUES,
    Manifest,
    Values,
    envoy_configuration,
    find,
    read_values,
    render,
)
from serving.cluster.value_docs import chart_values
from serving.cluster.value_limits import LIMITS
from serving.manifests import main as manifests_command
from tests.helpers.tokens import public

SITES = sorted(path.stem for path in VALUES.glob("*.yaml"))


def of_site(name: str) -> list[Manifest]:
    return render(read_values(name), namespace="reconstruction")


def containers(manifest: Manifest) -> list[dict[str, Any]]:
    pod = manifest["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_what_is_made_from_code_is_as_the_code_makes_it() -> None:
    assert stale() == [], "python -m serving.manifests --renew"
    assert len(chart_files()) == 8


def test_each_value_is_explained_and_has_its_limits() -> None:
    names = [value.name for value in chart_values()]
    assert len(names) == len(set(names)) and all(value.text for value in chart_values())
    assert set(LIMITS) <= set(names), "limits of what is no value"
    without = {value.name for value in chart_values() if not isinstance(value.default, bool)} - set(LIMITS)
    assert not without, "a value without limits"


@pytest.mark.parametrize("site", ["", *SITES])
@pytest.mark.parametrize("release", [OLDEST, NEWEST])
def test_every_manifest_keeps_to_its_owners_schema(site: str, release: str) -> None:
    found = of_site(site) if site else render({})
    assert len(found) >= 9
    assert [fault for manifest in found for fault in faults(manifest, release)] == []


def test_a_site_with_all_of_it_has_each_kind_that_is_not_kubernetes_own() -> None:
    kinds = {(manifest["apiVersion"], manifest["kind"]) for manifest in of_site("whole")}
    assert set(own_schemas()) < kinds


def trigger(spec: Any) -> Any:
    return spec["triggers"][0]["metadata"]


def alert(spec: Any) -> Any:
    return spec["groups"][0]["rules"][0]


def broken(kind: str, change: Callable[[Any], object], suffix: str = "") -> Manifest:
    manifest = copy.deepcopy(find(of_site("whole"), kind, suffix))
    change(manifest["spec"])
    return manifest


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("ScaledObject", lambda spec: spec.update(minReplicas=1), "'minReplicas' was unexpected"),
        (
            "ScaledObject",
            lambda spec: spec["triggers"][0]["metadata"].update(threshold=8),
            "not of type 'string'",
        ),
        ("ScaledObject", lambda spec: spec["triggers"][0]["metadata"].pop("query"), "'query' is a required"),
        (
            "ScaledObject",
            lambda spec: spec["triggers"][0].update(authenticationRef={}),
            "'name' is a required",
        ),
        ("ScaledObject", lambda spec: spec["triggers"][0]["metadata"].update(authModes="login"), "not match"),
        ("ScaledObject", lambda spec: spec.update(maxReplicaCount=0), "less than the minimum"),
        ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(interval="15"), "does not match"),
        ("ServiceMonitor", lambda spec: spec.pop("selector"), "'selector' is a required"),
        ("PrometheusRule", lambda spec: spec["groups"][0]["rules"][0].pop("expr"), "'expr' is a required"),
        (
            "PrometheusRule",
            lambda spec: spec["groups"][0]["rules"][0].update({"for": "10 m"}),
            "does not match",
        ),
        ("ExternalSecret", lambda spec: spec["target"].update(creationPolicy="Own"), "is not one of"),
        ("ExternalSecret", lambda spec: spec.update(secretStore="x"), "'secretStore' was unexpected"),
        (
            "Deployment",
            lambda spec: spec["template"]["spec"].update(restart="Always"),
            "'restart' was unexpected",
        ),
        ("NetworkPolicy", lambda spec: spec.update(policyTypes="Ingress"), "not valid under any|not of type"),
        ("PodDisruptionBudget", lambda spec: spec.update(selector=[]), "not valid under any|not of type"),
    ],
)
def test_a_broken_manifest_is_refused(kind: str, change: Callable[[Any], object], message: str) -> None:
    found = faults(broken(kind, change))
    assert found and all(line.startswith(f"{kind} ") for line in found)
    assert re.search(message, "; ".join(found)), found


def test_a_kind_that_kubernetes_has_not_is_refused() -> None:
    manifest = {**find(of_site("cpu"), "Service"), "kind": "Servise"}
    assert faults(manifest) == [f"Servise hits: Kubernetes {NEWEST} has no v1 Servise"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"triton": {"replica": 2}}, "replica"),
        ({"triton": {"release": "24.10"}}, "release"),
        ({"triton": {"release": 26.07}}, "release"),
        ({"models": {"from": "bucket", "bucket": {"url": "https://x"}}}, "url"),
        ({"balancer": {"jwt": {"issuer": "a'b", "audience": "t", "secret": "s"}}}, "issuer"),
        ({"balancer": {"jwt": {"issuer": "site"}}}, "belong together"),
        ({"balancer": {"tls": {"clients": True}}}, "name balancer.tls.secret"),
        ({"models": {"plans": True}}, "needs triton.gpus of 1 or more"),
        ({"models": {"from": "claim"}}, "models.claim.name names the claim"),
        ({"models": {"from": "nfs"}}, "models.nfs.server names"),
        ({"models": {"from": "path"}}, "models.path names"),
        ({"scaling": {"enabled": True, "least": 4, "most": 2}}, "no less than scaling.least"),
        ({"externalSecret": {"enabled": True}}, "models.bucket.secret names|externalSecret.store names"),
        ({"triton": {"release": "25.02"}, "tracing": {"host": "collector"}}, "25.04 or later"),
        ({"models": {"profile": "all"}}, "no server starts without"),
        (
            {"triton": {"resources": {"limits": {"memory": "4Gi"}}}},
            "asks for 8Gi of memory",
        ),
        ({"canary": {"resources": {"limits": {"cpu": "20m"}}}}, "canary.resources asks for 50m of cpu"),
        ({"balancer": {"mostMb": 4096}}, "less than a quarter above balancer.mostMb 4096"),
        ({"triton": {"resources": {"limits": {"memory": "8GB"}}}}, "8GB|memory"),
        ({"triton": None}, "missing property 'triton'; null takes away"),
        ({"models": {"profile": None}}, "missing property 'profile'; null takes away"),
        ({"models": {"tuning": "{broken"}}, "models.tuning is no file of serving.tune: invalid"),
        ({"balancer": {"jwt": {"audience": "triton", "secret": "s"}}}, "belong together"),
        ({"image": {"repository": "registry.example.org/emtrkmichel:0.1.0"}}, "repository"),
    ],
)
def test_values_that_cannot_be_are_refused_in_a_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        render(values)
    assert "\n" not in str(refused.value) and "templates/" not in str(refused.value)


def test_large_numbers_are_written_as_their_owners_read_them() -> None:
    values: Values = {
        "triton": {"resources": {"limits": {"memory": 17179869184}}},
        "scaling": {"enabled": True, "queueMs": 1_000_000},
    }
    assert [fault for manifest in render(values) for fault in faults(manifest)] == []


@pytest.mark.parametrize(
    "given",
    [
        ["--name=Hits"],
        ["--name=hits.pilot"],
        ["--name=2026-hits"],
        [f"--name={'h' * 41}"],
        ["--namespace=Hits_1"],
        [f"--namespace={'n' * 64}"],
    ],
)
def test_names_that_no_cluster_takes_are_refused_in_a_line(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert manifests_command(given) == 2
    said = capsys.readouterr().err
    assert "must be of small letters, digits and dashes" in said and said.count("\n") == 1


@pytest.mark.parametrize("name", ["h" * 40, f"{'h' * 32}---pilot"])
def test_names_that_are_long_and_namespaces_of_digits_make_what_a_cluster_takes(name: str) -> None:
    for manifest in render(read_values("whole"), name, "2026"):
        assert faults(manifest) == [] and manifest["metadata"]["namespace"] == "2026"
        its = manifest["metadata"]["name"]
        assert len(its) <= 63 and (re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", its))


def test_cvmfs_of_its_driver_is_mounted_as_that_demands_it() -> None:
    """Without propagation what autofs mounts is seen by no pod: too many levels of symbolic links."""
    for site, propagation in (("claim", "HostToContainer"), ("path", "HostToContainer"), ("nfs", None)):
        fetch = containers(find(of_site(site), "Deployment", "-triton"))[0]
        [source] = [each for each in fetch["volumeMounts"] if each["name"] == "source"]
        assert source.get("mountPropagation") == propagation, site
    found = render({"models": {"from": "claim", "claim": {"name": "models", "folder": "2026"}}})
    assert [fault for manifest in found for fault in faults(manifest)] == []


def opened(manifest: Manifest, way: str) -> list[set[int]]:
    return [{port["port"] for port in rule.get("ports", [])} for rule in manifest["spec"][way]]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("", 443),
        ("https://s3.example.org", 443),
        ("http://minio.storage.svc:9000", 9000),
        ("http://s3.example.org/models", 80),
        ("https://[2001:db8::443]:8443", 8443),
    ],
)
def test_servers_may_reach_the_bucket_whatever_port_it_has(endpoint: str, port: int) -> None:
    values: Values = {
        "models": {"bucket": {"endpoint": endpoint}},
        "networkPolicy": {"storage": {"cidr": "::/0"}},
    }
    [_, storage] = opened(find(render(values), "NetworkPolicy", "-triton"), "egress")
    assert storage == {443, port}


def test_a_site_whose_dns_lies_elsewhere_reaches_it() -> None:
    dns = {"namespace": "openshift-dns", "ports": [5353, 53], "networks": ["169.254.20.10/32"]}
    found = render({"networkPolicy": {"dns": dns}})
    for of in ("-triton", "-balancer"):
        rule = find(found, "NetworkPolicy", of)["spec"]["egress"][0]
        assert rule["to"] == [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}}},
            {"ipBlock": {"cidr": "169.254.20.10/32"}},
        ]
        both = [(port["protocol"], port["port"]) for port in rule["ports"]]
        assert both == [("UDP", 5353), ("TCP", 5353), ("UDP", 53), ("TCP", 53)]


def test_where_the_cluster_gives_users_the_chart_names_none() -> None:
    for of in ("-triton", "-balancer"):
        its = find(of_site("openshift"), "Deployment", of)["spec"]["template"]["spec"]["securityContext"]
        assert its["runAsNonRoot"] and not {"runAsUser", "runAsGroup", "fsGroup"} & set(its)
        its = find(render({"user": 4000}), "Deployment", of)["spec"]["template"]["spec"]["securityContext"]
        assert [its[name] for name in ("runAsUser", "runAsGroup", "fsGroup")] == [4000] * 3


def test_keda_logs_in_where_prometheus_asks_for_it() -> None:
    login = {"name": "hits-prometheus", "kind": "TriggerAuthentication"}
    for trigger in find(of_site("openshift"), "ScaledObject")["spec"]["triggers"]:
        assert trigger["authenticationRef"] == login and trigger["metadata"]["authModes"] == "bearer"
    for trigger in find(of_site("whole"), "ScaledObject")["spec"]["triggers"]:
        assert "authenticationRef" not in trigger and "authModes" not in trigger["metadata"]


def test_who_scales_by_monitors_of_its_own_lets_prometheus_in() -> None:
    for values in ({"scaling": {"enabled": True}}, {"monitoring": {"enabled": True}}):
        found = render(values)
        assert {8002, 9400} in opened(find(found, "NetworkPolicy", "-triton"), "ingress")
        assert {9902} in opened(find(found, "NetworkPolicy", "-balancer"), "ingress")


@pytest.mark.parametrize("site", SITES)
def test_a_server_that_starts_in_time_is_no_failed_rollout(site: str) -> None:
    spec = find(of_site(site), "Deployment", "-triton")["spec"]
    probe = spec["template"]["spec"]["containers"][0]["startupProbe"]
    end = spec["template"]["spec"]["terminationGracePeriodSeconds"]
    assert spec["progressDeadlineSeconds"] > probe["periodSeconds"] * probe["failureThreshold"] + end


def test_where_there_is_ipv6_alone_every_port_that_others_ask_is_there() -> None:
    found = render({"balancer": {"address": "::"}})
    triton, canary = (
        next(each for each in containers(find(found, "Deployment", "-triton")) if each["name"] == name)
        for name in ("triton", "canary")
    )
    assert "--http-address=ipv6:::" in triton["args"] and "--address=::" in canary["args"]
    for listener in envoy_configuration(found)["static_resources"]["listeners"]:
        assert listener["address"]["socket_address"]["address"] in ("::", "127.0.0.1")


def test_helms_own_linter_finds_nothing() -> None:
    from helm_python import lint

    for site in SITES:
        report = lint(CHART, read_values(site), strict=True)
        found = [message for message in report["messages"] if message["severity"] >= 2]
        assert report["total_charts_linted"] == 1 and not found and not report["errors"]


@pytest.mark.parametrize("site", SITES)
def test_the_real_envoy_takes_the_configuration_of_every_site(site: str, tmp_path: Path) -> None:
    its = envoy_configuration(of_site(site))
    text = yaml.safe_dump(its)
    assert "{{" not in text and "900000" not in text and "_'" not in text
    authority = Authority(tmp_path)
    own = authority.vouch_for("balancer")
    (tmp_path / "jwks.json").write_text(
        json.dumps({"keys": [public(ec.generate_private_key(ec.SECP256R1()))]})
    )
    places = {
        "/etc/balancer/tls/tls.crt": own.certificate,
        "/etc/balancer/tls/tls.key": own.key,
        "/etc/balancer/tls/ca.crt": authority.ca,
        "/etc/balancer/jwt/jwks.json": tmp_path / "jwks.json",
    }
    for place, path in places.items():
        assert (place in text) == (site == "whole")
        text = text.replace(place, str(path))
    check_configuration(yaml.safe_load(text), tmp_path)
    with pytest.raises(UserError, match="Envoy refuses its configuration"):
        check_configuration(yaml.safe_load(text.replace("LEAST_REQUEST", "LEAST")), tmp_path)


def test_what_clients_and_probes_reach_is_what_envoy_listens_on() -> None:
    found = of_site("whole")
    [envoy] = containers(find(found, "Deployment", "-balancer"))
    listeners = envoy_configuration(found)["static_resources"]["listeners"]
    reached = {
        each["name"]: each["address"]["socket_address"]["port_value"]
        for each in listeners
        if each["address"]["socket_address"]["address"] != "127.0.0.1"
    }
    assert reached == {port["name"]: port["containerPort"] for port in envoy["ports"]}


@pytest.mark.parametrize("site", SITES)
def test_no_pod_has_more_rights_than_it_needs(site: str) -> None:
    for name in ("-triton", "-balancer"):
        deployment = find(of_site(site), "Deployment", name)
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {each["topologyKey"] for each in pod["topologySpreadConstraints"]} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        for container in containers(deployment):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"]["memory"] and container["resources"]["limits"]["memory"]
            assert ":latest" not in container["image"] and ":" in container["image"]


@pytest.mark.parametrize("site", SITES)
def test_a_pod_has_the_time_that_its_end_takes(site: str) -> None:
    values = {**yaml.safe_load((CHART / "values.yaml").read_text())["triton"]}
    pod = find(of_site(site), "Deployment", "-triton")["spec"]["template"]["spec"]
    at_the_end = values["forgetSeconds"] + values["drainSeconds"] + values["exitSeconds"]
    assert pod["terminationGracePeriodSeconds"] > at_the_end


def test_a_site_that_scales_names_no_number_of_servers_and_a_site_that_does_not_names_it() -> None:
    assert "replicas" not in find(of_site("whole"), "Deployment", "-triton")["spec"]
    assert find(of_site("cpu"), "Deployment", "-triton")["spec"]["replicas"] == 2


def test_servers_with_gpus_ask_for_them_and_build_plans_before_they_start() -> None:
    deployment = find(of_site("gpu"), "Deployment", "-triton")
    names = [container["name"] for container in containers(deployment)]
    assert names == ["fetch", "plans", "follow", "canary", "triton"]
    for container in containers(deployment):
        gpus = container["resources"]["limits"].get("nvidia.com/gpu")
        assert gpus == (1 if container["name"] in ("plans", "triton") else None)


def test_a_server_whose_models_have_no_plans_starts_all_the_same(tmp_path: Path) -> None:
    plans = containers(find(of_site("gpu"), "Deployment", "-triton"))[1]
    [script] = plans["args"]
    command = [*plans["command"], script.replace("/models", str(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "has a plan to build" in done.stdout
    (tmp_path / "m" / "2").mkdir(parents=True)
    builder = f"import sys; sys.exit(sys.argv[1:] != [{str(tmp_path)!r}])"
    (tmp_path / "m" / "2" / "plan_builder.py").write_text(builder)
    assert subprocess.run(command).returncode == 0


@pytest.mark.parametrize("site", SITES)
def test_this_projects_commands_take_what_the_chart_gives_them(site: str) -> None:
    own = [each for each in containers(find(of_site(site), "Deployment", "-triton")) if "command" in each]
    commands = [each for each in own if each["command"][0] == "emtrkmichel"]
    assert len(commands) == (2 if site == "oldest" else 3)
    for each in commands:
        with pytest.raises(SystemExit) as ended:
            import_module(each["command"][1]).main([*each["args"], "--print-config"])
        assert ended.value.code == 0


def test_the_command_renders_checks_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "hits.yaml"
    assert manifests_command(["--values=whole", f"--out={out}", "--name=pilot", "--namespace=dune"]) == 0
    written = list(yaml.safe_load_all(out.read_text()))
    assert len(written) == 18 and {each["metadata"]["namespace"] for each in written} == {"dune"}
    assert "18 manifests keep to the schemas" in capsys.readouterr().out
    assert manifests_command(["--values=nothing"]) == 2
    assert "or a name: claim, cpu, gpu" in capsys.readouterr().err
    (tmp_path / "mine.yaml").write_text("triton: {gpu: 1}\n")
    assert manifests_command([f"--values={tmp_path / 'mine.yaml'}"]) == 2
    assert "gpu" in capsys.readouterr().err
    for wrong in ("--kubernetes=1.99", "--kubernetes=abc", "--kubernetes=1.2", "--namespace=", "--name="):
        assert manifests_command([wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
