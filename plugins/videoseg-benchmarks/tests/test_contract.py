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


def test_every_benchmark_is_drawn() -> None:
    assert {name for name, _ in ALL_LAYOUTS.values()} == set(REGISTRY.names("benchmark"))


def test_every_reader_can_be_imported_from_the_package() -> None:
    found = {type(build_benchmark(name, registry=REGISTRY)) for name, _ in ALL_LAYOUTS.values()}
    assert found == {getattr(videoseg_benchmarks, name) for name in videoseg_benchmarks.__all__}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folders: dict[str, Path] = {}

    def draw(key: str) -> Path:
        if key not in folders:
            folders[key] = tmp_path_factory.mktemp(key)
            ALL_LAYOUTS[key][1].write(folders[key])
        return folders[key]

    return draw


@pytest.mark.parametrize("key", sorted(ALL_LAYOUTS))
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
