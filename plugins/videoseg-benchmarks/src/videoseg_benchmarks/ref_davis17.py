"""Ref-DAVIS17."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from videoseg.benchmarks import (
    ExpressionVideo,
    IdPictureTruths,
    LoadedSplit,
    Problems,
    SplitReader,
    TruthSource,
    VideoPlace,
    make_samples,
    make_split,
    parse_expressions,
    read_mapping,
    read_video_entries,
)
from videoseg.errors import ConfigError
from videoseg.metrics import protocol_named
from videoseg.text import shorten
from videoseg.types import Size
from videoseg_benchmarks.expressions import no_group, object_ids_of, parsed_object_ids
from videoseg_benchmarks.mask_dict import (
    MASKS_AGAIN,
    MaskDictTruths,
    find_bad_tracks,
    first_size,
    mask_track,
)
from videoseg_benchmarks.pickles import read_pickle
from videoseg_benchmarks.videos import (
    annotated_videos,
    locate_videos,
    located_videos,
    unpacked_folder,
)

__all__ = ["RefDavis17"]

# Two people described every object twice: from the first frame and from the whole video.
_EXPRESSIONS_PER_OBJECT = 4

_ORDERS = ("text", "file")


class RefDavis17(SplitReader):
    """Ref-DAVIS17 (Khoreva et al., ACCV 2018), in the form of Ref-YouTube-VOS.

    ::

        <root>/meta_expressions/{valid,train}/meta_expressions.json
               {valid,train}/JPEGImages/<video>/<frame>.jpg
               {valid,train}/Annotations/<video>/<frame>.png   (ids, those of DAVIS unsupervised)
               {valid,train}/mask_dict.json or mask_dict.pkl   (instead of Annotations)

    This is the output of ReferFormer's conversion script for DAVIS-2017 and the text
    annotations. Every object has four expressions, one after another: two annotators, each for
    the first frame and for the whole video. In the mask dictionary, keys count the expressions
    over the sorted names of videos and, within one, the sorted names of expressions (as text:
    "10" before "2"). The pickle is read without running what it may hold. Others read the same
    file with the expressions in the order of the file; the file does not say which is correct. A
    note of the split says if expressions of one object get different masks, and whether the
    other order avoids that.

    The protocol is that of each expression by itself. The official one, with the objects of each
    annotator merged, is ``ref-davis17-official`` (``videoseg score --protocol``).

    Args:
        check_pictures: Whether frames and masks must exist.
        mask_order: How the mask dictionary counts the expressions of a video: ``text``, sorted
            as text, or ``file``, as in ``meta_expressions.json``.

    Raises:
        ConfigError: If there is no such order.
    """

    name = "ref-davis17"
    splits = ("valid", "train")
    license = "CC BY-NC 4.0 (DAVIS); none stated for the expressions"
    homepage = (
        "https://www.mpi-inf.mpg.de/departments/computer-vision-and-machine-learning/research/"
        "video-segmentation/video-object-segmentation-with-language-referring-expressions"
    )

    def __init__(self, *, check_pictures: bool = True, mask_order: str = "text") -> None:
        if mask_order not in _ORDERS:
            raise ConfigError(
                f"mask_order must be one of {', '.join(_ORDERS)}, got {mask_order!r}"
            )
        super().__init__(check_pictures=check_pictures)
        self._mask_order = mask_order

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        meta = root / "meta_expressions" / split / "meta_expressions.json"
        document = read_video_entries(meta, problems)
        videos = parse_expressions(meta, document, problems)
        folder = root / split
        annotations = unpacked_folder(folder / "Annotations", document)
        masks = None
        if not annotations.is_dir():
            masks = _mask_dict(folder, problems, required=self.check_pictures)
        # Expressions that are left out are counted as well.
        keys = {order: _mask_keys(document, order) for order in _ORDERS}
        places = locate_videos(
            videos,
            folder / "JPEGImages",
            problems,
            check_pictures=self.check_pictures,
            size_of=lambda video: _size(video, keys[self._mask_order], masks),
            masks_of=lambda video: [annotations / video.video_id],
        )
        videos = located_videos(videos, places)
        truths: TruthSource
        if masks is None:
            if self.check_pictures and not problems.count:
                videos = annotated_videos(annotations, videos, problems)
            known: Mapping[str, object]
            known = object_ids = object_ids_of(meta, videos, problems)
            truths = IdPictureTruths(annotations, object_ids)
        else:
            chosen = keys[self._mask_order]
            known = _valid_samples(folder, videos, places, masks, chosen, problems)
            _compare_orders(videos, masks, keys, self._mask_order, problems)
            truths = MaskDictTruths(masks, {sample: (chosen[sample],) for sample in known})
        samples = make_samples(videos, no_group, known)
        return make_split(
            problems,
            protocol=protocol_named("ref-davis17"),
            samples=samples,
            videos=places,
            truths=truths,
        )


def _mask_keys(document: Mapping[str, Any], order: str) -> dict[str, str]:
    """Return the key in the mask dictionary of every expression, by the sample's id."""
    keys: dict[str, str] = {}
    for video_id in sorted(document):
        entry = document[video_id]
        expressions = entry.get("expressions") if isinstance(entry, dict) else None
        names = list(expressions) if isinstance(expressions, dict) else []
        for name in sorted(names) if order == "text" else names:
            keys[f"{video_id}/{name}"] = str(len(keys))
    return keys


