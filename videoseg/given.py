"""Sampler and grounder ``given``: where the objects are is not asked for but given.

With them a propagator runs by itself: in a pipeline, in ``videoseg run``, and on benchmarks of
sentences. What is given are pictures of object ids, arrays, or prompts of any kind. An object
appears on the first frame for which it is given, and keeps its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from videoseg.benchmarks.mask_pictures import IdTracks, read_ids
from videoseg.benchmarks.untrusted import is_plain_name
from videoseg.errors import ConfigError, EvaluationError
from videoseg.files import expand_path, read_text
from videoseg.masks.shape import inner_points
from videoseg.samplers import inside_video
from videoseg.text import parse_json, shorten
from videoseg.types import (
    Box,
    Episode,
    FrameSelection,
    Grounding,
    IntArray,
    Point,
    Prompt,
    Rle,
    Thought,
    VideoSource,
    Window,
)

__all__ = ["GivenGrounder", "GivenSampler", "PromptKind", "prompts_of_pictures", "read_prompts"]

PromptKind: TypeAlias = Literal["masks", "boxes", "points"]
"""What a propagator is given of a mask: itself, its box, or the point deepest inside it."""

_KINDS = ("masks", "boxes", "points")

_NEEDS = (
    "given needs either masks, a folder of pictures of object ids, or prompts, a JSON file or a "
    "list (on the command line -O grounder.masks=FOLDER or -O grounder.prompts=FILE)"
)


class GivenSampler:
    """The frames for which objects are given, the first of them as the keyframe.

    Args:
        masks: As for ``GivenGrounder``.
        prompts: As for ``GivenGrounder``. With neither, the frame chosen is the first of the
            window.

    Raises:
        ConfigError: If both are given, or a file cannot be read.
    """

    def __init__(
        self,
        *,
        masks: str | Path | Mapping[int, Any] | None = None,
        prompts: str | Path | Sequence[Any] | None = None,
    ) -> None:
        self._given = None if masks is None and prompts is None else _Given(masks, prompts)

    def sample(
        self,
        video: VideoSource,
        query: str,  # noqa: ARG002 - part of the contract
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,  # noqa: ARG002
    ) -> FrameSelection:
        """Choose the frames of the window for which something is given.

        Raises:
            ConfigError: If what is given does not fit the video.
        """
        window = inside_video(video, window)
        given = () if self._given is None else self._given.of(video, every_mask=False)
        frames = sorted({prompt.frame for prompt in given if prompt.frame in window})
        reason = "The frames for which objects are given."
        if not frames:
            frames, reason = [window.start], "The first frame."
        chosen = frames[0] if keyframe is None else keyframe
        return FrameSelection.of(frames, window=window, keyframe=chosen, reason=reason)


class GivenGrounder:
    """Answers with the objects that are given, whatever the query says.

    Args:
        masks: A folder of pictures of object ids, ``<frame>.png`` or ``<video>/<frame>.png``, in
            which 0 is no object and 255 is void (0 and 255 alone: one object); or such pictures
            as arrays, shape (H, W), by the index of their frame. The name of a picture is that
            of a frame if the video is a folder, else the index of the frame.
        prompts: Instead of masks: a JSON file as ``read_prompts`` reads it, or a list of
            prompts, each a ``Prompt`` or what such a file holds.
        give: What of a mask is given: ``masks``, its box (``boxes``), or the point deepest
            inside it (``points``).
        every_mask: Whether each mask of an object is given, as a correction. By default it is
            the first one.

    Raises:
        ConfigError: If both are given, an option is not allowed, or a file cannot be read; with
            neither, when it is asked.

    Example:
        >>> picture = np.zeros((24, 32), np.uint8)
        >>> picture[5:9, 4:12] = 3
        >>> from videoseg.video import Video
        >>> video = Video.from_frames(np.zeros((5, 24, 32, 3), np.uint8))
        >>> answer = GivenGrounder(masks={2: picture}).step(Episode(video, "it"))
        >>> [(prompt.object_id, prompt.frame) for prompt in answer.prompts]
        [(3, 2)]
    """

    def __init__(
        self,
        *,
        masks: str | Path | Mapping[int, Any] | None = None,
        prompts: str | Path | Sequence[Any] | None = None,
        give: PromptKind = "masks",
        every_mask: bool = False,
    ) -> None:
        if give not in _KINDS:
            raise ConfigError(f"give must be one of {', '.join(_KINDS)}, got {shorten(give)}")
        # Without either it can be part of a pipeline that is given prompts, as by a benchmark.
        self._given = None if masks is None and prompts is None else _Given(masks, prompts)
        self._give: PromptKind = give
        self._every_mask = every_mask

    @property
    def answers_with_masks(self) -> bool:
        """Whether a propagator that takes masks only needs no segmenter."""
        return self._give == "masks"

    def step(self, episode: Episode) -> Grounding:
        """Answer with what is given for the video.

        Raises:
            ConfigError: If nothing is given, or it does not fit the video.
        """
        if self._given is None:
            raise ConfigError(_NEEDS)
        given = self._given.of(episode.video, every_mask=self._every_mask)
        window = episode.selection.window if episode.selections else None
        kept = [prompt for prompt in given if window is None or prompt.frame in window]
        warnings = []
        if len(kept) < len(given):
            warnings.append(
                f"{len(given) - len(kept)} of {len(given)} given prompts lie outside the window"
            )
        kept = [_as_kind(prompt, self._give) for prompt in kept]
        return Grounding(
            min((prompt.frame for prompt in kept), default=None),
            tuple(kept),
            thought=Thought(f"The objects are given: {self._given.description}."),
            warnings=tuple(warnings),
            appears_at_prompt=True,
        )


def read_prompts(path: str | Path, video_name: str = "") -> tuple[Prompt, ...]:
    """Read prompts from a JSON file.

    The file is a list of prompts, ``{"prompts": [...]}``, ``{"videos": {<name>: [...]}}``, or
    the ``result.json`` of an earlier run. A prompt is::

        {"object_id": 1, "frame": 0, "box": [x1, y1, x2, y2], "points": [[x, y], ...],
         "negative_points": [[x, y], ...], "mask": {"size": [H, W], "counts": ...},
         "label": "the dog"}

    with at least one of box, points and mask (a COCO RLE), in pixels of the frame.

    Args:
        path: The file.
        video_name: Which of ``videos`` is read.

    Raises:
        ConfigError: If the file cannot be read, or holds something else; it says which prompt.
    """
    path = expand_path(path)
    return tuple(
        _parsed(entry, f"prompt {number} of {path}")
        for number, entry in enumerate(_entries(_document(path), path, video_name), start=1)
    )


def prompts_of_pictures(
    pictures: Iterable[tuple[int, IntArray, str]], *, every_mask: bool = False
) -> tuple[Prompt, ...]:
    """Return the objects of pictures of ids as prompts, each on the first frame that shows it.

    Args:
        pictures: Frame, picture of shape (H, W), and name in messages; each is read once.
        every_mask: Whether each picture of an object is a prompt, and not only the first.

    Raises:
        EvaluationError: If there are more ids than a video can have objects.
    """
    # One picture at a time: those of a long video do not fit into memory.
    tracks = IdTracks()
    for frame, ids, where in pictures:
        tracks.add(frame, ids, where=where)
    found = []
    for object_id, masks in tracks.shown().items():
        shown = sorted(masks.items())
        chosen = shown if every_mask else shown[:1]
        found += [Prompt(object_id, frame, mask=rle) for frame, rle in chosen]
    return tuple(sorted(found, key=lambda prompt: (prompt.frame, prompt.object_id)))


@dataclass(frozen=True)
class _Given:
    """What sampler and grounder were given: masks or prompts."""

    masks: Any
    prompts: Any

    def __post_init__(self) -> None:
        if (self.masks is None) == (self.prompts is None):
            raise ConfigError(_NEEDS)
        if isinstance(self.masks, str | Path):
            if not expand_path(self.masks).is_dir():
                raise ConfigError(
                    f"masks must be a folder of pictures of object ids, and {self.masks} is none; "
                    "give the folder that holds the PNGs or the folders of the videos"
                )
        elif self.masks is not None:
            _check_frames(self.masks)
        if isinstance(self.prompts, str | Path):
            _document(expand_path(self.prompts))
        elif self.prompts is not None:
            if not isinstance(self.prompts, Sequence):
                raise ConfigError(
                    "prompts must be a JSON file or a list of prompts, got "
                    f"{shorten(self.prompts)}"
                )
            for number, entry in enumerate(self.prompts, start=1):
                _parsed(entry, f"prompt {number}")

    @property
    def description(self) -> str:
        """What is given, for the reader of a result."""
        what, given = ("masks", self.masks) if self.prompts is None else ("prompts", self.prompts)
        return f"{what} in {given}" if isinstance(given, str | Path) else f"{len(given)} {what}"

    def of(self, video: VideoSource, *, every_mask: bool) -> tuple[Prompt, ...]:
        """Return the prompts for a video.

        Raises:
            ConfigError: If they cannot be read, or are of frames that the video does not have.
        """
        if self.prompts is None:
            try:
                given = prompts_of_pictures(self._pictures(video), every_mask=every_mask)
            except EvaluationError as error:
                raise ConfigError(str(error)) from error
        elif isinstance(self.prompts, str | Path):
            given = read_prompts(self.prompts, video.name)
        else:
            entries = enumerate(self.prompts, start=1)
            given = tuple(_parsed(entry, f"prompt {number}") for number, entry in entries)
        late = [prompt for prompt in given if prompt.frame >= len(video)]
        if late:
            raise ConfigError(
                f"object {late[0].object_id} is given on frame {late[0].frame}, but {video.name} "
                f"has the frames 0 to {len(video) - 1}"
            )
        return given

    def _pictures(self, video: VideoSource) -> Iterator[tuple[int, IntArray, str]]:
        if isinstance(self.masks, Mapping):
            for frame in sorted(self.masks):
                yield int(frame), _as_ids(self.masks[frame], frame, video), f"frame {frame}"
            return
        folder = _folder_of(expand_path(self.masks), video)
        for frame, file in _frames_of(folder, video):
            yield frame, read_ids(file, where=str(file), size=video.size), str(file)


def _check_frames(masks: Any) -> None:
    if not isinstance(masks, Mapping):
        raise ConfigError(
            "masks must be a folder, or arrays of object ids by the index of their frame, "
            f"{{0: array, ...}}; got {type(masks).__name__}"
        )
    for frame in masks:
        if not isinstance(frame, int | np.integer) or isinstance(frame, bool) or frame < 0:
            raise ConfigError(
                f"masks must have the indices of frames, 0 and up, as keys; got {shorten(frame)}"
            )


def _as_kind(prompt: Prompt, kind: PromptKind) -> Prompt:
    """Return a prompt with the box of its mask, or a point inside it, instead of the mask."""
    if kind == "masks" or prompt.mask is None:
        return prompt
    if kind == "boxes":
        return replace(prompt, mask=None, box=prompt.mask.box)
    return replace(prompt, mask=None, points=inner_points(prompt.mask.decode()))


def _as_ids(picture: Any, frame: int, video: VideoSource) -> IntArray:
    ids = np.asarray(picture)
    if ids.shape != tuple(video.size) or ids.dtype.kind not in "bui":
        raise ConfigError(
            f"the mask of frame {frame} must be an array of object ids of the frame's size, "
            f"{tuple(video.size)}; got {ids.dtype} of shape {ids.shape}"
        )
    return ids.astype(np.int32)


def _folder_of(root: Path, video: VideoSource) -> Path:
    """Return the folder of a video's pictures: that of its name, else the folder itself."""
    for name in (video.name, Path(video.name).stem):
        if is_plain_name(name) and (root / name).is_dir():
            return root / name
    return root


