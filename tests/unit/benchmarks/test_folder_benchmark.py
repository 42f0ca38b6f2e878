"""A benchmark of one's own takes a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_benchmarks import (
    FRAMES,
    NUM_FRAMES,
    SIZE,
    VIDEOS,
    object_mask,
    write_frames,
    write_json,
    write_mask,
)

import videoseg as vs
from videoseg.benchmarks import Benchmark, FolderBenchmark, open_benchmark
from videoseg.errors import ConfigError, EvaluationError, VideoError
from videoseg.metrics.protocol import EvalProtocol
from videoseg.testing import BenchmarkContract


class Kitchen(FolderBenchmark):
    name = "kitchen"
    protocol = EvalProtocol("kitchen", ("j_and_f", "j", "f"))


def write(root: Path, *, change: dict[str, Any] | None = None) -> Path:
    expressions = {
        "0": {"exp": "the left one", "group": "easy", "said_by": "Ada"},
        "1": {"exp": "the lower one"},
        "2": {"exp": "the unicorn", "no_target": True},
    }
    videos: dict[str, Any] = {"bear": {"expressions": expressions}}
    write_json(root / "meta_expressions.json", {"videos": {**videos, **(change or {})}})
    write_frames(root / "videos/bear")
    for object_id in (1, 2):
        for frame, name in enumerate(FRAMES):
            # Every second frame of the second object is annotated.
            if object_id == 1 or frame % 2 == 0:
                mask = object_mask("bear", object_id, frame)
                write_mask(root / f"masks/bear/{object_id - 1}/{name}.png", mask)
    return root


class TestKitchen(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def _written(self, tmp_path: Path) -> None:
        self.folder = write(tmp_path / "kitchen")

    def make(self) -> Benchmark:
        return Kitchen()

    def root(self) -> Path:
        return self.folder


def test_is_opened_by_its_name_after_being_added(tmp_path: Path) -> None:
    registry = vs.Registry(allow=())
    registry.add("benchmark", "kitchen", Kitchen)
    split = open_benchmark("kitchen", write(tmp_path), registry=registry)
    assert split.name == "kitchen/all"
    assert [sample.query for sample in split.samples] == [
        "the left one",
        "the lower one",
        "the unicorn",
    ]
    assert split.samples[0].group == "easy"
    assert split.samples[0].attributes["said_by"] == "Ada"
    first, second, third = (split.truth(sample) for sample in split.samples)
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.frames == tuple(range(NUM_FRAMES))
    assert second.frames == (0, 2, 4)
    assert not third.objects
    rle = first.objects[1][3]
    assert rle is not None
    assert np.array_equal(rle.decode(), object_mask("bear", 1, 3))


def test_splits_are_folders(tmp_path: Path) -> None:
    class Split(Kitchen):
        splits = ("val", "train")

    write(tmp_path / "val")
    assert Split().read(tmp_path).name == "kitchen/val"
    with pytest.raises(EvaluationError, match=r"train/meta_expressions.json: is missing"):
        Split().read(tmp_path, "train")


def test_a_video_may_be_a_file(tmp_path: Path) -> None:
    from videoseg.video import VideoWriter

    write(tmp_path, change={"cart": {"expressions": {"0": {"exp": "it"}}}})
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "videos/cart.mp4", fps=5) as writer:
        for _ in range(4):
            writer.write(rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8))
    write_mask(tmp_path / "masks/cart/0/00002.png", object_mask("cart", 1, 2))
    split = Kitchen().read(tmp_path)
    assert split.frame_names("cart") == ("00000", "00001", "00002", "00003")
    assert len(split.video("cart")) == 4
    truth = split.truth(split.samples[-1])
    assert truth is not None
    assert truth.frames == (2,)


def test_frames_may_be_chosen(tmp_path: Path) -> None:
    entry = {"frames": list(FRAMES[1:4]), "expressions": {"0": {"exp": "it"}}}
    split = Kitchen().read(write(tmp_path, change={"bear": entry}))
    assert split.frame_names("bear") == FRAMES[1:4]


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    change = {
        "gone": {"expressions": {"0": {"exp": "it"}}},
        "bear": {"frames": ["99999"], "expressions": {"9": {"exp": "it"}}},
    }
    with pytest.raises(EvaluationError) as caught:
        Kitchen().read(write(tmp_path, change=change))
    text = str(caught.value)
    for expected in ("videos/gone", "lacks the frame 99999", "masks/bear/9", "masks/gone/0"):
        assert expected in text


def test_the_folder_of_ones_own_tells_too(tmp_path: Path) -> None:
    expressions = {
        "0": {"exp": "one", "no_target": True},
        "1": {"exp": "two", "no_target": True},
        "2": {"exp": "masked"},
    }
    videos = {"bear": {"expressions": expressions}, "gone": {"expressions": {"0": {"exp": "x"}}}}
    write_json(tmp_path / "meta_expressions.json", {"videos": videos})
    write_frames(tmp_path / "videos/bear")
    split = Kitchen().read(tmp_path)
    assert [sample.id for sample in split.samples] == ["bear/0", "bear/1"]
    assert [entry.place for entry in split.left_out] == [
        "masks/bear/2",
        "videos/gone",
        "masks/gone/0",
    ]
    assert sum(entry.num_samples for entry in split.left_out) == 2


def test_a_benchmark_of_ones_own_opens_without_videos(tmp_path: Path) -> None:
    videos = {video: {"expressions": {"0": {"exp": "it"}}} for video in VIDEOS}
    write_json(tmp_path / "meta_expressions.json", {"videos": videos})
    split = Kitchen(check_pictures=False).read(tmp_path)
    assert [sample.id for sample in split.samples] == ["bear/0", "cart/0"]
    with pytest.raises(VideoError, match=r"there is no bear\.mp4; put the video there"):
        split.frame_names("bear")


def test_a_reader_without_the_option_refuses_it(tmp_path: Path) -> None:
    class Bare:
        name, splits, license, homepage, submission = "bare", ("all",), "none", "none", None

        def read(self, root: Path, split: str = "") -> None:
            raise AssertionError

    registry = vs.Registry(allow=())
    registry.add("benchmark", "bare", Bare)
    with pytest.raises(ConfigError, match="check_pictures"):
        open_benchmark("bare", tmp_path, check_pictures=False, registry=registry)
