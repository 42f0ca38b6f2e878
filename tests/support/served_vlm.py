"""Runs ``transformers serve`` with a checkpoint, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEEDED = ("fastapi", "openai", "pydantic", "rich", "uvicorn")
"""What ``transformers[serving]`` brings."""


def missing_packages() -> list[str]:
    """Return which of the packages the server needs are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


@contextmanager
def served_vlm(checkpoint: Path, *, wait: float = 240.0) -> Iterator[str]:
    """Serve a checkpoint; yields the address, ``/v1`` included.

    Args:
        checkpoint: The folder of a vision-language model.
        wait: Seconds after which a server that has not come up is given up.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, str(checkpoint), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--device", "cpu", "--log-level", "error"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, log, wait)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: object, wait: float) -> None:
    end = time.monotonic() + wait
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    log.seek(0)  # type: ignore[attr-defined]
    raise AssertionError(f"the server did not come up:\n{log.read()}")  # type: ignore[attr-defined]


def _serve() -> None:
    from torchvision_builds import decode_images_with_pillow

    decode_images_with_pillow()
    from transformers.cli.transformers import main

    sys.argv = ["transformers", "serve", *sys.argv[1:]]
    main()


if __name__ == "__main__":
    _serve()
