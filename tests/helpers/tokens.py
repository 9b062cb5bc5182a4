"""Tokens of clients, and the keys that sign them."""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def public(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """A key of elliptic curves as those who check tokens read it (RFC 7517)."""
    numbers = key.public_key().public_numbers()
    places = {
        name: base64url(value.to_bytes(32, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))
    }
    return {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "one", **places}


def signed(key: ec.EllipticCurvePrivateKey, claims: dict[str, object]) -> str:
    """A token with those claims (RFC 7519)."""
    head = {"alg": "ES256", "typ": "JWT", "kid": "one"}
    text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def base64url(content: bytes) -> str:
    """As tokens write bytes (RFC 7515)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
