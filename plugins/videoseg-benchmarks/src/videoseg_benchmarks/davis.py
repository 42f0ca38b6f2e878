"""DAVIS-2016 and DAVIS-2017."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from videoseg.benchmarks import (
    ANNOTATIONS_AGAIN,
    IdPictureTruths,
    IdTracks,
    LoadedSplit,
    Problems,
    Sample,
    SplitReader,
    SubmissionFormat,
    VideoPlace,
    is_plain_name,
    locate_video,
    make_split,
    read_ids,
    sort_frame_names,
)
from videoseg.errors import ConfigError, EvaluationError
from videoseg.files import read_bytes
from videoseg.metrics import EvalProtocol, protocol_named
from videoseg.types import IntArray, Prompt
from videoseg_benchmarks.given_masks import leave_out_unknown
from videoseg_benchmarks.videos import UncheckedVideo, find_pictures, unpacked_folder

__all__ = ["Davis2016", "Davis2017"]


_HIDDEN = ("test-dev", "test-challenge")


class _Davis(SplitReader):
    splits: tuple[str, ...] = ("val", "train")
    license = "CC BY-NC 4.0"

    def __init__(
        self, *, resolution: str = "480p", query: str = "", check_pictures: bool = True
    ) -> None:
        if not is_plain_name(resolution):
            raise ConfigError(
                f"resolution must be the name of a folder such as 480p, got {resolution!r}"
            )
        super().__init__(check_pictures=check_pictures)
        self._resolution = resolution
        self._query = query.strip()

    def _load_sequences(
        self,
        root: Path,
        problems: Problems,
        *,
        lists: list[Path],
        annotations: Path,
        protocol: EvalProtocol,
        one_object: bool,
        hidden: bool = False,
    ) -> LoadedSplit:
        samples: list[Sample] = []
        videos: dict[str, VideoPlace] = {}
        sequences = _sequences(root, lists, annotations, problems)
        pictures = unpacked_folder(root / "JPEGImages" / self._resolution, sequences)
        annotations = unpacked_folder(annotations, sequences)
        for sequence in sequences:
            masks = annotations / sequence
            video: VideoPlace | None
            if self.check_pictures:
                video = locate_video(pictures / sequence, problems.entry())
            else:
                # Where the truth is public every frame has a mask of its name.
                found = find_pictures(pictures / sequence)
                shown = found or find_pictures(masks)
                if hidden and not found:
                    leave_out_unknown(pictures / sequence, problems)
                    continue
                video = UncheckedVideo(
                    pictures / sequence, sort_frame_names(shown), masks=(masks,)
                )
            if video is None:
                continue
            prompts: tuple[Prompt, ...] = ()
            if self.check_pictures or not self._query:
                first = masks / f"{video.names[0] if video.names else '00000'}.png"
                try:
                    ids = read_ids(first, where="it", size=video.size, fix=ANNOTATIONS_AGAIN)
                    prompts = _prompts(ids, one_object=one_object)
                except EvaluationError as error:
                    problems.leave_out(first, str(error), fix=ANNOTATIONS_AGAIN)
                    continue
                if not prompts:
                    problems.leave_out(first, "shows no object to follow", fix=ANNOTATIONS_AGAIN)
                    continue
            videos[sequence] = video
            if self._query:
                samples.append(Sample(sequence, "query", self._query))
            else:
                samples.append(Sample(sequence, "objects", "", prompts=prompts))
        return make_split(
            problems,
            protocol=protocol,
            samples=samples,
            videos=videos,
            truths=None
            if hidden
            else IdPictureTruths(
                annotations,
                dict.fromkeys(sample.id for sample in samples),
                one_object=one_object,
                of_first_frame=True,
            ),
        )


class Davis2016(_Davis):
    """DAVIS-2016: one foreground object (Perazzi et al., CVPR 2016).

    ::

        <root>/ImageSets/2016/{val,train}.txt            (or ImageSets/480p/, as of 2016)
               JPEGImages/480p/<sequence>/<frame>.jpg
               Annotations/480p/<sequence>/<frame>.png   (foreground: above 0)

    A line of the list is the name of a sequence, or the paths of a frame and its mask. Without a
    folder ``ImageSets`` every annotated sequence is read. Each sequence is one sample, whose
    prompt is the mask of the first frame. If the masks of another release
    have several objects, all of them are the foreground.

    Args:
        resolution: The folder of the resolution, such as ``480p`` or ``1080p``.
        query: Ask this instead of giving the first mask, such as ``the main moving object``.
        check_pictures: Whether the frames must exist. Without a query the first masks must exist.
    """

    name = "davis-2016"
    homepage = "https://davischallenge.org/davis2016/code.html"

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        return self._load_sequences(
            root,
            problems,
            lists=[
                root / "ImageSets" / folder / f"{split}.txt"
                for folder in ("2016", self._resolution)
            ],
            annotations=root / "Annotations" / self._resolution,
            protocol=protocol_named("davis-2016"),
            one_object=True,
        )


class Davis2017(_Davis):
    """DAVIS-2017: several objects (Pont-Tuset et al., 2017).

    ::

        <root>/ImageSets/2017/{val,train,test-dev,test-challenge}.txt
               JPEGImages/480p/<sequence>/<frame>.jpg
               Annotations/480p/<sequence>/<frame>.png                (ids; test: the first frame)
               Annotations_unsupervised/480p/<sequence>/<frame>.png   (ids; with a query)

    Each sequence is one sample. Its objects are those of the first frame; objects that appear
    later are not scored, as in the official package. Semi-supervised, the default: the prompts are
    these objects' masks on the first frame. With a query: no prompts, the masks of the
    unsupervised release if it exists, and the protocol that matches predicted with true
    objects; 255 is void. Without a folder ``ImageSets`` every annotated sequence is read. The
    truth of the two test sets is on their servers, for which ``submission.zip`` is written.

    Args:
        resolution: The folder of the resolution, such as ``480p`` or ``Full-Resolution``.
        query: Ask this instead of giving the first masks, such as ``the main moving objects``.
        check_pictures: Whether the frames must exist. Without a query the first masks must exist.
    """

    name = "davis-2017"
    splits = ("val", "train", *_HIDDEN)
    homepage = "https://davischallenge.org/davis2017/code.html"
    submission = SubmissionFormat(server="https://davischallenge.org", layout="ids")

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        annotations = root / "Annotations" / self._resolution
        unsupervised = root / "Annotations_unsupervised" / self._resolution
        if self._query and unsupervised.is_dir():
            annotations = unsupervised
        return self._load_sequences(
            root,
            problems,
            lists=[root / "ImageSets" / "2017" / f"{split}.txt"],
            annotations=annotations,
            protocol=protocol_named("davis-2017-unsupervised")
            if self._query
            else protocol_named("davis-2017-semi-supervised"),
            one_object=False,
            hidden=split in _HIDDEN,
        )


def _sequences(root: Path, lists: list[Path], annotations: Path, problems: Problems) -> list[str]:
    if (root / "ImageSets").is_dir():
        path = next((path for path in lists if path.is_file()), lists[0])
        try:
            lines = read_bytes(path).decode("utf-8-sig", "replace").splitlines()
        except OSError as error:
            problems.add(
                path, f"cannot be read ({error.strerror or error})", fix="download it again"
            )
            return []
        names = [_sequence_of(line.split()[0]) for line in lines if line.strip()]
    else:
        path = annotations
        try:
            names = sorted(entry.name for entry in annotations.iterdir() if entry.is_dir())
        except OSError as error:
            problems.add(
                path,
                f"cannot be listed ({error.strerror or error})",
                fix="give the folder that holds JPEGImages and Annotations",
            )
            return []
    names = list(dict.fromkeys(names))
    for bad in (name for name in names if not is_plain_name(name)):
        problems.add(
            path,
            f"names the sequence {bad[:80]!r}, which leads out of the folder",
            fix="do not trust this file; download it again",
        )
    if not names:
        problems.add(path, "names no sequences", fix="download it again")
    return [name for name in names if is_plain_name(name)]


def _sequence_of(entry: str) -> str:
    # Of 2016: "/JPEGImages/480p/bear/00000.jpg".
    path = PurePosixPath(entry)
    return path.parent.name if path.suffix.lower() in {".jpg", ".png"} else entry


def _prompts(ids: IntArray, *, one_object: bool) -> tuple[Prompt, ...]:
    tracks = IdTracks(1)
    tracks.add(0, (ids > 0).astype(ids.dtype) if one_object else ids, where="the first frame")
    return tuple(
        Prompt(object_id, 0, mask=masks[0]) for object_id, masks in tracks.objects().items()
    )
