"""YouTube-VOS, 2018 and 2019."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videoseg.benchmarks import (
    FILE_AGAIN,
    LoadedSplit,
    Problems,
    SplitReader,
    SubmissionFormat,
    make_split,
    read_mapping,
)
from videoseg.errors import ConfigError
from videoseg.metrics import protocol_named
from videoseg_benchmarks.given_masks import (
    GivenVideo,
    IdTruths,
    given_samples,
    has_every_mask,
    locate_split,
    safe_names,
    with_first_masks,
)

__all__ = ["YoutubeVos2018", "YoutubeVos2019"]

# Every fifth frame of 30 per second.
_FPS, _ALL_FPS = 6.0, 30.0

_Objects = dict[int, tuple[str, ...]]


class _YoutubeVos(SplitReader):
    splits = ("valid", "test", "train")
    license = "non-commercial research (YouTube-VOS)"

    def __init__(self, *, all_frames: bool = False, check_pictures: bool = True) -> None:
        if not isinstance(all_frames, bool):
            raise ConfigError(f"all_frames must be true or false, got {all_frames!r}")
        super().__init__(check_pictures=check_pictures)
        self._all_frames = all_frames

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        folder = root / split if (root / split).is_dir() else root
        meta = self._read_meta(folder / "meta.json", problems)
        listed = {
            name: {frame for frames in objects.values() for frame in frames}
            for name, objects in meta.items()
        }
        rate = _ALL_FPS if self._all_frames else _FPS
        located = locate_split(
            self._frames(root, folder, split),
            folder / "Annotations",
            list(meta),
            problems,
            check_pictures=self.check_pictures,
            fps=rate,
            listed=listed,
        )
        annotations = located.annotations
        videos: dict[str, GivenVideo] = {}
        for name, video in located.videos.items():
            if missing := sorted(listed[name].difference(video.names)):
                # The server wants a mask of it.
                reason = f"has no frame {missing[0]}, which meta.json lists"
                fix = "download the video again"
                problems.leave_out(located.pictures / name, reason, fix=fix)
                continue
            wanted = {key: frames[0] for key, frames in meta[name].items()}
            given = with_first_masks(annotations / name, video, problems, wanted=wanted)
            if given is not None:
                videos[name] = given
        named = {name: _ordered(meta[name], one) for name, one in videos.items()}
        scored = split == "train" or all(
            has_every_mask(annotations / name, frames) for name, frames in named.items()
        )
        problems.note(f"run on {rate:g} frames per second, which matters for the scores")
        return make_split(
            problems,
            protocol=protocol_named("youtube-vos"),
            samples=given_samples(videos),
            videos={name: one.place for name, one in videos.items()},
            truths=_truths(annotations, videos, named) if scored else None,
            submitted=named,
        )

    def _frames(self, root: Path, folder: Path, split: str) -> Path:
        if not self._all_frames:
            return folder / "JPEGImages"
        places = [
            place / f"{split}_all_frames" / "JPEGImages"
            for place in (root, root / "all_frames", folder.parent)
        ]
        return next((place for place in places if place.is_dir()), places[0])

    def _read_meta(self, path: Path, problems: Problems) -> dict[str, _Objects]:
        document = read_mapping(path, problems) or {}
        videos = document.get("videos")
        if document and not isinstance(videos, dict):
            problems.add(path, 'has no object "videos"', fix=FILE_AGAIN)
        entries = videos if isinstance(videos, dict) else {}
        found: dict[str, _Objects] = {}
        for name in safe_names(path, entries, problems):
            try:
                found[name] = _objects(entries[name]["objects"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                problems.leave_out(path, f"{name[:80]}: {reason}", fix=FILE_AGAIN)
        return found


class YoutubeVos2019(_YoutubeVos):
    """YouTube-VOS, version of 2019: many categories, objects that appear later.

    ::

        <root>/{valid,test,train}/JPEGImages/<video>/<frame>.jpg    (every fifth frame)
                                  Annotations/<video>/<frame>.png   (ids; valid: first masks)
                                  meta.json
        <root>/valid_all_frames/JPEGImages/<video>/<frame>.jpg      (with all_frames)

    ``root`` may also be the folder of the split. Each video is one sample. Each object is given
    on the first of its frames in ``meta.json``, and is not there before. Object ids stay as they
    are. The truth of ``valid`` and ``test`` is on the server, and ``submission.zip`` holds the
    frames that ``meta.json`` lists. ``train`` is scored here, by rules of our own.

    Args:
        all_frames: Whether to run on all frames instead of every fifth. Scores differ.
        check_pictures: Whether the frames must exist. The first masks must exist in any case.
    """

    name = "youtube-vos-2019"
    homepage = "https://youtube-vos.org/dataset/vos"
    submission = SubmissionFormat("Annotations", "https://youtube-vos.org/dataset/vos", "ids")


class YoutubeVos2018(_YoutubeVos):
    """YouTube-VOS, version of 2018, with fewer videos; see ``youtube-vos-2019``.

    Args:
        all_frames: Whether to run on all frames instead of every fifth. Scores differ.
        check_pictures: Whether the frames must exist. The first masks must exist in any case.
    """

    name = "youtube-vos-2018"
    homepage = "https://youtube-vos.org/dataset/vos"
    submission = SubmissionFormat("Annotations", "https://youtube-vos.org/dataset/vos", "ids")


def _objects(entries: Mapping[str, Any]) -> _Objects:
    found: _Objects = {}
    for key, entry in entries.items():
        frames = entry["frames"]
        if not (isinstance(frames, list) and frames and all(isinstance(x, str) for x in frames)):
            raise ValueError(f"object {key} has no frames")
        found[int(key)] = tuple(frames)
    if not found or min(found) < 1:
        raise ValueError("its objects must be numbered from 1")
    return dict(sorted(found.items()))


def _ordered(objects: _Objects, video: GivenVideo) -> tuple[str, ...]:
    """Return the frames that are listed for any of the objects, in the order of the video."""
    listed = {name for frames in objects.values() for name in frames}
    return tuple(name for name in video.names if name in listed)


def _truths(
    annotations: Path, videos: Mapping[str, GivenVideo], named: Mapping[str, tuple[str, ...]]
) -> IdTruths:
    frames: dict[str, dict[int, tuple[str | None, ...]]] = {}
    for name, video in videos.items():
        places = {frame: place for place, frame in enumerate(video.names)}
        frames[name] = {
            prompt.object_id: tuple(one for one in named[name] if places[one] > prompt.frame)
            for prompt in video.prompts
        }
    # An object without a frame after its first one is given, but cannot be scored.
    frames = {
        name: {key: own for key, own in each.items() if own} for name, each in frames.items()
    }
    return IdTruths(annotations, {name: list(own) for name, own in frames.items()}, frames)
