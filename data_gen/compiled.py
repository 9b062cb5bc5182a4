"""Compilation of the generator's kernels, with a cache that no change of the physics can outlive.

Numba renews a cached function when its own file changes, not when a function or a constant that it
takes from another file does. The cache therefore lies in a folder named after the digest of the
sources of the two packages with kernels: altered physics never runs from old machine code.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numba

from lartpc.interrupts import interrupts_held


def _cache_folder() -> Path:
    """First writable place: NUMBA_CACHE_DIR, the package's __pycache__, the user's cache, one under TMPDIR.

    What lies there is run: the last one is taken only where it is this user's alone.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for room in ("physics", "response"):
        for source in sorted(package.glob(f"{room}/*.py")):
            digest.update(source.read_bytes())
    named = os.environ.get("NUMBA_CACHE_DIR")
    roots = [Path(named)] if named else [package / "__pycache__", *_home(), *_private()]
    for root in roots:
        folder = root / f"data_gen-{digest.hexdigest()[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="data_gen-"))


def _home() -> list[Path]:
    """The user's cache; none where the user has no home, as an arbitrary one in a container."""
    try:
        return [Path.home() / ".cache"]
    except RuntimeError:
        return []


def _private() -> list[Path]:
    """A folder under TMPDIR that stays from one run to the next; none where it is another user's, too."""
    folder = Path(tempfile.gettempdir()) / f"data_gen-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return []
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return [folder] if own else []


def is_compiled() -> bool:
    """Whether machine code of these sources is there already."""
    return any(Path(numba.config.CACHE_DIR).rglob("*.nbc"))


numba.config.CACHE_DIR = str(_cache_folder())

compiled = numba.njit(cache=True, error_model="numpy")
"""Decorator of every kernel: nopython mode, cached, division by zero as in numpy."""


def uninterrupted(kernel: Callable[..., Any], *arguments: Any) -> Any:
    """Call a kernel that takes a random generator, which Numba takes apart in Python: Ctrl-C waits meanwhile.

    It does not wait for the first call, in which the kernel may have to be compiled.
    """
    with interrupts_held() if kernel.signatures else nullcontext():  # type: ignore[attr-defined]
        return kernel(*arguments)
