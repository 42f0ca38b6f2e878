"""Posts JSON to a server that may be busy, slow, broken or gone."""

from __future__ import annotations

import email.utils
import json
import os
import random
import re
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from videoseg import ConfigError
from videoseg_vlm.errors import ServerError

if TYPE_CHECKING:
    import httpx

__all__ = ["JsonServer", "RefusedError", "read_key"]

_WORTH_A_RETRY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
# Shorter keys stand in for none, such as EMPTY, and may be words or numbers of an answer.
_SHORTEST_SECRET = 8
_LARGEST_ANSWER = 32 * 2**20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


class RefusedError(ServerError):
    """The server understood the request and will not answer it (HTTP 4xx).

    Attributes:
        reason: The server's own words.
    """

    def __init__(self, message: str, *, component: str, status: int, reason: str) -> None:
        self.reason = reason
        super().__init__(message, component=component, status=status)


def read_key(variable: str | None) -> str | None:
    """Return the key in an environment variable; None if none is named.

    Raises:
        ConfigError: If the variable is not set, or what was given is no variable's name. The
            message never repeats what might be a key itself.
    """
    if variable is None:
        return None
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,39}", variable):
        raise ConfigError(
            "api_key_env must be the name of an environment variable, such as OPENAI_API_KEY; "
            "the key itself goes into that variable, never into options or files"
        )
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"the environment variable {variable} is not set; put the server's key there: "
            f"export {variable}=..."
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"the key in {variable} holds characters that no key has")
    return key


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    text: str


