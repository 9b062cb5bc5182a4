"""The epoch's batches: order, balance, and data that exceed the memory."""

import subprocess
import sys
import time
import weakref
from collections import Counter
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from data_gen.generate import generate_folder
from lartpc.adc_scale import adc_scale
from lartpc.errors import UserError
from lartpc.event_file import EventFile, EventWriter
from tests.helpers.paths import ROOT
from tests.helpers.trainings import tiny, weights
from training.data import batches as batches_module
from training.data.augmentation import Augmentation
from training.data.batches import Balance, Draw, EpochBatches, InOrder
from training.data.data_module import PatchData
from training.data.dataset import CLASSES, PatchDataset, class_of
from training.data.event_chunks import EventChunks
from training.data.selection import SHARES
from training.fit import main

SCALE = adc_scale("2021")


def chunks(path: Path, number: int = 1) -> EventChunks:
    made = EventChunks(path, "train", SCALE, empty_pixels=True)
    made.divide(made.bytes / number)
    assert made.chunks == number
    return made


def epoch(path: Path, number: int = 1, epoch: int = 0, seed: int = 1, **options: object) -> list[Draw]:
    of_events = chunks(path, number)
    draws = options.pop("draws", {})
    sampler = EpochBatches(of_events, Balance(draws, of_events), 64, seed, **options)
    sampler.set_epoch(epoch)
    made = list(sampler)
    assert len(made) == len(sampler)
    return made


def hits(draws: list[Draw]) -> list[tuple[int, int, int]]:
    """Event, number in the event and copy of each hit drawn."""
    return [
        hit
        for draw in draws
        for hit in zip(
            draw.chunk.event[draw.hits].tolist(),
            draw.chunk.number[draw.hits].tolist(),
            draw.copy.tolist(),
            strict=True,
        )
    ]


@pytest.mark.parametrize("number", [1, 3])
def test_order_depends_on_seed_and_epoch_alone(events_file: Path, number: int) -> None:
    order = hits(epoch(events_file, number, 3))
    assert order == hits(epoch(events_file, number, 3))
    assert order != hits(epoch(events_file, number, 4))
    assert order != hits(epoch(events_file, number, 3, seed=2))
    assert len(set(order)) == len(order)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_an_epoch_sees_every_hit_save_the_last_of_a_chunk(events_file: Path, number: int) -> None:
    total = chunks(events_file).hits.sum()
    seen = set(hits(epoch(events_file, number)))
    assert total - number * 64 < len(seen) <= total
    assert len(hits(epoch(events_file, number, per_epoch=200))) == 192


@pytest.mark.parametrize("number", [1, 3])
def test_processes_divide_what_one_would_see(events_file: Path, number: int) -> None:
    whole = epoch(events_file, number)
    parts = [epoch(events_file, number, rank=(rank, 2)) for rank in (0, 1)]
    for batch, *of_ranks in zip(whole, *parts, strict=True):
        assert sorted(hits([batch])) == sorted(hits(of_ranks))
        assert [len(part.hits) for part in of_ranks] == [32, 32]
    with pytest.raises(UserError, match="batch-size 64 cannot be divided between 3 processes"):
        epoch(events_file, rank=(0, 3))


