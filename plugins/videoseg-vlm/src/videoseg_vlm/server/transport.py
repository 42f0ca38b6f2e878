"""Posts JSON to a server that may be busy, slow, broken, hostile or gone."""

from __future__ import annotations

import email.utils
import json
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from videoseg import __version__
from videoseg_vlm.server import bodies
from videoseg_vlm.server.addresses import parse_address
from videoseg_vlm.server.complaints import Complaint, complaint_of, is_passing, read_complaint
from videoseg_vlm.server.environment import find_proxy, make_tls_context
from videoseg_vlm.server.failures import Failure, Failures, RefusedError
from videoseg_vlm.server.keys import Redactor, keep_out_of_logs

if TYPE_CHECKING:
    import httpcore

    from videoseg_vlm.server.network import BoundedBackend

__all__ = ["JsonServer", "RefusedError"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    text: str


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
        """Return the answer, or why there is none."""
        import httpcore

        from videoseg_vlm.server.network import PROXY_ERRORS

        failures = self._failures
        try:
            answer = self._send(method, path, content, end)
        except httpcore.TimeoutException:
            return Failure(failures.error("did not answer in time"))
        except httpcore.ConnectError as error:
            return failures.cannot_connect(error)
        except bodies.UnreadableBodyError as error:
            said = f"sent an answer that is {failures.shown(str(error))}"
            return Failure(failures.error(said), may_pass=False)
        except ValueError as error:
            return Failure(failures.error(f"sent {failures.shown(str(error))}"))
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return failures.broken_off(error)
        except PROXY_ERRORS as error:
            if self._proxy is None:
                raise
            return failures.refused_by_proxy(error, self._proxy)
        if 200 <= answer.status < 300:
            return self._parsed(answer)
        said, complaint = f"answered {answer.status}", self._complaint(answer)
        if is_passing(answer.status):
            pause = _retry_after(answer.headers)
            return failures.busy(said, complaint.words, answer.status, pause)
        return failures.refused(said, complaint.words, answer.status)

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

    def _headers(self) -> dict[str | bytes, str | bytes]:
        headers: dict[str | bytes, str | bytes] = {
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
        # For the rest, certificates that cannot be read are no hindrance.
        return "https" in (self._address.scheme, self._proxy.scheme if self._proxy else "")

    def _parsed(self, answer: _Answer) -> dict[str, Any] | Failure:
        failures, status = self._failures, answer.status
        try:
            data = bodies.parse(answer.text)
        except ValueError as error:
            if answer.text.lstrip()[:1] == "<":
                # That is no accident of the moment.
                said = (
                    f"answered with a web page ({failures.shown(answer.text)}); base_url should "
                    "end where /chat/completions follows, such as http://localhost:8000/v1"
                )
                return Failure(failures.error(said, status), may_pass=False)
            beginning, reason = failures.shown(answer.text, 120), failures.shown(str(error))
            said = f"answered with something that is no whole JSON ({beginning}): {reason}"
            return Failure(failures.error(said, status))
        # A key that a server repeats must not get into a recording or a result.
        data = bodies.clean_strings(
            data, self._redactor.redact if self._redactor.is_secret else str
        )
        if isinstance(data, list) and data and isinstance(data[0], dict) and "error" in data[0]:
            data = data[0]
        if not isinstance(data, dict):
            said = f"answered with JSON that is no object ({failures.shown(answer.text)})"
            return Failure(failures.error(said, status))
        complaint = complaint_of(data)
        if complaint is None:
            return data
        said = f"answered {status}, but with an error"
        if complaint.status is None:
            return failures.refused(said, complaint.words, status)
        said += f" ({complaint.status})"
        if is_passing(complaint.status):
            pause = _retry_after(answer.headers)
            return failures.busy(said, complaint.words, complaint.status, pause)
        return failures.refused(said, complaint.words, complaint.status)

    def _complaint(self, answer: _Answer) -> Complaint:
        try:
            data = bodies.parse(answer.text)
        except ValueError:
            return Complaint(answer.text, None)
        return read_complaint(bodies.clean_strings(data, self._redactor.redact))

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
