"""Files that are made to hang or to crash whoever reads them end in an error, soon."""

from __future__ import annotations

import json
import os
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drawn_benchmarks import FRAMES, write_json
from videoseg_benchmarks.pickles import read_pickle

from videoseg.benchmarks import LoadedSplit, Problems, Sample
from videoseg.errors import EvaluationError

Draw = Callable[[str], Path]
Opener = Callable[..., LoadedSplit]

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    begin = time.perf_counter()
    yield
    assert time.perf_counter() - begin < 10


def edit(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    write_json(path, document)


def nested(depth: int, core: Any) -> Any:
    for _ in range(depth):
        core = [core]
    return core


# -- text --------------------------------------------------------------------------------


def test_half_of_a_surrogate_pair_does_not_stay_in_a_sample(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis")
    edit(
        root / "valid_u/meta_expressions.json",
        lambda document: document["videos"]["bear"]["expressions"]["0"].update(
            {"exp": "a \ud800 dog", "said\udfff": "by \udc00"}
        ),
    )
    sample = open_drawn("mevis", root).samples[0]
    assert sample.query == "a \ufffd dog"
    assert sample.attributes == {"said\ufffd": "by \ufffd"}
    json.dumps([sample.query, *sample.attributes.items()], ensure_ascii=False).encode("utf-8")
    assert Sample("v", "0", "\ud83d\ude00", group="\ud800").query == "\U0001f600"


def test_what_is_left_out_is_told_in_one_printable_line(draw: Draw, open_drawn: Opener) -> None:
    root = draw("mevis")
    edit(
        root / "valid_u/meta_expressions.json",
        lambda document: document["videos"]["bear"]["expressions"]["0"].update(
            anno_id="\x1b[2J\n\ud800" * 1000
        ),
    )
    (entry,) = open_drawn("mevis", root).left_out
    assert str(entry).isprintable()
    assert len(str(entry)) < 500


# -- JSON --------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [3, 400, 900])
def test_masks_in_nested_lists_are_left_out(depth: int, draw: Draw, open_drawn: Opener) -> None:
    root = draw("mevis")
    edit(
        root / "valid_u/mask_dict.json",
        lambda masks: masks["0"].__setitem__(0, nested(depth, masks["0"][0])),
    )
    split = open_drawn("mevis", root)
    assert "the parts of a mask must not be lists" in split.left_out[0].reason
    assert split.left_out[0].num_samples == 2


@pytest.mark.parametrize("field", ["anno_id", "obj_id", "exp", "type_id"])
def test_deep_values_are_told_without_recursion(
    field: str, draw: Draw, open_drawn: Opener
) -> None:
    deep = nested(900, 1)
    for key, file in (
        ("revos", "meta_expressions_valid_.json"),
        ("ref-youtube-vos-train", "meta_expressions/train/meta_expressions.json"),
    ):
        root = draw(key)

        def change(document: Any) -> None:
            first = next(iter(document["videos"].values()))
            first["expressions"]["0"][field] = deep

        edit(root / file, change)
        split = open_drawn(key, root)
        assert len(split.left_out) <= 1
        [split.truth(sample) for sample in split.samples]


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("mevis", "valid_u/meta_expressions.json"),
        ("mevis", "valid_u/mask_dict.json"),
        ("refcoco", "refcoco/instances.json"),
        ("groundmore", "test_v2.json"),
    ],
)
def test_json_that_is_nested_too_deeply_is_told(
    key: str, file: str, draw: Draw, open_drawn: Opener
) -> None:
    root = draw(key)
    (root / file).write_text("[" * 200_000 + "]" * 200_000, encoding="utf-8")
    with pytest.raises(EvaluationError, match="nested too deeply"):
        open_drawn(key, root)


# -- pickles -----------------------------------------------------------------------------


def shared_lists() -> list[Any]:
    value: list[Any] = [1]
    for _ in range(30):
        value = [value] * 10
    return value


