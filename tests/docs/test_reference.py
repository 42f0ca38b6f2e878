"""The generated part of the reference covers what there is."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import videoseg as vs
from videoseg.cli.program import videoseg as program

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        "generate_reference", DOCS / "generate_reference.py"
    )
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("reference")
    generator.write_pages(folder)
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("generated/*.md")}


def test_every_public_module_has_a_page(generator: ModuleType, pages: dict[str, str]) -> None:
    assert {"videoseg.types", "videoseg.stages", "videoseg.pipeline"} <= pages.keys()
    assert set(generator.PUBLIC_MODULES) <= pages.keys()


def test_every_name_of_the_package_is_listed(pages: dict[str, str]) -> None:
    names = {name for name in vs.__all__ if not inspect.ismodule(getattr(vs, name))}
    for name in names - {"__version__"}:
        assert f"| `{name}` |" in pages["names"]


def test_every_built_in_component_is_listed_with_its_options(pages: dict[str, str]) -> None:
    registry = vs.Registry(allow=())
    for entry in registry.components():
        kind, name = entry.component.kind, entry.component.name
        assert f"### {kind} `{name}`" in pages["components"]
    assert "| `num_frames` | `int >= 1` | `8` | How many frames at most. |" in pages["components"]


def test_every_published_benchmark_is_listed_with_its_layout(pages: dict[str, str]) -> None:
    for name in vs.Registry(allow=("benchmarks",)).names("benchmark"):
        assert f"### benchmark `{name}`" in pages["benchmarks"]
    assert "<root>/meta_expressions_valid_.json" in pages["benchmarks"]
    assert "| `mask_order` |" in pages["benchmarks"]


def test_every_command_is_there_with_its_options(pages: dict[str, str]) -> None:
    for name in program.list_commands(None):  # type: ignore[arg-type]
        assert f"`videoseg {name}`" in pages["command-line"]
    assert "--max-turns" in pages["command-line"]
    assert "`videoseg config validate`" in pages["command-line"]
    assert "\\b" not in pages["command-line"]
    assert "\n  videoseg demo     " in pages["command-line"]


def test_every_option_of_training_is_listed_with_its_range_and_the_papers_value(
    pages: dict[str, str],
) -> None:
    from videoseg_train import config, parameters, settings

    page = pages["training-options"]
    kinds = [getattr(module, name) for module in (config, settings) for name in module.__all__]
    elsewhere = {"given", "method", "settings", "training", "num_steps", "warmup_steps"}
    for kind in [*filter(dataclasses.is_dataclass, kinds), parameters.LoraSettings]:
        for one in dataclasses.fields(kind):
            is_there = f"| `{one.name}` |" in page or f".{one.name}`\n" in page
            is_there = is_there or f".{one.name}[]`\n" in page or f"## `{one.name}`\n" in page
            assert is_there or one.name in {*elsewhere, "segmenter", "propagator"}, one.name
    assert "| `group_size` | `int` | at least 2 | `8` | **r1** `8`; **o3** `4` |" in page
    assert "| `top_p` | `float` | above 0, at most 1 |" in page
    assert "| `epochs` | `float \\| None` | above 0 |" in page
    assert "**o3** `0`; **o3-released** `0.5`" in page
    assert "### reward `o3-visible-area`" in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert all(not line.endswith("|  |") for line in rows), "every option says what it means"


def test_pages_that_have_not_changed_are_left_alone(generator: ModuleType, tmp_path: Path) -> None:
    generator.write_pages(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.md")}
    (tmp_path / "generated" / "stale.md").write_text("# gone", encoding="utf-8")
    generator.write_pages(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.md")} == before
