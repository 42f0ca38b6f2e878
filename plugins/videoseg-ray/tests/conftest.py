"""A cluster of this machine alone, and a drawn benchmark with a pipeline that knows it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import drawn_answers
import pytest
from drawn_benchmarks import LAYOUTS, open_layout, reader_registry

import videoseg as vs
from videoseg.benchmarks import BenchmarkSplit
from videoseg.errors import ConfigError

SUPPORT = Path(drawn_answers.__file__).parent


@pytest.fixture(scope="session")
def plugin_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a PYTHONPATH with which other processes have the plug-in ``drawn-answers``."""
    site = tmp_path_factory.mktemp("site-packages")
    info = site / "drawn_answers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: drawn-answers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[videoseg]\ndrawn-answers = drawn_answers\n")
    before = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(site), str(SUPPORT), *([before] if before else [])])


@pytest.fixture(scope="module")
def cluster(plugin_path: str) -> Iterator[str]:
    """Be connected to a cluster of two processors; return its address."""
    import ray

    environment = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", plugin_path)
        # Until the end: where usage is counted, a thread of Ray outlives the connection.
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=2,
            object_store_memory=80 * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()
    for name in set(os.environ) - set(environment):
        del os.environ[name]


@pytest.fixture(scope="session")
def registry() -> vs.Registry:
    """Return a registry with the readers and the components that know the drawn answers."""
    found = reader_registry()
    found.register(drawn_answers, name="drawn-answers")
    return found


@pytest.fixture
def mevis(tmp_path: Path) -> Path:
    """Return the folder of a drawn benchmark: two videos with four expressions each."""
    root = tmp_path / "mevis"
    root.mkdir()
    LAYOUTS["mevis"][1].write(root)
    return root


@pytest.fixture
def split(mevis: Path) -> BenchmarkSplit:
    """Return the drawn benchmark, opened."""
    return open_layout("mevis", mevis)


@pytest.fixture
def pipeline(registry: vs.Registry) -> Callable[..., vs.Pipeline]:
    """Return what makes a pipeline: ``pipeline(shift=2, fails_on="expression 1")``."""

    def make(*, shift: int = 0, seconds: float = 0.0, **grounder: str) -> vs.Pipeline:
        return vs.Pipeline.from_name("drawn", registry=registry).replace(
            grounder=grounder, propagator={"shift": shift, "seconds": seconds}
        )

    return make


@pytest.fixture
def problems_of() -> Callable[..., tuple[str, ...]]:
    """Return what calls a function and returns the problems of the ConfigError it raises."""

    def collect(function: Callable[..., object], *arguments: object) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            function(*arguments)
        return caught.value.problems

    return collect
