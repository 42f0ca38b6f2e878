"""Small drawn benchmarks, written in the layout in which each is published."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from drawn_vos import VOS_LAYOUTS
from PIL import Image

from videoseg.benchmarks import BenchmarkSplit, open_benchmark
from videoseg.masks.colors import DAVIS_PALETTE
from videoseg.plugins import Registry
from videoseg.types import Rle

SIZE = (24, 32)
NUM_FRAMES = 6
FRAMES = tuple(f"{index:05d}" for index in range(NUM_FRAMES))
VIDEOS = ("bear", "cart")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Layout:
    """How one drawn benchmark is written and opened."""

    write: Callable[[Path], None]
    split: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    num_samples: int = 0


def object_mask(video: str, object_id: int, frame: int, size: tuple[int, int] = SIZE) -> Mask:
    """Return a rectangle that moves; object 2 is hidden on the last two frames."""
    mask = np.zeros(size, dtype=bool)
    shift = frame + VIDEOS.index(video) if video in VIDEOS else frame
    if object_id == 1:
        mask[2:9, 1 + shift : 9 + shift] = True
    elif frame < NUM_FRAMES - 2:
        mask[13:21, 10 + shift : 17 + shift] = True
    return mask


def track(video: str, object_id: int) -> list[dict[str, Any] | None]:
    """Return an object's masks as a mask dictionary has them."""
    masks = [object_mask(video, object_id, frame) for frame in range(NUM_FRAMES)]
    return [Rle.encode(mask).to_coco() if mask.any() else None for mask in masks]


def ids_picture(video: str, frame: int) -> npt.NDArray[np.uint8]:
    """Return a picture of object ids."""
    picture = np.zeros(SIZE, dtype=np.uint8)
    for object_id in (1, 2):
        picture[object_mask(video, object_id, frame)] = object_id
    return picture


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_frame(path: Path, seed: int = 0, size: tuple[int, int] = SIZE) -> None:
    """Write a picture with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(path)


def write_frames(folder: Path, names: tuple[str, ...] = FRAMES) -> None:
    """Write a video as a folder of pictures."""
    for index, name in enumerate(names):
        write_frame(folder / f"{name}.jpg", seed=index)


def write_mask(path: Path, mask: Mask) -> None:
    """Write an 8-bit grey mask, 0 and 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(path)


