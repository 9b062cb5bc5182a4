"""Errors that a user can cause, and their exit codes."""


class UserError(Exception):
    """A wrong request: exit code 2. The message says what, where and what to do."""

    exit_code = 2


class CheckError(UserError):
    """The request was carried out and its result found wanting: exit code 1."""

    exit_code = 1
