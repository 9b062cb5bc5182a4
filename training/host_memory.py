"""How the C library hands out memory: large arrays that are freed and wanted again stay with the process."""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt (malloc.h)."""

_MOST = 1 << 28


def keep_freed_memory() -> None:
    """Let glibc keep freed arrays of up to 256 MiB for the next ones.

    What a layer makes of a batch is smaller. The images of many events are larger: between arrays that are
    kept they would leave holes that nothing fits into.

    By default each array of more than some megabytes is mapped anew and given back, and the kernel clears its
    pages each time: on a processor that takes longer than the arithmetic of the published network. Other
    C libraries stay as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_THRESHOLD, _MOST)
    libc.mallopt(_TRIM_THRESHOLD, _MOST)
