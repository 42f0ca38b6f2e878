"""What is measured, and the clip that it is measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from videoseg.errors import ComponentNotFoundError, ConfigError
from videoseg.files import expand_path
from videoseg.given import GivenGrounder
from videoseg.pipeline import Pipeline, Use
from videoseg.plugins import Readiness, Registry, default_registry
from videoseg.testing.clips import moving_square
from videoseg.types import Episode, Prompt, PropagatorCapabilities, PublishedScore, Rle
from videoseg.video import Video, write_video

__all__ = ["BenchClip", "Target", "draw_clip", "find_targets"]

_DRAWN_SIZE = (480, 854)
_DRAWN_QUERY = "the red object"

_BASELINES = frozenset({"given-masks"})
"""Propagators that follow nothing, so that there is nothing to choose."""


@dataclass(frozen=True, slots=True)
class Target:
    """A propagator or a pipeline that is measured.

    Args:
        kind: ``propagator`` (it is given the first masks) or ``pipeline`` (it is asked).
        name: Its name, or the YAML file of a pipeline.
        options: Options of the propagator.
    """

    kind: Literal["propagator", "pipeline"]
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name with its options, as tables show it."""
        given = ", ".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name} ({given})" if given else self.name

    def pipeline(self, prompts: Sequence[Prompt] = ()) -> Pipeline:
        """Return the pipeline, or one in which the propagator follows what is given."""
        if self.kind == "pipeline":
            if self.name.endswith((".yaml", ".yml")):
                return Pipeline.from_yaml(expand_path(self.name))
            return Pipeline.from_name(self.name)
        given = Use("given", {"prompts": list(prompts)})
        return Pipeline(given, given, Use(self.name, dict(self.options)))

    def readiness(self) -> Readiness:
        """Judge whether it can be used on this machine, weights included."""
        return self.pipeline().readiness()

    def capabilities(self) -> PropagatorCapabilities | None:
        """Return what the propagator declares; None for a pipeline."""
        if self.kind == "pipeline":
            return None
        found = default_registry().find("propagator", self.name)
        return found.component.capabilities_with(self.options)

    def published_scores(self) -> tuple[PublishedScore, ...]:
        """Return what has been published of the propagator's model; nothing of a pipeline."""
        if self.kind == "pipeline":
            return ()
        found = default_registry().find("propagator", self.name)
        return found.component.published_scores(self.options)


def find_targets(
    names: Sequence[str] = (), options: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[Target, ...]:
    """Return what the names mean: propagators first, then pipelines.

    Args:
        names: Names of propagators or pipelines, or YAML files of pipelines. Without any, every
            propagator that follows masks and is complete by itself.
        options: For each propagator its options.

    Raises:
        ComponentNotFoundError: If neither a propagator nor a pipeline has this name.
        ConfigError: If options are of something else than the named propagators.
    """
    given = dict(options or {})
    registry = default_registry()
    propagators = registry.names("propagator")
    targets = []
    for name in names or _independent_propagators(registry):
        if name in propagators:
            targets.append(Target("propagator", name, given.pop(name, {})))
        elif name.endswith((".yaml", ".yml")) or name in registry.names("pipeline"):
            targets.append(Target("pipeline", name))
        else:
            raise _not_found(name, registry)
    if given:
        known = ", ".join(target.name for target in targets if target.kind == "propagator")
        raise ConfigError(
            f"options are given for {', '.join(given)}, but the propagators that are measured "
            f"are {known or 'none'}"
        )
    return tuple(targets)


def _independent_propagators(registry: Registry) -> list[str]:
    """Return the propagators that follow masks without a component that must be chosen."""
    found = []
    for name in sorted(set(registry.names("propagator")) - _BASELINES):
        component = registry.find("propagator", name).component
        capabilities = component.capabilities_with({})
        if capabilities is not None and capabilities.masks and not component.uses:
            found.append(name)
    return found


def _not_found(name: str, registry: Registry) -> ComponentNotFoundError:
    try:
        registry.find("propagator", name)
    except ComponentNotFoundError as error:
        return error
    return ComponentNotFoundError("propagator", name, ())


@dataclass(frozen=True, slots=True)
class BenchClip:
    """A clip that everything is measured on.

    Args:
        video: A video file or a folder of pictures.
        masks: A folder of pictures of object ids as ``given`` reads it: the first mask of each
            object is given to propagators, and all of them are the truth of scores. Without
            one, propagators follow an ellipse in the middle of the first frame.
        query: What pipelines are asked.
        name: What reports call it; by default the name of the video.
    """

    video: str | Path
    masks: str | Path | None = None
    query: str = ""
    name: str = ""

    def prompts(self, video: Video) -> tuple[Prompt, ...]:
        """Return what propagators are given.

        Raises:
            ConfigError: If the masks cannot be read or do not fit the video.
        """
        if self.masks is None:
            return (Prompt(1, 0, mask=Rle.encode(_ellipse(*video.size))),)
        grounder = GivenGrounder(masks=self.masks)
        return grounder.step(Episode(video, "")).prompts

    def truth(self, video: Video) -> dict[int, dict[int, Rle]]:
        """Return the true masks: for each object its masks by frame; empty without any."""
        if self.masks is None:
            return {}
        grounder = GivenGrounder(masks=self.masks, every_mask=True)
        found: dict[int, dict[int, Rle]] = {}
        for prompt in grounder.step(Episode(video, "")).prompts:
            if prompt.mask is not None:
                found.setdefault(prompt.object_id, {})[prompt.frame] = prompt.mask
        return found


def _ellipse(height: int, width: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    rows, columns = np.ogrid[:height, :width]
    down, across = (rows + 0.5) / height - 0.5, (columns + 0.5) / width - 0.5
    inside: np.ndarray[Any, np.dtype[np.bool_]] = (down / 0.25) ** 2 + (across / 0.15) ** 2 <= 1
    return inside


def draw_clip(folder: Path, num_frames: int = 60) -> BenchClip:
    """Draw a square that moves over noise, 854 x 480 pixels, with its masks.

    Args:
        folder: Where the video and the masks are written.
        num_frames: How many frames.
    """
    from PIL import Image

    clip = moving_square(num_frames, size=_DRAWN_SIZE)
    path = folder / "drawn.mp4"
    write_video(path, clip.video, fps=24)
    masks = folder / "masks"
    masks.mkdir()
    for index in range(num_frames):
        picture = Image.fromarray(clip.masks[1][index].astype(np.uint8))
        picture.save(masks / f"{index:05d}.png")
    return BenchClip(path, masks, _DRAWN_QUERY, "drawn square")
