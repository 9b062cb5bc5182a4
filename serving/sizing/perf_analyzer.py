"""NVIDIA's perf_analyzer, by which the paper measured a server alone: got once, run, and its table read.

The program lies in the wheel ``tritonclient`` 2.51.0 for Linux, beside a library of Python that is not
installed here, and takes two of its libraries from the embedded server's environment. Release 2.51 is that
of the server.
"""

import csv
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lartpc.errors import CheckError, UserError
from lartpc.files import sha256, whole_folder
from serving.environment import ServerEnvironment

RELEASE = "2.51.0"
WHEEL_SHA256 = "c485bb0123bdf310f90bc8b03d3489b28df2ffed55b30c7eee0b795b48113d52"
"""Of the wheel on PyPI: what is run is what was looked at."""

MEMBER = f"tritonclient-{RELEASE}.data/data/bin/perf_analyzer"
LIBRARIES = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}
"""Name that the program asks for -> that of the same library in the server's environment."""

ATTEMPTS = 10
"""Windows in which perf_analyzer looks for a stable result before it gives up."""


@dataclass(frozen=True)
class Row:
    """What perf_analyzer found with so many requests under way.

    Attributes:
        concurrency: requests under way.
        hits_a_second: that were answered.
        p50_ms: half of the answers took less.
        p99_ms: 99 of 100.
        queue_ms: mean time of a request in the server's queue.
        compute_ms: mean time of the model.
    """

    concurrency: int
    hits_a_second: float
    p50_ms: float
    p99_ms: float
    queue_ms: float
    compute_ms: float


def get(environment: ServerEnvironment) -> Path:
    """The program, beside the embedded server's environment; downloaded by pip where it is not there.

    Raises:
        UserError: it cannot be had, or is another one.
    """
    folder = environment.folder.parent / f"perf_analyzer-{RELEASE}"
    if not folder.is_dir():
        with TemporaryDirectory() as temporary:
            wheel = download(Path(temporary))
            if sha256(wheel) != WHEEL_SHA256:
                raise UserError(f"{wheel.name} is not the wheel that was looked at; its SHA-256 differs")
            with whole_folder(folder) as part, zipfile.ZipFile(wheel) as content:
                (part / "perf_analyzer").write_bytes(content.read(MEMBER))
                (part / "perf_analyzer").chmod(0o755)
                (part / "libraries").mkdir()
                for name, pattern in LIBRARIES.items():
                    found = sorted((environment.packages / "nvidia_pytriton.libs").glob(pattern))
                    if not found:
                        raise UserError(f"the embedded server's environment has no {pattern}")
                    (part / "libraries" / name).symlink_to(found[-1])
    return folder / "perf_analyzer"


def download(folder: Path) -> Path:
    """The wheel, by pip.

    Raises:
        UserError: pip does not get it.
    """
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
        "--python-version=3.11", "--platform=manylinux1_x86_64", f"--dest={folder}",
        f"tritonclient=={RELEASE}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        reason = done.stderr.strip().splitlines()[-1:] or ["pip says nothing"]
        raise UserError(f"cannot get perf_analyzer: {reason[0]}")
    return wheels[0]


def measure(
    program: Path,
    server: str,
    model: str,
    batch: int,
    concurrencies: tuple[int, int],
    window_s: float = 5.0,
    agree_percent: int = 20,
) -> list[Row]:
    """Let perf_analyzer ask a server with empty patches, over gRPC; a network takes as long for any.

    Args:
        program: from :func:`get`.
        server: HOST:PORT.
        model: of patches.
        batch: patches in a request.
        concurrencies: fewest and most requests under way.
        window_s: of one look; three in a row must agree.
        agree_percent: how near to each other.

    Raises:
        CheckError: it fails, or finds no stable result, in its words.
    """
    with TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        first, last = concurrencies
        command = [
            str(program), "-m", model, "-u", server, "-i", "grpc", "-b", str(batch),
            f"--concurrency-range={first}:{last}", f"--measurement-interval={round(1e3 * window_s)}",
            "--input-data=zero",
            f"--max-trials={ATTEMPTS}", f"--stability-percentage={agree_percent}", "-f", str(table),
        ]  # fmt: skip
        variables = {**os.environ, "LD_LIBRARY_PATH": str(program.parent / "libraries")}
        done = subprocess.run(command, capture_output=True, text=True, env=variables)
        if done.returncode != 0 or not table.is_file():
            lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            raise CheckError(f"perf_analyzer ended with {done.returncode}: {' '.join(lines[-3:])[-400:]}")
        return rows_of(table.read_text(encoding="utf-8"))


def rows_of(text: str) -> list[Row]:
    """Its table.

    Args:
        text: the CSV that it writes, times in us.

    Raises:
        CheckError: it is of another form.
    """
    try:
        return sorted(
            (
                Row(
                    int(row["Concurrency"]),
                    float(row["Inferences/Second"]),
                    float(row["p50 latency"]) / 1e3,
                    float(row["p99 latency"]) / 1e3,
                    float(row["Server Queue"]) / 1e3,
                    float(row["Server Compute Infer"]) / 1e3,
                )
                for row in csv.DictReader(text.splitlines())
            ),
            key=lambda row: row.concurrency,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise CheckError(f"perf_analyzer's table is of another form ({error!r})") from error