def holds_itself() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["0"] = [value]
    return value


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (pickle.dumps(shared_lists()), "holds more than 20,000,000 values"),
        (pickle.dumps(holds_itself()), "nests more than 50 containers"),
        (b"]" * 9000 + b"a" * 8999 + b".", "nests more than 50 containers"),
        # A number of bytes to reserve before any of them is there.
        (b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".", "BYTEARRAY8"),
        (b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b"abc.", "is not a readable pickle"),
        (b"\x80\x02c__main__\nnothing\n.", "asks for __main__.nothing"),
        (b"\x80\x02\x82\x01.", "holds the instruction EXT1"),
        (b"Pthing\n.", "asks for the persistent object"),
        (b"L" + b"9" * 100_000 + b"L\n.", "is not a readable pickle"),
    ],
)
@pytest.mark.parametrize("key", ["refcoco", "ref-davis17-pickle"])
def test_a_pickle_that_costs_too_much_is_refused(
    key: str, data: bytes, what: str, draw: Draw, open_drawn: Opener
) -> None:
    root = draw(key)
    file = root / ("refcoco/refs(unc).p" if key == "refcoco" else "valid/mask_dict.pkl")
    file.write_bytes(data)
    with pytest.raises(EvaluationError, match=what):
        open_drawn(key, root)


def test_a_memory_place_far_away_reserves_no_memory(tmp_path: Path) -> None:
    # LONG_BINPUT to place 2**31 - 1: the unpickler in C makes room for all places before it.
    path = tmp_path / "far.p"
    path.write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")
    problems = Problems("far", tmp_path)
    assert read_pickle(path, problems) == []
    assert not problems.count


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_of_every_protocol_are_read(protocol: int, tmp_path: Path) -> None:
    value = {
        "list": [1, -5, 2**40, 2**2000, 1.5, True, False, None],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "text": ["é", "x" * 300, "\U0001f600"],
        "twice": [["same"]] * 2,
        7: {},
    }
    if protocol >= 4:
        value |= {"sets": [{1, 2}, frozenset({3})], "bytes": [b"", b"x" * 300]}
    elif protocol == 3:
        value |= {"bytes": [b"", b"x" * 300]}
    path = tmp_path / "plain.p"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    problems = Problems("plain", tmp_path)
    assert read_pickle(path, problems) == value
    assert not problems.count


# -- pipes -------------------------------------------------------------------------------


@needs_pipes
@pytest.mark.parametrize(
    ("key", "file", "closes"),
    [
        ("mevis", "valid_u/meta_expressions.json", True),
        ("mevis", "valid_u/mask_dict.json", True),
        ("refcoco", "refcoco/refs(unc).p", True),
        ("refcoco", "refcoco/instances.json", True),
        ("ref-davis17-pickle", "valid/mask_dict.pkl", True),
        ("davis-2017", "ImageSets/2017/val.txt", True),
        ("reasonseg", "val/first.json", False),
        ("reasonseg", "val/first.jpg", False),
        ("mevis", f"valid_u/JPEGImages/bear/{FRAMES[0]}.jpg", False),
        ("davis-2017", f"Annotations/480p/bear/{FRAMES[0]}.png", False),
    ],
)
def test_a_pipe_in_place_of_a_file_is_not_waited_for(
    key: str, file: str, closes: bool, draw: Draw, open_drawn: Opener
) -> None:
    root = draw(key)
    (root / file).unlink()
    os.mkfifo(root / file)
    if closes:
        with pytest.raises(EvaluationError, match=r"named pipe|is missing|cannot be read"):
            open_drawn(key, root)
    else:
        assert "named pipe" in open_drawn(key, root).left_out[0].reason


@needs_pipes
@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("long-rvos", f"valid/Annotations/bear/1/{FRAMES[1]}.png"),
        ("reasonvos", f"Annotations/vipseg_bear_000000001/{FRAMES[1]}.png"),
        ("groundmore", "annotations/clip_0100_0104/masks/frame_000007.png"),
        ("ref-youtube-vos-train", f"train/Annotations/bear/{FRAMES[1]}.png"),
    ],
)
def test_a_pipe_in_place_of_a_true_mask_is_told_when_it_is_read(
    key: str, file: str, draw: Draw, open_drawn: Opener
) -> None:
    root = draw(key)
    (root / file).unlink()
    os.mkfifo(root / file)
    split = open_drawn(key, root)
    with pytest.raises(EvaluationError, match=r"is a named pipe.*download the annotations again"):
        for sample in split.samples:
            split.truth(sample)
