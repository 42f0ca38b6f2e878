"""The distributions in this repository agree with one another."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
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


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
@pytest.mark.parametrize("failing", ["", "ruff check ."])
def test_the_script_of_all_checks_runs_each_and_names_what_failed(
    repository, tmp_path, failing
) -> None:
    # Programs that only write down how they were called, in an environment that does nothing.
    tools, log = tmp_path / "tools", tmp_path / "log"
    tools.mkdir()
    program = tools / "program"
    program.write_text(
        "#!/usr/bin/env bash\n"
        'call="$(basename "$0") $*"\n'
        f'echo "$call" >> {shlex.quote(str(log))}\n'
        f'[ "$call" != {shlex.quote(failing or "nothing")} ]\n'
    )
    absent = tools / "absent"
    absent.write_text("#!/usr/bin/env bash\nexit 1\n")
    for path in (program, absent):
        path.chmod(0o755)
    for name in ("pip", "python", "pytest", "ruff", "mypy", "sphinx-build", "chromium", "make"):
        (tools / name).symlink_to(program)
    for name in ("pyenv", "python3.10", "python3.13", "python3.14"):
        (tools / name).symlink_to(absent)
    variables = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        [repository / ".ci" / "run"],
        env={**variables, "PYTHON": str(tools / "make")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    assert (run.returncode == 0) is (not failing)
    assert run.stdout.endswith("FAILED: ruff check\n" if failing else "all checks passed\n")
    calls = log.read_text(encoding="utf-8").splitlines()
    assert "pytest -n auto --dist loadscope" in calls
    assert "pytest -n auto --dist loadscope -m slow" in calls
    assert {"ruff check .", "ruff format --check .", "mypy "} < set(calls)
    assert "python tests/hostile/run_hostile.py" in calls
    assert any(call.startswith("sphinx-build -W ") for call in calls)


_TEXTS = {".md", ".py", ".pyi", ".toml", ".yml", ".yaml", ".json", ".txt", ".html", ".css", ".js"}


def test_no_file_has_marks_of_an_unfinished_merge(repository) -> None:
    # In two parts, so that this file has none itself.
    marks = ("<<<<" + "<<< ", ">>>>" + ">>> ")
    folders = ("videoseg", "plugins", "docs", "tests", "examples")
    files = [path for name in folders for path in (repository / name).rglob("*")]
    found = [
        str(path.relative_to(repository))
        for path in (*files, *repository.glob("*.*"))
        if path.suffix in _TEXTS and path.is_file()
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith(marks)
    ]
    assert found == []


def test_the_index_lists_every_decision_once_in_order(repository) -> None:
    folder = repository / "docs" / "decisions"
    listed = re.findall(r"^(\d{3}-\S+)$", (folder / "index.md").read_text("utf-8"), re.MULTILINE)
    assert listed == sorted(path.stem for path in folder.glob("[0-9]*.md"))
    numbers = [name[:3] for name in listed]
    assert len(set(numbers)) == len(numbers)


def test_tables_and_the_changelog_name_each_thing_once(repository) -> None:
    """What two branches have changed is easily kept twice when they are merged."""
    rows = (repository / "plugins" / "README.md").read_text("utf-8").splitlines()
    names = [row.split("|")[1].strip() for row in rows if row.startswith("| [")]
    folders = sorted(path.parent.name for path in repository.glob("plugins/*/pyproject.toml"))
    assert names == [f"[`{name}`]({name})" for name in folders]
    architecture = (repository / "docs/explanation/architecture.md").read_text("utf-8")
    names = re.findall(r"^\| `(videoseg-\w+)` \|", architecture, re.MULTILINE)
    assert sorted(names) == folders
    entries = [
        line.partition(". ")[0].partition(": ")[0]
        for line in (repository / "CHANGELOG.md").read_text("utf-8").splitlines()
        if line.startswith("- ")
    ]
    assert [entry for entry in entries if entries.count(entry) > 1] == []
