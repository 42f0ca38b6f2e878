"""Broken or malicious data is refused with a clear error, and touches nothing."""

from __future__ import annotations

import json
import os
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_benchmarks import FRAMES, SIZE, VIDEOS, write_json
from pycocotools import mask as coco

from videoseg.benchmarks import BenchmarkSplit, PredictionFolder, open_benchmark
from videoseg.benchmarks.untrusted import MAX_LISTED
from videoseg.errors import EvaluationError

Draw = Callable[[str], Path]
Opener = Callable[..., BenchmarkSplit]


@pytest.fixture(autouse=True)
def nothing_beside_the_drawn_folders(tmp_path: Path) -> Iterator[None]:
    """Fail a test after which there is anything but the drawn benchmark."""
    before = set(tmp_path.parent.iterdir())
    yield
    assert set(tmp_path.parent.iterdir()) == before


def edit(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    write_json(path, document)


@pytest.mark.parametrize(
    "bad",
    ["../bear", "/etc", "a/../../b", "a//b", "", ".", "C:/bear", "a\\b", "a\0b", "x" * 300, "a\n"],
)
def test_a_video_id_that_leads_out_is_refused(bad: str, draw: Draw, open_drawn: Opener) -> None:
    for key, file in (("mevis", "valid_u/meta_expressions.json"), ("groundmore", "test_v2.json")):
        root = draw(key)
        edit(
            root / file,
            lambda document: document["videos"].update(
                {bad: next(iter(document["videos"].values()))}
            ),
        )
        with pytest.raises(EvaluationError, match="not a usable id"):
            open_drawn(key, root)


@pytest.mark.parametrize("bad", ["../../out", "a/b", "..", "", "/0"])
def test_an_expression_id_that_leads_out_is_refused(
    bad: str, draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis")

    def add(document: Any) -> None:
        document["videos"]["bear"]["expressions"][bad] = {"exp": "x", "anno_id": []}

    edit(root / "valid_u/meta_expressions.json", add)
    with pytest.raises(EvaluationError, match="not a usable id"):
        open_drawn("mevis", root)


@pytest.mark.parametrize("bad", ["../../../etc/passwd", "a/b", "", None, 5, ".."])
def test_a_frame_name_that_leads_out_is_refused(
    bad: object, draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis")
    edit(
        root / "valid_u/meta_expressions.json",
        lambda document: document["videos"]["bear"]["frames"].append(bad),
    )
    with pytest.raises(EvaluationError, match="frame name"):
        open_drawn("mevis", root)


def test_an_object_id_or_sequence_or_file_that_leads_out_is_refused(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("long-rvos")
    edit(
        root / "valid/meta_expressions.json",
        lambda videos: videos["bear"]["expressions"]["0"].update(obj_id="../1"),
    )
    with pytest.raises(EvaluationError, match="'obj_id'"):
        open_drawn("long-rvos", root)
    root = draw("davis-2017")
    (root / "ImageSets/2017/val.txt").write_text("../../secret\nbear\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match="leads out of the folder"):
        open_drawn("davis-2017", root)
    root = draw("refcoco")
    edit(
        root / "refcoco/instances.json",
        lambda document: document["images"][0].update(file_name="../../secret.jpg"),
    )
    with pytest.raises(EvaluationError, match="file name"):
        open_drawn("refcoco", root)


@pytest.mark.parametrize("bad", ["9" * 5000, "1e3", "²", "-1", [[]], {}, 1.5, True])
def test_an_annotation_id_that_is_no_number_is_refused(
    bad: object, draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis")
    edit(
        root / "valid_u/meta_expressions.json",
        lambda document: document["videos"]["bear"]["expressions"]["0"].update(anno_id=bad),
    )
    with pytest.raises(EvaluationError, match="'anno_id'"):
        open_drawn("mevis", root, strict=True)
    assert "bear/0" not in {sample.id for sample in open_drawn("mevis", root).samples}
    root = draw("ref-youtube-vos-train")
    edit(
        root / "meta_expressions/train/meta_expressions.json",
        lambda document: document["videos"]["bear"]["expressions"]["0"].update(obj_id=bad),
    )
    with pytest.raises(EvaluationError, match="'obj_id'"):
        open_drawn("ref-youtube-vos-train", root, strict=True)
    samples = open_drawn("ref-youtube-vos-train", root).samples
    assert "bear/0" not in {sample.id for sample in samples}


def overflowing() -> str:
    runs = coco.frPyObjects({"size": list(SIZE), "counts": [0, 2**31 - 1]}, *SIZE)["counts"]
    text: str = runs.decode()
    return text


@pytest.mark.parametrize(
    ("rle", "what"),
    [
        ({"size": [10**6, 10**6], "counts": "PPPP1"}, "but the frame is 24x32"),
        ({"size": list(SIZE), "counts": overflowing()}, "not a compressed"),
        ({"size": list(SIZE), "counts": "PPPP1"}, "must add up to 768 pixels"),
        ({"size": list(SIZE), "counts": "o" * 100_000}, "not a compressed"),
        ({"size": list(SIZE), "counts": [10**30]}, "must add up to 768 pixels"),
    ],
)
def test_an_rle_larger_than_its_frame_is_refused_when_the_split_is_opened(
    rle: dict[str, Any], what: str, draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis")
    edit(root / "valid_u/mask_dict.json", lambda masks: masks["1"].__setitem__(0, rle))
    with pytest.raises(EvaluationError, match=what):
        open_drawn("mevis", root, strict=True)
    asked = {sample.id for sample in open_drawn("mevis", root).samples}
    assert asked == {f"{video}/{key}" for video in VIDEOS for key in "0123"} - {"bear/1", "bear/2"}


@pytest.mark.parametrize(
    ("polygon", "what"),
    [
        ([0, 0, 1e9, 0, 1e9, 1e9], "numbers up to"),
        ([0, 0, float("inf"), 0, 1, 1], "numbers up to"),
        ([0, 0, "1", 0, 1, 1], "numbers up to"),
        ([0, 0, 1], "x1, y1, x2, y2"),
        ([0.0, 0.0, 30.0, 20.0] * 50_000, "longer than"),
    ],
)
def test_a_polygon_that_would_take_all_memory_is_refused(
    polygon: list[Any], what: str, draw: Draw, open_drawn: Opener
) -> None:
    root = draw("refcoco")
    edit(
        root / "refcoco/instances.json",
        lambda document: document["annotations"][0].update(segmentation=[polygon]),
    )
    with pytest.raises(EvaluationError, match=what):
        open_drawn("refcoco", root, strict=True)
    assert len(open_drawn("refcoco", root).samples) == 4


def test_thousands_of_wrong_annotations_end_in_a_short_message(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis")

    def add(document: Any) -> None:
        document["videos"]["bear"]["expressions"] = {
            str(key): {"exp": "x", "anno_id": [10**6 + key]} for key in range(8_000)
        }

    edit(root / "valid_u/meta_expressions.json", add)
    with pytest.raises(EvaluationError, match="8000 problems") as caught:
        open_drawn("mevis", root)
    assert len(str(caught.value).splitlines()) == MAX_LISTED + 2
    assert len(str(caught.value)) < 10_000


def test_thousands_of_annotations_of_a_frame_are_fine(draw: Draw, open_drawn: Opener) -> None:
    root = draw("mevis")

    def add(masks: Any) -> None:
        masks.update({str(10 + key): masks["0"] for key in range(2_000)})

    edit(root / "valid_u/mask_dict.json", add)
    edit(
        root / "valid_u/meta_expressions.json",
        lambda document: document["videos"]["bear"]["expressions"]["0"].update(
            anno_id=list(range(10, 2_010))
        ),
    )
    split = open_drawn("mevis", root)
    truth = split.truth(split.samples[0])
    assert truth is not None
    assert len(truth.objects) == 2_000


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
def test_a_loop_of_links_ends_in_an_error(draw: Draw, open_drawn: Opener, tmp_path: Path) -> None:
    root = draw("mevis")
    frames = root / "valid_u/JPEGImages"
    (frames / "bear").rename(tmp_path / "kept")
    (frames / "bear").symlink_to(frames / "bear")
    with pytest.raises(EvaluationError, match="cannot be listed"):
        open_drawn("mevis", root, strict=True)
    (frames / "bear").unlink()
    (tmp_path / "kept").rename(frames / "bear")
    frames.rename(tmp_path / "kept")
    frames.symlink_to(frames)
    with pytest.raises(EvaluationError, match="is not a folder"):
        open_drawn("mevis", root)
    davis = draw("davis-2017")
    (davis / "JPEGImages/480p/bear/loop").symlink_to(davis / "JPEGImages")
    assert len(open_drawn("davis-2017", davis).frame_names("bear")) == len(FRAMES)
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    (predictions / "Annotations").symlink_to(predictions)
    (predictions / "bear").symlink_to(predictions / "bear")
    split = open_drawn("davis-2017", davis)
    sample = split.samples[0]
    truth = split.truth(sample)
    assert truth is not None
    assert PredictionFolder(predictions).read(sample, truth, FRAMES) is None


class Payload:
    """What an attacker puts into a pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("pickle-was-run",))


@pytest.mark.parametrize("key", ["refcoco", "ref-davis17-pickle"])
@pytest.mark.parametrize("payload", [Payload(), np.zeros(3), Path("x")])
def test_a_pickle_that_calls_anything_is_refused_before_it_does(
    key: str,
    payload: object,
    draw: Draw,
    open_drawn: Opener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = draw(key)
    monkeypatch.chdir(tmp_path)
    file = "refcoco/refs(unc).p" if key == "refcoco" else "valid/mask_dict.pkl"
    (root / file).write_bytes(pickle.dumps([payload]))
    with pytest.raises(EvaluationError, match="do not trust this file"):
        open_drawn(key, root)
    assert not (tmp_path / "pickle-was-run").exists()


@pytest.mark.parametrize(
    "data", [b"", b"garbage", pickle.dumps([1] * 9)[:-3], pickle.dumps("text")]
)
def test_a_damaged_pickle_is_told(data: bytes, draw: Draw, open_drawn: Opener) -> None:
    for key, file in (
        ("refcoco", "refcoco/refs(unc).p"),
        ("ref-davis17-pickle", "valid/mask_dict.pkl"),
    ):
        root = draw(key)
        (root / file).write_bytes(data)
        with pytest.raises(EvaluationError) as caught:
            open_drawn(key, root)
        assert file in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "[1, 2]", '"x"', "\ud800", '{"videos": 3}', "{}", "null"]
)
def test_json_of_another_form_is_told(text: str, draw: Draw) -> None:
    for key, file, split in (
        ("mevis", "valid_u/meta_expressions.json", ""),
        ("revos", "mask_dict_foreground.json", ""),
        ("groundmore", "test_v2.json", ""),
    ):
        root = draw(key)
        (root / file).write_bytes(text.encode("utf-8", "surrogatepass"))
        with pytest.raises(EvaluationError, match=key):
            open_benchmark(key, root, split)


def test_a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded(
    draw: Draw, open_drawn: Opener, tmp_path: Path
) -> None:
    from PIL import Image

    split = open_drawn("davis-2017", draw("davis-2017"))
    sample = split.samples[0]
    truth = split.truth(sample)
    assert truth is not None
    folder = tmp_path / "predictions" / sample.video_id
    folder.mkdir(parents=True)
    # 200 million zeros shrink to a file of a few kilobytes.
    Image.new("1", (20_000, 10_000)).save(folder / "00000.png")
    begin = time.perf_counter()
    for reader in (
        PredictionFolder(folder.parent),
        PredictionFolder(folder.parent, resolution="keep"),
    ):
        with pytest.raises(EvaluationError, match=r"exceeds limit|as large as|more than the"):
            reader.read(sample, truth, FRAMES)
    assert time.perf_counter() - begin < 2
