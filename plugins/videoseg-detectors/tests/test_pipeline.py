"""The pipeline ``names`` is completed by ``videoseg-attributes`` and says what it lacks."""

from __future__ import annotations

import numpy as np
import pytest

import videoseg as vs
from videoseg.cli.main import main
from videoseg.plugins import Registry
from videoseg.video import write_video


def test_it_is_the_default_pipeline_with_a_detector() -> None:
    registry = Registry(allow=("attributes", "detectors"))
    assert "names" in registry.names("pipeline")
    config = vs.Pipeline.from_name("names", registry=registry).config
    default = vs.Pipeline.from_name("attributes", registry=registry).config
    assert config.segmenter == default.segmenter
    assert config.propagator == default.propagator
    assert config.grounder.options["detector"]["name"] == "yolox"
    assert "name: yolox" in config.to_yaml()


def test_without_the_weights_the_error_has_the_command(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pipe = vs.Pipeline.from_name("names")
    with pytest.raises(vs.MissingWeightsError, match="YOLOX are not on this machine; get them"):
        pipe(np.zeros((2, 8, 8, 3), np.uint8), "the dog")


def test_the_command_line_offers_no_option_that_the_grounder_lacks(
    tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    clip = tmp_path / "clip.mp4"
    write_video(clip, np.zeros((2, 16, 16, 3), np.uint8), fps=5)
    assert main(["run", str(clip), "the dog", "--pipeline", "names", "-q"]) == 1
    told = capsys.readouterr().err
    assert "the detector's option 'checkpoint'" in told and "-O grounder.checkpoint" not in told


def test_without_the_other_plug_in_it_is_named() -> None:
    registry = Registry(allow=("detectors",))
    with pytest.raises(vs.VideosegError, match="videoseg-attributes"):
        vs.Pipeline.from_name("names", registry=registry)
    with pytest.raises(vs.VideosegError, match="videoseg-detectors"):
        vs.Pipeline.from_name("names", registry=Registry(allow=("attributes",)))
