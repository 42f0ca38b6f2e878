"""Addresses of servers; proxies and certificates from the environment."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import ssl
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from videoseg import ConfigError
from videoseg.files import check_regular_file, expand_path
from videoseg.text import printable, shorten, shorten_text

__all__ = [
    "Address",
    "Proxy",
    "certificate_problem",
    "find_proxy",
    "make_tls_context",
    "parse_address",
]

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_TRUST = "if you trust the server, name in SSL_CERT_FILE a PEM file with"
_KEPT_IN_PATHS = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server.

    Args:
        url: Its address as it was given, without anything after the common part of all paths.
        scheme: ``http`` or ``https``.
        host: Its host name (in ASCII) or IP address, without brackets.
        port: Its port.
    """

    url: str
    scheme: str
    host: str
    port: int

    @property
    def host_header(self) -> str:
        """Value of the header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def target(self, path: str) -> str:
        """Return the part of the address that follows the host."""
        base = urllib.parse.quote(urllib.parse.urlsplit(self.url).path, safe=_KEPT_IN_PATHS)
        return f"{base}/{path}"


def parse_address(url: str) -> Address:
    """Return the address of a server that speaks the OpenAI protocol.

    Raises:
        ConfigError: If it is not such an address, or holds a password.
    """
    match = re.fullmatch(r"(https?)://([^/?#\s]+)(/[^?#\s]*)?", url)
    if match is not None and "@" in match[2]:
        raise ConfigError(
            "base_url must hold no user name or password; put the server's key into an "
            "environment variable and name it with api_key_env"
        )
    address = _split_address(url) if match is not None and url.isprintable() else None
    if address is None:
        raise ConfigError(
            "base_url must be the address of a server, such as http://localhost:8000/v1, "
            f"got {shorten(url.split('@')[-1].split('?')[0])}"
        )
    return address


def _split_address(url: str) -> Address | None:
    try:
        parts = urllib.parse.urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        # urllib raises for an invalid port only when it is read.
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, UnicodeError):
        return None
    plain = url.rstrip("/").removesuffix("/chat/completions")
    return Address(plain, parts.scheme, host, port) if host else None


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that requests go through.

    Args:
        scheme: ``http``, ``https``, ``socks5`` or ``socks5h``.
        host: Its name or address.
        port: Its port.
        source: The variable that names it, such as ``HTTPS_PROXY``.
        user: User name and password, if it requires them.
    """

    scheme: str
    host: str
    port: int
    source: str
    user: tuple[str, str] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def way_out(self) -> str:
        """Advice for connecting without the proxy."""
        return _explain_way_out(self.source)


# -- proxies -------------------------------------------------------------------------------


