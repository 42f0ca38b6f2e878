"""The contract of benchmarks notices what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawn_benchmarks import reader_registry, write_mevis

from videoseg.benchmarks import Benchmark, LoadedSplit, Sample, Truth, build_benchmark
from videoseg.testing import BenchmarkContract, contract_failures
from videoseg.types import Rle


class Tampered:
    """Reads MeViS and changes what it gives."""

    name = "mevis"
    splits = ("valid_u",)
    license = "none"
    homepage = "nowhere"
    submission = None

    def __init__(
        self,
        *,
        samples: Callable[[Sequence[Sample]], Sequence[Sample]] = tuple,
        truth: Callable[[Truth], Truth] = lambda truth: truth,
    ) -> None:
        self._samples = samples
        self._truth = truth

    def read(self, root: Path, split: str = "") -> TamperedSplit:
        found = build_benchmark("mevis", registry=reader_registry()).read(root, split)
        assert isinstance(found, LoadedSplit)
        return TamperedSplit(found, self._samples(found.samples), self._truth)


class TamperedSplit(LoadedSplit):
    def __init__(
        self, split: LoadedSplit, samples: Sequence[Sample], change: Callable[[Truth], Truth]
    ) -> None:
        self.__dict__.update(split.__dict__)
        self.samples = tuple(samples)
        self._change = change

    def truth(self, sample: Sample) -> Truth | None:
        found = super().truth(sample)
        return None if found is None else self._change(found)


def failures(benchmark: Benchmark, root: Path, *only: str) -> dict[str, str]:
    class Contract(BenchmarkContract):
        def make(self) -> Benchmark:
            return benchmark

        def root(self) -> Path:
            return root

    return contract_failures(Contract(), only=only)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_mevis(tmp_path)
    return tmp_path


def other_id(**changes: Any) -> Callable[[Sequence[Sample]], Sequence[Sample]]:
    return lambda samples: (replace(samples[0], **changes), *samples[1:])


def shorter(truth: Truth) -> Truth:
    return replace(truth, objects={key: track[:-1] for key, track in truth.objects.items()})


def smaller(truth: Truth) -> Truth:
    small = Rle.empty((4, 4))
    return replace(truth, objects={key: [small] * 6 for key in truth.objects})


@pytest.mark.parametrize(
    ("benchmark", "test"),
    [
        (Tampered(samples=other_id(video_id="../x")), "ids_are_unique_and_can_be_file_names"),
        (Tampered(samples=other_id(expression_id="1")), "ids_are_unique_and_can_be_file_names"),
        (Tampered(samples=other_id(query=" ")), "ids_are_unique_and_can_be_file_names"),
        (Tampered(samples=other_id(video_id="gone")), "frames_have_names_and_can_be_read"),
        (Tampered(samples=lambda _samples: ()), "reads_a_split"),
        (Tampered(truth=shorter), "truth_fits_the_video"),
        (Tampered(truth=smaller), "truth_fits_the_video"),
        (Tampered(truth=lambda truth: replace(truth, size=(4, 4))), "truth_fits_the_video"),
        (
            Tampered(truth=lambda truth: replace(truth, frames=(5, 0, 1, 2, 3, 4))),
            "truth_fits_the_video",
        ),
    ],
)
def test_what_is_wrong_is_noticed(benchmark: Tampered, test: str, root: Path) -> None:
    found = failures(benchmark, root, f"test_{test}")
    assert list(found) == [f"test_{test}"]


def test_a_right_benchmark_passes(root: Path) -> None:
    benchmark = build_benchmark("mevis", registry=reader_registry())
    assert failures(benchmark, root) == {}


def test_a_split_that_hands_out_one_video_again_and_again_is_noticed(root: Path) -> None:
    class Kept(Tampered):
        def read(self, root: Path, split: str = "") -> TamperedSplit:
            found = super().read(root, split)
            kept = {one.video_id: found.video(one.video_id) for one in found.samples}
            found.video = kept.__getitem__  # type: ignore[assignment,method-assign]
            return found

    name = "test_a_video_that_was_closed_opens_again"
    assert list(failures(Kept(), root, name)) == [name]
