"""What every request passes: the host it names, where it comes from, and the token.

A server on 127.0.0.1 is reached by every page that the user's browser shows. Such a page is told
from the server's own by the headers ``Host`` (a name of the attacker that leads to 127.0.0.1:
DNS rebinding), ``Sec-Fetch-Site`` and ``Origin`` (requests from other sites), none of which a
page can forge.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from videoseg.text import printable
from videoseg_studio.server.errors import error_content
from videoseg_studio.server.settings import Settings, is_loopback

__all__ = ["TOKEN_COOKIE", "SafetyMiddleware", "token_matches"]

TOKEN_COOKIE = "videoseg-token"
"""The cookie in which a browser that has signed in sends the token."""

_log = logging.getLogger("videoseg_studio")

_OPEN_PATHS = frozenset({"/sign-in", "/static/sign-in.js", "/static/server.css", "/api/v1/health"})
"""Paths that need no token."""

_HEADERS = {
    # Scripts, styles and pictures of this server only; nothing inline, nothing from elsewhere.
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every response that does not set its own."""


class SafetyMiddleware:
    """Refuses requests of other sites and without the token; adds headers to all responses.

    What is unexpected is logged and not told.

    Args:
        app: The app behind it.
        settings: Host, allowed hosts and token.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if scope["type"] == "websocket":
            if refusal is not None:
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self._app(scope, receive, send)
            return

        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await (refusal or self._app)(scope, receive, send_with_headers)
        except Exception:
            # The path may hold anything, and the log is read in a terminal.
            _log.exception("%s %s failed", scope["method"], printable(scope["path"]))
            if has_begun:
                raise
            failure = _refuse(500, "the server failed; its log has the reason")
            await failure(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_known_host(host):
            return _refuse(421, "this server is not known under that name; see --allow-host")
        method = scope.get("method", "WEBSOCKET")
        if not _is_from_here(headers, host, method):
            return _refuse(403, "requests from other sites are refused")
        token = self._settings.token
        if token is None or scope["path"] in _OPEN_PATHS or _sent_token(headers, token):
            return None
        if method == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse("/sign-in", 303)
        return _refuse(
            401,
            "the token is missing or wrong; send it as 'Authorization: Bearer TOKEN'",
            {"WWW-Authenticate": "Bearer"},
        )

    def _is_known_host(self, host: str) -> bool:
        name = _host_name(host)
        if is_loopback(name) or name in map(str.lower, self._settings.allowed_hosts):
            return True
        # Reachable from elsewhere, a server has any name; there the token protects it: a page
        # under another name does not have the cookie.
        return not self._settings.is_local and not self._settings.allowed_hosts and bool(name)


def token_matches(given: str, token: str) -> bool:
    """Return whether a token is the right one, in a time that tells nothing about it."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _sent_token(headers: Headers, token: str) -> bool:
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token_matches(given.strip(), token):
        return True
    # Not SimpleCookie, which reads none if one of another server on this machine is odd.
    cookie = cookie_parser(headers.get("cookie", "")).get(TOKEN_COOKIE)
    return cookie is not None and token_matches(cookie, token)


def _is_from_here(headers: Headers, host: str, method: str) -> bool:
    """Return whether a request comes from a page of this server, or from no page at all."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        # Following a link to the page is harmless: the other site does not see the response.
        is_link = headers.get("sec-fetch-mode") == "navigate" and method == "GET"
        return is_link and headers.get("sec-fetch-dest") == "document"
    origin = headers.get("origin")
    if origin is None:
        return True
    # Behind a proxy the scheme differs, so only the names are compared.
    return origin.partition("://")[2].lower() == host.lower()


def _host_name(host: str) -> str:
    """Return the name in a ``Host`` header, without the port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0]


def _refuse(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(error_content("RequestError", message), status, headers=headers)
