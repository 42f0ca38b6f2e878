"""A drawn clip, and a grounder in which everything but the choice is exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from drawn_tracks import TruthDetector, TruthPropagator
from scripted_chat import ScriptedChat
from videoseg_synthetic import SyntheticClip, make_clip
from videoseg_tracks import TrackThenChooseGrounder

import videoseg as vs


@pytest.fixture(scope="session")
def clip() -> SyntheticClip:
    """Return a clip of four objects."""
    return make_clip(seed=5, num_frames=16, size=(96, 128), num_objects=4)


@pytest.fixture(scope="session")
def number_of(clip: SyntheticClip) -> dict[int, int]:
    """Return the number of the exact track of each object, by object id."""
    from videoseg_tracks import TrackFinder

    finder = TrackFinder(TruthDetector(clip, masks=True), TruthPropagator(clip))
    pool = finder.find(clip.video, ["thing"], window=vs.Window(0, clip.num_frames))
    return {
        int(clip.labels[track.clearest][track.mask(track.clearest)][0]): track.track_id
        for track in pool.tracks
    }


@pytest.fixture
def pipeline_of(clip: SyntheticClip) -> Callable[..., vs.Pipeline]:
    """Return a function from a chat model, and options of the grounder, to a pipeline."""

    def make(chat: ScriptedChat, *, max_turns: int = 3, **options: Any) -> vs.Pipeline:
        settings: dict[str, Any] = {
            "detector": TruthDetector(clip, masks=True),
            "propagator": TruthPropagator(clip),
        }
        grounder = TrackThenChooseGrounder(chat=chat, **settings | options)
        sampler = vs.use("uniform", num_frames=6)
        return vs.Pipeline(sampler, grounder, "given-masks", segmenter="cut", max_turns=max_turns)

    return make
