"""Compilation of the generator's kernels, with a cache that no change of the physics can outlive.

Numba renews a cached function when its own file changes, not when a function or a constant that it
takes from another file does. The cache therefore lies in a folder named after the digest of the
sources of the two packages with kernels: altered physics never runs from old machine code.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import numba


def _cache_folder() -> Path:
    """First writable place: NUMBA_CACHE_DIR, the package's __pycache__, the user's or the system's cache."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for room in ("physics", "response"):
        for source in sorted(package.glob(f"{room}/*.py")):
            digest.update(source.read_bytes())
    named = os.environ.get("NUMBA_CACHE_DIR")
    roots = [Path(named)] if named else [package / "__pycache__", Path.home() / ".cache"]
    for root in roots:
        folder = root / f"data_gen-{digest.hexdigest()[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="data_gen-"))


numba.config.CACHE_DIR = str(_cache_folder())

compiled = numba.njit(cache=True, error_model="numpy")
"""Decorator of every kernel: nopython mode, cached, division by zero as in numpy."""
