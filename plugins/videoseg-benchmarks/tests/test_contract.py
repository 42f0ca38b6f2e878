"""Every published benchmark keeps the contract, on a small drawn copy of its published layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import videoseg_benchmarks
from drawn_benchmarks import ALL_LAYOUTS, reader_registry

from videoseg.benchmarks import Benchmark, build_benchmark
from videoseg.testing import BenchmarkContract

REGISTRY = reader_registry()

# Two copies are read by the same code as "mosev2-hidden" and "youtube-vos-2018".
CHECKED = sorted(set(ALL_LAYOUTS) - {"mose", "youtube-vos-2019"})


def test_every_benchmark_is_drawn() -> None:
    assert {ALL_LAYOUTS[key][0] for key in CHECKED} == set(REGISTRY.names("benchmark"))


def test_every_reader_can_be_imported_from_the_package() -> None:
    found = {type(build_benchmark(name, registry=REGISTRY)) for name, _ in ALL_LAYOUTS.values()}
    assert found == {getattr(videoseg_benchmarks, name) for name in videoseg_benchmarks.__all__}


@pytest.mark.parametrize("key", CHECKED)
class TestPublishedBenchmarks(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def _drawn(self, key: str, drawn: Callable[[str], Path]) -> None:
        self.benchmark_name, self.layout = ALL_LAYOUTS[key]
        self.split = self.layout.split  # type: ignore[misc]
        self.folder = drawn(key)

    def make(self) -> Benchmark:
        return build_benchmark(self.benchmark_name, options=self.layout.options, registry=REGISTRY)

    def root(self) -> Path:
        return self.folder

    def test_has_every_sample(self) -> None:
        samples = self.make().read(self.root(), self.split).samples
        assert len(samples) == self.layout.num_samples
