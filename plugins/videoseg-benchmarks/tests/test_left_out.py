"""An odd entry among good ones is left out, told and counted; a folder of odd ones is refused."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_benchmarks import FRAMES, VIDEOS, write_json

from videoseg.benchmarks import BenchmarkSplit, LeftOut, LoadedSplit, open_benchmark
from videoseg.errors import EvaluationError

Draw = Callable[[str], Path]
Opener = Callable[..., LoadedSplit]


def edit(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    write_json(path, document)


def edit_pickle(path: Path, change: Callable[[Any], None]) -> None:
    document = pickle.loads(path.read_bytes())
    change(document)
    path.write_bytes(pickle.dumps(document))


def told(split: BenchmarkSplit) -> tuple[LeftOut, ...]:
    assert isinstance(split, LoadedSplit)
    return split.left_out


def without_frames(folder: str) -> Callable[[Path], None]:
    return lambda root: shutil.rmtree(root / folder)


def without_mask_dict_key(file: str, key: str) -> Callable[[Path], None]:
    return lambda root: edit(root / file, lambda masks: masks.pop(key))


def with_expression(file: str, **changes: Any) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        edit(
            root / file,
            lambda document: document["videos"]["bear"]["expressions"]["0"].update(changes),
        )

    return change


def with_video(file: str, **changes: Any) -> Callable[[Path], None]:
    return lambda root: edit(
        root / file, lambda document: document["videos"]["bear"].update(changes)
    )


def in_revos(change: Callable[[Any], None]) -> Callable[[Path], None]:
    return lambda root: edit(root / "meta_expressions_valid_.json", change)


META = "valid_u/meta_expressions.json"
TRAIN = "meta_expressions/train/meta_expressions.json"


@pytest.mark.parametrize(
    ("key", "spoil", "reason", "num_samples"),
    [
        ("mevis", without_frames("valid_u/JPEGImages/bear"), "cannot be listed", 4),
        ("mevis", with_expression(META, exp=" "), "is empty", 1),
        ("mevis", with_expression(META, exp=None), "no text 'exp'", 1),
        ("mevis", with_expression(META, anno_id=[77]), "has no annotation 77", 1),
        ("mevis", with_expression(META, anno_id="x"), "'anno_id'", 1),
        ("mevis", with_video(META, frames=[]), "no list of 'frames'", 4),
        ("mevis", with_video(META, frames=["00000", "00000"]), "lists a frame twice", 4),
        ("mevis", with_video(META, height=0, width=32), "has the size", 4),
        ("mevis", with_video(META, expressions=None), "needs 'frames' and 'expressions'", 1),
        ("mevis", without_mask_dict_key("valid_u/mask_dict.json", "0"), "has no annotation 0", 2),
        (
            "revos",
            in_revos(
                lambda document: document["videos"]["source/bear"]["expressions"]["0"].update(
                    type_id=7
                )
            ),
            "type_id 7; known are 0 (referring), 1 (reasoning), 2 (no-target)",
            1,
        ),
        (
            "revos",
            without_mask_dict_key("mask_dict_foreground.json", "source/bear"),
            "has no 'masks_rle'",
            4,
        ),
        ("ref-youtube-vos-train", with_expression(TRAIN, obj_id=0), "needs 'obj_id'", 1),
        ("ref-youtube-vos-train", without_frames("train/Annotations/bear"), "is not a folder", 2),
        ("ref-davis17", without_frames("valid/Annotations/cart"), "is not a folder", 8),
        (
            "ref-davis17-pickle",
            lambda root: edit_pickle(root / "valid/mask_dict.pkl", lambda masks: masks.pop("0")),
            "has no masks with the key 0",
            1,
        ),
        ("reasonvos", without_frames("Annotations/vipseg_bear_000000001"), "no masks of", 1),
        (
            "reasonvos",
            lambda root: edit(
                root / "meta_expressions.json",
                lambda document: document["videos"]["bear"]["expressions"].append("odd"),
            ),
            "has no text 'exp'",
            1,
        ),
        (
            "groundmore",
            lambda root: edit(
                root / "test_v2.json",
                lambda document: document["videos"].update(
                    LM_1534_1546={"questions": {"0": {}, "1": {}}}
                ),
            ),
            "cannot be listed",
            2,
        ),
        (
            "groundmore",
            lambda root: edit(
                root / "test_v2.json",
                lambda document: document["videos"]["clip_0100_0104"]["questions"]["0"].update(
                    action_start="soon"
                ),
            ),
            "as times such as 4:15, got ('soon', '1:03')",
            1,
        ),
        ("davis-2017", without_frames("JPEGImages/480p/bear"), "cannot be listed", 1),
        (
            "davis-2017",
            lambda root: (root / f"Annotations/480p/bear/{FRAMES[0]}.png").write_bytes(b"\x89PNG"),
            "cannot be read as a picture",
            1,
        ),
        (
            "refcoco",
            lambda root: edit_pickle(
                root / "refcoco/refs(unc).p",
                lambda references: references[0]["sentences"][0].update(sent="", raw=""),
            ),
            "a sentence without text or id",
            1,
        ),
        (
            "refcoco",
            lambda root: edit_pickle(
                root / "refcoco/refs(unc).p", lambda references: references[0].update(ann_id=5)
            ),
            "names annotation 5, which is not of its image",
            2,
        ),
        (
            "refcoco",
            lambda root: next(root.rglob("*000000000009.jpg")).unlink(),
            "is missing",
            2,
        ),
        (
            "grefcoco",
            lambda root: edit(
                root / "grefcoco/instances.json",
                lambda document: document["annotations"][0].update(segmentation="none"),
            ),
            "a region must be a list of polygons",
            2,
        ),
        ("reasonseg", lambda root: (root / "val/first.json").unlink(), "cannot be read", 1),
        (
            "reasonseg",
            lambda root: edit(
                root / "val/first.json", lambda entry: entry.update(text=["", "which"])
            ),
            "sentence 0 has no text",
            1,
        ),
        (
            "reasonseg",
            lambda root: edit(
                root / "val/first.json", lambda entry: entry["shapes"][0].update(points="none")
            ),
            "has a shape whose 'points'",
            1,
        ),
    ],
)
def test_an_odd_entry_is_left_out_told_and_counted(
    key: str,
    spoil: Callable[[Path], None],
    reason: str,
    num_samples: int,
    draw: Draw,
    open_drawn: Opener,
) -> None:
    root = draw(key)
    before = {sample.id for sample in open_drawn(key, root).samples}
    spoil(root)
    split = open_drawn(key, root)
    (entry,) = told(split)
    assert reason in entry.reason
    assert entry.num_samples == num_samples
    after = {sample.id for sample in split.samples}
    assert after < before or reason in {"has no text 'exp'", "cannot be listed"}
    # Whatever is asked has an answer.
    for sample in split.samples:
        assert len(split.frame_names(sample.video_id)) > 0
        split.truth(sample)
    with pytest.raises(EvaluationError, match="1 problem") as caught:
        open_drawn(key, root, strict=True)
    assert reason in str(caught.value)


@pytest.mark.parametrize("key", ["mevis", "revos", "long-rvos", "ref-davis17", "groundmore"])
def test_a_root_without_any_frames_is_refused(key: str, draw: Draw, open_drawn: Opener) -> None:
    root = draw(key)
    for folder in [path for path in root.rglob("*") if path.is_dir()]:
        if folder.name in {*VIDEOS, "images"} and "Annotations" not in folder.parts:
            shutil.rmtree(folder)
    with pytest.raises(EvaluationError, match=r"0 of its \d+ samples can be run") as caught:
        open_drawn(key, root)
    assert "download the frames" in str(caught.value)


def test_most_videos_missing_is_no_benchmark(draw: Draw, open_drawn: Opener) -> None:
    root = draw("mevis")

    def add(document: Any) -> None:
        document["videos"] |= {f"gone{n}": document["videos"]["bear"] for n in range(3)}

    edit(root / META, add)
    with pytest.raises(EvaluationError, match="8 of its 20 samples can be run"):
        open_drawn("mevis", root)


def test_several_odd_entries_of_a_small_benchmark_are_left_out_together(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis")
    shutil.rmtree(root / "valid_u/JPEGImages/bear")
    edit(
        root / META, lambda document: document["videos"]["cart"]["expressions"]["0"].update(exp="")
    )
    split = open_drawn("mevis", root)
    assert [sample.id for sample in split.samples] == ["cart/1", "cart/2", "cart/3"]
    assert sum(entry.num_samples for entry in told(split)) == 5


def test_ref_youtube_vos_without_the_list_of_the_test_set_asks_what_has_frames(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("ref-youtube-vos")
    shutil.rmtree(root / "meta_expressions/test")
    path = root / "meta_expressions/valid/meta_expressions.json"

    def add(document: Any) -> None:
        document["videos"] |= {f"t{n}": document["videos"]["cart"] for n in range(3)}

    # As published: 202 of 507 videos have frames.
    edit(path, add)
    split = open_drawn("ref-youtube-vos", root)
    assert {sample.video_id for sample in split.samples} == {"bear", "cart"}
    assert sum(entry.num_samples for entry in told(split)) == 6
    for video in VIDEOS:
        shutil.rmtree(root / "valid/JPEGImages" / video)
    with pytest.raises(EvaluationError, match="0 of its 10 samples"):
        open_drawn("ref-youtube-vos", root)


def test_the_first_release_of_ref_youtube_vos_is_called_by_its_name(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("ref-youtube-vos")
    entry = {"objects": {"1": {"expressions": ["a"], "frames": ["00000"]}}}
    write_json(root / "meta_expressions/valid/meta_expressions.json", {"videos": {"v": entry}})
    with pytest.raises(EvaluationError, match=r"first release of Ref-YouTube-VOS \(2020\)"):
        open_drawn("ref-youtube-vos", root)


def test_keys_of_a_mask_dictionary_count_expressions_that_are_left_out(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("ref-davis17-pickle")
    truths = {
        sample.id: split.truth(sample)
        for split in [open_drawn("ref-davis17-pickle", root)]
        for sample in split.samples
    }
    edit(
        root / "meta_expressions/valid/meta_expressions.json",
        lambda document: document["videos"]["bear"]["expressions"]["1"].update(exp=""),
    )
    split = open_drawn("ref-davis17-pickle", root)
    assert len(split.samples) == len(truths) - 1
    for sample in split.samples:
        assert split.truth(sample) == truths[sample.id]


def test_an_object_of_long_rvos_without_masks_is_never_seen(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("long-rvos")
    shutil.rmtree(root / "valid/Annotations/bear/2")
    split = open_drawn("long-rvos", root)
    assert not told(split)
    truth = split.truth(split.samples[1])
    assert truth is not None
    assert truth.objects == {1: (None,) * len(FRAMES)}
    shutil.rmtree(root / "valid/Annotations/bear")
    shutil.rmtree(root / "valid/Annotations/cart")
    with pytest.raises(EvaluationError, match="no folder for 2 of 2 videos"):
        open_drawn("long-rvos", root)


def test_masks_beyond_the_last_frame_are_not_read(draw: Draw, open_drawn: Opener) -> None:
    root = draw("mevis")
    before = open_drawn("mevis", root)
    edit(root / "valid_u/mask_dict.json", lambda masks: masks["0"].append({"odd": 1}))
    split = open_drawn("mevis", root)
    assert not told(split)
    assert "has 7 masks for 6 frames" in split.notes[0]
    assert split.truth(split.samples[0]) == before.truth(before.samples[0])


def test_an_empty_segmentation_is_an_empty_mask(draw: Draw, open_drawn: Opener) -> None:
    root = draw("refcoco")
    edit(
        root / "refcoco/instances.json",
        lambda document: document["annotations"][0].update(segmentation=[]),
    )
    split = open_drawn("refcoco", root)
    assert not told(split)
    truth = split.truth(split.samples[0])
    assert truth is not None
    assert truth.objects == {70: (None,)}


def test_only_the_sentence_that_is_asked_needs_text(draw: Draw, open_drawn: Opener) -> None:
    root = draw("reasonseg")
    edit(root / "val/first.json", lambda entry: entry.update(text=["what is it", ""]))
    split = open_drawn("reasonseg", root)
    assert [sample.query for sample in split.samples] == ["what is it", "what is it"]
    assert not told(split)
    shutil.copytree(root / "val", root / "train")
    train = open_benchmark("reasonseg", root, "train")
    assert [sample.id for sample in train.samples] == ["first/0", "second/0", "second/1"]
    assert told(train)[0].num_samples == 1


def test_polygons_are_cut_off_at_the_edge_of_the_picture(draw: Draw, open_drawn: Opener) -> None:
    for key, file in (("reasonseg", "val/first.json"), ("refcoco", "refcoco/instances.json")):
        root = draw(key)

        def widen(document: Any) -> None:
            if "shapes" in document:
                points = [[-900, 3], [5000, 3], [5000, 9], [-900, 9]]
                document["shapes"] = [{"label": "target", "points": points}]
            else:
                polygon = [-900.0, 3.0, 5000.0, 3.0, 5000.0, 10.0, -900.0, 10.0]
                document["annotations"][0]["segmentation"] = [polygon]

        edit(root / file, widen)
        split = open_drawn(key, root)
        assert not told(split)
        truth = split.truth(split.samples[0])
        assert truth is not None
        (track,) = truth.objects.values()
        assert track[0] is not None
        mask = track[0].decode()
        assert mask[4:9].all()
        assert not mask[:2].any()
        assert not mask[11:].any()