class JsonServer:
    """A server that takes and gives JSON.

    Args:
        base_url: Where it is, such as ``http://localhost:8000/v1``.
        key: What it wants as a bearer token; it stands in no message and no ``repr``.
        timeout: Seconds to wait for one answer.
        deadline: Seconds after which no further attempt is made and none goes on.
        max_retries: How often a failed request is tried again.
        concurrency: How many requests may be under way at once.
        component: What the chat model is called in messages.

    Raises:
        ConfigError: If the address is not one of a server, or holds a password.
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
        self.base_url = _checked_url(base_url)
        self._key = key
        self._timeout = timeout
        self._deadline = deadline
        self._max_retries = max_retries
        self._component = component
        self._slots = threading.BoundedSemaphore(concurrency)
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
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
            if self._client is not None:
                self._client.close()
            self._client = None

    # -- attempts --------------------------------------------------------------------------

    def _request(
        self, method: str, path: str, content: bytes | None, deadline: float, max_retries: int
    ) -> dict[str, Any]:
        begin = time.monotonic()
        end = begin + deadline
        for attempt in range(max_retries + 1):
            with self._slots:
                problem, pause = self._attempt(method, path, content, end)
            if isinstance(problem, dict):
                return problem
            pause = pause if pause is not None else self._pause(attempt)
            if attempt == max_retries or time.monotonic() + pause >= end:
                raise self._given_up(problem, attempt + 1, time.monotonic() - begin)
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _attempt(
        self, method: str, path: str, content: bytes | None, end: float
    ) -> tuple[dict[str, Any] | ServerError, float | None]:
        """Return the answer, or what went wrong and how long the server asks to wait."""
        import httpx

        try:
            answer = self._send(method, path, content, end)
        except httpx.ConnectError as error:
            return self._error(f"cannot be reached ({self._redacted(str(error))})"), None
        except httpx.TimeoutException:
            return self._error("did not answer in time"), None
        except httpx.HTTPError as error:
            kind = type(error).__name__
            return self._error(f"broke off ({kind}: {self._redacted(str(error))})"), None
        if answer.status in _WORTH_A_RETRY:
            said = self._reason(answer)
            problem = self._error(f"answered {answer.status}: {said}", answer.status)
            return problem, _retry_after(answer.headers)
        if answer.status >= 300:
            raise self._refused(answer)
        return self._parsed(answer), None

    def _send(self, method: str, path: str, content: bytes | None, end: float) -> _Answer:
        import httpx

        # The library's timeout counts from the last byte; a server that drips never reaches it.
        stop = min(end, time.monotonic() + self._timeout)
        wait = max(0.001, stop - time.monotonic())
        request = self._open_client().stream(
            method,
            f"{self.base_url}/{path}",
            content=content,
            headers=self._headers(),
            timeout=httpx.Timeout(wait),
        )
        chunks, length = [], 0
        with request as response:
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                length += len(chunk)
                if time.monotonic() > stop:
                    raise httpx.ReadTimeout("the answer took too long")
                if length > _LARGEST_ANSWER:
                    raise httpx.DecodingError("the answer is larger than any answer can be")
            text = b"".join(chunks).decode("utf-8", errors="replace")
            return _Answer(response.status_code, dict(response.headers), text)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def _open_client(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                self._client = httpx.Client(verify=_tls_settings())
            return self._client

    def _parsed(self, answer: _Answer) -> dict[str, Any] | ServerError:
        try:
            # A key that a server repeats must not get into a recording or a result.
            is_secret = len(self._key or "") >= _SHORTEST_SECRET
            data = json.loads(self._redacted(answer.text) if is_secret else answer.text)
        except ValueError:
            data = None
        if isinstance(data, dict):
            return data
        if answer.text.lstrip()[:1] == "<":
            # That is no accident of the moment.
            raise self._error(
                f"answered with a web page ({self._snippet(answer.text)}); base_url should end "
                "where /chat/completions follows, such as http://localhost:8000/v1",
                answer.status,
            )
        return self._error(
            f"answered with something that is no whole JSON ({self._snippet(answer.text)})",
            answer.status,
        )

    def _pause(self, attempt: int) -> float:
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt)
        return longest * (0.5 + self._jitter.random() / 2)

    # -- errors ----------------------------------------------------------------------------

    def _error(self, text: str, status: int | None = None) -> ServerError:
        return ServerError(
            f"the server {self.base_url} {text}", component=self._component, status=status
        )

    def _given_up(self, problem: ServerError, attempts: int, seconds: float) -> ServerError:
        times = "once" if attempts == 1 else f"{attempts} times in {seconds:.0f} s"
        advice = {
            None: "check that it runs and base_url is right, or raise timeout and deadline",
            429: "it is overloaded or your quota is used up: lower concurrency, or wait",
        }.get(problem.status, "look into the server's own log")
        return ServerError(
            f"{problem}; asked {times}: {advice}", component=self._component, status=problem.status
        )

    def _refused(self, answer: _Answer) -> RefusedError:
        said = self._reason(answer)
        advice = ""
        if answer.status in (401, 403):
            advice = (
                "; it wants another key than the one given"
                if self._key
                else "; it wants a key: put it into an environment variable and name that, "
                "api_key_env='OPENAI_API_KEY'"
            )
        elif answer.status < 400:
            advice = "; it sends requests elsewhere: give the final address as base_url"
        return RefusedError(
            f"the server {self.base_url} answered {answer.status}: {said}{advice}",
            component=self._component,
            status=answer.status,
            reason=said,
        )

    def _reason(self, answer: _Answer) -> str:
        try:
            data = json.loads(answer.text)
        except ValueError:
            return self._snippet(answer.text)
        for key in ("error", "message", "detail"):
            if isinstance(data, dict) and key in data:
                data = data[key]
        return self._snippet(data if isinstance(data, str) else json.dumps(data))

    def _snippet(self, text: str) -> str:
        plain = " ".join(self._redacted(text).split())
        return plain[:300] + ("..." if len(plain) > 300 else "") if plain else "nothing"

    def _redacted(self, text: str) -> str:
        # Some servers repeat the key they were sent.
        return text.replace(self._key, "<key>") if self._key else text


@lru_cache(maxsize=1)
def _tls_settings() -> ssl.SSLContext:
    # Reading all certificates takes longer than many a request.
    import httpx

    return httpx.create_ssl_context()


def _checked_url(url: str) -> str:
    match = re.fullmatch(r"(https?)://([^/?#\s]+)(/[^?#\s]*)?", url)
    if match is not None and "@" in match[2]:
        raise ConfigError(
            "base_url must hold no user name or password; put the server's key into an "
            "environment variable and name it with api_key_env"
        )
    if match is None or not _names_a_host(url):
        raise ConfigError(
            f"base_url must be the address of a server, such as http://localhost:8000/v1, "
            f"got {url.split('@')[-1].split('?')[0]!r}"
        )
    return url.rstrip("/").removesuffix("/chat/completions")


def _names_a_host(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        # A port that is no number is an error only when it is asked for.
        _ = parts.port
        (parts.hostname or "").encode("idna")
    except (ValueError, UnicodeError):
        return False
    return bool(parts.hostname)


def _retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now())
    except (TypeError, ValueError):
        return None
