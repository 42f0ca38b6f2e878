"""VOST: objects that are transformed."""

from __future__ import annotations

from pathlib import Path

from videoseg.benchmarks import (
    LoadedSplit,
    Problems,
    SplitReader,
    SubmissionFormat,
    make_split,
)
from videoseg.metrics import protocol_named
from videoseg_benchmarks.given_masks import (
    GivenVideo,
    IdTruths,
    given_samples,
    listed_names,
    locate_split,
    with_first_masks,
)
from videoseg_benchmarks.videos import find_pictures

__all__ = ["Vost"]

_FPS = 5.0


class Vost(SplitReader):
    """VOST: objects that are cut, broken or molded (Tokmakov et al., CVPR 2023).

    ::

        <root>/ImageSets/{val,test,train}.txt
               JPEGImages/<video>/<frame>.jpg
               Annotations/<video>/<frame>.png   (ids; 255 counts as background)

    Each video is one sample, and its prompts are the masks of the first frame. Objects that
    appear later are not scored, and neither are frames without a mask, as in the official
    package. A split with no more than the first masks is not scored.

    Args:
        check_pictures: Whether the frames must exist. The first masks must exist in any case.
    """

    name = "vost"
    splits = ("val", "test", "train")
    license = "not stated where we looked"
    homepage = "https://www.vostdataset.org"
    submission = SubmissionFormat(layout="ids")

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        names = listed_names(root / "ImageSets" / f"{split}.txt", problems)
        located = locate_split(
            root / "JPEGImages",
            root / "Annotations",
            names,
            problems,
            check_pictures=self.check_pictures,
            fps=_FPS,
        )
        annotations = located.annotations
        videos: dict[str, GivenVideo] = {}
        for name, video in located.videos.items():
            given = with_first_masks(annotations / name, video, problems, only_first=True)
            if given is not None:
                videos[name] = given
        # Frames without a mask do not count, as in the official package.
        scored = all(len(find_pictures(annotations / name)) > 1 for name in videos)
        objects = {
            name: range(1, max(prompt.object_id for prompt in one.prompts) + 1)
            for name, one in videos.items()
        }
        return make_split(
            problems,
            protocol=protocol_named("vost"),
            samples=given_samples(videos),
            videos={name: one.place for name, one in videos.items()},
            truths=IdTruths(annotations, objects) if scored else None,
        )
