"""Errors that a user can cause, and their exit codes."""

import errno
import os

HELD = {errno.EAGAIN, errno.EDEADLK}

PROCESS_LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
"""Errors that say nothing of a place: the process may not have more."""


class UserError(Exception):
    """A wrong request: exit code 2. The message says what, where and what to do."""

    exit_code = 2


class CheckError(UserError):
    """The request was carried out and its result found wanting: exit code 1."""

    exit_code = 1


def unread(path: object, error: Exception, fault: str) -> UserError:
    """What to say of a file that could not be read: it is at fault only where the disk answered.

    Args:
        path: of the file.
        error: that its reader raised.
        fault: what the file is then, with advice, such as ``is no manifest; export the version anew``.
    """
    if not isinstance(error, OSError) or error.errno in (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
        return UserError(f"{path} {fault}")
    reason = "another process has locked it" if error.errno in HELD else os.strerror(error.errno)
    return UserError(f"cannot read {path}: {reason}; its content is not at fault: see to that and try again")