@pytest.mark.parametrize("number", [1, 4])
def test_balance_draws_each_class_as_often_as_asked(events_file: Path, number: int) -> None:
    balance = {"michel": 2.5, "radioactivity": 0.25, "none": 0.0}
    of_events = chunks(events_file, number)
    made = Balance(balance, of_events)
    drawn = Counter[tuple[int, int]]()
    random, before = np.random.default_rng(1), Counter[float]()
    for chunk in of_events.shuffled(random):
        copy, hit = np.divmod(made.draw(chunk, random, before), len(chunk))
        assert len(set(zip(copy.tolist(), hit.tolist(), strict=True))) == len(hit)
        assert set(np.unique(copy)) <= {0, 1, 2}
        kind = np.where(chunk.michel[hit] == 1, 3, chunk.label[hit])
        drawn.update(zip(chunk.sample[hit].tolist(), kind.tolist(), strict=True))
    assert sum(drawn.values()) == len(made)
    for (sample, kind), count in np.ndenumerate(of_events.counts.sum(axis=2)):
        rate = balance.get(CLASSES[kind], 1.0) * balance.get(of_events.samples[sample], 1.0)
        assert drawn[sample, kind] == pytest.approx(rate * count, abs=0.1 * count + 5)
    assert made.shares["none"] == 0.0
    assert made.shares["michel"] > 2 * Balance({}, of_events).shares["michel"]
    assert sum(made.shares.values()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("number", [1, 4])
def test_upstreams_selection_draws_the_natural_mixture_through_it(events_file: Path, number: int) -> None:
    of_events = EventChunks(events_file, "train", SCALE, empty_pixels=True, selected=True)
    of_events.divide(of_events.bytes / number)
    made = Balance({}, of_events)
    random, before = np.random.default_rng(1), Counter[float]()
    drawn, expected, natural, total = np.zeros(4), np.zeros(4), np.zeros(4), 0
    for chunk in of_events.shuffled(random):
        hit = made.draw(chunk, random, before) % len(chunk)
        kind = class_of(chunk.label, chunk.michel)
        drawn += np.bincount(kind[hit], minlength=4)
        expected += np.bincount(kind, chunk.weight * np.array(SHARES)[chunk.level], 4)
        natural += np.bincount(kind, chunk.weight, 4)
        total += len(hit)
    assert total == len(made)
    assert drawn == pytest.approx(expected, rel=0.1, abs=20)
    kept = drawn / natural
    assert kept[3] == pytest.approx(1.0, abs=0.25) and 0.06 < kept[0] < 0.2 < kept[1] < 0.4


def test_validation_draws_from_all_events_the_same_hits_however_they_are_divided(events_file: Path) -> None:
    whole = EventChunks(events_file, "train", SCALE)
    for limit in (None, 1000):
        drawn = [
            hits(list(InOrder(chunks_of(EventChunks(events_file, "train", SCALE), number), 64, limit)))
            for number in (1, 3)
        ]
        assert drawn[0] == drawn[1]
        assert len(set(drawn[0])) == (limit or whole.hits.sum())
        events = [event for event, _, _ in drawn[0]]
        assert events == sorted(events) and set(events) == set(whole.indices.tolist())
    sampler = InOrder(whole, 64, 1000)
    assert len(sampler) == len(list(sampler)) == 16


def chunks_of(made: EventChunks, number: int) -> EventChunks:
    made.divide(made.bytes / number)
    return made


def test_a_folder_of_shards_is_the_same_data(events_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    generate_folder(events=10, seed=5, planes=("W",), events_per_file=5, out=folder)
    for number in (1, 3):
        alone, sharded = epoch(events_file, number), epoch(folder, number)
        assert hits(alone) == hits(sharded)
        for one, other in zip(alone[:5], sharded[:5], strict=True):
            assert torch.equal(one.chunk[one.hits][0], other.chunk[other.hits][0])


def test_no_more_than_two_chunks_live_at_once(events_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    living = weakref.WeakSet[PatchDataset]()
    read = EventChunks.read

    def counted(self: EventChunks, indices: np.ndarray) -> PatchDataset:
        made = read(self, indices)
        living.add(made)
        return made

    monkeypatch.setattr(EventChunks, "read", counted)
    of_events = chunks(events_file, 6)
    most = 0
    for _ in EpochBatches(of_events, Balance({}, of_events), 64, 1):
        time.sleep(0.003)
        most = max(most, len(living))
    assert most == 2


def test_damage_found_while_reading_ahead_is_told(events_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "nan.h5"
    path.write_bytes(events_file.read_bytes())
    with h5py.File(path, "r+") as file:
        file["plane_images/W"][7, 0, 10, 10] = np.nan
    with pytest.raises(UserError, match="event 7, plane W: its image holds NaN"):
        epoch(path, 6)


def many_events(events_file: Path, path: Path, number: int) -> None:
    with EventFile(events_file) as events, EventWriter(path, events.provenance, events.samples) as writer:
        for index in range(number):
            run, subrun, _ = events.event(index % len(events)).event_id
            writer.append(replace(events.event(index % len(events)), event_id=(run, subrun, index)))


PEAK = """
import sys
from training.data.data_module import PatchData

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024

data = PatchData(sys.argv[1], memory_gb=float(sys.argv[2]), validation_patches=100)
before = peak()
data.setup()
for epoch in range(int(sys.argv[3])):
    for batch in data.train_dataloader():
        pass
    print(peak() - before)
print(peak() - before)
"""


@pytest.mark.long
def test_memory_stays_within_its_limit(events_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "many.h5"
    many_events(events_file, path, 60)
    peaks = {}
    for limit, epochs in ((0.03, 4), (1.0, 0)):
        command = [sys.executable, "-c", PEAK, str(path), str(limit), str(epochs)]
        output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        peaks[limit] = [int(line) for line in output.split()]
    everything = chunks(path).bytes
    assert everything > 90e6
    assert peaks[1.0][0] > everything
    assert max(peaks[0.03]) < 0.03e9 + 30e6  # a chunk that each of four epochs left would be twice that


@pytest.mark.long
@pytest.mark.parametrize("memory", ["0.01", "1"])
def test_resumed_training_is_exact_in_chunks_with_everything_on(
    tmp_path: Path, events_file: Path, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    monkeypatch.chdir(tmp_path)
    options = [
        f"--data.memory-gb={memory}",
        "--data.balance={michel: 2, radioactivity: 0.5}",
        "--data.augmentation={flip_drift: true, charge: 0.1, noise: 0.05, dead_wires: 0.01}",
    ]
    set_epoch = EpochBatches.set_epoch

    def interrupt_in_epoch_1(sampler: EpochBatches, epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt
        set_epoch(sampler, epoch)

    assert main(tiny(events_file, "--name=whole", *options)) == 0
    with monkeypatch.context() as patch:
        patch.setattr(batches_module.EpochBatches, "set_epoch", interrupt_in_epoch_1)
        assert main(tiny(events_file, "--name=cut", *options)) == 130
    assert main(["--config=runs/cut/config.yaml", "--ckpt-path=runs/cut/last.ckpt"]) == 0
    whole, resumed = weights(Path("runs/whole/last.ckpt")), weights(Path("runs/cut/last.ckpt"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_provenance_says_how_the_data_were_used(events_file: Path) -> None:
    data = PatchData(events_file, balance={"michel": 2.0}, augmentation=Augmentation(flip_drift=True))
    data.setup()
    record = data.record()
    assert record["balance"] == {"michel": 2.0}
    assert record["augmentation"]["flip_drift"] is True
    assert set(record["class_shares"]) == set(CLASSES)


def test_too_few_hits_for_a_batch_are_refused(events_file: Path) -> None:
    of_events = chunks(events_file)
    with pytest.raises(UserError, match="do not fill one batch of 1000000"):
        EpochBatches(of_events, Balance({}, of_events), 1_000_000, 1)
