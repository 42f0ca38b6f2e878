"""A camera on the network: an HTTP server on the loopback interface that never stops sending."""

from __future__ import annotations

import contextlib
import io
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image


def encode(frames: Sequence[np.ndarray]) -> list[bytes]:
    pictures = []
    for frame in frames:
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(frame)).save(buffer, "JPEG", quality=90)
        pictures.append(buffer.getvalue())
    return pictures


@contextlib.contextmanager
def looped_stream(
    frames: Sequence[np.ndarray], *, fps: float = 25.0, count: int | None = None
) -> Iterator[str]:
    """Serve frames again and again as motion JPEG; yield the address.

    Args:
        frames: RGB uint8.
        fps: How many are sent in a second.
        count: End after so many; None for no end.
    """
    pictures = encode(frames)
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            begin = time.monotonic()
            with contextlib.suppress(OSError):
                for number in itertools.count():
                    if is_over.is_set() or number == count:
                        return
                    picture = pictures[number % len(pictures)]
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
                    self.wfile.write(f"{head}\r\n\r\n".encode() + picture + b"\r\n")
                    is_over.wait(max(0.0, begin + number / fps - time.monotonic()))

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stream.mjpeg"
    finally:
        is_over.set()
        server.shutdown()
        server.server_close()
