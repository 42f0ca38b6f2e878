"""Small drawn benchmarks whose first masks are given, in the layouts in which they are published.

Object 1 moves on all frames. Object 2 is out of sight for a while and comes back. Object 3, where
there is one, appears late. Frames do not count from 0 where those of the benchmark do not.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from videoseg.masks.colors import DAVIS_PALETTE

# Just large enough for MOSEv2: 0.008 of the diagonal is more than a pixel, so that F-dot allows
# less than F, and the official disk of that radius covers its middle (from 1.18 pixels on).
SIZE = (90, 120)
NUM_FRAMES = 10
VIDEOS = ("bear", "cart")
AWAY = range(4, 7)
LATE = 5

Mask = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]


def vos_mask(video: str, object_id: int, frame: int) -> Mask:
    """Return the true mask of an object; objects 1 and 2 do not overlap, 1 and 3 may."""
    mask = np.zeros(SIZE, bool)
    shift = frame + VIDEOS.index(video)
    if object_id == 1:
        mask[4:17, 3 + shift : 18 + shift] = True
        mask[4:8, 3 + shift : 6 + shift] = False
    elif object_id == 2 and frame not in AWAY:
        # Less than 100 pixels: small enough for a tolerance of its own in MOSEv2.
        mask[22 : 31 - shift // 3, 30 - shift : 41 - shift] = True
    elif object_id == 3 and frame >= LATE:
        mask[10 : 14 + shift // 2, 14 + shift : 21 + shift] = True
    return mask


def vos_picture(video: str, frame: int, ids: Mapping[int, int]) -> Picture:
    """Return a picture of ids; the object with the lowest id is on top.

    Args:
        video: One of ``VIDEOS``.
        frame: The frame.
        ids: The object drawn for each id.
    """
    picture = np.zeros(SIZE, np.uint8)
    for object_id in sorted(ids, reverse=True):
        picture[vos_mask(video, ids[object_id], frame)] = object_id
    return picture


def save_ids(path: Path, picture: Picture) -> None:
    """Write a palette picture with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(picture)
    image.putpalette([channel for color in DAVIS_PALETTE for channel in color])
    image.save(path)


def save_frames(folder: Path, names: Sequence[str], video: str) -> None:
    """Write a video whose objects can be seen, as a folder of pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame, name in enumerate(names):
        (folder / f"{name}.jpg").write_bytes(_frame(video, frame))


@cache
def _frame(video: str, frame: int) -> bytes:
    """Return a frame as a JPEG; all benchmarks have the same ones."""
    picture = np.random.default_rng(0).integers(90, 120, (*SIZE, 3), dtype=np.uint8)
    for object_id, color in ((2, (40, 60, 220)), (3, (40, 200, 60)), (1, (220, 50, 40))):
        picture[vos_mask(video, object_id, frame)] = color
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=95)
    return file.getvalue()


def numbered(step: int = 1, start: int = 0, digits: int = 5) -> tuple[str, ...]:
    """Return the names of all frames."""
    return tuple(f"{start + step * frame:0{digits}d}" for frame in range(NUM_FRAMES))


def save_json(path: Path, value: object) -> None:
    """Write a JSON file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def draw_davis_test_dev(root: Path) -> None:
    names = numbered()
    for video in VIDEOS:
        save_frames(root / "JPEGImages/480p" / video, names, video)
        place = root / "Annotations/480p" / video / "00000.png"
        save_ids(place, vos_picture(video, 0, {1: 1, 2: 2}))
    path = root / "ImageSets/2017/test-dev.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(VIDEOS), encoding="utf-8")


def draw_mose(
    root: Path, split: str = "valid", *, scored: bool = False, meta: bool = False
) -> None:
    names, folder = numbered(), root / split
    entries = {}
    for video in VIDEOS:
        save_frames(folder / "JPEGImages" / video, names, video)
        for frame in range(NUM_FRAMES if scored else 1):
            picture = vos_picture(video, frame, {1: 1, 2: 2})
            save_ids(folder / "Annotations" / video / f"{names[frame]}.png", picture)
        size = {"height": SIZE[0], "width": SIZE[1]}
        entries[video] = {"length": NUM_FRAMES, **size, "objects": ["1", "2"]}
    if meta:
        save_json(folder / "meta.json", {"videos": entries})


