"""Instances of the embedded server: as many as there are cores for models of planes, as stated for others."""

import os

import pytest
from tritonclient.grpc.model_config_pb2 import ModelConfig

from serving.instances import MOST_INSTANCES, THREADS, divide_cores


def config_of(contract: str, **parameters: str) -> ModelConfig:
    config = ModelConfig(name="model")
    config.instance_group.add(count=1)
    for name, value in {"contract": contract, **parameters}.items():
        config.parameters[name].string_value = value
    return config


@pytest.mark.parametrize(
    ("cores", "instances", "threads"), [(1, 1, 1), (2, 2, 1), (4, 4, 1), (7, 4, 1), (64, 4, 16)]
)
def test_cores_are_divided_among_a_few_instances(
    cores: int, instances: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    config = config_of("plane_zs")
    divide_cores(config)
    assert config.instance_group[0].count == instances <= MOST_INSTANCES
    assert config.parameters[THREADS].string_value == str(threads)


@pytest.mark.parametrize(
    "config", [config_of("patch"), ModelConfig(name="bare"), config_of("plane", **{THREADS: "2"})]
)
def test_models_of_patches_and_what_is_stated_stay(config: ModelConfig) -> None:
    before = config.SerializeToString(deterministic=True)
    divide_cores(config)
    assert config.SerializeToString(deterministic=True) == before


def test_a_stated_number_of_instances_stays() -> None:
    config = config_of("plane")
    config.instance_group[0].count = 3
    divide_cores(config)
    assert config.instance_group[0].count == 3 and THREADS not in config.parameters
