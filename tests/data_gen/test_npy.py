"""Headers of .npy files that promise what is not there."""

from pathlib import Path

import pytest

from data_gen.import_larsoft import main


def write(path: Path, shape: str, dtype: str) -> None:
    """An .npy file with this header and a page of zeros."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(4096))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ("(-1, 48, 48)", "<f4"),
        ("(-1, -48, 48)", "<f4"),
        ("(1000000000000000000000, 48, 48)", "<f4"),
        ("(9223372036854775807, 48, 48)", "<f4"),
        ("(4294967296, 4294967296)", "<f4"),
        ("(100, 48, 48)", "<f4"),
        ("(1, 48, 48)", "V0"),
        ("(1.5, 48, 48)", "<f4"),
        ("(" * 50, "<f4"),
    ],
)
@pytest.mark.parametrize("form", ["npy", "numpy"])
def test_a_header_that_promises_too_much_is_refused(
    form: str, shape: str, dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "db_view_2_x.npy"
    write(path, shape, dtype)
    write(tmp_path / "db_view_2_y.npy", "(1, 4)", "<i4")
    assert main([str(path), f"--format={form}", "--adc-scale=2021", f"--out={tmp_path / 'out.h5'}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path} is no whole .npy file") and error.count("\n") == 1
    assert not (tmp_path / "out.h5").exists()
