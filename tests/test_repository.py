"""The distributions in this repository agree with one another."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture
def versions(repository: Path):
    path = repository / ".ci" / "set_version.py"
    spec = importlib.util.spec_from_file_location("set_version", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_distribution_has_the_version_of_the_core(versions) -> None:
    stated = {path.parent.name: versions.version_in(path) for path in versions.files()}
    assert len(stated) > 8
    assert set(stated.values()) == {versions.version_in(versions.SOURCE)}


def test_the_version_is_set_in_every_file(versions, tmp_path, monkeypatch) -> None:
    copies = []
    for index, path in enumerate(versions.files()):
        copy = tmp_path / str(index) / path.name
        copy.parent.mkdir()
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        copies.append(copy)
    before = [copy.read_text(encoding="utf-8").splitlines() for copy in copies]
    monkeypatch.setattr(versions, "files", lambda: copies)
    versions.main(["12.3.4rc1"])
    assert {versions.version_in(copy) for copy in copies} == {"12.3.4rc1"}
    for copy, lines in zip(copies, before, strict=True):
        changed = copy.read_text(encoding="utf-8").splitlines()
        assert sum(one != other for one, other in zip(lines, changed, strict=True)) == 1


@pytest.mark.parametrize("version", ["1", "v1.2.3", "1.2.3.4", "0.2.0-beta"])
def test_what_is_no_version_is_refused(versions, version) -> None:
    with pytest.raises(SystemExit, match=r"like 0\.2\.0"):
        versions.main([version])


def test_a_release_has_an_entry_in_the_changelog(versions, repository) -> None:
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{versions.version_in(versions.SOURCE)}]" in changelog


def test_every_distribution_but_the_template_is_published(repository) -> None:
    workflow = (repository / ".github/workflows/publish.yml").read_text(encoding="utf-8")
    for path in repository.glob("plugins/*/pyproject.toml"):
        name = path.parent.name
        assert (f"- {name}\n" in workflow) is (name != "videoseg-example")
