"""Forms with a file, read piece by piece: bounded in size and time, written straight to disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from videoseg.files import make_folder, shorten_name
from videoseg.text import format_bytes
from videoseg_studio.server.errors import RequestError
from videoseg_studio.server.settings import Settings

__all__ = ["Form", "read_body", "read_form", "safe_name"]

_MOST_FIELDS = 20
_LONGEST_FIELD = 64 * 1024
"""The longest field that is not a file, in bytes."""

_LONGEST_BODY = 256 * 1024
"""The longest body without a file, in bytes."""

_LONGEST_NAME = 100
_SPARE = 64 * 1024
"""What a form may have beside its file, in bytes."""


@dataclass(slots=True)
class Form:
    """A form that was read.

    Args:
        fields: The fields that are not files.
        file: Where the file was written; None if there was none.
    """

    fields: dict[str, str] = field(default_factory=dict)
    file: Path | None = None


def safe_name(name: str) -> str:
    """Return a name for an uploaded file: letters, digits, and a few signs between them.

    Example:
        >>> safe_name("../../etc/passwd"), safe_name("a <b>.mp4"), safe_name("..")
        ('passwd', 'a _b_.mp4', 'video')
    """
    last = PureWindowsPath(PurePosixPath(name).name).name
    plain = "".join(c if c.isalnum() or c in " .-_()" else "_" for c in last).strip(" .")
    stem, dot, suffix = plain.rpartition(".")
    if not dot:
        stem, suffix = plain, ""
    short = shorten_name(stem, _LONGEST_NAME).strip(" .") or "video"
    return f"{short}.{shorten_name(suffix, 10)}" if suffix else short


async def read_body(request: Request, settings: Settings) -> bytes:
    """Return the body of a request that has no file.

    Raises:
        RequestError: If it is too long (413), or arrives too slowly (408).
    """
    body = bytearray()
    async for piece in _pieces(request, settings, _LONGEST_BODY):
        body += piece
    return bytes(body)


async def read_form(request: Request, settings: Settings, folder: Path) -> Form:
    """Read a form (``multipart/form-data``), whose file is written to a folder.

    The file never is in memory as a whole. If anything goes wrong, it is deleted.

    Args:
        request: The request.
        settings: The largest upload, and how long it may pause.
        folder: Where the file is written, under a safe form of its name; made if missing.

    Raises:
        RequestError: If it is too large (413), arrives too slowly (408), is malformed (400) or
            the disk is full (507).
    """
    from python_multipart import MultipartParser
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import parse_options_header

    _, parameters = parse_options_header(request.headers.get("content-type", ""))
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise RequestError(400, "the form has no boundary; send it with curl -F, for example")
    reader = _FormReader(folder, settings.max_upload_bytes)
    limit = settings.max_upload_bytes + _SPARE
    complete = False
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": reader.begin,
                "on_header_field": reader.add_header_name,
                "on_header_value": reader.add_header_value,
                "on_header_end": reader.end_header,
                "on_headers_finished": reader.end_headers,
                "on_part_data": reader.add_data,
                "on_part_end": reader.end,
                "on_end": reader.end_form,
            },
        )
        async for piece in _pieces(request, settings, limit):
            # Writing to disk must not keep other clients waiting.
            await run_in_threadpool(parser.write, piece)
        parser.finalize()
        if not reader.is_complete:
            raise RequestError(400, "the form is cut off; send it again")
        complete = True
        return reader.form
    except FormParserError as error:
        raise RequestError(400, "the form is malformed; send it with curl -F") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise RequestError(507, f"the upload cannot be stored: {reason}") from error
    finally:
        reader.close(keep=complete)


async def _pieces(request: Request, settings: Settings, limit: int) -> AsyncIterator[bytes]:
    """Yield the body of a request in pieces, bounded in size and time."""
    refused = RequestError(
        413, f"the request is larger than the {format_bytes(limit)} that are allowed"
    )
    with suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > limit:
            raise refused
    count = 0
    deadline = time.monotonic() + settings.upload_seconds
    stream = request.stream()
    while True:
        patience = min(settings.idle_seconds, deadline - time.monotonic())
        try:
            piece = await asyncio.wait_for(anext(stream), max(patience, 0))
        except StopAsyncIteration:
            return
        except (TimeoutError, asyncio.TimeoutError):
            raise RequestError(408, "the request arrives too slowly; send it again") from None
        except ClientDisconnect:
            raise RequestError(400, "the client has gone before the end of its request") from None
        count += len(piece)
        # Whatever Content-Length said.
        if count > limit:
            raise refused
        yield piece


class _FormReader:
    """Receives the parts of a form from the parser."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.form = Form()
        self.is_complete = False
        self._folder = folder
        self._most_bytes = most_bytes
        self._headers: dict[bytes, bytes] = {}
        self._header_name, self._header_value = b"", b""
        self._name = ""
        self._data = bytearray()
        self._file: BinaryIO | None = None
        self._num_bytes = 0
        self._made_folder = False

    def begin(self) -> None:
        self._headers = {}
        self._data = bytearray()

    def add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def end_header(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name, self._header_value = b"", b""

    def end_headers(self) -> None:
        from python_multipart.multipart import parse_options_header

        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            return
        if self.form.file is not None:
            raise RequestError(400, "send one file, as the field 'video'")
        if self._name != "video":
            raise RequestError(400, "the file must be in the field 'video'")
        self._made_folder = not self._folder.exists()
        make_folder(self._folder)
        path = self._folder / safe_name(options[b"filename"].decode("utf-8", "replace"))
        self._file = path.open("xb")
        self.form.file = path

    def add_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._num_bytes += end - start
            if self._num_bytes > self._most_bytes:
                most = format_bytes(self._most_bytes)
                raise RequestError(413, f"the video is larger than the {most} that are allowed")
            self._file.write(data[start:end])
            return
        self._data += data[start:end]
        if len(self._data) > _LONGEST_FIELD:
            raise RequestError(413, "a field of the form is too long")

    def end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            return
        if len(self.form.fields) >= _MOST_FIELDS:
            raise RequestError(400, "the form has too many fields")
        self.form.fields[self._name] = self._data.decode("utf-8", "replace")

    def end_form(self) -> None:
        self.is_complete = True

    def close(self, *, keep: bool) -> None:
        """Close the file; delete it unless it is kept."""
        if self._file is not None:
            self._file.close()
        if not keep and self.form.file is not None:
            self.form.file.unlink(missing_ok=True)
            if self._made_folder:
                with suppress(OSError):
                    self._folder.rmdir()