def write_ids(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    """Write a palette picture of ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(picture)
    image.putpalette([channel for color in DAVIS_PALETTE for channel in color])
    image.save(path)


def write_id_videos(frames: Path, annotations: Path) -> None:
    """Write both videos with their pictures of ids."""
    for video in VIDEOS:
        write_frames(frames / video)
        for index, name in enumerate(FRAMES):
            write_ids(annotations / video / f"{name}.png", ids_picture(video, index))


def expressions(*, type_ids: bool = False, no_target: bool = True) -> dict[str, Any]:
    """Return a meta_expressions.json with annotation ids; both videos have 2 objects."""
    videos: dict[str, Any] = {}
    for place, video in enumerate(VIDEOS):
        first = 2 * place
        wanted = [[first], [first + 1], [first, first + 1]] + ([[]] if no_target else [])
        entries = {
            str(key): {"exp": f"expression {key}", "anno_id": ids, "obj_id": [1 for _ in ids]}
            for key, ids in enumerate(wanted)
        }
        if type_ids:
            for key, kind in zip(entries, (0, 1, 1, 2), strict=False):
                entries[key]["type_id"] = kind
        videos[video] = {"frames": list(FRAMES), "expressions": entries}
    return {"videos": videos}


def mask_dict() -> dict[str, Any]:
    """Return the masks of ``expressions``."""
    return {
        str(2 * place + object_id - 1): track(video, object_id)
        for place, video in enumerate(VIDEOS)
        for object_id in (1, 2)
    }


def write_mevis(root: Path, split: str = "valid_u") -> None:
    write_json(root / split / "meta_expressions.json", expressions())
    write_json(root / split / "mask_dict.json", mask_dict())
    for video in VIDEOS:
        write_frames(root / split / "JPEGImages" / video)


def write_mevis_second(root: Path) -> None:
    """Write the second version of MeViS, whose file has another name."""
    write_mevis(root)
    folder = root / "valid_u"
    (folder / "meta_expressions.json").rename(folder / "meta_expressions_v2.json")


def write_mevis_valid(root: Path, file: str = "meta_expressions.json") -> None:
    document = expressions()
    for video in document["videos"].values():
        for entry in video["expressions"].values():
            del entry["anno_id"], entry["obj_id"]
    write_json(root / "valid" / file, document)
    for video in VIDEOS:
        write_frames(root / "valid" / "JPEGImages" / video)


def write_revos(root: Path) -> None:
    document = expressions(type_ids=True)
    # Ids with a folder, and the size in the file, as ReVOS has them.
    document["videos"] = {
        f"source/{video}": {**entry, "height": SIZE[0], "width": SIZE[1]}
        for video, entry in document["videos"].items()
    }
    write_json(root / "meta_expressions_valid_.json", document)
    write_json(root / "mask_dict.json", mask_dict())
    foreground = {}
    for video in VIDEOS:
        write_frames(root / "JPEGImages" / "source" / video)
        united = [Rle.encode(ids_picture(video, index) > 0) for index in range(NUM_FRAMES)]
        foreground[f"source/{video}"] = {"masks_rle": [rle.to_coco() for rle in united]}
    write_json(root / "mask_dict_foreground.json", foreground)


def write_ref_sav(root: Path) -> None:
    write_json(root / "meta_expressions_valid.json", expressions(type_ids=True, no_target=False))
    write_json(root / "mask_dict.json", mask_dict())
    for video in VIDEOS:
        write_frames(root / "videos" / video)


def by_object(per_object: int = 1) -> dict[str, Any]:
    """Return a meta_expressions.json with object ids, object by object."""
    videos = {}
    for video in VIDEOS:
        entries = {
            str(per_object * (object_id - 1) + number): {
                "exp": f"object {object_id} said by {number}",
                "obj_id": str(object_id),
            }
            for object_id in (1, 2)
            for number in range(per_object)
        }
        videos[video] = {"frames": list(FRAMES), "expressions": entries}
    return {"videos": videos}


def write_ref_youtube_vos(root: Path) -> None:
    valid = by_object()
    for video in valid["videos"].values():
        for entry in video["expressions"].values():
            del entry["obj_id"]
    write_json(root / "meta_expressions/valid/meta_expressions.json", valid)
    test = {"videos": {"cart": valid["videos"]["cart"]}}
    write_json(root / "meta_expressions/test/meta_expressions.json", test)
    for video in VIDEOS:
        write_frames(root / "valid/JPEGImages" / video)


def write_ref_youtube_vos_train(root: Path) -> None:
    write_json(root / "meta_expressions/train/meta_expressions.json", by_object())
    write_id_videos(root / "train/JPEGImages", root / "train/Annotations")


def write_ref_davis17(root: Path) -> None:
    write_json(root / "meta_expressions/valid/meta_expressions.json", by_object(4))
    write_id_videos(root / "valid/JPEGImages", root / "valid/Annotations")


def write_ref_davis17_pickle(root: Path) -> None:
    document = by_object(6)
    write_json(root / "meta_expressions/valid/meta_expressions.json", document)
    masks: dict[str, Any] = {}
    for video in sorted(VIDEOS):
        write_frames(root / "valid/JPEGImages" / video)
        entries = document["videos"][video]["expressions"]
        # "10" comes before "2": the names are sorted as text.
        for key in sorted(entries):
            rles = track(video, int(entries[key]["obj_id"]))
            masks[str(len(masks))] = [
                rle and {"size": rle["size"], "counts": rle["counts"].encode()} for rle in rles
            ]
    (root / "valid/mask_dict.pkl").write_bytes(pickle.dumps(masks))


def write_long_rvos(root: Path) -> None:
    document = by_object()
    for video in document["videos"].values():
        for key, kind in zip(video["expressions"], ("static", "dynamic"), strict=True):
            video["expressions"][key]["type"] = kind
    write_json(root / "valid/meta_expressions.json", document["videos"])
    for video in VIDEOS:
        write_frames(root / "valid/JPEGImages" / video)
        for object_id in (1, 2):
            for index, name in enumerate(FRAMES):
                if (mask := object_mask(video, object_id, index)).any():
                    folder = root / "valid/Annotations" / video / str(object_id)
                    write_mask(folder / f"{name}.png", mask)


def write_long_rvos_unpacked(root: Path) -> None:
    """Write Long-RVOS as its download script leaves it: each folder inside one of its name."""
    write_long_rvos(root)
    for name in ("JPEGImages", "Annotations"):
        folder = root / "valid" / name
        folder.rename(root / "inner")
        folder.mkdir()
        (root / "inner").rename(folder / name)


def write_reasonvos_repeated(root: Path) -> None:
    """Write ReasonVOS as released: every object counts its expressions from 0, ids are text."""
    write_reasonvos(root)
    path = root / "meta_expressions.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for video in document["videos"].values():
        video["expressions"] = [
            {
                "exp_id": number,
                "exp_text": f"object {object_id} said by {number}",
                "obj_id": str(object_id),
                "is_sent": "true",
            }
            for object_id in (1, 2)
            for number in (0, 1)
        ]
    write_json(path, document)


def write_reasonvos(root: Path) -> None:
    videos: dict[str, Any] = {}
    for video, source in zip(VIDEOS, ("vipseg", "mevis"), strict=True):
        write_frames(root / "JPEGImages" / video)
        entries = [
            {"exp_id": object_id - 1, "exp_text": f"object {object_id}", "obj_id": object_id}
            for object_id in (1, 2)
        ]
        videos[video] = {"source": source, "frames": list(FRAMES), "expressions": entries}
        for object_id in (1, 2):
            shown = f"{object_id:09d}" if source == "vipseg" else str(object_id)
            for index, name in enumerate(FRAMES):
                folder = root / "Annotations" / f"{source}_{video}_{shown}"
                write_mask(folder / f"{name}.png", object_mask(video, object_id, index))
    write_json(root / "meta_expressions.json", {"videos": videos})


def write_reasonvos_format(root: Path) -> None:
    document = expressions(no_target=False)
    for video in document["videos"].values():
        del video["expressions"]["2"]
        for entry in video["expressions"].values():
            entry["anno_id"] = entry["anno_id"][0]
    write_json(root / "meta_expressions_format.json", document)
    write_json(root / "mask_dict.json", mask_dict())
    for video in VIDEOS:
        write_frames(root / "JPEGImages" / video)


def write_groundmore(root: Path, num_frames: int = 24) -> None:
    names = tuple(f"frame_{index:06d}" for index in range(num_frames))
    video = "clip_0100_0104"
    write_frames(root / "annotations" / video / "images", names)
    for index, name in enumerate(names):
        picture = ids_picture("bear", index % NUM_FRAMES)
        write_ids(root / "annotations" / video / "masks" / f"{name}.png", picture)
    question = {"answer": "it", "q_type": "Causal", "action_start": "01:01", "action_end": "1:03"}
    questions = {
        str(object_id - 1): {**question, "question": f"who {object_id}?", "obj_id": str(object_id)}
        for object_id in (1, 2)
    }
    write_json(root / "test_v2.json", {"videos": {video: {"questions": questions}}})


def write_davis(root: Path, year: str = "2017") -> None:
    write_id_videos(root / "JPEGImages/480p", root / "Annotations/480p")
    path = root / "ImageSets" / year / "val.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(VIDEOS), encoding="utf-8")


def write_davis_2016(root: Path) -> None:
    """Write masks of 0 and 255 and the list of frames that the first release has."""
    lines = []
    for video in VIDEOS:
        write_frames(root / "JPEGImages/480p" / video)
        for index, name in enumerate(FRAMES):
            mask = object_mask(video, 1, index)
            write_mask(root / "Annotations/480p" / video / f"{name}.png", mask)
            lines.append(
                f"/JPEGImages/480p/{video}/{name}.jpg /Annotations/480p/{video}/{name}.png"
            )
    path = root / "ImageSets/480p/val.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def _instances() -> dict[str, Any]:
    polygon = [2.0, 3.0, 20.0, 3.0, 20.0, 15.0, 2.0, 15.0]
    runs = Rle.encode(object_mask("bear", 2, 0)).to_coco()
    images = [
        {"id": 7, "file_name": "COCO_train2014_000000000007.jpg", "height": 24, "width": 32},
        {"id": 9, "file_name": "COCO_train2014_000000000009.jpg", "height": 24, "width": 32},
    ]
    annotations = [
        {"id": 70, "image_id": 7, "segmentation": [polygon], "iscrowd": 0},
        {"id": 71, "image_id": 7, "segmentation": runs, "iscrowd": 1},
        {"id": 90, "image_id": 9, "segmentation": [polygon, [1.0, 1.0, 5.0, 1.0, 5.0, 2.0]]},
        {"id": 91, "image_id": 9, "segmentation": [polygon], "iscrowd": 0},
    ]
    return {"images": images, "annotations": annotations}


def _references(*, general: bool) -> list[dict[str, Any]]:
    meant: list[tuple[int, Any]] = [(7, 70), (7, 71), (9, 90)]
    if general:
        # Annotation 71 is a crowd, which gRefCOCO leaves out.
        meant = [(9, [90, 91]), (7, [70, 71]), (9, [-1])]
    return [
        {
            "ref_id": place,
            "image_id": image,
            "ann_id": target,
            "split": "val",
            "sentences": [
                {"sent_id": 10 * place + number, "sent": f"thing {place} {number}", "raw": "x"}
                for number in (0, 1)
            ],
        }
        for place, (image, target) in enumerate(meant)
    ]


def _write_images(root: Path) -> None:
    for entry in _instances()["images"]:
        write_frame(root / "images/mscoco/images/train2014" / entry["file_name"])


def refcoco_writer(folder: str, file: str, split: str = "val") -> Callable[[Path], None]:
    """Return what writes one of the REFER data sets, as a pickle of Python 2's kind."""

    def write(root: Path) -> None:
        _write_images(root)
        write_json(root / folder / "instances.json", _instances())
        references = [{**one, "split": split} for one in _references(general=False)]
        (root / folder / file).write_bytes(pickle.dumps(references, protocol=0))

    return write


def write_grefcoco(root: Path) -> None:
    _write_images(root)
    write_json(root / "grefcoco/instances.json", _instances())
    write_json(root / "grefcoco/grefs(unc).json", _references(general=True))


def write_reasonseg(root: Path) -> None:
    shapes = [
        {"label": "target", "points": [[3, 3], [20, 3], [20, 18], [3, 18]]},
        {"label": "ignore", "points": [[10, 10], [14, 10], [14, 14], [10, 14]]},
        {"label": "flag", "points": [[0, 0], [1, 1]]},
    ]
    for name, sentence in (("first", True), ("second", False)):
        write_frame(root / "val" / f"{name}.jpg")
        entry = {"shapes": shapes, "text": ["what is it", "which"], "is_sentence": sentence}
        write_json(root / "val" / f"{name}.json", entry)


LAYOUTS: dict[str, tuple[str, Layout]] = {
    "mevis": ("mevis", Layout(write_mevis, num_samples=8)),
    "mevis-train": (
        "mevis",
        Layout(lambda root: write_mevis(root, "train"), "train", num_samples=8),
    ),
    "mevis-valid": ("mevis", Layout(write_mevis_valid, "valid", num_samples=8)),
    "mevis-second": ("mevis", Layout(write_mevis_second, num_samples=8)),
    "mevis-second-valid": (
        "mevis",
        Layout(
            lambda root: write_mevis_valid(root, "meta_expressions_v2_release.json"),
            "valid",
            num_samples=8,
        ),
    ),
    "revos": ("revos", Layout(write_revos, num_samples=8)),
    "ref-sav": ("ref-sav", Layout(write_ref_sav, num_samples=6)),
    "ref-youtube-vos": ("ref-youtube-vos", Layout(write_ref_youtube_vos, num_samples=2)),
    "ref-youtube-vos-train": (
        "ref-youtube-vos",
        Layout(write_ref_youtube_vos_train, "train", num_samples=4),
    ),
    "ref-davis17": ("ref-davis17", Layout(write_ref_davis17, num_samples=16)),
    "ref-davis17-pickle": ("ref-davis17", Layout(write_ref_davis17_pickle, num_samples=24)),
    "long-rvos": ("long-rvos", Layout(write_long_rvos, num_samples=4)),
    "long-rvos-unpacked": ("long-rvos", Layout(write_long_rvos_unpacked, num_samples=4)),
    "reasonvos-repeated": ("reasonvos", Layout(write_reasonvos_repeated, num_samples=8)),
    "reasonvos": ("reasonvos", Layout(write_reasonvos, num_samples=4)),
    "reasonvos-format": ("reasonvos", Layout(write_reasonvos_format, num_samples=4)),
    "groundmore": ("groundmore", Layout(write_groundmore, num_samples=2)),
    "groundmore-short": (
        "groundmore",
        Layout(lambda root: write_groundmore(root, 13), num_samples=2),
    ),
    "davis-2016": ("davis-2016", Layout(write_davis_2016, num_samples=2)),
    "davis-2016-query": (
        "davis-2016",
        Layout(write_davis_2016, options={"query": "the main moving object"}, num_samples=2),
    ),
    "davis-2017": ("davis-2017", Layout(write_davis, num_samples=2)),
    "davis-2017-query": (
        "davis-2017",
        Layout(write_davis, options={"query": "the moving objects"}, num_samples=2),
    ),
    "refcoco": ("refcoco", Layout(refcoco_writer("refcoco", "refs(unc).p"), num_samples=6)),
    "refcoco-google": (
        "refcoco",
        Layout(
            refcoco_writer("refcoco", "refs(google).p", "test"),
            "test",
            options={"split_by": "google"},
            num_samples=6,
        ),
    ),
    "refcoco-plus": (
        "refcoco-plus",
        Layout(refcoco_writer("refcoco+", "refs(unc).p"), num_samples=6),
    ),
    "refcocog": ("refcocog", Layout(refcoco_writer("refcocog", "refs(umd).p"), num_samples=6)),
    "grefcoco": ("grefcoco", Layout(write_grefcoco, num_samples=6)),
    "reasonseg": ("reasonseg", Layout(write_reasonseg, num_samples=2)),
}
"""Every drawn layout: the benchmark's name, and how it is written and opened."""

ALL_LAYOUTS: dict[str, tuple[str, Layout]] = {
    **LAYOUTS,
    **{
        key: (name, Layout(write, split, num_samples=2))
        for key, (name, write, split) in VOS_LAYOUTS.items()
    },
}
"""The same, and those whose first masks are given, which have other videos."""


def reader_registry() -> Registry:
    """Return a registry with the core and the readers of published benchmarks."""
    return Registry(allow=("benchmarks",))


@cache
def _readers() -> Registry:
    # Looking for plug-ins takes longer than opening a drawn benchmark.
    return reader_registry()


def open_layout(
    key: str, root: Path, *, options: Mapping[str, Any] | None = None, **further: Any
) -> BenchmarkSplit:
    """Open a drawn benchmark, with further arguments of ``open_benchmark``."""
    name, layout = ALL_LAYOUTS[key]
    options = {**layout.options, **(options or {})}
    return open_benchmark(
        name, root, layout.split, options=options, registry=_readers(), **further
    )
