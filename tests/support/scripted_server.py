"""A small HTTP server that answers chat requests by a script, well or badly."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """One answer to a request.

    Args:
        status: The HTTP status.
        body: What is sent; anything but bytes as JSON.
        headers: Further headers.
        seconds: How long the server takes before it answers.
        drip: Seconds between the body's bytes.
        hang_up: Close the connection without a word.
        raw: What is sent in place of all this, ``drip`` seconds after each piece; it may have no
            end, since sending ends when the client has gone.
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    drip: float = 0.0
    hang_up: bool = False
    raw: Iterable[bytes] | None = None


def completion(*texts: str, prompt_tokens: int = 5000, tokens: int = 7) -> Answer:
    """Return what a proper server answers: one choice for each text."""
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens}
    return Answer(body={"object": "chat.completion", "choices": choices, "usage": usage})


@dataclass
class ScriptedServer:
    """What was asked of a running server, and where it is.

    Attributes:
        url: Its address, ``/v1`` included.
        requests: The JSON bodies it was sent, in order of arrival.
        headers: Their headers.
        most_at_once: How many requests were under way at the same time, at most.
    """

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most_at_once: int = 0


@contextmanager
def scripted_server(
    *script: Answer,
    respond: Callable[[dict[str, Any]], Answer] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[ScriptedServer]:
    """Run a server that gives the answers of a script one after another, the last for ever.

    Args:
        script: The answers.
        respond: Instead of a script: what to answer to a request.
        tls: What to encrypt connections with; the server's name is localhost then.
    """
    server, lock, busy = ScriptedServer(), threading.Lock(), [0]

    def answer_to(body: dict[str, Any], headers: dict[str, str]) -> Answer:
        with lock:
            server.requests.append(body)
            server.headers.append(headers)
            number = len(server.requests) - 1
        return respond(body) if respond else script[min(number, len(script) - 1)]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            with lock:
                busy[0] += 1
                server.most_at_once = max(server.most_at_once, busy[0])
            try:
                answer = answer_to(body, dict(self.headers))
                time.sleep(answer.seconds)
            finally:
                # Before the answer goes out: with its last byte in hand, a client may send
                # the next request before this thread runs again.
                with lock:
                    busy[0] -= 1
            self._answer(answer)

        def do_GET(self) -> None:
            self._answer(Answer(body={"data": [{"id": "served-model"}]}))

        def _answer(self, answer: Answer) -> None:
            if answer.hang_up or answer.raw is not None:
                self.close_connection = True
                self._send_pieces(answer.raw or (), answer.drip)
                return
            body = answer.body
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            step = 1 if answer.drip else max(1, len(content))
            pieces = (content[start : start + step] for start in range(0, len(content), step))
            self._send_pieces(pieces, answer.drip)

        def _send_pieces(self, pieces: Iterable[bytes], drip: float) -> None:
            try:
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
                    time.sleep(drip)
            except OSError:
                # The client has had enough.
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    host = "http://127.0.0.1" if tls is None else "https://localhost"
    server.url = f"{host}:{http.server_port}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a server that speaks whatever protocol a function speaks; yields its port.

    Args:
        answer: Is given each connection, and may fail when the client goes.
    """

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            answer(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Closing alone does not wake the thread that waits for connections.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
