"""Addresses of servers."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

from videoseg import ConfigError
from videoseg.text import shorten

__all__ = ["Address", "parse_address"]

_PORTS = {"http": 80, "https": 443}
_KEPT_IN_PATHS = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is.

    Args:
        url: Its address as it was given, without anything after the common part of all paths.
        scheme: ``http`` or ``https``.
        host: Its name or number as networks write it, without brackets.
        port: Its port.
    """

    url: str
    scheme: str
    host: str
    port: int

    @property
    def host_header(self) -> str:
        """What the header ``Host`` of a request says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def target(self, path: str) -> str:
        """Return the part of the address that follows the host."""
        base = urllib.parse.quote(urllib.parse.urlsplit(self.url).path, safe=_KEPT_IN_PATHS)
        return f"{base}/{path}"


def parse_address(url: str) -> Address:
    """Return the address of a server that speaks the OpenAI protocol.

    Raises:
        ConfigError: If it is none, or holds a password.
    """
    match = re.fullmatch(r"(https?)://([^/?#\s]+)(/[^?#\s]*)?", url)
    if match is not None and "@" in match[2]:
        raise ConfigError(
            "base_url must hold no user name or password; put the server's key into an "
            "environment variable and name it with api_key_env"
        )
    address = _named_host(url) if match is not None and url.isprintable() else None
    if address is None:
        raise ConfigError(
            "base_url must be the address of a server, such as http://localhost:8000/v1, "
            f"got {shorten(url.split('@')[-1].split('?')[0])}"
        )
    return address


def _named_host(url: str) -> Address | None:
    try:
        parts = urllib.parse.urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        # A port that is no number is an error only when it is asked for.
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, UnicodeError):
        return None
    plain = url.rstrip("/").removesuffix("/chat/completions")
    return Address(plain, parts.scheme, host, port) if host else None