def _size(
    video: ExpressionVideo, keys: Mapping[str, str], masks: Mapping[str, Any] | None
) -> Size | None:
    tracks = ((masks or {}).get(keys[one.sample_id]) for one in video.expressions)
    return next((size for track in tracks if (size := first_size(track)) is not None), None)


def _valid_samples(
    folder: Path,
    videos: Sequence[ExpressionVideo],
    places: Mapping[str, VideoPlace],
    masks: Mapping[str, Any],
    keys: Mapping[str, str],
    problems: Problems,
) -> dict[str, str]:
    """Return the samples whose masks exist and are valid, with their keys."""
    wanted = {
        expression.sample_id: (video, keys[expression.sample_id])
        for video in videos
        for expression in video.expressions
    }
    bad = find_bad_tracks(
        (
            mask_track(video, places[video.video_id], key, masks)
            for video, key in wanted.values()
            if key in masks
        ),
        problems,
    )
    found: dict[str, str] = {}
    for sample, (video, key) in wanted.items():
        reason = bad.get((video.video_id, key))
        if key not in masks:
            reason = f"has no masks with the key {key}, those of {sample}"
        if reason is None:
            found[sample] = key
        else:
            problems.leave_out(folder / _file(folder), reason, fix=MASKS_AGAIN)
    return found


def _compare_orders(
    videos: Sequence[ExpressionVideo],
    masks: Mapping[str, Any],
    keys: Mapping[str, Mapping[str, str]],
    chosen: str,
    problems: Problems,
) -> None:
    """Note where expressions of one object have different masks."""
    odd = {order: _inconsistent_objects(videos, masks, keys[order]) for order in _ORDERS}
    if not odd[chosen]:
        return
    other = next(order for order in _ORDERS if order != chosen)
    said = "the other order has as many"
    if len(odd[other]) < len(odd[chosen]):
        said = f"with mask_order={other} it is so for {len(odd[other])}"
    problems.note(
        f"in the mask dictionary, expressions of one object differ in their first mask for "
        f"{len(odd[chosen])} objects, such as {odd[chosen][0]}; {said}"
    )


def _inconsistent_objects(
    videos: Sequence[ExpressionVideo], masks: Mapping[str, Any], keys: Mapping[str, str]
) -> list[str]:
    found = []
    for video in videos:
        firsts: dict[object, set[str]] = {}
        for place, expression in enumerate(video.expressions):
            ids = parsed_object_ids(expression.fields.get("obj_id"))
            key = keys[expression.sample_id]
            track = masks.get(key)
            if isinstance(track, list) and track:
                # Expressions without 'obj_id' are counted.
                object_id = place // _EXPRESSIONS_PER_OBJECT + 1 if ids is None else ids
                firsts.setdefault(object_id, set()).add(repr(track[0]))
        found += [
            f"{video.video_id}, object {shorten(object_id)}"
            for object_id, different in firsts.items()
            if len(different) > 1
        ]
    return found


def _file(folder: Path) -> str:
    return "mask_dict.json" if (folder / "mask_dict.json").is_file() else "mask_dict.pkl"


def _mask_dict(folder: Path, problems: Problems, *, required: bool) -> dict[str, Any] | None:
    path = folder / _file(folder)
    if path.suffix == ".json":
        return read_mapping(path, problems)
    if not path.is_file():
        if required:
            problems.add(
                folder / "Annotations",
                "is missing",
                fix="download it, or mask_dict.json or mask_dict.pkl",
            )
        return None
    before = problems.count
    value = read_pickle(path, problems)
    if isinstance(value, dict):
        return {str(key): track for key, track in value.items()}
    if problems.count == before:
        problems.add(path, "holds no dictionary of masks", fix="download it again")
    return None
