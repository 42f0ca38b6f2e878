from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from videoseg_xmem import XMemPropagator

import videoseg as vs
from videoseg.testing import passing_squares


def run(pipe: vs.Pipeline, video: vs.Video, query: str) -> vs.Segmentation:
    result = pipe(video, query)
    assert result.grounding.prompts
    assert all(len(track.masks) == video.num_frames for track in result.tracks)
    return result


@pytest.fixture
def pipe(tiny_checkpoint: Path) -> vs.Pipeline:
    return vs.Pipeline(
        "uniform",
        "attributes",
        XMemPropagator(checkpoint=tiny_checkpoint, size=64, device="cpu"),
        segmenter="cut",
    )


def test_a_whole_pipeline_runs(pipe: vs.Pipeline) -> None:
    run(pipe, passing_squares().video, "the red square")


def test_a_whole_pipeline_runs_on_a_real_clip(pipe: vs.Pipeline, real_clips: Path) -> None:
    clip = vs.Video.open(real_clips / "demos" / "sam2_01_dog.mp4")
    frames = [frame[::4, ::4] for _, frame in clip.iter_frames(0, 12)]
    run(pipe, vs.Video.from_frames(np.stack(frames)), "the dog")
