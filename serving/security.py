"""What a connection that leaves this machine is secured by: TLS, a client's certificate, a token."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from lartpc.errors import UserError, unread

LONGEST_TOKEN = 1 << 16


@dataclass(frozen=True)
class Security:
    """Files by which server and client know each other.

    Attributes:
        ca: certificates of those who may vouch for the server; default the system's.
        key: private key of the client, for mutual TLS.
        certificate: its certificate chain.
        token: file with the token that is sent with every request.
    """

    ca: Path | None = None
    key: Path | None = None
    certificate: Path | None = None
    token: Path | None = None

    def __post_init__(self) -> None:
        """Raises UserError where a file is missing, or only one of key and certificate is given."""
        if (self.key is None) != (self.certificate is None):
            raise UserError("a client's key and certificate belong together; give both or none")
        for path in (self.ca, self.key, self.certificate, self.token):
            if path is not None and not path.is_file():
                raise UserError(f"{path} is not there; name the file that it lies in")

    def headers(self) -> dict[str, str]:
        """Of every request.

        Raises:
            UserError: the token cannot be read, or is none.
        """
        if self.token is None:
            return {}
        try:
            token = self.token.read_text(encoding="ascii")[: LONGEST_TOKEN + 1].strip()
        except (OSError, ValueError) as error:
            raise unread(self.token, error, "holds no token") from error
        if not token or len(token) > LONGEST_TOKEN or not token.isprintable() or " " in token:
            raise UserError(f"{self.token} holds no token; it is one word")
        return {"authorization": f"Bearer {token}"}

    def context(self) -> ssl.SSLContext:
        """For connections by HTTPS.

        Raises:
            UserError: a certificate or key cannot be read.
        """
        try:
            context = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError) as error:
            raise UserError(f"cannot use the certificates given: {error}") from error
        return context
