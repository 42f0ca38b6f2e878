"""Fetches one file over HTTP: resumed, checked, and in its place whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from videoseg._version import __version__
from videoseg.errors import DownloadError
from videoseg.files import FileLock, make_folder, read_bytes
from videoseg.text import format_bytes, parse_json, printable, shorten_text
from videoseg.weights.formats import placeholder_problem
from videoseg.weights.hashes import other_hash
from videoseg.weights.published import WEIGHTS_VARIABLE, WeightsFile

__all__ = [
    "Progress",
    "check_free_space",
    "fetch_file",
    "open_url",
    "remote_size",
]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Is called with the name of the file, the bytes that are here, and those in all (0: unknown)."""

_CHUNK = 1 << 18
_TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as cut."""
_PAUSES = (1.0, 3.0, 8.0)
"""Seconds before each further attempt in a row that brings nothing new."""
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""The answers of a server that may be other ones a moment later."""
_ONLY_GET = frozenset({405, 501})
"""The answers of a server that tells no sizes without sending the file."""
# More digits than any file has are no number.
_RANGE = re.compile(r"bytes ([0-9]{1,40})-([0-9]{1,40})/([0-9]{1,40}|\*)")
_LENGTH = re.compile(r"[0-9]{1,40}")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _CutError(Exception):
    """The connection broke, or the server asks for patience; another attempt may succeed."""


class _RestartError(Exception):
    """What is here does not go with what the server has."""


class _RedirectError(urllib.error.URLError):
    """The server redirects to where nothing is fetched from."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from an encrypted connection to an open one."""

    def redirect_request(self, req: Any, *answer: Any) -> Any:
        allowed = ("https",) if req.type == "https" else ("http", "https")
        # The library has made it absolute.
        if urlsplit(answer[-1]).scheme not in allowed:
            raise _RedirectError(
                f"the server redirects to an address that is not {' or '.join(allowed)}"
            )
        return super().redirect_request(req, *answer)


def fetch_file(
    file: WeightsFile,
    path: Path | None = None,
    *,
    progress: Progress | None = None,
    pauses: tuple[float, ...] = _PAUSES,
) -> Path:
    """Fetch a file; at its end it is in its place, whole and checked, or not there at all.

    What a cut connection leaves is kept beside the place as ``.NAME.partial``, and the next call
    goes on from there if the server still has the same file. Proxies are those of the
    environment (``HTTPS_PROXY``, ``NO_PROXY``).

    Args:
        file: What to fetch.
        path: Where to put it; by default where it is looked for.
        progress: Is told how much is here.
        pauses: Seconds before each further attempt after a cut connection.

    Returns:
        The path.

    Raises:
        DownloadError: If it cannot be fetched, is another file than the published one, or cannot
            be written.
    """
    path = file.path if path is None else path
    with _explained_writes(file, path), _locked(path):
        partial = _Partial(path)
        resumed = partial.size > 0
        while True:
            _receive_all(file, partial, progress, pauses)
            problem = _content_problem(file, partial.path)
            if not problem:
                break
            partial.remove()
            if not resumed:
                raise DownloadError(
                    f"{file.url} {problem}; nothing was kept. {_by_hand(file, path)}"
                )
            # The beginning may have been of another file.
            resumed = False
        partial.put_in_place()
    return path


def remote_size(file: WeightsFile) -> int:
    """Return the size in bytes that its server gives for a file; 0 if it gives none.

    Raises:
        DownloadError: If the server cannot be reached or does not have it.
    """
    request = _request(file.url)
    request.method = "HEAD"
    advice = _by_hand(file, file.path)
    try:
        with _explained_answers(file.url, advice), open_url(request) as response:
            return _length_of(response) or 0
    except _CutError:
        # The download makes more attempts.
        return 0
    except DownloadError as error:
        if getattr(error.__cause__, "code", None) in _ONLY_GET:
            return 0
        raise


def open_url(request: urllib.request.Request, *, timeout: float = _TIMEOUT) -> Any:
    """Open an address through the proxies of the environment; refuses to leave encryption."""
    return urllib.request.build_opener(_Redirects()).open(request, timeout=timeout)


def check_free_space(folder: Path, num_bytes: int, *, setting: str = WEIGHTS_VARIABLE) -> None:
    """Refuse a download that the disk has no room for.

    Args:
        folder: Where it will be; it need not exist yet.
        num_bytes: How much is still to come.
        setting: The environment variable that names another place.

    Raises:
        DownloadError: If there is less space than that.
    """
    existing = next((one for one in (folder, *folder.parents) if one.exists()), None)
    if existing is None:
        return
    try:
        free = shutil.disk_usage(existing).free
    except OSError:
        return
    if free < num_bytes:
        raise DownloadError(
            f"{folder} has {format_bytes(free)} of free space, but {format_bytes(num_bytes)} are "
            f"to be downloaded; free some, or name a folder on another disk with {setting}"
        )


# -- receiving -------------------------------------------------------------------------------