def _frames_of(folder: Path, video: VideoSource) -> list[tuple[int, Path]]:
    """Return the pictures of a folder with the indices of their frames."""
    from videoseg.results.exports import frame_names_of

    try:
        files = {file.stem: file for file in folder.iterdir() if file.suffix.lower() == ".png"}
    except OSError as error:
        raise ConfigError(f"{folder} cannot be listed ({error.strerror or error})") from error
    if not files:
        raise ConfigError(
            f"{folder} has no PNG for {shorten(video.name)}; give the folder that holds its "
            "masks, or a folder of that name inside it"
        )
    places = {name: index for index, name in enumerate(frame_names_of(video.facts()))}
    named = files.keys() & places.keys()
    if len(named) == len(files):
        return sorted((places[name], file) for name, file in files.items())
    numbers = {name: int(name) for name in files if name.isdecimal() and len(name) < 10}
    unknown = files.keys() - {name for name, number in numbers.items() if number < len(video)}
    if not unknown and (of_others := [n for n in sorted(named) if numbers[n] != places[n]]):
        raise ConfigError(
            f"{folder} has {shorten(of_others[0])}.png, which is the name of one frame of "
            f"{shorten(video.name)} and the index of another, and "
            f"{shorten(min(files.keys() - named))}.png, which is the name of none; name each "
            "picture like its frame"
        )
    if unknown:
        raise ConfigError(
            f"{folder} has {shorten(min(unknown))}.png, which is neither the name nor the index "
            f"of a frame of {shorten(video.name)}; its frames are {shorten(min(places))} to "
            f"{shorten(max(places))}"
        )
    if len(set(numbers.values())) < len(files):
        twice = next(n for n in sorted(files) if [*numbers.values()].count(numbers[n]) > 1)
        raise ConfigError(
            f"{folder} has two pictures of frame {numbers[twice]}, one of them "
            f"{shorten(twice)}.png; keep one"
        )
    return sorted((numbers[name], file) for name, file in files.items())


