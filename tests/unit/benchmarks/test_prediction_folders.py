"""Predictions of other systems, in every form that is seen in the wild."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from drawn_benchmarks import (
    FRAMES,
    SIZE,
    ids_picture,
    object_mask,
    track,
    write_ids,
    write_json,
    write_mask,
)
from PIL import Image

from videoseg.benchmarks import PredictionFolder, Sample, Truth
from videoseg.errors import ConfigError, EvaluationError
from videoseg.types import Rle

SAMPLE = Sample("bear", "0", "the bear")
TRUTH = Truth(size=SIZE, frames=tuple(range(len(FRAMES))), objects={1: (None,) * len(FRAMES)})
WANTED = [object_mask("bear", 2, frame) for frame in range(len(FRAMES))]


def read(path: Path, truth: Truth = TRUTH, **options: Any) -> dict[int, list[np.ndarray]] | None:
    found = PredictionFolder(path, **options).read(SAMPLE, truth, FRAMES)
    if found is None:
        return None
    size = truth.size
    return {
        object_id: [np.zeros(size, bool) if rle is None else rle.decode() for rle in rles]
        for object_id, rles in found.items()
    }


def write_as(
    folder: Path, picture: Callable[[npt.NDArray[np.bool_]], Image.Image], *, top: str = ""
) -> Path:
    for name, mask in zip(FRAMES, WANTED, strict=True):
        path = folder / top / "bear" / "0" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(mask).save(path)
    return folder


def palette(mask: npt.NDArray[np.bool_]) -> Image.Image:
    image = Image.fromarray(mask.astype(np.uint8))
    # The first color is white and the second black: colors say nothing.
    image.putpalette([255, 255, 255, 0, 0, 0])
    return image


def with_alpha(mask: npt.NDArray[np.bool_]) -> Image.Image:
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[..., :3] = 200
    pixels[..., 3] = np.where(mask, 180, 0)
    return Image.fromarray(pixels)


def opaque(mask: npt.NDArray[np.bool_]) -> Image.Image:
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[mask, 1] = 90
    pixels[..., 3] = 255
    return Image.fromarray(pixels)


PICTURES: dict[str, Callable[[npt.NDArray[np.bool_]], Image.Image]] = {
    "0 and 255": lambda mask: Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))),
    "0 and 1": lambda mask: Image.fromarray(mask.astype(np.uint8)),
    "black and white": lambda mask: Image.fromarray(mask),
    "16 bit": lambda mask: Image.fromarray(np.where(mask, np.uint16(256), np.uint16(0))),
    "16 bit full": lambda mask: Image.fromarray(np.where(mask, np.uint16(65535), np.uint16(0))),
    "RGB": lambda mask: Image.fromarray(np.where(mask[..., None], [0, 9, 0], 0).astype(np.uint8)),
    "RGBA opaque": opaque,
    "RGBA transparent": with_alpha,
    "grey with alpha": lambda mask: with_alpha(mask).convert("LA"),
    "palette": palette,
}


@pytest.mark.parametrize("kind", sorted(PICTURES))
def test_masks_are_read_from_every_kind_of_png(kind: str, tmp_path: Path) -> None:
    found = read(write_as(tmp_path, PICTURES[kind]))
    assert found is not None
    assert list(found) == [1]
    assert all(np.array_equal(*pair) for pair in zip(found[1], WANTED, strict=True))


@pytest.mark.parametrize(
    "top", ["", "Annotations", "mine", "mine/Annotations", "Annotations/480p"]
)
def test_a_submission_zip_is_read_without_being_unpacked(top: str, tmp_path: Path) -> None:
    folder = write_as(tmp_path / "masks", PICTURES["0 and 255"], top=top)
    path = tmp_path / "submission.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder).as_posix())
    found = read(path)
    assert found is not None
    assert all(np.array_equal(*pair) for pair in zip(found[1], WANTED, strict=True))


def zipped(folder: Path, name_of: Callable[[str], str], *, others: Sequence[str] = ()) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            member = zipfile.ZipInfo()
            member.filename = name_of(file.relative_to(folder).as_posix())
            archive.writestr(member, file.read_bytes())
        for other in others:
            member = zipfile.ZipInfo()
            member.filename = other
            archive.writestr(member, b"")
    return path


@pytest.mark.parametrize(
    ("name_of", "others"),
    [
        (lambda name: name.replace("/", "\\"), ["bear\\", "bear\\0\\"]),
        (lambda name: f"./{name}", ["./", "./bear/"]),
        (lambda name: f"mine/{name}", ["__MACOSX/mine/bear/0/._00000.png", "mine/.DS_Store"]),
        (str, ["__MACOSX/bear/0/._00000.png", ".DS_Store", "Icon\r", "notes: on the run.txt"]),
    ],
)
def test_a_zip_is_read_whichever_program_wrote_it(
    name_of: Callable[[str], str], others: Sequence[str], tmp_path: Path
) -> None:
    folder = write_as(tmp_path / "masks", PICTURES["0 and 255"])
    found = read(zipped(folder, name_of, others=others))
    assert found is not None
    assert all(np.array_equal(*pair) for pair in zip(found[1], WANTED, strict=True))


def test_what_is_said_of_a_damaged_picture_is_the_same_each_time(tmp_path: Path) -> None:
    folder = write_as(tmp_path / "masks", PICTURES["0 and 255"])
    file = folder / "bear" / "0" / f"{FRAMES[0]}.png"
    file.write_bytes(b"no picture")
    with pytest.raises(EvaluationError) as caught:
        read(folder)
    reason = "it is damaged, or of no known format"
    assert str(caught.value) == f"{file} cannot be read as a picture ({reason}); write it again"


def test_pictures_of_ids_give_every_object(tmp_path: Path) -> None:
    for frame, name in enumerate(FRAMES):
        write_ids(tmp_path / "bear" / f"{name}.png", ids_picture("bear", frame))
    found = read(tmp_path)
    assert found is not None
    assert list(found) == [1, 2]
    for frame in range(len(FRAMES)):
        for object_id in (1, 2):
            assert np.array_equal(found[object_id][frame], object_mask("bear", object_id, frame))


def test_16_bit_ids_above_255_are_kept_apart(tmp_path: Path) -> None:
    for frame, name in enumerate(FRAMES):
        picture = ids_picture("bear", frame).astype(np.uint16) * 300
        (tmp_path / "bear").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "bear" / f"{name}.png")
    found = read(tmp_path)
    assert found is not None
    assert list(found) == [300, 600]


def test_a_video_of_0_and_255_is_one_object_and_255_among_ids_is_void(tmp_path: Path) -> None:
    for frame, name in enumerate(FRAMES):
        write_mask(tmp_path / "bear" / f"{name}.png", object_mask("bear", 2, frame))
    found = read(tmp_path)
    assert found is not None
    assert list(found) == [1]
    picture = ids_picture("bear", 0)
    picture[-1] = 255
    write_ids(tmp_path / "bear" / f"{FRAMES[0]}.png", picture)
    found = read(tmp_path)
    assert found is not None
    assert list(found) == [1, 2]


def test_extra_objects_are_given_for_the_protocol_to_judge(tmp_path: Path) -> None:
    for frame, name in enumerate(FRAMES):
        picture = ids_picture("bear", frame)
        picture[-1, -1] = 9
        write_ids(tmp_path / "bear" / f"{name}.png", picture)
    found = read(tmp_path)
    assert found is not None
    assert list(found) == [1, 2, 9]


@pytest.mark.parametrize("kind", ["RGB", "RGBA opaque"])
def test_colors_where_ids_are_expected_are_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "bear").mkdir()
    PICTURES[kind](WANTED[0]).save(tmp_path / "bear" / f"{FRAMES[0]}.png")
    with pytest.raises(EvaluationError, match=r"colors .* where ids are expected"):
        read(tmp_path)


def test_noise_in_place_of_ids_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "bear").mkdir()
    noise = rng.integers(1, 60_000, SIZE).astype(np.uint16)
    Image.fromarray(noise).save(tmp_path / "bear" / f"{FRAMES[0]}.png")
    with pytest.raises(EvaluationError, match="one for each object"):
        read(tmp_path)


def test_a_jpeg_is_no_mask_whatever_it_is_called(tmp_path: Path) -> None:
    folder = write_as(tmp_path, PICTURES["0 and 255"])
    file = folder / "bear" / "0" / f"{FRAMES[1]}.png"
    Image.open(file).save(file, format="JPEG")
    with pytest.raises(EvaluationError, match=r"00001\.png is a JPEG, .* as PNG"):
        read(folder)


def test_an_offset_is_refused_where_masks_have_no_names(tmp_path: Path) -> None:
    write_json(tmp_path / "p.json", {"bear": {"0": [None] * len(FRAMES)}})
    with pytest.raises(EvaluationError, match="which frame_offset=1 would shift"):
        read(tmp_path / "p.json", frame_offset=1)
    assert read(tmp_path / "p.json", frame_offset=0) is not None


def test_wrong_sizes_are_refused_or_kept_for_a_protocol_that_resizes(tmp_path: Path) -> None:
    write_as(tmp_path, PICTURES["0 and 255"])
    write_mask(tmp_path / "bear/0" / f"{FRAMES[2]}.png", np.ones((12, 16), bool))
    with pytest.raises(EvaluationError, match=r"00002.png is 12x16 .* 24x32, .*; write it"):
        read(tmp_path)
    found = PredictionFolder(tmp_path, resolution="keep").read(SAMPLE, TRUTH, FRAMES)
    assert found is not None
    sizes = [rle.size for rle in found[1] if rle is not None]
    assert sizes == [SIZE, SIZE, (12, 16), SIZE]


def test_missing_files_are_noted_or_refused(tmp_path: Path) -> None:
    write_as(tmp_path, PICTURES["0 and 255"])
    (tmp_path / "bear/0" / f"{FRAMES[1]}.png").unlink()
    reader = PredictionFolder(tmp_path)
    found = reader.read(SAMPLE, TRUTH, FRAMES)
    assert found is not None
    assert found[1][1] is None
    assert found[1][0] is not None
    assert reader.missing_files == [f"bear/0/{FRAMES[1]}.png"]
    assert reader.read(Sample("bear", "7", "?"), TRUTH, FRAMES) is None
    assert reader.read(Sample("cart", "0", "?"), TRUTH, FRAMES) is None
    with pytest.raises(EvaluationError, match=r"00001.png is missing"):
        PredictionFolder(tmp_path, missing="error").read(SAMPLE, TRUTH, FRAMES)


def test_only_annotated_frames_are_asked_for(tmp_path: Path) -> None:
    write_as(tmp_path, PICTURES["0 and 255"])
    (tmp_path / "bear/0" / f"{FRAMES[1]}.png").unlink()
    truth = Truth(size=SIZE, frames=(0, 3), objects={})
    reader = PredictionFolder(tmp_path, missing="error")
    found = reader.read(SAMPLE, truth, FRAMES)
    assert found is not None
    assert found[1] == (Rle.encode(WANTED[0]), Rle.encode(WANTED[3]))


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_damaged_pictures_are_named(data: bytes, tmp_path: Path) -> None:
    write_as(tmp_path, PICTURES["0 and 255"])
    (tmp_path / "bear/0" / f"{FRAMES[4]}.png").write_bytes(data)
    with pytest.raises(EvaluationError, match=r"00004.png cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize("form", ["list", "prediction_masks", "masks"])
def test_rle_json_is_read(form: str, tmp_path: Path) -> None:
    entry: Any = track("bear", 2)
    if form != "list":
        entry = {form: entry, "exp": "the bear"}
    write_json(tmp_path / "results.json", {"bear": {"0": entry}})
    found = read(tmp_path / "results.json")
    assert found is not None
    assert all(np.array_equal(*pair) for pair in zip(found[1], WANTED, strict=True))


def test_rle_json_in_another_order_is_put_in_order_by_the_names_of_frames(tmp_path: Path) -> None:
    entry = {"prediction_masks": track("bear", 2)[::-1], "frames": list(FRAMES)[::-1]}
    write_json(tmp_path / "results.json", {"bear": {"0": entry}})
    found = read(tmp_path / "results.json")
    assert found is not None
    assert all(np.array_equal(*pair) for pair in zip(found[1], WANTED, strict=True))


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ([None] * 5, "one mask or null for each of 6 frames, got 5"),
        ({"other": []}, "write a list of them"),
        ([{"size": [4, 4], "counts": "P1"}] * 6, "4x4 but the frame is 24x32"),
        ([{"size": list(SIZE), "counts": "P1"}] * 6, "add up"),
        (["x"] * 6, "null or a COCO RLE"),
    ],
)
def test_rle_json_that_does_not_fit_is_refused(entry: Any, what: str, tmp_path: Path) -> None:
    write_json(tmp_path / "results.json", {"bear": {"0": entry}})
    with pytest.raises(EvaluationError, match=what):
        read(tmp_path / "results.json")


def test_rle_json_without_an_expression_has_no_prediction(tmp_path: Path) -> None:
    write_json(tmp_path / "results.json", {"cart": {}, "bear": {"1": []}})
    assert read(tmp_path / "results.json") is None
    assert json.loads((tmp_path / "results.json").read_text()) == {"cart": {}, "bear": {"1": []}}


def test_what_holds_no_predictions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="neither a folder nor a zip"):
        PredictionFolder(tmp_path / "nothing")
    (tmp_path / "file.txt").write_text("x", encoding="utf-8")
    with pytest.raises(EvaluationError, match="neither a folder nor a zip"):
        PredictionFolder(tmp_path / "file.txt")
    with pytest.raises(EvaluationError, match=r"none.json: is missing"):
        PredictionFolder(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="auto, masks, ids, objects, coco"):
        PredictionFolder(tmp_path, layout="tiff")  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [300, 1000])
def test_long_clips_are_read_frame_by_frame(length: int, tmp_path: Path) -> None:
    names = [f"{index:05d}" for index in range(length)]
    truth = Truth(size=(8, 8), frames=tuple(range(length)), objects={})
    mask = np.eye(8, dtype=bool)
    write_mask(tmp_path / "bear/0/00000.png", mask)
    data = (tmp_path / "bear/0/00000.png").read_bytes()
    for name in names[1:]:
        (tmp_path / "bear/0" / f"{name}.png").write_bytes(data)
    found = PredictionFolder(tmp_path).read(SAMPLE, truth, names)
    assert found is not None
    assert found[1] == (Rle.encode(mask),) * length
