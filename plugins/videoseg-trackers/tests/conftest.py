"""Tiny checkpoints of each family. Nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_trackers import save_tiny


@pytest.fixture(scope="session")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("sam2", tmp_path_factory.mktemp("sam2"))


@pytest.fixture(scope="session")
def sam3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("sam3", tmp_path_factory.mktemp("sam3"))


@pytest.fixture(scope="session")
def misnamed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a checkpoint of EdgeTAM that has SAM 2's image encoder."""
    return save_tiny("edgetam", tmp_path_factory.mktemp("edgetam"))


@pytest.fixture(params=["sam2", "edgetam", "sam3"])
def folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the checkpoint of each family."""
    if request.param != "edgetam":
        return request.getfixturevalue(f"{request.param}_folder")
    from videoseg_trackers import network

    # EdgeTAM's own encoder needs timm; everything behind it is tested with SAM 2's.
    classes = ("EdgeTamVideoModel", "Sam2VideoProcessor")
    monkeypatch.setattr(network, "_classes_for", lambda _config, _name: classes)
    return request.getfixturevalue("misnamed_folder")