@lru_cache(maxsize=4)
def _parsed_text(text: str) -> Any:
    # The file of a benchmark is asked for once for each of its videos.
    return parse_json(text)


def _document(path: Path) -> Any:
    try:
        return _parsed_text(read_text(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{path} cannot be read as JSON ({reason}); give a file of prompts"
        ) from (error)


def _entries(document: Any, path: Path, video_name: str) -> Sequence[Any]:
    found = document
    if isinstance(document, Mapping):
        found = document.get("prompts")
        if isinstance(videos := document.get("videos"), Mapping):
            found = videos.get(video_name, videos.get(Path(video_name).stem))
            if found is None:
                raise ConfigError(
                    f"{path} has no prompts for the video {shorten(video_name)}; it has "
                    f"{', '.join(shorten(name) for name in list(videos)[:3])}"
                )
        elif isinstance(answer := document.get("grounding"), Mapping):
            found = answer.get("prompts")
        if isinstance(found, Mapping):
            found = found.get("prompts")
    if not isinstance(found, list):
        raise ConfigError(
            f'{path} must hold a list of prompts, {{"prompts": [...]}}, '
            '{"videos": {<name>: [...]}} or a result; see videoseg.given.read_prompts'
        )
    return found


def _parsed(entry: Any, where: str) -> Prompt:
    if isinstance(entry, Prompt):
        return entry
    if not isinstance(entry, Mapping):
        raise ConfigError(
            f"{where} must be an object with object_id and frame, got {shorten(entry)}"
        )
    known = {"object_id", "frame", "box", "points", "negative_points", "mask", "label", "score"}
    # An earlier result also has what its propagator was not given.
    values = {key: value for key, value in entry.items() if not _is_empty(value)}
    if unknown := sorted(str(key) for key in values.keys() - known - {"embedding"}):
        raise ConfigError(f"{where} has unknown keys {unknown}; there are {sorted(known)}")
    try:
        box, mask = values.get("box"), values.get("mask")
        return Prompt(
            _plain(values.get("object_id", 1)),
            _plain(values.get("frame", 0)),
            box=None if box is None else Box(*_numbers(box, ("x1", "y1", "x2", "y2"))),
            points=_points(values.get("points", ())),
            negative_points=_points(values.get("negative_points", ())),
            mask=None if mask is None else Rle.from_coco(mask),
            label=values.get("label", ""),
            score=_plain(values.get("score")),
        )
    except (ConfigError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def _is_empty(value: Any) -> bool:
    # Arrays are compared element by element.
    return value is None or (isinstance(value, str | list | tuple) and not value)


def _plain(value: Any) -> Any:
    """Return the Python value of a NumPy one, so that it can be written as JSON."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _points(given: Any) -> tuple[Point, ...]:
    return tuple(Point(*_numbers(point, ("x", "y"))) for point in given)


def _numbers(given: Any, names: tuple[str, ...]) -> list[Any]:
    values = [given[name] for name in names] if isinstance(given, Mapping) else list(given)
    values = [_plain(value) for value in values]
    if len(values) != len(names):
        raise ConfigError(f"must be [{', '.join(names)}], got {shorten(given)}")
    return values
