"""Posts JSON to a server that may be busy, slow, broken, hostile or gone."""

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
from videoseg_vlm import bodies
from videoseg_vlm.addresses import parse_address
from videoseg_vlm.complaints import Complaint, complaint_of, is_passing, read_complaint
from videoseg_vlm.errors import ServerError
from videoseg_vlm.keys import Redactor
from videoseg_vlm.surroundings import certificate_problem, find_proxy, make_tls_context

if TYPE_CHECKING:
    import httpcore

    from videoseg_vlm.network import BoundedBackend

__all__ = ["JsonServer", "RefusedError"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LONGEST_WORDS = 300


class RefusedError(ServerError):
    """The server understood the request and will not answer it (HTTP 4xx, for example).

    Attributes:
        reason: The server's own words.
    """

    def __init__(self, message: str, *, component: str, status: int, reason: str) -> None:
        self.reason = reason
        super().__init__(message, component=component, status=status)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why an attempt failed that may be worth another one."""

    error: ServerError
    pause: float | None = None  # as long as the server asks for


class JsonServer:
    """A server that takes and gives JSON.

    Nothing that it sends takes longer than the deadline or more memory than a few times
    ``bodies.MAX_BYTES``, and whatever text of its comes out of here, in answers as in errors,
    holds no control characters and not the key.

    Args:
        base_url: Where it is, such as ``http://localhost:8000/v1``.
        key: What it wants as a bearer token; it stands in no message and no ``repr``.
        timeout: Seconds to wait for one answer, from connecting to the last byte.
        deadline: Seconds after which no further attempt is made and none goes on.
        max_retries: How often a failed request is tried again.
        concurrency: How many requests may be under way at once.
        component: What the chat model is called in messages.

    Raises:
        ConfigError: If the address is not one of a server, or holds a password; if the
            environment names a proxy or certificates for it that cannot be used.
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
        self._component = component
        self._slots = threading.BoundedSemaphore(concurrency)
        self._lock = threading.Lock()
        self._proxy = find_proxy(self._address.scheme, self._address.host, self._address.port)
        if self._is_encrypted:
            make_tls_context()
        self._pool: tuple[BoundedBackend, httpcore.ConnectionPool] | None = None
        # A generator of its own, so that retries change nobody's random numbers.
        self._jitter = random.Random()

    def __repr__(self) -> str:
        return f"JsonServer({self.base_url!r})"

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer, trying again where that may help.

        Raises:
            RefusedError: If the server will not answer this request.
            ServerError: If it could not be reached, or did not answer properly, until the
                retries or the deadline were used up.
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
                raise self._error("is busy with other requests of this program: raise deadline")
            try:
                outcome = self._attempt(method, path, content, end)
            finally:
                self._slots.release()
            if isinstance(outcome, dict):
                return outcome
            pause = self._pause(attempt) if outcome.pause is None else outcome.pause
            if attempt == max_retries or time.monotonic() + pause >= end:
                raise self._given_up(outcome, attempt + 1, time.monotonic() - begin)
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _attempt(
        self, method: str, path: str, content: bytes | None, end: float
    ) -> dict[str, Any] | _Trouble:
        """Return the answer, or why there is none.

        Raises:
            ServerError: If asking again would not help.
        """
        import httpcore

        from videoseg_vlm.network import PROXY_ERRORS

        try:
            answer = self._send(method, path, content, end)
        except httpcore.TimeoutException:
            return _Trouble(self._error("did not answer in time"))
        except httpcore.ConnectError as error:
            return self._unreachable(error)
        except bodies.UnreadableBodyError as error:
            raise self._error(f"sent an answer that is {self._shown(str(error))}") from error
        except ValueError as error:
            return _Trouble(self._error(f"sent {self._shown(str(error))}"))
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return _Trouble(self._error(self._broken_off(error)))
        except PROXY_ERRORS as error:
            return self._refused_by_proxy(error)
        if 200 <= answer.status < 300:
            return self._parsed(answer)
        complaint = self._complaint(answer)
        if is_passing(answer.status):
            error = self._error(
                f"answered {answer.status}: {self._shown(complaint.words)}", answer.status
            )
            return _Trouble(error, _retry_after(answer.headers))
        raise self._refused(f"answered {answer.status}", complaint.words, answer.status)

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
            body = bodies.join(response.iter_stream())
        text = bodies.decode(body, headers.get("content-encoding", ""))
        return _Answer(response.status, headers, text)

    def _headers(self) -> dict[str, str]:
        headers = {
            "Host": self._address.host_header,
            "Content-Type": "application/json",
            "Accept": "application/json",
            # What is packed small may be of any size when it is unpacked.
            "Accept-Encoding": "identity",
            "User-Agent": f"videoseg/{__version__}",
        }
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def _open_pool(self) -> tuple[BoundedBackend, httpcore.ConnectionPool]:
        from videoseg_vlm.network import BoundedBackend, open_pool

        with self._lock:
            if self._pool is None:
                backend = BoundedBackend()
                tls = make_tls_context() if self._is_encrypted else None
                self._pool = backend, open_pool(backend, self._proxy, tls)
            return self._pool

    @property
    def _is_encrypted(self) -> bool:
        # For the rest, certificates that cannot be read are no hindrance.
        return "https" in (self._address.scheme, self._proxy.scheme if self._proxy else "")

    def _parsed(self, answer: _Answer) -> dict[str, Any] | _Trouble:
        try:
            data = bodies.parse(answer.text)
        except ValueError as error:
            if answer.text.lstrip()[:1] == "<":
                # That is no accident of the moment.
                raise self._error(
                    f"answered with a web page ({self._shown(answer.text)}); base_url should end "
                    "where /chat/completions follows, such as http://localhost:8000/v1",
                    answer.status,
                ) from None
            beginning = shorten_text(self._shown(answer.text), 120)
            return _Trouble(
                self._error(
                    f"answered with something that is no whole JSON ({beginning}): "
                    f"{self._shown(str(error))}",
                    answer.status,
                )
            )
        # A key that a server repeats must not get into a recording or a result.
        data = bodies.clean_strings(
            data, self._redactor.redact if self._redactor.is_secret else str
        )
        if isinstance(data, list) and data and isinstance(data[0], dict) and "error" in data[0]:
            data = data[0]
        if not isinstance(data, dict):
            return _Trouble(
                self._error(
                    f"answered with JSON that is no object ({self._shown(answer.text)})",
                    answer.status,
                )
            )
        complaint = complaint_of(data)
        if complaint is None:
            return data
        said = f"answered {answer.status}, but with an error"
        if complaint.status is not None:
            said += f" ({complaint.status})"
        if is_passing(complaint.status):
            error = self._error(f"{said}: {self._shown(complaint.words)}", complaint.status)
            return _Trouble(error, _retry_after(answer.headers))
        raise self._refused(said, complaint.words, complaint.status or answer.status)

    def _complaint(self, answer: _Answer) -> Complaint:
        try:
            data = bodies.parse(answer.text)
        except ValueError:
            return Complaint(answer.text, None)
        return read_complaint(bodies.clean_strings(data, self._redactor.redact))

    def _pause(self, attempt: int) -> float:
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempt, 30))
        return longest * (0.5 + self._jitter.random() / 2)

    # -- errors ----------------------------------------------------------------------------

    def _error(self, text: str, status: int | None = None) -> ServerError:
        return ServerError(
            f"the server {self.base_url} {text}", component=self._component, status=status
        )

    def _unreachable(self, error: httpcore.ConnectError) -> _Trouble:
        cause = error.args[0] if error.args else None
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise self._error(self._shown(certificate_problem(cause))) from error
        if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
            raise self._error(
                f"does not speak TLS ({self._shown(str(error))}): base_url should probably begin "
                "with http://"
            ) from error
        through = f" through the proxy {self._proxy}" if self._proxy else ""
        return _Trouble(self._error(f"cannot be reached{through} ({self._shown(str(error))})"))

    def _broken_off(self, error: Exception) -> str:
        words = self._shown(str(error))
        said = f"broke off ({type(error).__name__}: {words})"
        # The beginning of a TLS alert, where a line of HTTP is expected.
        if self._address.scheme == "http" and "\\x15\\x03" in words:
            said += "; it speaks TLS: base_url should begin with https://"
        return said

    def _refused_by_proxy(self, error: Exception) -> _Trouble:
        assert self._proxy is not None
        said = f"cannot be reached: the proxy {self._proxy} says {self._shown(str(error))!r}"
        status = re.match(r"(\d{3})\b", str(error))
        if status is None or is_passing(int(status[1])):
            return _Trouble(self._error(said))
        raise self._error(
            f"{said}; {self._proxy.source} names that proxy: put what it wants there "
            f"(http://USER:PASSWORD@HOST:PORT), or {self._proxy.way_out}"
        ) from error

    def _given_up(self, trouble: _Trouble, attempts: int, seconds: float) -> ServerError:
        status = trouble.error.status
        times = "once" if attempts == 1 else f"{attempts} times in {seconds:.0f} s"
        advice = {
            None: "check that it runs and base_url is right, or raise timeout and deadline",
            429: "it is overloaded or your quota is used up: lower concurrency, or wait",
        }.get(status, "look into the server's own log")
        if trouble.pause is not None and trouble.pause > 1:
            advice += f" (it asks to be left alone for {trouble.pause:.0f} s)"
        if self._proxy is not None:
            advice += f"; {self._proxy.source} names a proxy for it: {self._proxy.way_out}"
        return ServerError(
            f"{trouble.error}; asked {times}: {advice}", component=self._component, status=status
        )

    def _refused(self, said: str, words: str, status: int) -> RefusedError:
        advice = ""
        if status in (401, 403):
            advice = (
                "; it wants another key than the one given"
                if self._key
                else "; it wants a key: put it into an environment variable and name that, "
                "api_key_env='OPENAI_API_KEY'"
            )
        elif status < 400 and not 200 <= status < 300:
            advice = "; it sends requests elsewhere: give the final address as base_url"
        elif status == 407 and self._proxy is not None:
            advice = f"; that is the proxy which {self._proxy.source} names: {self._proxy.way_out}"
        return RefusedError(
            f"the server {self.base_url} {said}: {self._shown(words)}{advice}",
            component=self._component,
            status=status,
            reason=self._redactor.redact(words),
        )

    def _shown(self, text: str) -> str:
        """Return foreign text as it may stand in a message."""
        plain = " ".join(printable(self._redactor.redact(text)).split())
        return shorten_text(plain, _LONGEST_WORDS) if plain else "nothing"


_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
)


def _retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now())
    except (TypeError, ValueError, OverflowError):
        return None