def _receive_all(
    file: WeightsFile, partial: _Partial, progress: Progress | None, pauses: tuple[float, ...]
) -> None:
    """Receive a file, in several attempts if the connection breaks."""
    failures, furthest = 0, partial.size
    while True:
        try:
            _receive(file, partial, progress)
            return
        except _RestartError as error:
            partial.remove()
            reason = str(error)
        except _CutError as error:
            reason = str(error)
        # An attempt that got further than all before is a good sign.
        failures = 1 if partial.size > furthest else failures + 1
        furthest = max(furthest, partial.size)
        if failures > len(pauses):
            size = format_bytes(partial.size)
            kept = f"{size} are kept, and the same command goes on from there. "
            raise DownloadError(
                f"{file.url} could not be fetched: {reason}. {kept if partial.size else ''}"
                f"{_by_hand(file, partial.target)}"
            )
        time.sleep(pauses[failures - 1])


def _receive(file: WeightsFile, partial: _Partial, progress: Progress | None) -> None:
    """Receive what is missing of a file, in one attempt.

    Raises:
        _CutError: If it broke off.
        _RestartError: If what is here is not the beginning of what the server has.
        DownloadError: If another attempt would fail, too.
    """
    wanted = file.num_bytes if file.sha256 else 0
    offset = partial.size if partial.continues(file) else 0
    if wanted and offset == wanted:
        return
    if wanted and offset > wanted:
        raise _RestartError("what is here is longer than the published file")
    with _explained_answers(file.url, _by_hand(file, partial.target), offset=offset):
        response = open_url(_request(file.url, offset, partial.validator))
    with response:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadError(
                f"the server of {file.url} sends it compressed, which was not asked for; a proxy "
                f"may be in between. {_by_hand(file, partial.target)}"
            )
        if response.status == 206:
            total = _total_of_part(response, offset, partial.validator)
        else:
            # The server cannot resume, or has another file by now.
            offset, total = 0, _length_of(response) or 0
        if wanted and total and total != wanted:
            partial.remove()
            raise DownloadError(
                f"{file.url} has {total:,} bytes, but the published file has {wanted:,}; it is "
                f"another file, or a page of a proxy. {_by_hand(file, partial.target)}"
            )
        is_chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
        if not (total or wanted or is_chunked):
            raise DownloadError(
                f"the server of {file.url} does not say how large it is, so that half of it would "
                f"pass for the whole. {_by_hand(file, partial.target)}"
            )
        check_free_space(partial.target.parent, (total or wanted or offset) - offset)
        if not offset:
            # It must not pass for the beginning of what is described now.
            partial.remove()
        partial.describe(file, response.headers)
        expected = total or wanted
        for chunk in _chunks(response):
            partial.write(chunk, offset)
            offset += len(chunk)
            if expected and offset > expected:
                raise _RestartError("the server sent more than the file has")
            if progress is not None:
                progress(file.name, offset, expected or file.num_bytes)
    if expected and offset < expected:
        raise _CutError(f"the connection ended after {offset:,} of {expected:,} bytes")


def _total_of_part(response: Any, offset: int, validator: str) -> int:
    """Return the size of the file that a server sends a part of; 0 if it does not say it.

    Args:
        response: The answer, of status 206.
        offset: Where the part must begin.
        validator: What the server called the file that is here until there.

    Raises:
        _RestartError: If it is another part, or one of another file.
    """
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != offset:
        raise _RestartError("the server sent another part than it was asked for")
    given = _validator_of(response.headers)
    if offset and given and validator and given != validator:
        raise _RestartError("the server has another file than before")
    # The part may end before the file does.
    return 0 if found[3] == "*" else int(found[3])


def _chunks(response: Any) -> Iterator[bytes]:
    while True:
        try:
            chunk: bytes = response.read(_CHUNK)
        except http.client.IncompleteRead as error:
            if error.partial:
                yield error.partial
            raise _CutError("the connection ended early") from error
        except (OSError, http.client.HTTPException) as error:
            raise _CutError(f"the connection broke ({_reason(error)})") from error
        if not chunk:
            return
        yield chunk


def _length_of(response: Any) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if _LENGTH.fullmatch(length) else None


def _validator_of(headers: Any) -> str:
    """Return what a server calls the very bytes that it sends; empty if it does not say."""
    tag: str = headers.get("ETag") or ""
    # A weak one does not promise the same bytes.
    return tag if tag.startswith('"') else headers.get("Last-Modified") or ""


