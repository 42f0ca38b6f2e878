"""Where a release or its official code has rules of its own, the readers keep them."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_benchmarks import (
    FRAMES,
    SIZE,
    VIDEOS,
    object_mask,
    track,
    write_frames,
    write_ids,
    write_json,
)

from videoseg.benchmarks import LoadedSplit, build_benchmark, open_benchmark
from videoseg.errors import ConfigError, EvaluationError
from videoseg.types import Rle

Draw = Callable[[str], Path]
Opener = Callable[..., LoadedSplit]


def shown(split: LoadedSplit, place: int) -> list[Rle | None]:
    truth = split.truth(split.samples[place])
    assert truth is not None
    (masks,) = truth.objects.values()
    return list(masks)


def drawn(video: str, object_id: int) -> list[Rle]:
    return [Rle.encode(object_mask(video, object_id, frame)) for frame in range(len(FRAMES))]


# -- ReasonVOS ---------------------------------------------------------------------------


def test_expressions_whose_ids_repeat_are_named_by_their_object(
    draw: Draw, open_drawn: Opener
) -> None:
    split = open_drawn("reasonvos-repeated", draw("reasonvos-repeated"))
    ids = [f"{video}/{one}" for video in VIDEOS for one in ("1_0", "1_1", "2_0", "2_1")]
    assert [sample.id for sample in split.samples] == ids
    assert not split.left_out
    for place, sample in enumerate(split.samples):
        object_id = int(sample.expression_id[0])
        assert sample.query == f"object {object_id} said by {sample.expression_id[-1]}"
        masks = [rle if rle is not None else Rle.empty(SIZE) for rle in shown(split, place)]
        assert masks == drawn(sample.video_id, object_id)


def test_no_expression_is_lost_where_even_object_and_id_repeat(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("reasonvos")
    path = root / "meta_expressions.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    entry = {"exp_id": 0, "exp_text": "it", "obj_id": 1}
    document["videos"]["bear"]["expressions"] = [entry] * 3
    write_json(path, document)
    split = open_drawn("reasonvos", root)
    ids = [sample.id for sample in split.samples if sample.video_id == "bear"]
    assert ids == ["bear/1_0", "bear/1_0_2", "bear/1_0_3"]


def test_the_converted_copy_of_reasonvos_is_called_so(draw: Draw, open_drawn: Opener) -> None:
    split = open_drawn("reasonvos-format", draw("reasonvos-format"))
    assert "converted copy" in split.notes[0]


# -- GroundMoRe --------------------------------------------------------------------------


def test_groundmore_counts_frames_of_short_clips_twice(draw: Draw, open_drawn: Opener) -> None:
    split = open_drawn("groundmore-short", draw("groundmore-short"))
    truth = split.truth(split.samples[0])
    assert truth is not None
    assert truth.frames == tuple(np.linspace(0, 12, num=20, dtype=int))
    assert len(truth.objects[1]) == 20


def test_groundmore_looks_masks_up_by_index_as_its_script_does(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("groundmore")
    folder = root / "annotations/clip_0100_0104"
    before = shown(open_drawn("groundmore", root), 0)
    # Pictures and masks are named from 1 on: the mask of frame i is that named i.
    for kind, suffix in (("images", "jpg"), ("masks", "png")):
        for index in reversed(range(24)):
            file = folder / kind / f"frame_{index:06d}.{suffix}"
            file.rename(file.with_name(f"frame_{index + 1:06d}.{suffix}"))
    split = open_drawn("groundmore", root)
    truth = split.truth(split.samples[0])
    assert truth is not None
    assert split.frame_names("clip_0100_0104")[0] == "frame_000001"
    for frame, rle in zip(truth.frames, truth.objects[1], strict=True):
        if 6 <= frame < 18:
            assert rle == Rle.encode(object_mask("bear", 1, (frame - 1) % len(FRAMES)))
        else:
            assert rle is None
    assert list(truth.objects[1]) != before
    # Names of another form are found as they are.
    for kind, suffix in (("images", "jpg"), ("masks", "png")):
        for index in range(24):
            file = folder / kind / f"frame_{index + 1:06d}.{suffix}"
            file.rename(file.with_name(f"shot{index:03d}.{suffix}"))
    assert shown(open_drawn("groundmore", root), 0) == before


# -- MeViS -------------------------------------------------------------------------------


def test_mevis_says_which_version_was_read(draw: Draw, open_drawn: Opener) -> None:
    first = open_drawn("mevis", draw("mevis"))
    assert not first.notes
    for key in ("mevis-second", "mevis-second-valid"):
        assert "second version of MeViS" in open_drawn(key, draw(key)).notes[0]


def test_where_both_versions_of_mevis_are_there_one_may_be_chosen(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis")
    path = root / "valid_u/meta_expressions.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["videos"]["bear"]["expressions"]["0"]["exp"] = "of the second version"
    write_json(path.with_name("meta_expressions_v2.json"), document)
    split = open_drawn("mevis", root)
    assert "both versions" in split.notes[0]
    assert split.samples[0].query == "expression 0"
    second = open_drawn("mevis", root, options={"version": 2})
    assert second.samples[0].query == "of the second version"
    with pytest.raises(ConfigError, match="versions 1 and 2, got version=3"):
        build_benchmark("mevis", options={"version": 3})


def test_the_second_version_of_mevis_has_a_protocol_of_its_own(
    draw: Draw, open_drawn: Opener
) -> None:
    assert open_drawn("mevis", draw("mevis")).protocol.name == "mevis"
    split = open_drawn("mevis-second", draw("mevis-second"))
    assert split.protocol.name == "mevis-v2"
    assert "audio" in split.notes[0]
    groups = {sample.expression_id: sample.group for sample in split.samples}
    assert groups == {"0": "target", "1": "target", "2": "target", "3": "no-target"}
    hidden = open_drawn("mevis-second-valid", draw("mevis-second-valid"))
    assert {sample.group for sample in hidden.samples} <= {"", "target", "no-target"}
    assert hidden.protocol.name == "mevis-v2"


def test_a_renamed_file_of_the_second_version_of_mevis_is_known_by_its_sentences(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis")
    asked = open_drawn("mevis", root, options={"version": 2})
    assert asked.protocol.name == "mevis-v2"
    path = root / "valid_u/meta_expressions.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    expressions = document["videos"]["bear"]["expressions"]
    others = sum(len(each["expressions"]) for each in document["videos"].values())
    for index in range(907 - others):
        expressions[f"more-{index}"] = {"exp": "one more", "obj_id": [], "anno_id": []}
    write_json(path, document)
    split = open_drawn("mevis", root)
    assert split.protocol.name == "mevis-v2"
    assert "second version of MeViS (meta_expressions.json)" in split.notes[0]
    assert open_drawn("mevis", root, options={"version": 1}).protocol.name == "mevis"


def test_frames_that_are_still_packed_are_to_be_unpacked(draw: Draw, open_drawn: Opener) -> None:
    root = draw("mevis-second")
    shutil.rmtree(root / "valid_u/JPEGImages")
    (root / "valid_u/JPEGImages.tar").write_bytes(b"")
    with pytest.raises(EvaluationError, match=r"unpack JPEGImages\.tar"):
        open_drawn("mevis-second", root)


# -- refCOCO -----------------------------------------------------------------------------


def test_splits_of_refcoco_are_those_of_the_division() -> None:
    def splits(name: str, **options: Any) -> tuple[str, ...]:
        return build_benchmark(name, options=options).splits

    assert splits("refcoco") == ("val", "testA", "testB", "train")
    assert splits("refcoco", split_by="google") == ("val", "test", "train")
    assert splits("refcocog") == splits("refcocog", split_by="umd") == ("val", "test", "train")
    assert splits("refcocog", split_by="google") == ("val", "train")
    with pytest.raises(ConfigError, match="by unc or google, got split_by='umd'"):
        build_benchmark("refcoco", options={"split_by": "umd"})


# -- Ref-DAVIS17 -------------------------------------------------------------------------


def write_counted_by_the_file(root: Path) -> None:
    """Write a mask dictionary that counts expressions in the order of the file."""
    path = root / "meta_expressions/valid/meta_expressions.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    masks: dict[str, Any] = {}
    for video in sorted(VIDEOS):
        for entry in document["videos"][video]["expressions"].values():
            masks[str(len(masks))] = track(video, int(entry["obj_id"]))
    (root / "valid/mask_dict.pkl").write_bytes(pickle.dumps(masks))


def test_a_mask_dictionary_that_is_counted_otherwise_is_noticed(
    draw: Draw, open_drawn: Opener
) -> None:
    key = "ref-davis17-pickle"
    root = draw(key)
    right = open_drawn(key, root)
    assert not right.notes
    write_counted_by_the_file(root)
    split = open_drawn(key, root)
    assert "differ in their first mask for" in split.notes[0]
    assert "with mask_order=file it is so for 0" in split.notes[0]
    chosen = open_drawn(key, root, options={"mask_order": "file"})
    assert not chosen.notes
    masks = [shown(chosen, place) for place in range(len(chosen.samples))]
    assert masks == [shown(right, place) for place in range(len(right.samples))]
    with pytest.raises(ConfigError, match="mask_order must be one of text, file"):
        build_benchmark("ref-davis17", options={"mask_order": "name"})


# -- DAVIS -------------------------------------------------------------------------------


def test_objects_that_appear_later_do_not_count_in_davis_with_a_query(tmp_path: Path) -> None:
    folder = tmp_path / "Annotations/480p/bear"
    write_frames(tmp_path / "JPEGImages/480p/bear")
    for frame, name in enumerate(FRAMES):
        picture = object_mask("bear", 1, frame).astype(np.uint8)
        picture[-2:] = 3 if frame > 2 else 0
        write_ids(folder / f"{name}.png", picture)
    for options in ({}, {"query": "what moves"}):
        split = open_benchmark("davis-2017", tmp_path, options=options)
        truth = split.truth(split.samples[0])
        assert truth is not None
        assert list(truth.objects) == [1]


def test_a_resolution_that_leads_out_is_refused() -> None:
    with pytest.raises(ConfigError, match="resolution must be the name of a folder"):
        build_benchmark("davis-2017", options={"resolution": "../480p"})
