"""A project folder with a clip, and servers whose jobs are done in their own threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from thread_slot import ThreadSlot
from videoseg_studio.server import Settings, create_app

from videoseg.video import write_video

SIZE, NUM_FRAMES = (48, 64), 5


@pytest.fixture(scope="session")
def clip_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a small MP4 file."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    shades = np.linspace(40, 200, NUM_FRAMES).astype(np.uint8)
    write_video(path, np.broadcast_to(shades[:, None, None, None], (NUM_FRAMES, *SIZE, 3)), fps=5)
    return path.read_bytes()


def make_project(place: Path, clip_bytes: bytes) -> Path:
    """Make a project folder, with something beside it that must stay out of reach."""
    folder = place / "project"
    (folder / "clips").mkdir(parents=True)
    (folder / "clips" / "dog.mp4").write_bytes(clip_bytes)
    (place / "secret.mp4").write_bytes(clip_bytes)
    return folder


@contextmanager
def thread_slots() -> Iterator[None]:
    """Let jobs be done in threads, which stand in for worker processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("videoseg_studio.jobs.queue.WorkerSlot", ThreadSlot)
        patch.setattr("videoseg_studio.api.results.WorkerSlot", ThreadSlot)
        patch.setattr(ThreadSlot, "released", threading.Event())
        yield


def open_client(project: Path, **settings: Any) -> TestClient:
    """Return a client of a new server, which runs from its ``with`` on."""
    app = create_app(Settings(project, **settings))
    return TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False)


@pytest.fixture
def project(tmp_path: Path, clip_bytes: bytes) -> Path:
    """Return a project folder."""
    return make_project(tmp_path, clip_bytes)


@pytest.fixture
def make_client(project: Path) -> Iterator[Callable[..., TestClient]]:
    """Return a function that starts a server on the project with given settings."""
    with ExitStack() as stack:
        stack.enter_context(thread_slots())
        yield lambda **settings: stack.enter_context(open_client(project, **settings))


@pytest.fixture
def make_client_with_processes(project: Path) -> Iterator[Callable[..., TestClient]]:
    """Return a function like ``make_client``, whose jobs run in processes, as they really do."""
    from videoseg_studio.jobs.slot import WorkerSlot

    with ExitStack() as stack:
        # The client that a module shares has put threads in their place.
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("videoseg_studio.jobs.queue.WorkerSlot", WorkerSlot)
        yield lambda **settings: stack.enter_context(open_client(project, **settings))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, clip_bytes: bytes) -> Iterator[TestClient]:
    """Return a client of a server that the tests of a module share."""
    project = make_project(tmp_path_factory.mktemp("served"), clip_bytes)
    with thread_slots(), open_client(project) as client:
        yield client
