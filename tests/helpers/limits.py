"""Commands under limits of the kernel, which a process sets for itself.

A limit that is set between fork and exec runs in a copy of the tests' process, where gRPC's threads are gone.
"""

import sys

_RUN = (
    "import resource, runpy, sys; size = int(sys.argv[1]); sys.argv = sys.argv[2:]\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
)


def largest_file(size: int, module: str, *arguments: str) -> list[str]:
    """Command that runs a module whose files may have so many bytes: more is refused as by a full disk."""
    return [sys.executable, "-c", _RUN, str(size), module, *arguments]
