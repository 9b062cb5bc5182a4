"""The store of a path or URL that a user names."""

from pathlib import Path

from export.store.bucket import BucketStore
from export.store.folder import FolderStore
from export.store.interface import Store
from lartpc.errors import UserError


def open_store(target: str | Path) -> Store:
    """The store of a path or URL.

    Raises:
        UserError: it is a file, or the URL is of no known scheme.
    """
    text = str(target)
    if not text.strip():
        raise UserError("the target is empty; name a folder or a URL")
    if text.startswith("file://"):
        return FolderStore(Path(text.removeprefix("file://")))
    return BucketStore(text) if "://" in text else FolderStore(Path(text))
