"""Rules for hits: what differs between two data sets is named."""

from dataclasses import asdict
from pathlib import Path

import pytest

from data_gen.configuration import Configuration, Response
from data_gen.generate import generate
from lartpc.errors import UserError
from lartpc.event_folder import open_events
from lartpc.hit_finding import other_hits


def test_thresholds_that_differ_are_named() -> None:
    ours, theirs = (
        {"configuration": asdict(Configuration(response=response))}
        for response in (Response(), Response(hit_threshold=0.108, raw_noise=5.0))
    )
    assert list(other_hits(ours, theirs)) == ["hit_threshold is 0.108 there, 0.6 here"]
    assert not list(other_hits(ours, ours))
    assert not list(other_hits(ours, {})) and not list(other_hits(ours, {"configuration": None}))
    before = {"configuration": {"response": {"hit_threshold": 0.6}}}
    assert list(other_hits(ours, before)) == ["one was made before weak regions of interest were dropped"]


def test_a_folder_of_both_is_refused(tmp_path: Path) -> None:
    for number, response in enumerate((Response(), Response(hit_threshold=0.3))):
        configuration = Configuration(response=response)
        generate(
            tmp_path / f"{number}.h5", 1, 1, planes=("W",), configuration=configuration, first_event=number
        )
    with pytest.raises(UserError, match=r"another rule for hits \(hit_threshold is 0.3 there, 0.6 here\)"):
        open_events(tmp_path)
