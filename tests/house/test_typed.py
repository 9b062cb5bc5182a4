"""Whatever the documents say can be typed is typed, in a short form; what needs more than a minute is parsed.

The commands run in this process, in a folder where data, runs and models lie under the documents' names.
"""

import importlib
import re
import shlex
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from export import registry
from lartpc.commands import main as emtrkmichel
from tests.helpers.documents import Typed, block_after, typed
from tests.helpers.dumps import STEM, dumped_plane, write_root
from tests.helpers.paths import ROOT
from tests.helpers.trainings import tiny

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "model_repository/README.md"]

LONG = ("README.md", *(f"docs/{name}.md" for name in ("evaluation", "generating", "publishing", "training")))
"""Documents whose commands train, evaluate and export."""

ELSEWHERE = {
    "make": "its target stands in the Makefile",
    ". .venv": "enters the environment",
    "srun": "needs SLURM",
    "python -m serving.beside": "tests/serving/test_beside.py has a job",
    "dask": "tests/data_gen/test_scale.py has a cluster",
    "moto_server": "the fixture's server stands in for it",
    "export": "the fixture sets the same variables",
    "tritonserver": "tests/serving/test_published.py follows a bucket",
    "python3 -I /models": "the container of a host with a GPU",
    "ONEDNN_MAX_CPU_ISA": "the whole suite on another processor",
}
"""Beginning of a line -> why it is not typed here."""

PARSED = (
    "--scheduler",
    "--config full",
    "--config qat",
    "--on-server",
    "--against",
    "--repeats",
    "--simulate",
    "--variations",
    "data/poor.h5",
    "runs/mine/",
    "--gates my_gates.yaml",
    "shipped:compact",
    "training.ship",
    "training.import_weights",
    "data_gen.compare_larsoft",
    "export.check grpc:",
    "data_gen.validate",
    "serving.local",
    "serving.stack",
    "serving.job",
    "servers.yaml",
    "client.load",
    "serving.standalone",
    "serving.canary",
    "serving.tune",
    "--model onnx:",
    "--model grpc:",
    "benchmarks.",
)
"""Parts of lines of which the options alone are checked: a GPU, a cluster, minutes, or other tests."""

SHORT = (
    (r"--events \d+ (?=.*--split test|.*--detector protodune-sp)", "--events 1 --planes W "),
    (r"(?<=--split test )--events \d+", "--events 1"),
    (r"--events \d+ --events-per-file \d+", "--events 2 --events-per-file 1 --planes W"),
    (r"(data_gen.generate(?!.*--planes).*)", r"\1 --planes W"),
    (r"--events (\d\d+)", "--events 10"),
    (r" --share 0.1", ""),
    (r"--url localhost:8001", "--local"),
    (r"(export.triton(?!.*--gates).*)", r"\1 --gates my_gates.yaml"),
    (r"emtrkmichel_(fp32|int8)", r"emtrkmichel_compact_\1"),
    (r"(export.publish model_repository .*)", r"\1 --trial"),
)
"""Pattern -> what is typed in its place: fewer events, gates for short trainings, a target for trials."""

FAILING = {"export.registry rollback published emtrkmichel_int8": 2}
"""Lines of which the document says that something must come first, and their exit code before."""


@pytest.fixture
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_server: str
) -> Path:
    """A folder with what the documents' commands take for granted."""
    monkeypatch.chdir(tmp_path)
    events, run = request.getfixturevalue("events_file"), request.getfixturevalue("run_folder")
    for name in ("quick", "default", "events"):
        Path("data").mkdir(exist_ok=True)
        shutil.copy(events, f"data/{name}.h5")
    for name in ("compact", "default", "qat", "trial", "upstream", "quick"):
        shutil.copytree(run, f"runs/{name}")
    shutil.copytree(request.getfixturevalue("repository"), "model_repository")
    shutil.copytree(ROOT / "docs", "docs")
    shutil.copy(request.getfixturevalue("loose_gates"), "my_gates.yaml")
    shutil.copy("runs/quick/best.ckpt", "runs/quick/calibrated.ckpt")
    begun = torch.load("runs/quick/best.ckpt", weights_only=True)
    begun["state_dict"][next(iter(begun["state_dict"]))].mul_(1.01)
    torch.save(begun, "runs/quick/best.ckpt")
    Path("dumps").mkdir()
    write_root(Path("dumps/x.root"), {STEM.format(event=1, tpc=1): dumped_plane()})
    Path("site.yaml").write_text(block_after("`site.yaml`", ROOT / "docs/kubernetes.md"), encoding="utf-8")
    return tmp_path


def shortened(line: Typed) -> list[str]:
    """The words of a line in its short form, of what brackets offer the first."""
    text = re.sub(r"\[([^]|]*)[^]]*\]", r"\1", line.text)
    for pattern, short in SHORT:
        text = re.sub(pattern, short, text)
    words = shlex.split(text)
    if words[2] == "training.fit" and not re.search("config.yaml|--help", text):
        words += [word for word in tiny(Path()) if not word.startswith(("--config", "--data.path"))]
        words.append("--trainer.max-epochs=1")
    return words[2:]


def check_parsed(command: str, args: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(command).main([*args, "--print-config"])
    assert ended.value.code == 0


def check_typed(line: Typed) -> None:
    """Type a line, or see to it that its options exist."""
    if line.text.startswith("make"):
        assert re.search(rf"^{line.words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    if line.text.startswith(tuple(ELSEWHERE)):
        return
    if line.words[:2] == ["python", "-c"]:
        exec(line.words[2], {})
        return
    command, *args = shortened(line)
    if command == "export.registry" and "|" in args:
        assert {word for word in args if word.islower()} == set(registry.COMMANDS)
    elif any(part in line.text for part in PARSED):
        check_parsed(command, args)
    elif "--help" in args or "--help-all" in args:
        with suppress(SystemExit):
            assert emtrkmichel([command, *args]) == 0
    else:
        expected = next((code for text, code in FAILING.items() if text in line.text), 0)
        assert emtrkmichel([command, *args]) == expected


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(path, id=name_of(path), marks=[pytest.mark.long] if name_of(path) in LONG else [])
        for path in DOCUMENTS
    ],
)
def test_what_can_be_typed_works(document: Path, request: pytest.FixtureRequest) -> None:
    found = typed(document)
    if found:
        request.getfixturevalue("place")
    for item in found:
        if item.is_python:
            exec(item.text, {})
        else:
            check_typed(item)


def test_what_is_not_typed_here_still_stands_in_a_document() -> None:
    texts = [item.text for document in DOCUMENTS for item in typed(document) if not item.is_python]
    for beginning in ELSEWHERE:
        assert any(text.startswith(beginning) for text in texts), beginning
    for part in (*PARSED, *FAILING):
        assert any(part in text for text in texts), part
