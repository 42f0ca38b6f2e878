"""The template plug-in in ``plugins/`` works as an installed package."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import videoseg as vs


@pytest.fixture
def registry() -> vs.Registry:
    try:
        version("videoseg-example")
    except PackageNotFoundError:
        pytest.fail(
            "videoseg-example is not installed; run, from the root of the repository: "
            'pip install -e ".[dev]" -r plugins/requirements.txt'
        )
    return vs.Registry(allow=("attributes", "example"))


def test_every_folder_of_plugins_is_in_the_requirements(repository: Path) -> None:
    folders = {path.parent.name for path in repository.glob("plugins/*/pyproject.toml")}
    lines = (repository / "plugins" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = {line.removeprefix("-e ./plugins/") for line in lines if line.startswith("-e ")}
    assert folders == listed


def test_the_sampler_is_found_with_its_package(registry: vs.Registry) -> None:
    assert registry.find("sampler", "sharpest").distribution == "videoseg-example"
    assert not registry.failures


def test_the_sampler_fills_a_preset(registry: vs.Registry, moving_square: vs.Video) -> None:
    pipe = vs.Pipeline.from_name("attributes", registry=registry)
    pipe = pipe.replace(sampler=vs.use("sharpest", num_frames=3))
    episode = pipe.ground(moving_square, "the red square")
    assert len(episode.selections[0].of_role("context")) == 3
    assert "name: sharpest" in pipe.to_yaml()
    assert not pipe.explain().problems


def test_the_event_log_is_written_only_if_asked(
    registry: vs.Registry,
    moving_square: vs.Video,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe = vs.Pipeline.from_name("attributes", registry=registry)
    pipe.ground(moving_square, "the red square")
    assert not list(tmp_path.iterdir())
    log = tmp_path / "events.jsonl"
    monkeypatch.setenv("VIDEOSEG_EVENT_LOG", str(log))
    pipe.ground(moving_square, "the red square")
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [event["event"] for event in events[:2]] == ["StageStarted", "StageFinished"]
    assert {event["stage"] for event in events[:-1]} == {"sampler", "grounder"}
    assert events[-1]["event"] == "Grounded"


def test_a_log_that_cannot_be_written_costs_a_warning_only(
    registry: vs.Registry,
    moving_square: vs.Video,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIDEOSEG_EVENT_LOG", str(tmp_path / "no" / "such" / "folder.jsonl"))
    result = vs.Pipeline.from_name("attributes", registry=registry)(
        moving_square, "the red square"
    )
    assert any("observer example failed" in warning for warning in result.warnings)
