"""Requests to a server, with retries, a deadline and errors that say what to do."""

from __future__ import annotations

import email.utils
import json
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from videoseg import __version__
from videoseg.text import printable, shorten_text
from videoseg_vlm.errors import ServerError
from videoseg_vlm.server.connection import (
    Address,
    Proxy,
    certificate_problem,
    find_proxy,
    make_tls_context,
    parse_address,
)
from videoseg_vlm.server.request import Redactor, keep_out_of_logs
from videoseg_vlm.server.response import (
    Complaint,
    UnreadableBodyError,
    clean_strings,
    decode_body,
    find_complaint,
    is_transient,
    join_body,
    parse_body,
    read_complaint,
)

if TYPE_CHECKING:
    import httpcore

    from videoseg_vlm.server.network import BoundedBackend

__all__ = ["Failure", "Failures", "JsonServer", "RefusedError"]

_LONGEST_WORDS = 300
_LOGIN = "http://USER:PASSWORD@HOST:PORT"
_NOT_TLS = (
    *("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"),
    "PACKET_LENGTH_TOO_LONG",
)


class RefusedError(ServerError):
    """The server refuses the request (HTTP 4xx, for example).

    Attributes:
        reason: The message of the server.
    """

    def __init__(self, message: str, *, component: str, status: int, reason: str) -> None:
        self.reason = reason
        super().__init__(message, component=component, status=status)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    Args:
        error: The error to raise if no other attempt is made.
        may_pass: Whether another attempt may succeed.
        pause: Seconds the server asks to wait before it.
    """

    error: ServerError
    may_pass: bool = True
    pause: float | None = None


class Failures:
    """Describes the failures of a server.

    Args:
        address: Its address.
        proxy: The proxy, if requests go through one.
        redactor: Removes the key from its messages.
        has_key: Whether a key is sent to it.
        component: The name of the chat model in messages.
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

    def clean(self, text: str, limit: int = _LONGEST_WORDS) -> str:
        """Return text of the server in a form that is safe in a message."""
        plain = " ".join(printable(self._redactor.redact(text)).split())
        return shorten_text(plain, limit) if plain else "nothing"

    def error(self, text: str, status: int | None = None) -> ServerError:
        """Return an error about the server."""
        return ServerError(f"{self._name} {text}", component=self._component, status=status)

    def describe_no_connection(self, error: Exception) -> Failure:
        """Describe a connection that could not be opened."""
        cause = error.args[0] if error.args else None
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure(self.error(self.clean(certificate_problem(cause))), may_pass=False)
        words = self.clean(str(error))
        if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
            said = f"does not speak TLS ({words}): base_url should probably begin with http://"
            return Failure(self.error(said), may_pass=False)
        return Failure(self.error(f"cannot be reached ({words})"))

    def describe_break(self, error: Exception) -> Failure:
        """Describe a connection that ended, or that received something other than HTTP."""
        words = self.clean(str(error))
        said = f"broke off ({type(error).__name__}: {words})"
        # The beginning of a TLS alert in place of a line of HTTP.
        if self._scheme == "http" and "\\x15\\x03" in words:
            said += "; it speaks TLS: base_url should begin with https://"
        return Failure(self.error(said))

    def describe_proxy_refusal(self, error: Exception, proxy: Proxy) -> Failure:
        """Describe a proxy that does not connect to the server."""
        said = f"cannot be reached: the proxy says {self.clean(str(error))!r}"
        status = re.match(r"\d{3}\b", str(error))
        if status is None or is_transient(int(status[0])):
            return Failure(self.error(said))
        advice = f"give {proxy.source} the login it requires ({_LOGIN}), or {proxy.way_out}"
        return Failure(self.error(f"{said}; {advice}"), may_pass=False)

    def describe_busy(self, said: str, words: str, status: int, pause: float | None) -> Failure:
        """Describe an answer that may change if the request is repeated."""
        return Failure(self.error(f"{said}: {self.clean(words)}", status), pause=pause)

    def describe_refusal(self, said: str, words: str, status: int) -> Failure:
        """Describe an answer that will not change."""
        advice = ""
        if status in (401, 403):
            advice = (
                "; it requires another key than the one given"
                if self._has_key
                else "; it requires a key: put it into an environment variable and name that, "
                "api_key_env='OPENAI_API_KEY'"
            )
        elif 300 <= status < 400:
            advice = "; it sends requests elsewhere: give the final address as base_url"
        elif status == 407 and self._proxy is not None:
            source = self._proxy.source
            advice = f"; give {source} the login it requires ({_LOGIN}), or {self._proxy.way_out}"
        error = RefusedError(
            f"{self._name} {said}: {self.clean(words)}{advice}",
            component=self._component,
            status=status,
            reason=self._redactor.redact(words),
        )
        return Failure(error, may_pass=False)

    def given_up(self, failure: Failure, attempts: int, seconds: float) -> ServerError:
        """Return the error after the last attempt."""
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


