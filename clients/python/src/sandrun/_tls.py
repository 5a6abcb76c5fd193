"""Which server is the right one: by authorities, by a file of them, or by a fingerprint."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import Untrusted


@dataclass(frozen=True)
class Endpoint:
    """Where the server is and how it is known."""

    host: str
    port: int
    #: For the header `Host`.
    authority: str
    #: Path in front of all addresses of the API, without a slash at its end.
    prefix: str
    #: ``None`` for plain HTTP.
    tls: ssl.SSLContext | None
    #: 64 hex digits in lower case.
    fingerprint: str | None

    def check(self, certificate: bytes | None) -> None:
        """Compares the pin before a byte of a job is sent. Raises ``Untrusted``."""
        if self.fingerprint is None:
            return
        found = hashlib.sha256(certificate or b"").hexdigest()
        if not hmac.compare_digest(found, self.fingerprint):
            raise Untrusted("The server's certificate has another fingerprint.")


def endpoint(
    server: str | None, fingerprint: str | None, ca_file: str | os.PathLike[str] | None
) -> Endpoint:
    """Left out, server and fingerprint come from ``SANDRUN_SERVER`` and ``SANDRUN_FINGERPRINT``.

    Raises ``ValueError`` for what cannot be used, ``OSError`` for a file that cannot be read.
    """
    if server is None:
        server = os.environ.get("SANDRUN_SERVER", "")
        fingerprint = fingerprint or os.environ.get("SANDRUN_FINGERPRINT") or None
    address = urlsplit(server)
    if address.scheme not in ("https", "http") or not address.hostname:
        raise ValueError("server is an address like https://host:8443")
    if address.username is not None or address.query or address.fragment:
        raise ValueError("server takes no user, query or fragment")
    secure = address.scheme == "https"
    if not secure and not _is_loopback(address.hostname):
        raise ValueError("plain http goes to this machine only; use https")
    if not secure and (fingerprint or ca_file):
        raise ValueError("a fingerprint or CA file needs an https server")
    if fingerprint and ca_file:
        raise ValueError("give a fingerprint or a CA file: a fingerprint is all that is looked at")
    pin = None if fingerprint is None else _digits(fingerprint)
    host = address.hostname.encode("idna").decode("ascii")
    shown = f"[{host}]" if ":" in host else host
    return Endpoint(
        host=host,
        port=address.port or (443 if secure else 80),
        authority=shown if address.port is None else f"{shown}:{address.port}",
        prefix=address.path.rstrip("/"),
        tls=_context(pin, ca_file) if secure else None,
        fingerprint=pin,
    )


def _context(pin: str | None, ca_file: str | os.PathLike[str] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pin is not None:
        # The authorities are not asked: the pin, which `check` compares, is stricter than they are.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _digits(fingerprint: str) -> str:
    digits = re.sub(r"^sha-?256[:=]", "", fingerprint.strip(), flags=re.IGNORECASE)
    digits = digits.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("fingerprint is a SHA-256 of 64 hex digits, with or without colons")
    return digits


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
