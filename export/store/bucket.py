"""A bucket of S3, Google Cloud Storage or Azure, by obstore."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from export.store.interface import Store, is_plain
from lartpc.errors import UserError
from lartpc.served.manifest import MANIFEST_FILE

if TYPE_CHECKING:
    from obstore.store import ObjectStore, RetryConfig, S3CredentialProvider

SCHEMES = ("s3", "gs", "az", "abfss")
S3_ENDPOINT = "AWS_ENDPOINT_URL"
LONGEST_REQUEST = timedelta(minutes=2)
"""48 MB of weights at 0.4 MB/s."""

RETRIES: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(minutes=1)}
PART = 1 << 20
"""Bytes that are hashed at a time."""


class BucketStore(Store):
    """Objects under a prefix of a bucket; creations and replacements are conditional requests.

    Args:
        url: of a scheme in :data:`SCHEMES`, such as ``s3://bucket/models``.

    Raises:
        UserError: the URL is none of these, or it lacks credentials or an account.
    """

    def __init__(self, url: str) -> None:
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        super().__init__(url)
        scheme, _, place = url.partition("://")
        if scheme not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise UserError(f"{url}: {scheme}:// is not known here; give a folder, or a URL of {known}")
        if any(part in ("", ".", "..") for part in place.rstrip("/").split("/")):
            raise UserError(f"{url} is no place in a bucket; write {scheme}://BUCKET/FOLDER")
        endpoint = os.environ.get(S3_ENDPOINT)
        if scheme == "s3" and endpoint is not None and not re.fullmatch(r"https?://[^/\s]+.*", endpoint):
            raise UserError(
                f"{S3_ENDPOINT} is {endpoint!r}; write https://HOST or http://HOST:PORT, or unset it"
            )
        plain = (endpoint or "").startswith("http://")
        options: dict[str, Any] = {"client_options": {"allow_http": plain, "timeout": LONGEST_REQUEST}}
        if scheme == "s3":
            options["credential_provider"] = _aws_credentials(url)
        try:
            self._objects: ObjectStore = from_url(
                f"{scheme}://{quote(place, safe='/@')}", retry_config=RETRIES, **options
            )
        except BaseError as error:
            raise UserError(f"{url}: {_reason(error)}") from error

    def read(self, path: str) -> tuple[bytes, dict[str, str]] | None:
        """See the base class."""
        import obstore

        with self._errors(path):
            try:
                found = obstore.get(self._objects, self.plain(path))
                token = {name: value for name in ("e_tag", "version") if (value := found.meta[name])}
                return bytes(found.bytes()), token
            except FileNotFoundError:
                return None

    def sha256(self, path: str) -> str | None:
        """See the base class; the file is not held in memory."""
        import obstore

        digest = hashlib.sha256()
        with self._errors(path):
            try:
                for part in obstore.get(self._objects, self.plain(path)).stream(min_chunk_size=PART):
                    digest.update(part)
            except FileNotFoundError:
                return None
        return digest.hexdigest()

    def create(self, path: str, content: bytes) -> None:
        """See the base class."""
        self._put(path, content, "create")

    def replace(self, path: str, content: bytes, token: dict[str, str] | None) -> None:
        """See the base class."""
        try:
            self._put(path, content, token or "create")
        except FileExistsError:
            raise self.changed(path) from None

    def delete_all(self, folder: str) -> None:
        """See the base class; the manifest, by which a version is known, goes last."""
        import obstore

        with self._errors(folder):
            found = [
                each["path"]
                for page in obstore.list(self._objects, f"{self.plain(folder)}/")
                for each in page
            ]
            for path in sorted(found, key=lambda path: path.endswith(f"/{MANIFEST_FILE}")):
                with suppress(FileNotFoundError):
                    obstore.delete(self._objects, path)

    def names(self, folder: str = "") -> list[str]:
        """See the base class."""
        import obstore

        with self._errors(folder):
            found = obstore.list_with_delimiter(self._objects, self.plain(folder) if folder else None)
        paths = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        names = {
            path.removeprefix(f"{folder}/") for path in paths if path != folder
        }  # as markers of folders are
        return sorted(name for name in names if not name.startswith(".") and is_plain(name))

    def _put(self, path: str, content: bytes, mode: Any) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._errors(path):
            try:
                obstore.put(self._objects, self.plain(path), content, mode=mode)
            except (AlreadyExistsError, PreconditionError) as error:
                raise FileExistsError(path) from error
            except FileNotFoundError as error:
                raise UserError(f"{self.place(path)}: {_reason(error)}") from error

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except BaseError as error:
            raise UserError(f"{self.place(path)}: {_reason(error)}") from error


def _aws_credentials(url: str) -> "S3CredentialProvider | None":
    """Where boto3 is installed what it finds: environment, profiles, single sign-on, roles.

    None leaves it to obstore, which knows the environment and the roles of machines and clusters.

    Raises:
        UserError: the environment names a profile that cannot be used.
    """
    profile = os.environ.get("AWS_PROFILE")
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        if profile:
            raise UserError(
                f"{url}: AWS_PROFILE is {profile}, and boto3, which reads profiles, is not installed: "
                "pip install -e '.[s3]'"
            ) from error
        return None
    try:
        session = boto3.Session()
        return Boto3CredentialProvider(session) if session.get_credentials() else None
    except BotoCoreError as error:
        raise UserError(f"{url}: {error}") from error


def _reason(error: BaseException) -> str:
    """What the driver says, in one line, without its internals, and what help there is for a certificate."""
    said, _, source = str(error).partition("\n\nDebug source:")
    refused = re.search(r"InvalidCertificate\(\s*(\w+)", source)
    cause = re.search(r'message: "([^"]+)"', source)
    if refused:
        said += (
            f": the server's certificate is not accepted ({refused[1]}); SSL_CERT_FILE names the file of the "
            "authorities to be believed, where they are not those of the system"
        )
    elif cause:
        said += f": {cause[1]}"
    return " ".join(said.split())