_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    text: str


class JsonServer:
    """A server that answers JSON with JSON.

    Nothing it sends takes longer than the deadline or more memory than a few times
    ``MAX_BYTES``. Its text, in answers and in errors, contains neither control characters nor
    the key.

    Args:
        base_url: Its address, such as ``http://localhost:8000/v1``.
        key: The bearer token; it appears in no message and no ``repr``.
        timeout: Seconds for one attempt, from connecting to the last byte.
        deadline: Seconds after which every attempt ends.
        max_retries: How often a failed request is tried again.
        concurrency: Most concurrent requests.
        component: The name of the chat model in messages.

    Raises:
        ConfigError: If the address is invalid or contains a password, or the environment names
            a proxy or certificates for it that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None,
        timeout: float,
        deadline: float,
        max_retries: int,
        concurrency: int,
        component: str,
    ) -> None:
        self._address = parse_address(base_url)
        self.base_url = self._address.url
        self._key = key
        self._redactor = Redactor(key)
        self._timeout = timeout
        self._deadline = deadline
        self._max_retries = max_retries
        self._slots = threading.BoundedSemaphore(concurrency)
        self._lock = threading.Lock()
        self._proxy = find_proxy(self._address.scheme, self._address.host, self._address.port)
        self._failures = Failures(
            self._address,
            self._proxy,
            self._redactor,
            has_key=key is not None,
            component=component,
        )
        if self._is_encrypted:
            make_tls_context()
        self._pool: tuple[BoundedBackend, httpcore.ConnectionPool] | None = None
        # A generator of its own, so that retries do not change the global random state.
        self._jitter = random.Random()

    def __repr__(self) -> str:
        return f"JsonServer({self.base_url!r})"

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer, with retries.

        Raises:
            RefusedError: If the server refuses the request.
            ServerError: If the server could not be reached or did not follow the protocol
                until the retries or the deadline were used up.
        """
        content = json.dumps(body).encode()
        return self._request("POST", path, content, self._deadline, self._max_retries)

    def get(self, path: str, *, deadline: float) -> dict[str, Any]:
        """Fetch something small; one attempt."""
        return self._request("GET", path, None, deadline, 0)

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        with self._lock:
            if self._pool is not None:
                self._pool[1].close()
            self._pool = None

    # -- attempts --------------------------------------------------------------------------

    def _request(
        self, method: str, path: str, content: bytes | None, deadline: float, max_retries: int
    ) -> dict[str, Any]:
        begin = time.monotonic()
        end = begin + deadline
        for attempt in range(max_retries + 1):
            if not self._slots.acquire(timeout=max(0.0, end - time.monotonic())):
                raise self._failures.error(
                    "is busy with other requests of this program: raise deadline"
                )
            try:
                outcome = self._attempt(method, path, content, end)
            finally:
                self._slots.release()
            if isinstance(outcome, dict):
                return outcome
            if not outcome.may_pass:
                raise outcome.error
            pause = self._pause(attempt) if outcome.pause is None else outcome.pause
            if attempt == max_retries or time.monotonic() + pause >= end:
                raise self._failures.given_up(outcome, attempt + 1, time.monotonic() - begin)
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _attempt(
        self, method: str, path: str, content: bytes | None, end: float
    ) -> dict[str, Any] | Failure:
        """Return the answer, or the failure."""
        import httpcore

        from videoseg_vlm.server.network import PROXY_ERRORS

        failures = self._failures
        try:
            answer = self._send(method, path, content, end)
        except httpcore.TimeoutException:
            return Failure(failures.error("did not answer in time"))
        except httpcore.ConnectError as error:
            return failures.describe_no_connection(error)
        except UnreadableBodyError as error:
            said = f"sent an answer that is {failures.clean(str(error))}"
            return Failure(failures.error(said), may_pass=False)
        except ValueError as error:
            return Failure(failures.error(f"sent {failures.clean(str(error))}"))
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return failures.describe_break(error)
        except PROXY_ERRORS as error:
            if self._proxy is None:
                raise
            return failures.describe_proxy_refusal(error, self._proxy)
        if 200 <= answer.status < 300:
            return self._parse(answer)
        said, complaint = f"answered {answer.status}", self._complaint(answer)
        if is_transient(answer.status):
            pause = _retry_after(answer.headers)
            return failures.describe_busy(said, complaint.words, answer.status, pause)
        return failures.describe_refusal(said, complaint.words, answer.status)

    def _send(self, method: str, path: str, content: bytes | None, end: float) -> _Answer:
        import httpcore

        backend, pool = self._open_pool()
        url = httpcore.URL(
            scheme=self._address.scheme,
            host=self._address.host,
            port=self._address.port,
            target=self._address.target(path),
        )
        with (
            backend.until(min(end, time.monotonic() + self._timeout)),
            pool.stream(method, url, headers=self._headers(), content=content) as response,
        ):
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in response.headers
            }
            body = join_body(response.iter_stream())
        text = decode_body(body, headers.get("content-encoding", ""))
        return _Answer(response.status, headers, text)

    def _headers(self) -> dict[str | bytes, str | bytes]:
        headers: dict[str | bytes, str | bytes] = {
            "Host": self._address.host_header,
            "Content-Type": "application/json",
            "Accept": "application/json",
            # A small compressed body may be of any size when it is decompressed.
            "Accept-Encoding": "identity",
            "User-Agent": f"videoseg/{__version__}",
        }
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def _open_pool(self) -> tuple[BoundedBackend, httpcore.ConnectionPool]:
        from videoseg_vlm.server.network import BoundedBackend, open_pool

        with self._lock:
            if self._pool is None:
                if self._redactor.is_secret:
                    keep_out_of_logs(self._redactor)
                backend = BoundedBackend()
                tls = make_tls_context() if self._is_encrypted else None
                self._pool = backend, open_pool(backend, self._proxy, tls)
            return self._pool

    @property
    def _is_encrypted(self) -> bool:
        # Other servers do not need the certificates.
        return "https" in (self._address.scheme, self._proxy.scheme if self._proxy else "")

    def _parse(self, answer: _Answer) -> dict[str, Any] | Failure:
        failures, status = self._failures, answer.status
        try:
            data = parse_body(answer.text)
        except ValueError as error:
            if answer.text.lstrip()[:1] == "<":
                # Another attempt would fail, too.
                said = (
                    f"answered with a web page ({failures.clean(answer.text)}); base_url should "
                    "end where /chat/completions follows, such as http://localhost:8000/v1"
                )
                return Failure(failures.error(said, status), may_pass=False)
            beginning, reason = failures.clean(answer.text, 120), failures.clean(str(error))
            said = f"answered with something that is no whole JSON ({beginning}): {reason}"
            return Failure(failures.error(said, status))
        # A key that a server repeats must not reach a recording or a result.
        data = clean_strings(data, self._redactor.redact if self._redactor.is_secret else str)
        if isinstance(data, list) and data and isinstance(data[0], dict) and "error" in data[0]:
            data = data[0]
        if not isinstance(data, dict):
            said = f"answered with JSON that is no object ({failures.clean(answer.text)})"
            return Failure(failures.error(said, status))
        complaint = find_complaint(data)
        if complaint is None:
            return data
        said = f"answered {status}, but with an error"
        if complaint.status is None:
            return failures.describe_refusal(said, complaint.words, status)
        said += f" ({complaint.status})"
        if is_transient(complaint.status):
            pause = _retry_after(answer.headers)
            return failures.describe_busy(said, complaint.words, complaint.status, pause)
        return failures.describe_refusal(said, complaint.words, complaint.status)

    def _complaint(self, answer: _Answer) -> Complaint:
        try:
            data = parse_body(answer.text)
        except ValueError:
            return Complaint(answer.text, None)
        return read_complaint(clean_strings(data, self._redactor.redact))

    def _pause(self, attempt: int) -> float:
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempt, 30))
        return longest * (0.5 + self._jitter.random() / 2)


def _retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now())
    except (TypeError, ValueError, OverflowError):
        return None
