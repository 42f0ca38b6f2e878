"""MOSE and MOSEv2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from videoseg.benchmarks import (
    LoadedSplit,
    Problems,
    SplitReader,
    SubmissionFormat,
    make_split,
    read_mapping,
)
from videoseg.metrics import protocol_named
from videoseg_benchmarks.given_masks import (
    GivenVideo,
    IdTruths,
    given_samples,
    has_every_mask,
    leave_out_unknown,
    list_sequences,
    locate_split,
    with_first_masks,
)
from videoseg_benchmarks.videos import unpacked_folder

__all__ = ["Mose", "MoseV2"]


@dataclass(frozen=True, slots=True)
class _Listed:
    """What the file of the benchmark says of a video: its objects, and how many frames it has."""

    objects: tuple[int, ...]
    length: int | None


class Mose(SplitReader):
    """MOSE: objects in crowded, occluded scenes (Ding et al., ICCV 2023).

    ::

        <root>/{valid,train}/JPEGImages/<video>/<frame>.jpg
                             Annotations/<video>/<frame>.png   (ids; valid: the first frame)

    Each video is one sample. Its prompts are the masks of the first frame, and those of objects
    for which a later picture is given. A split in which every frame of every video has a mask is
    scored; otherwise ``submission.zip`` is for the server.

    Args:
        check_pictures: Whether the frames must exist. The first masks must exist in any case.
    """

    name = "mose"
    splits: tuple[str, ...] = ("valid", "train")
    license = "CC BY-NC-SA 4.0"
    homepage = "https://henghuiding.github.io/MOSE/"
    submission: SubmissionFormat | None = SubmissionFormat(
        server="https://codalab.lisn.upsaclay.fr/competitions/10703", layout="ids"
    )
    _protocol = "mose"

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        folder = root / split if (root / split).is_dir() else root
        names = list_sequences(unpacked_folder(folder / "Annotations", ()), problems)
        found = locate_split(
            folder / "JPEGImages",
            folder / "Annotations",
            names,
            problems,
            check_pictures=self.check_pictures,
        )
        pictures, annotations = found.pictures, found.annotations
        meta = self._read_meta(folder, split, problems)
        located: dict[str, GivenVideo] = {}
        for name, video in found.videos.items():
            if not video.has_frames and _has_gaps(video.names):
                leave_out_unknown(pictures / name, problems)
            else:
                located[name] = video
        scored = split == "train" or all(
            has_every_mask(annotations / name, one.names) for name, one in located.items()
        )
        videos: dict[str, GivenVideo] = {}
        for name, video in located.items():
            listed = meta[name].objects if name in meta else ()
            length = meta[name].length if name in meta else None
            if scored and length not in (None, len(video.names)):
                # The official code counts the frames that its file says there are.
                reason = f"has {len(video.names)} frames, and {length} by the benchmark's file"
                problems.leave_out(pictures / name, reason, fix="download the video again")
                continue
            # Which later objects there are is known from the file, or from the pictures given.
            wanted = dict.fromkeys(listed, video.names[0]) if listed and scored else None
            given = with_first_masks(
                annotations / name,
                video,
                problems,
                wanted=wanted,
                only_first=scored and wanted is None,
            )
            if given is not None:
                videos[name] = given
        objects = {
            name: meta[name].objects
            if name in meta
            else [prompt.object_id for prompt in one.prompts]
            for name, one in videos.items()
        }
        return make_split(
            problems,
            protocol=protocol_named(self._protocol),
            samples=given_samples(videos),
            videos={name: one.place for name, one in videos.items()},
            truths=IdTruths(annotations, objects) if scored else None,
        )

    def _read_meta(self, folder: Path, split: str, problems: Problems) -> dict[str, _Listed]:
        """Return what the benchmark's own file says of each video; nothing for MOSE."""
        del folder, split, problems
        return {}


class MoseV2(Mose):
    """MOSEv2: disappearing, small and similar objects, of more kinds (Ding et al., 2025).

    ::

        <root>/{valid,test,train}/JPEGImages/<video>/<frame>.jpg
                                  Annotations/<video>/<frame>.png   (ids; valid: the first frame)
                                  meta.json                         (for scoring)

    As for ``mose``. The file ``{"videos": {<video>: {"length": n, "objects": [1, ...]}}}``, also
    called ``meta_<split>.json`` and in the folder above, lists the objects that count; without
    it these are the objects of the first frame. A video with another number of frames than
    ``length`` is left out.

    Args:
        check_pictures: Whether the frames must exist. The first masks must exist in any case.
    """

    name = "mosev2"
    splits = ("valid", "test", "train")
    homepage = "https://mose.video/"
    submission = SubmissionFormat(
        server="https://www.codabench.org/competitions/10062/", layout="ids"
    )
    _protocol = "mosev2"

    def _read_meta(self, folder: Path, split: str, problems: Problems) -> dict[str, _Listed]:
        names = ("meta.json", f"meta_{split}.json")
        places = [place / name for place in (folder, folder.parent) for name in names]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            return {}
        document = read_mapping(path, problems) or {}
        videos = document.get("videos", {})
        found: dict[str, _Listed] = {}
        for name, entry in videos.items() if isinstance(videos, dict) else ():
            try:
                objects = sorted(int(one) for one in entry["objects"])
                length = entry.get("length")
                found[name] = _Listed(tuple(objects), None if length is None else int(length))
                if not objects:
                    raise ValueError("no objects")
            except (AttributeError, KeyError, TypeError, ValueError):
                fix = "download it again"
                problems.add(path, f"{name[:80]!r} lists no objects by their ids", fix=fix)
        return found


def _has_gaps(names: tuple[str, ...]) -> bool:
    """Return whether frames are missing among these, which are numbered one by one."""
    numbers = [int(name) for name in names if name.isdecimal()]
    return bool(numbers) and max(numbers) - min(numbers) >= len(names)
