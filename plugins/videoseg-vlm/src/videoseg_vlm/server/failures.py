"""Why a server did not answer, in words that say what to do."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass

from videoseg.text import printable, shorten_text
from videoseg_vlm.errors import ServerError
from videoseg_vlm.server.addresses import Address
from videoseg_vlm.server.complaints import is_passing
from videoseg_vlm.server.environment import Proxy, certificate_problem
from videoseg_vlm.server.keys import Redactor

__all__ = ["Failure", "Failures", "RefusedError"]

_LONGEST_WORDS = 300
_LOGIN = "http://USER:PASSWORD@HOST:PORT"
_NOT_TLS = (
    *("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"),
    "PACKET_LENGTH_TOO_LONG",
)


class RefusedError(ServerError):
    """The server understood the request and will not answer it (HTTP 4xx, for example).

    Attributes:
        reason: The server's own words.
    """

    def __init__(self, message: str, *, component: str, status: int, reason: str) -> None:
        self.reason = reason
        super().__init__(message, component=component, status=status)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    Args:
        error: The error to raise if no other attempt is made.
        may_pass: Whether another attempt may help.
        pause: How many seconds the server asks to wait before it.
    """

    error: ServerError
    may_pass: bool = True
    pause: float | None = None


class Failures:
    """Describes what goes wrong with a server.

    Args:
        address: Where it is.
        proxy: What requests go through.
        redactor: Takes the key out of what it says.
        has_key: Whether it is sent a key.
        component: What the chat model is called in messages.
    """

    def __init__(
        self,
        address: Address,
        proxy: Proxy | None,
        redactor: Redactor,
        *,
        has_key: bool,
        component: str,
    ) -> None:
        self._scheme = address.scheme
        self._proxy = proxy
        self._redactor = redactor
        self._has_key = has_key
        self._component = component
        self._name = f"the server {address.url}"
        if proxy is not None:
            self._name += f" (through the proxy {proxy}, which {proxy.source} names)"

    def shown(self, text: str, limit: int = _LONGEST_WORDS) -> str:
        """Return foreign text as it may stand in a message."""
        plain = " ".join(printable(self._redactor.redact(text)).split())
        return shorten_text(plain, limit) if plain else "nothing"

    def error(self, text: str, status: int | None = None) -> ServerError:
        """Return an error that says something of the server."""
        return ServerError(f"{self._name} {text}", component=self._component, status=status)

    def cannot_connect(self, error: Exception) -> Failure:
        """Describe a connection that could not be opened."""
        cause = error.args[0] if error.args else None
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure(self.error(self.shown(certificate_problem(cause))), may_pass=False)
        words = self.shown(str(error))
        if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
            said = f"does not speak TLS ({words}): base_url should probably begin with http://"
            return Failure(self.error(said), may_pass=False)
        return Failure(self.error(f"cannot be reached ({words})"))

    def broken_off(self, error: Exception) -> Failure:
        """Describe a connection that ended, or on which something else than HTTP came."""
        words = self.shown(str(error))
        said = f"broke off ({type(error).__name__}: {words})"
        # The beginning of a TLS alert, where a line of HTTP is expected.
        if self._scheme == "http" and "\\x15\\x03" in words:
            said += "; it speaks TLS: base_url should begin with https://"
        return Failure(self.error(said))

    def refused_by_proxy(self, error: Exception, proxy: Proxy) -> Failure:
        """Describe a proxy that does not connect to the server."""
        said = f"cannot be reached: the proxy says {self.shown(str(error))!r}"
        status = re.match(r"\d{3}\b", str(error))
        if status is None or is_passing(int(status[0])):
            return Failure(self.error(said))
        advice = f"give {proxy.source} what it wants ({_LOGIN}), or {proxy.way_out}"
        return Failure(self.error(f"{said}; {advice}"), may_pass=False)

    def busy(self, said: str, words: str, status: int, pause: float | None) -> Failure:
        """Describe an answer that may be another a moment later."""
        return Failure(self.error(f"{said}: {self.shown(words)}", status), pause=pause)

    def refused(self, said: str, words: str, status: int) -> Failure:
        """Describe an answer that will stay the same."""
        advice = ""
        if status in (401, 403):
            advice = (
                "; it wants another key than the one given"
                if self._has_key
                else "; it wants a key: put it into an environment variable and name that, "
                "api_key_env='OPENAI_API_KEY'"
            )
        elif 300 <= status < 400:
            advice = "; it sends requests elsewhere: give the final address as base_url"
        elif status == 407 and self._proxy is not None:
            source = self._proxy.source
            advice = f"; give {source} what it wants ({_LOGIN}), or {self._proxy.way_out}"
        error = RefusedError(
            f"{self._name} {said}: {self.shown(words)}{advice}",
            component=self._component,
            status=status,
            reason=self._redactor.redact(words),
        )
        return Failure(error, may_pass=False)

    def given_up(self, failure: Failure, attempts: int, seconds: float) -> ServerError:
        """Return the error for a failure that did not pass in time."""
        status = failure.error.status
        times = "once" if attempts == 1 else f"{attempts} times in {seconds:.0f} s"
        advice = {
            None: "check that it runs and base_url is right, or raise timeout and deadline",
            429: "it is overloaded or your quota is used up: lower concurrency, or wait",
        }.get(status, "look into the server's own log")
        if failure.pause is not None and failure.pause > 1:
            advice += f" (it asks to be left alone for {failure.pause:.0f} s)"
        if self._proxy is not None:
            advice += f"; {self._proxy.way_out}"
        return ServerError(
            f"{failure.error}; asked {times}: {advice}", component=self._component, status=status
        )