def draw_vost(root: Path) -> None:
    names = numbered(step=3)
    for video in VIDEOS:
        save_frames(root / "JPEGImages" / video, names, video)
        for frame, name in enumerate(names):
            # Objects 2 and 4, so that 1 and 3 are ids that are never shown; 6 comes too late.
            picture = vos_picture(video, frame, {2: 1, 4: 2, 6: 3})
            save_ids(root / "Annotations" / video / f"{name}.png", picture)
    path = root / "ImageSets/val.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(VIDEOS) + "\n", encoding="utf-8")


def draw_lvos(root: Path, *, unseen: bool) -> None:
    names, folder = numbered(step=5, start=1, digits=8), root / "valid"
    videos = {}
    for video in VIDEOS:
        save_frames(folder / "JPEGImages" / video, names, video)
        for frame, name in enumerate(names):
            picture = vos_picture(video, frame, {1: 1, 2: 2, 3: 3})
            save_ids(folder / "Annotations" / video / f"{name}.png", picture)
        ranges = {1: (0, NUM_FRAMES - 1), 2: (0, NUM_FRAMES - 3), 3: (LATE, NUM_FRAMES - 1)}
        objects = {
            str(key): {
                "frame_range": {
                    "start": names[start],
                    "end": names[stop],
                    "frame_nums": str(stop - start + 1),
                }
            }
            for key, (start, stop) in ranges.items()
        }
        videos[video] = {"objects": objects}
    save_json(folder / "valid_meta.json", {"videos": videos})
    if unseen:
        (folder / "unseen_videos.txt").write_text("cart\nno-such-video\n", encoding="utf-8")


def draw_sav(root: Path) -> None:
    names, folder = numbered(), root / "sav_val"
    for video in VIDEOS:
        save_frames(folder / "JPEGImages_24fps" / video, names, video)
        # Object 3 is annotated from the frame on which it appears; it covers part of object 1.
        for number, first in ((1, 0), (2, 0), (3, LATE)):
            for frame in range(first, NUM_FRAMES, 1 if number > 1 else 2):
                mask = vos_mask(video, number, frame).astype(np.uint8)
                place = folder / "Annotations_6fps" / video / f"{number - 1:03d}"
                save_ids(place / f"{names[frame]}.png", mask)
    (folder / "sav_val.txt").write_text("\n".join(VIDEOS), encoding="utf-8")


def draw_youtube_vos(root: Path, split: str = "valid", *, scored: bool = False) -> None:
    names, folder = numbered(step=5), root / split
    videos = {}
    ids = {2: 1, 3: 2, 7: 3}
    for video in VIDEOS:
        save_frames(folder / "JPEGImages" / video, names, video)
        last = NUM_FRAMES - 1 if scored else 0
        for frame, name in enumerate(names[: NUM_FRAMES - 1]):
            shown = ids if frame <= last else {}
            if not scored and frame == LATE:
                shown = {7: 3}
            if shown:
                picture = vos_picture(video, frame, shown)
                save_ids(folder / "Annotations" / video / f"{name}.png", picture)
        # The last frame is in the video, but not in the file.
        objects = {
            str(key): {"category": "bear", "frames": list(names[LATE if key == 7 else 0 : -1])}
            for key in ids
        }
        videos[video] = {"objects": objects}
    save_json(folder / "meta.json", {"videos": videos})


VOS_LAYOUTS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "davis-2017-test-dev": ("davis-2017", draw_davis_test_dev, "test-dev"),
    "mose": ("mose", draw_mose, "valid"),
    "mose-train": ("mose", lambda root: draw_mose(root, "train", scored=True), "train"),
    "mosev2": ("mosev2", lambda root: draw_mose(root, scored=True, meta=True), "valid"),
    "mosev2-hidden": ("mosev2", lambda root: draw_mose(root, "test"), "test"),
    "lvos-v1": ("lvos-v1", lambda root: draw_lvos(root, unseen=False), "valid"),
    "lvos-v2": ("lvos-v2", lambda root: draw_lvos(root, unseen=True), "valid"),
    "sa-v": ("sa-v", draw_sav, "val"),
    "vost": ("vost", draw_vost, "val"),
    "youtube-vos-2018": ("youtube-vos-2018", draw_youtube_vos, "valid"),
    "youtube-vos-2019": ("youtube-vos-2019", draw_youtube_vos, "valid"),
    "youtube-vos-train": (
        "youtube-vos-2019",
        lambda root: draw_youtube_vos(root, "train", scored=True),
        "train",
    ),
}
"""Every drawn layout: the benchmark's name, what writes it, and the split."""
