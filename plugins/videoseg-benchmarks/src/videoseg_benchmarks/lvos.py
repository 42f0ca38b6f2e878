"""LVOS, first and second version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videoseg.benchmarks import (
    FILE_AGAIN,
    LoadedSplit,
    Problems,
    SplitReader,
    SubmissionFormat,
    make_split,
    read_content,
    read_mapping,
)
from videoseg.errors import ConfigError
from videoseg.files import expand_path
from videoseg.metrics import EvalProtocol, protocol_named
from videoseg_benchmarks.given_masks import (
    GivenVideo,
    IdTruths,
    given_samples,
    has_every_mask,
    locate_split,
    safe_names,
    with_first_masks,
)

__all__ = ["LvosV1", "LvosV2"]

_FPS = 6.0
# Frames are numbered at 30 per second, and every fifth is in the data.
_STEP = 5


@dataclass(frozen=True, slots=True)
class _Range:
    """The frames of an object, as the file of the benchmark has them.

    Args:
        start: Number of the first frame.
        stop: Number of the frame before which its frames end.
        count: How many frames it has.
    """

    start: int
    stop: int
    count: int

    def names(self) -> list[str | None]:
        """Return the names of its frames; None for those that are counted but never visited.

        The official code has ``count - 2`` places for scores, fills them frame by frame, leaves
        out the first and the last frame, and the places that it does not reach are 0.
        """
        visited = self.visited()
        return [*visited, *[None] * (self.count - len(visited))]

    def visited(self) -> list[str]:
        """Return the names of the frames that the official code visits."""
        return [f"{number:08d}" for number in range(self.start, self.stop, _STEP)]


class _Lvos(SplitReader):
    splits = ("valid", "test", "train")
    license = "annotations CC BY 4.0"
    homepage = "https://lingyihongfd.github.io/lvos.github.io/"
    submission = SubmissionFormat(layout="ids")

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        folder = root / split if (root / split).is_dir() else root
        meta = self._read_meta(folder / f"{split}_meta.json", problems)
        located = locate_split(
            folder / "JPEGImages",
            folder / "Annotations",
            list(meta),
            problems,
            check_pictures=self.check_pictures,
            fps=_FPS,
            listed={
                name: {frame for one in objects.values() for frame in one.visited()}
                for name, objects in meta.items()
            },
        )
        annotations = located.annotations
        videos: dict[str, GivenVideo] = {}
        for name, video in located.videos.items():
            wanted = {key: f"{one.start:08d}" for key, one in meta[name].items()}
            given = with_first_masks(annotations / name, video, problems, wanted=wanted)
            if given is not None:
                videos[name] = given
        frames = {name: {key: one.names() for key, one in meta[name].items()} for name in videos}
        counted = {
            name: [frame for own in objects.values() for frame in own[1:-1] if frame is not None]
            for name, objects in frames.items()
        }
        scored = split != "test" or all(
            has_every_mask(annotations / name, counted[name]) for name in videos
        )
        protocol, groups = self._rules(root, folder, list(videos), problems)
        return make_split(
            problems,
            protocol=protocol,
            samples=given_samples(videos, groups),
            videos={name: one.place for name, one in videos.items()},
            truths=_truths(annotations, frames) if scored else None,
        )

    def _rules(
        self, root: Path, folder: Path, videos: Sequence[str], problems: Problems
    ) -> tuple[EvalProtocol, dict[str, str]]:
        """Return the protocol, and the group of each video."""
        del root, folder, videos, problems
        return protocol_named("lvos-v1"), {}

    def _read_meta(self, path: Path, problems: Problems) -> dict[str, dict[int, _Range]]:
        document = read_mapping(path, problems) or {}
        videos = document.get("videos")
        if document and not isinstance(videos, dict):
            problems.add(path, 'has no object "videos"', fix=FILE_AGAIN)
        entries = videos if isinstance(videos, dict) else {}
        found: dict[str, dict[int, _Range]] = {}
        for name in safe_names(path, entries, problems):
            try:
                found[name] = _ranges(entries[name]["objects"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                reason = f"{name[:80]}: {_reason(error)}"
                problems.leave_out(path, reason, fix=FILE_AGAIN)
        return found


class LvosV1(_Lvos):
    """LVOS, first version: videos of a minute and more (Hong et al., ICCV 2023).

    ::

        <root>/{valid,test,train}/JPEGImages/<video>/<frame>.jpg    (00000001, 00000006, ...)
                                  Annotations/<video>/<frame>.png   (ids)
                                  {valid,test,train}_meta.json

    ``root`` may also be the folder of the split. Each video is one sample; each object is given
    on the first frame of its ``frame_range``, and only its frames count. ``test`` is scored only
    if all of them have masks.

    Args:
        check_pictures: Whether the frames must exist. The first masks must exist in any case.
    """

    name = "lvos-v1"


class LvosV2(_Lvos):
    """LVOS, second version: more videos and categories (Hong et al., 2024).

    As for ``lvos-v1``, with ``unseen_videos.txt``, the list of videos with categories that the
    training set does not have, in the folder of the split or above it. It comes with
    ``lvos-evaluation``. Without it, seen and unseen videos cannot be told apart, and the mean is
    over all objects.

    Args:
        unseen_videos: The list, if it is somewhere else.
        check_pictures: Whether the frames must exist. The first masks must exist in any case.
    """

    name = "lvos-v2"

    def __init__(self, *, unseen_videos: str = "", check_pictures: bool = True) -> None:
        super().__init__(check_pictures=check_pictures)
        self._list = expand_path(unseen_videos) if unseen_videos else None
        if self._list is not None and not self._list.is_file():
            raise ConfigError(
                f"unseen_videos must be a list of videos, and {self._list} is no file; give "
                "unseen_videos.txt of lvos-evaluation"
            )

    def _rules(
        self, root: Path, folder: Path, videos: Sequence[str], problems: Problems
    ) -> tuple[EvalProtocol, dict[str, str]]:
        places = (
            [self._list] if self._list else [one / "unseen_videos.txt" for one in (folder, root)]
        )
        path = next((place for place in places if place.is_file()), None)
        content = None if path is None else read_content(path, problems)
        if content is None:
            problems.note(
                "there is no unseen_videos.txt, so the mean is over all objects, and not over "
                "those of seen and of unseen categories"
            )
            return protocol_named("lvos-v1"), {}
        unseen = set(content.decode("utf-8-sig", "replace").split())
        groups = {name: "unseen" if name in unseen else "seen" for name in videos}
        return protocol_named("lvos-v2"), groups


def _ranges(objects: Mapping[str, Any]) -> dict[int, _Range]:
    found = {}
    for key, entry in objects.items():
        given = entry["frame_range"]
        one = _Range(int(given["start"]), int(given["end"]), int(given["frame_nums"]))
        number = len(range(one.start, one.stop, _STEP))
        if one.count < 3 or number > one.count or one.start < 0 or one.count > 10**7:
            raise ValueError(
                f"object {key} has {one.count} frames, but there are {number} from "
                f"{one.start} to {one.stop}"
            )
        found[int(key)] = one
    if not found or min(found) < 1:
        raise ValueError("its objects must be numbered from 1")
    return dict(sorted(found.items()))


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _truths(
    annotations: Path, frames: Mapping[str, Mapping[int, Sequence[str | None]]]
) -> IdTruths:
    return IdTruths(annotations, {name: list(own) for name, own in frames.items()}, frames)
