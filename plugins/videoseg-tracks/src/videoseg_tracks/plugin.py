"""The entry point: declares the stages and pipelines. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import videoseg as vs
from videoseg.types import PropagatorCapabilities

__all__ = [
    "GIVEN_MASKS",
    "find_parts",
    "track_then_choose",
    "track_then_choose_attributes",
    "track_then_choose_remote",
    "videoseg_components",
]

GIVEN_MASKS = PropagatorCapabilities(masks=True, corrections=True, backward=False)
"""The capabilities of the propagator ``given-masks``."""


_LICENSE = "code Apache-2.0; published weights of the default detector Apache-2.0 (Megvii)"
_PARTS = "videoseg_tracks.plugin:find_parts"


@vs.hookimpl
def videoseg_components() -> Iterable[vs.Component]:
    """Declare the grounders, the propagator that repeats their masks, and the pipelines."""
    yield vs.Component(
        "grounder",
        "track-then-choose",
        "videoseg_tracks.grounder:TrackThenChooseGrounder",
        summary="Tracks everything of the named kind first; a chat model chooses in rounds.",
        uses=("chat",),
        may_use=("segmenter",),
        answers_with_masks=True,
        parts=_PARTS,
        requires=("cv2",),
        install="videoseg-tracks",
        license=_LICENSE,
    )
    yield vs.Component(
        "grounder",
        "track-then-choose-attributes",
        "videoseg_tracks.attributes_grounder:TrackAttributesGrounder",
        summary="Tracks everything of the named kind first; measured attributes choose.",
        may_use=("segmenter",),
        answers_with_masks=True,
        parts=_PARTS,
        requires=("cv2", "videoseg_attributes"),
        install="videoseg-tracks",
        license=_LICENSE,
    )
    yield vs.Component(
        "propagator",
        "given-masks",
        "videoseg_tracks.propagator:GivenMasksPropagator",
        summary="Repeats the masks of a grounding that has them for every frame.",
        capabilities=GIVEN_MASKS,
    )
    for name, function, summary in (
        (
            "track-then-choose",
            "track_then_choose",
            "YOLOX and flow make tracks, Qwen3-VL 8B chooses.",
        ),
        (
            "track-then-choose-remote",
            "track_then_choose_remote",
            "YOLOX and flow make tracks, a language model on a server chooses.",
        ),
        (
            "track-then-choose-attributes",
            "track_then_choose_attributes",
            "YOLOX and flow make tracks, measured attributes choose; no chat model.",
        ),
    ):
        yield vs.Component("pipeline", name, f"videoseg_tracks.plugin:{function}", summary)


def find_parts(options: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Return the detector of a grounder that is not given one."""
    return [] if "detector" in options else [("detector", "yolox")]


_CHAT_MODEL = "Qwen/Qwen3-VL-8B-Instruct"


def track_then_choose() -> dict[str, Any]:
    """Return the composition with the language model on this machine."""
    chat = {"name": "transformers", "options": {"model": _CHAT_MODEL}}
    return _pipeline("track-then-choose", "track-then-choose", chat=chat)


def track_then_choose_remote() -> dict[str, Any]:
    """Return the composition with the language model on a server."""
    chat = {"name": "openai", "options": {"model": _CHAT_MODEL}}
    return _pipeline("track-then-choose-remote", "track-then-choose", chat=chat)


def track_then_choose_attributes() -> dict[str, Any]:
    """Return the composition without a language model."""
    name = "track-then-choose-attributes"
    return _pipeline(name, name, max_turns=1)


def _pipeline(name: str, grounder: str, **parts: Any) -> dict[str, Any]:
    # 16 frames a round and three rounds are those of AgentRVOS (arXiv 2603.23489).
    return {
        "name": name,
        "sampler": {"name": "uniform", "options": {"num_frames": 16}},
        # The default, written out so that it is seen where the pipeline is shown.
        "grounder": {"name": grounder, "options": {"detector": "yolox"}},
        "segmenter": "cut",
        "propagator": "given-masks",
        "max_turns": 3,
        **parts,
    }
