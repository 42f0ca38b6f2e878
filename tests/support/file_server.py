"""A small HTTP server that offers one file, well or badly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """A running server; its attributes may be changed between requests.

    Attributes:
        url: The address of the file.
        content: What the file holds.
        ranges: Whether parts of it can be had.
        tag: Its ETag; empty for none.
        cuts: After how many bytes each answer in turn ends, though more were announced.
        statuses: What each request in turn is answered instead of the file.
        announces: Whether the size is announced.
        headers: Further headers of the answer.
        requests: The headers of each GET that arrived.
    """

    url: str = ""
    content: bytes = b""
    ranges: bool = True
    tag: str = '"1"'
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    announces: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def file_server(content: bytes, name: str = "weights.bin") -> Iterator[FileServer]:
    """Run a server that offers ``content`` under a name."""
    state = FileServer(content=content)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            state.requests.append(dict(self.headers))
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            if with_body and state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            if not self.path.endswith(f"/{name}"):
                self.send_error(404)
                return
            start = self._start()
            if start is None:
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            if start:
                size = len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            if state.announces:
                self.send_header("Content-Length", str(len(body)))
            if state.tag:
                self.send_header("ETag", state.tag)
            for key, value in state.headers.items():
                self.send_header(key, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body[: state.cuts.pop(0)] if state.cuts else body)

        def _start(self) -> int | None:
            asked = self.headers.get("Range", "")
            only_if = self.headers.get("If-Range", state.tag)
            if not (state.ranges and asked) or only_if != state.tag:
                return 0
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            return start if start < len(state.content) else None

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/files/{name}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