def find_proxy(scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy that the environment names for a server; None to connect directly.

    Servers on this machine are always connected to directly.

    Args:
        scheme: The server's: ``http`` or ``https``.
        host: Its name or address, without brackets.
        port: Its port.

    Raises:
        ConfigError: If the environment names a proxy that cannot be used; says which variable.
    """
    # Lower case wins over upper case; macOS and Windows keep settings of their own, too.
    proxies = urllib.request.getproxies()
    name = scheme if proxies.get(scheme) else "all"
    value = proxies.get(name, "").strip()
    if not value or _is_this_machine(host) or _needs_no_proxy(host, port):
        return None
    return _parse_proxy(value, _find_source(name))


def _parse_proxy(value: str, source: str) -> Proxy:
    address = value if "://" in value else f"http://{value}"
    shown = shorten_text(printable(_remove_user(value)))
    try:
        parts = urllib.parse.urlsplit(address)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
        host.encode("idna")
    except (ValueError, UnicodeError):
        scheme, host, port = "", "", None
    if scheme not in _PORTS or not host:
        raise ConfigError(
            f"{source} names the proxy {shown!r}; a proxy is given as http://, https:// or "
            f"socks5://HOST:PORT: correct it, or {_explain_way_out(source)}"
        )
    if scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise ConfigError(
            f"{source} names a SOCKS proxy ({shown}), which needs one more package: "
            f'pip install "httpcore[socks]"; or {_explain_way_out(source)}'
        )
    user = None
    if parts.username is not None:
        user = (
            urllib.parse.unquote(parts.username),
            urllib.parse.unquote(parts.password or ""),
        )
    return Proxy(scheme, host, port or _PORTS[scheme], source, user)


def _remove_user(address: str) -> str:
    start, separator, rest = address.rpartition("@")
    scheme = start.partition("://")[0] + "://" if "://" in start else ""
    return scheme + rest if separator else address


def _explain_way_out(source: str) -> str:
    return f"unset {source} or add the server's host to NO_PROXY if it needs no proxy"


def _find_source(name: str) -> str:
    for variable in (f"{name}_proxy", f"{name}_PROXY", f"{name.upper()}_PROXY"):
        if os.environ.get(variable):
            return variable
    return "the proxy in the settings of this system"


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _parse_ip(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _needs_no_proxy(host: str, port: int) -> bool:
    name = f"{host}:{port}" if ":" not in host else host
    if urllib.request.proxy_bypass(name):
        return True
    # Many write "*.example.com", or blanks between the entries.
    listed = urllib.request.getproxies_environment().get("no", "")
    exceptions = [entry.lstrip("*.").lower() for entry in re.split(r"[\s,]+", listed)]
    if any(
        f".{one}".endswith(f".{entry}") for entry in exceptions if entry for one in (host, name)
    ):
        return True
    address = _parse_ip(host)
    return address is not None and any(_contains(entry, address) for entry in exceptions)


def _contains(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network.strip("[]"), strict=False)
    except ValueError:
        return False


def _parse_ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


# -- certificates --------------------------------------------------------------------------


def make_tls_context() -> ssl.SSLContext:
    """Return TLS settings with the certificates to trust.

    These are in the file that ``SSL_CERT_FILE`` names, else in the folders that
    ``SSL_CERT_DIR`` names, else those of the package ``certifi``.

    Raises:
        ConfigError: If such a variable names what cannot be read.
    """
    names = (*_VARIABLES, "SSLKEYLOGFILE")
    return _load_context(*(os.environ.get(name, "") for name in names))


# Reading all certificates takes longer than many a request.
@lru_cache(maxsize=4)
def _load_context(file: str, folders: str, log: str) -> ssl.SSLContext:
    if file:
        source, place = "SSL_CERT_FILE", file
    elif folders:
        source, place = "SSL_CERT_DIR", folders
        # TLS itself passes over folders that are not there.
        if not any(Path(folder).is_dir() for folder in folders.split(os.pathsep)):
            raise _bad_certificates(source, place, "is not a folder")
    else:
        import certifi

        source, place = "the package certifi", certifi.where()
    try:
        if source == "SSL_CERT_DIR":
            return ssl.create_default_context(capath=place)
        path = expand_path(place)
        check_regular_file(path)
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise _bad_certificates(source, place, "holds no certificates in PEM form") from error
    except (OSError, ValueError) as error:
        # The file to which TLS secrets are logged is opened at the same time.
        if log and getattr(error, "filename", None) == log:
            source, place = "SSLKEYLOGFILE", log
        reason = f"cannot be opened ({getattr(error, 'strerror', None) or error})"
        raise _bad_certificates(source, place, reason) from error


def _bad_certificates(source: str, place: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{source} names {shorten_text(printable(place), 200)!r} for TLS connections, which "
        f"{reason}; correct or unset {source}"
    )


def certificate_problem(error: ssl.SSLCertVerificationError) -> str:
    """Return what is wrong with a server's certificate, and what to do."""
    known = {
        9: ("is not valid yet", "check the clocks of both machines"),
        10: ("has expired", "renew it on the server"),
        18: ("is self-signed", f"{_TRUST} the certificate"),
        19: ("was signed by an authority of its own (self-signed)", f"{_TRUST} the authority's"),
        62: ("is for another host", "use the host name that the certificate is for in base_url"),
        64: ("is for another address", "use the host name that the certificate is for"),
    }
    unknown = ("was signed by an authority that is not trusted here", f"{_TRUST} the authority's")
    what, advice = known.get(error.verify_code, unknown)
    trusted = next((name for name in _VARIABLES if os.environ.get(name)), None)
    note = f" (trusted is what {trusted} names)" if trusted else ""
    return f"has a certificate that {what} ({error.verify_message}){note}: {advice}"