def _request(url: str, offset: int = 0, validator: str = "") -> urllib.request.Request:
    headers = {"User-Agent": f"videoseg/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if validator:
            headers["If-Range"] = validator
    return urllib.request.Request(url, headers=headers)


class _Partial:
    """What is here of a file, beside its place, and what the server said about it."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.partial")
        self._about = target.with_name(f".{target.name}.partial.json")

    @property
    def size(self) -> int:
        """How much is here, in bytes."""
        return self.path.stat().st_size if _is_own_file(self.path) else 0

    @property
    def validator(self) -> str:
        """What the server called its file."""
        return self._description()[1]

    def continues(self, file: WeightsFile) -> bool:
        """Return whether more of a file can be put at the end of what is here."""
        url, validator = self._description()
        return url == file.url and bool(validator or file.sha256)

    def _description(self) -> tuple[str, str]:
        if not _is_own_file(self._about):
            return "", ""
        try:
            about = parse_json(read_bytes(self._about, max_bytes=1 << 16))
            return str(about["url"]), str(about["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", ""

    def describe(self, file: WeightsFile, headers: Any) -> None:
        """Remember which file of the server this is."""
        text = json.dumps({"url": file.url, "validator": _validator_of(headers)})
        self._about.write_text(text, encoding="utf-8")

    def write(self, chunk: bytes, offset: int) -> None:
        """Write a chunk at its place, which is the end; from 0 what was here is dropped."""
        with self.path.open("ab" if offset else "wb") as file:
            file.write(chunk)

    def put_in_place(self) -> None:
        """Give the file its name."""
        # Open for writing, as some systems flush only then.
        with self.path.open("r+b") as file:
            os.fsync(file.fileno())
        self.path.replace(self.target)
        self.remove()

    def remove(self) -> None:
        """Remove what is here."""
        for path in (self.path, self._about):
            with contextlib.suppress(OSError):
                path.unlink()


def _is_own_file(path: Path) -> bool:
    """Return whether a path is a file, and no link through which another would be written."""
    return path.is_file() and not path.is_symlink()


def _content_problem(file: WeightsFile, path: Path) -> str:
    """Return why a file that was received whole is not the one that is meant."""
    if problem := placeholder_problem(path):
        return problem
    if problem := other_hash(file, path):
        return (
            f"is not the published file: {problem}, so that it was damaged on the way or replaced"
        )
    return ""


# -- errors ----------------------------------------------------------------------------------


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    make_folder(path.parent)
    if not lock.acquire():
        raise DownloadError(f"another process is downloading {path}; wait for it")
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            # A full disk harms other programs, too.
            _Partial(path).remove()
        raise
    finally:
        lock.release()


@contextmanager
def _explained_writes(file: WeightsFile, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise DownloadError(
            f"cannot write {path}: {reason}; nothing half-written was left there. Check the "
            f"folder, its permissions and the free space ({file.name} takes "
            f"{format_bytes(file.num_bytes) if file.num_bytes else 'an unknown size'}), or name "
            f"another folder with {WEIGHTS_VARIABLE}"
        ) from error


@contextmanager
def _explained_answers(url: str, advice: str, *, offset: int = 0) -> Iterator[None]:
    """Turn what a server or the network answers into what to do about it."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and offset:
            raise _RestartError("the server has another file than before") from error
        if error.code in _PASSING:
            raise _CutError(f"the server answered {_answer(error)}") from error
        raise DownloadError(f"{url} cannot be had: {_answer(error)}. {advice}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        # A URLError, which wraps the reason, is an OSError.
        cause = getattr(error, "reason", error)
        cause = cause if isinstance(cause, Exception) else error
        host = urlsplit(url).hostname
        reason = _reason(cause)
        if isinstance(error, _RedirectError):
            raise DownloadError(f"{url} cannot be had: {reason}. {advice}") from error
        if isinstance(error, http.client.InvalidURL) or "unknown url type" in reason:
            # What is wrong with it may be a part of a password.
            raise DownloadError(
                f"{host} cannot be reached: the address of the proxy, or the one that the server "
                "redirects to, has a wrong form; check HTTPS_PROXY and HTTP_PROXY, such as "
                f"http://proxy:8080. {advice}"
            ) from error
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise DownloadError(
                f"the certificate of {host} is not trusted ({reason}); behind a proxy that "
                f"replaces certificates, name its file with SSL_CERT_FILE. {advice}"
            ) from error
        if isinstance(cause, ConnectionRefusedError | socket.gaierror) or _is_unreachable(cause):
            raise DownloadError(
                f"{host} cannot be reached ({reason}); check the network, and behind a proxy "
                f"HTTPS_PROXY. {advice}"
            ) from error
        raise _CutError(f"the connection to {host} failed ({reason})") from error


def _is_unreachable(error: Exception) -> bool:
    codes = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
    return isinstance(error, OSError) and error.errno in codes


def _answer(error: urllib.error.HTTPError) -> str:
    meanings = {
        401: "it wants a login",
        403: "it is forbidden",
        404: "there is no such file",
        407: "the proxy wants a login; give it in HTTPS_PROXY",
        410: "it is gone",
    }
    meaning = meanings.get(error.code, shorten_text(printable(str(error.reason)), 80))
    return f"{error.code}, {meaning}"


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
    return shorten_text(printable(" ".join(str(text).split())), 120) or type(error).__name__


def _by_hand(file: WeightsFile, path: Path) -> str:
    return f"Or fetch {file.url} on a machine with access and put it at {path}"
