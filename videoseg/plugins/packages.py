"""The packages of this project, and where to find a component that is not installed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from videoseg.plugins.component import KINDS, RegisteredComponent
from videoseg.text import shorten

__all__ = ["NEEDED_PACKAGES", "PACKAGES", "describe_source", "describe_unknown"]

PACKAGES: Mapping[str, Mapping[str, str]] = {
    "sampler": {
        "motion": "videoseg-attributes",
        **dict.fromkeys(("direct", "htfs", "segment-random", "timestamp"), "videoseg-r1"),
        "coarse": "videoseg-o3",
        "sharpest": "videoseg-example",
    },
    "grounder": {
        "attributes": "videoseg-attributes",
        **dict.fromkeys(("existence", "reflect"), "videoseg-wrappers"),
        "o3": "videoseg-o3",
        "r1": "videoseg-r1",
        **dict.fromkeys(("track-then-choose", "track-then-choose-attributes"), "videoseg-tracks"),
    },
    "segmenter": {
        "cut": "videoseg-attributes",
        "sam2": "videoseg-sam2",
        "transformers-video": "videoseg-trackers",
    },
    "propagator": {
        "cutie": "videoseg-cutie",
        "flow": "videoseg-attributes",
        "given-masks": "videoseg-tracks",
        "o3": "videoseg-o3",
        "on-doubt": "videoseg-wrappers",
        "sam2": "videoseg-sam2",
        "transformers-video": "videoseg-trackers",
        "xmem": "videoseg-xmem",
    },
    "detector": dict.fromkeys(
        ("object-detection", "sam3", "yolox", "zero-shot"), "videoseg-detectors"
    ),
    "chat": {
        "o3": "videoseg-o3",
        "tiny": "videoseg-tiny",
        "tiny-seg": "videoseg-tiny",
        **dict.fromkeys(("openai", "record", "replay", "transformers"), "videoseg-vlm"),
    },
    "benchmark": {
        **dict.fromkeys(
            (
                "davis-2016",
                "davis-2017",
                "grefcoco",
                "groundmore",
                "long-rvos",
                "lvos-v1",
                "lvos-v2",
                "mevis",
                "mose",
                "mosev2",
                "reasonseg",
                "reasonvos",
                "ref-davis17",
                "ref-sav",
                "ref-youtube-vos",
                "refcoco",
                "refcoco-plus",
                "refcocog",
                "revos",
                "sa-v",
                "vost",
                "youtube-vos-2018",
                "youtube-vos-2019",
            ),
            "videoseg-benchmarks",
        ),
        "synthetic": "videoseg-synthetic",
    },
    "reward": dict.fromkeys(
        (
            "box-iou",
            "o3-format",
            "o3-keyframe",
            "o3-keyframe-gain",
            "o3-mask",
            "o3-progress",
            "o3-steps",
            "o3-visible-area",
            "o3-window",
            "r1-accuracy",
            "r1-format",
            "r1-length",
            "r1-negative",
            "r1-no-repeat",
        ),
        "videoseg-train",
    ),
    "command": {
        "chat": "videoseg-vlm",
        "demo": "videoseg-synthetic",
        "ray": "videoseg-ray",
        "serve": "videoseg-studio",
        "studio": "videoseg-studio",
        "traces": "videoseg-train",
        "train": "videoseg-train",
    },
    "pipeline": {
        "attributes": "videoseg-attributes",
        "names": "videoseg-detectors",
        **dict.fromkeys(("videoseg-r1", "videoseg-r1-3b", "videoseg-r1-remote"), "videoseg-r1"),
        **dict.fromkeys(
            ("videoseg-o3-2b", "videoseg-o3-4b", "videoseg-o3-remote", "videoseg-o3-text"),
            "videoseg-o3",
        ),
        **dict.fromkeys(
            ("track-then-choose", "track-then-choose-attributes", "track-then-choose-remote"),
            "videoseg-tracks",
        ),
        **dict.fromkeys(
            ("videoseg-o3-tiny", "videoseg-o3-tiny-seg", "videoseg-r1-tiny"), "videoseg-tiny"
        ),
    },
}
"""The packages of this project that bring a component or a command, by kind and name."""

NEEDED_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "videoseg-cutie": ("videoseg-xmem",),
    "videoseg-o3": ("videoseg-r1",),
    "videoseg-tiny": ("videoseg-attributes", "videoseg-o3", "videoseg-r1", "videoseg-vlm"),
    "videoseg-tracks": ("videoseg-attributes", "videoseg-detectors", "videoseg-r1"),
    "videoseg-train": ("videoseg-o3", "videoseg-r1", "videoseg-sam2", "videoseg-vlm"),
}
"""The packages of this project that others need: pip finds them in a checkout only if told."""

_DEFAULT_PACKAGES = frozenset({"videoseg-attributes", "videoseg-benchmarks", "videoseg-synthetic"})


def describe_unknown(
    kind: str,
    name: str,
    components: Sequence[RegisteredComponent],
) -> str:
    """Return the message for a component that is not registered.

    Args:
        kind: The kind asked for.
        name: The name asked for.
        components: Everything that is registered.
    """
    if kind not in KINDS:
        return f"there is no kind {shorten(kind)}; the kinds are {', '.join(KINDS)}"
    known = [entry.component for entry in components]
    names = list(dict.fromkeys(one.name for one in known if one.kind == kind))
    if source := describe_source(kind, name):
        return source
    # Names of packages that are not installed are suggested as well: asked for, they say so.
    candidates = dict.fromkeys([*names, *PACKAGES.get(kind, ())])
    close = difflib.get_close_matches(name, candidates, n=3, cutoff=0.5)
    text = f"there is no {kind} {shorten(name)}; "
    if close:
        text += f"did you mean {' or '.join(repr(match) for match in close)}? "
    text += f"known: {', '.join(names) if names else 'none'}"
    elsewhere = sorted({one.kind for one in known if one.name == name})
    if elsewhere:
        text += f". There is a {' and a '.join(elsewhere)} of that name"
    return text


def describe_source(kind: str, name: str) -> str:
    """Return which package of this project brings a component and how to install it.

    Args:
        kind: The kind of component, or ``command``.
        name: Its name.

    Returns:
        A message; empty if no package of this project brings it.
    """
    package = PACKAGES.get(kind, {}).get(name)
    if package is None:
        return ""
    folders = [f"-e plugins/{one}" for one in (*NEEDED_PACKAGES.get(package, ()), package)]
    place = "-r plugins/default.txt" if package in _DEFAULT_PACKAGES else " ".join(folders)
    return (
        f"{kind} {name!r} comes with {package}, which is not loaded: pip install {package}, or in "
        f"a checkout of the repository pip install {place}"
    )
