"""Connections with one deadline for a whole request.

httpcore restarts a timeout with every byte received, so a server that sends a byte now and then
never runs into it. Here every step, from connecting to the last byte, ends at one deadline.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

from videoseg_vlm.server.connection import Proxy

try:
    from socksio import SOCKSError
except ImportError:
    _SOCKS_ERRORS: tuple[type[Exception], ...] = ()
else:
    _SOCKS_ERRORS = (SOCKSError,)

__all__ = ["PROXY_ERRORS", "BoundedBackend", "open_pool"]

PROXY_ERRORS: tuple[type[Exception], ...] = (httpcore.ProxyError, *_SOCKS_ERRORS)
"""Errors of a proxy that refuses a connection, or of an address that is not a proxy."""

_PIECE = 16 * 1024
_IDLE_SECONDS = 5.0


class _Clock(threading.local):
    """The deadline of this thread's request; httpcore works in the same thread."""

    end = math.inf

    def left(self) -> float:
        left = self.end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for this request is over")
        return left


class BoundedBackend(httpcore.NetworkBackend):
    """Opens connections that end at a deadline."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()
        self._clock = _Clock()

    @contextmanager
    def until(self, end: float) -> Iterator[None]:
        """Set the deadline of everything this thread does on its connections.

        Args:
            end: The deadline, in seconds of ``time.monotonic``.
        """
        self._clock.end = end
        try:
            yield
        finally:
            self._clock.end = math.inf

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the clock decides
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that answers."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(error) from error
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        problem: Exception = httpcore.ConnectError(f"{host} has no address")
        for number, address in enumerate(addresses):
            # One address that does not answer leaves time for the others.
            share = self._clock.left() / (len(addresses) - number)
            try:
                stream = self._backend.connect_tcp(
                    address, port, share, local_address, socket_options
                )
                return _BoundedStream(stream, self._clock)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, clock: _Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._clock.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        # The timeout of a write restarts with each part that the system accepts.
        for start in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[start : start + _PIECE], self._clock.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._clock.left())
        return _BoundedStream(stream, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def open_pool(
    backend: BoundedBackend, proxy: Proxy | None, tls: ssl.SSLContext | None
) -> httpcore.ConnectionPool:
    """Return a pool of connections, through a proxy if one is given.

    Args:
        backend: Opens the connections.
        proxy: The proxy.
        tls: Settings of TLS; None if no connection is encrypted.
    """
    settings: dict[str, Any] = {
        "ssl_context": tls,
        "network_backend": backend,
        # The caller bounds the number of concurrent requests.
        "max_connections": None,
        "max_keepalive_connections": None,
        "keepalive_expiry": _IDLE_SECONDS,
    }
    if proxy is None:
        return httpcore.ConnectionPool(**settings)
    settings["proxy_url"] = httpcore.URL(
        scheme=proxy.scheme, host=proxy.host.encode("idna"), port=proxy.port, target="/"
    )
    if proxy.user is not None:
        settings["proxy_auth"] = tuple(part.encode() for part in proxy.user)
    if proxy.scheme.startswith("socks"):
        return httpcore.SOCKSProxy(**settings)
    if proxy.scheme == "https":
        settings["proxy_ssl_context"] = tls
    return httpcore.HTTPProxy(**settings)
