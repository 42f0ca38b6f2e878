"""Plug-ins add subcommands to ``videoseg``; a broken one spoils nothing but itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

import videoseg as vs
from videoseg.cli.main import main
from videoseg.errors import ConfigError, PluginConflictError, PluginLoadError
from videoseg.plugins import Command, default_registry

from .conftest import Install

COUNT = """
    import videoseg as vs

    @vs.hookimpl
    def videoseg_commands():
        yield vs.Command("{name}", "{target}", summary="Count the objects.")
"""
COMMAND = """
    import click
    from videoseg.cli import VideosegCommand, VideosegGroup, json_option, print_line, write_json

    @click.command("count", cls=VideosegCommand)
    @click.argument("number", type=int)
    @json_option
    def count(*, number, as_json):
        print("stray output")
        write_json(number) if as_json else print_line(f"{number} objects")

    @click.group("group", cls=VideosegGroup)
    def group():
        ...

    group.add_command(count)
    something_else = 3
"""


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    default_registry.cache_clear()
    yield
    default_registry.cache_clear()


def declare(install: Install, dist: str, *, name: str = "count", target: str = "") -> None:
    target = target or "count_commands:count"
    install(dist, COUNT.format(name=name, target=target), version="1.5")


def test_a_command_is_listed_without_being_imported(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(install, "videoseg-count", target="no_such_module:count")
    assert main(["--help"]) == 0
    assert "count Count the objects." in " ".join(capsys.readouterr().out.split())


def test_a_command_runs_like_those_of_the_core(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("count-commands", COMMAND)
    declare(install, "videoseg-count")
    declare(install, "videoseg-group", name="group", target="count_commands:group")
    assert main(["count", "3", "--json"]) == 0
    assert main(["group", "count", "4"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "3\n4 objects\n"
    assert main(["group", "coutn"]) == 2
    assert "did you mean 'count'" in capsys.readouterr().err
    assert main(["coutn"]) == 2
    assert "did you mean 'count'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("no_such_module:count", "No module named 'no_such_module'"),
        ("count_commands:cuont", "has no attribute 'cuont'"),
        ("count_commands:something_else", "must be a click command or group, got int"),
    ],
)
def test_a_broken_command_fails_when_it_is_used_and_names_its_package(
    install: Install, capsys: pytest.CaptureFixture[str], target: str, said: str
) -> None:
    install("count-commands", COMMAND)
    declare(install, "videoseg-count", target=target)
    assert main(["plugins", "--json"]) == 0
    capsys.readouterr()
    assert main(["count", "1"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: command 'count' of videoseg-count")
    assert said in error


def test_a_module_that_leaves_the_interpreter_is_an_error(install: Install) -> None:
    install("count-commands", "import sys; sys.exit(0)")
    declare(install, "videoseg-count")
    with pytest.raises(PluginLoadError, match=r"videoseg-count 1\.5 .*SystemExit: 0"):
        vs.Registry().load_command("count")


def test_two_plugins_with_one_command_are_named_when_it_is_used(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(install, "videoseg-count")
    declare(install, "videoseg-other")
    conflict = "command 'count' is declared by videoseg-count 1.5 and videoseg-other 1.5"
    assert conflict in " ".join(vs.Registry().conflicts)
    assert main(["count", "1"]) == 1
    assert f"error: {conflict}; uninstall one" in capsys.readouterr().err
    assert main(["pipelines"]) == 0


def test_commands_of_the_core_cannot_be_replaced(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(install, "videoseg-count", name="pipelines", target="no_such_module:count")
    assert main(["pipelines"]) == 0
    capsys.readouterr()
    [conflict] = vs.Registry().conflicts
    assert conflict.startswith(f"command 'pipelines' is declared by videoseg {vs.__version__} and")
    assert "videoseg-count 1.5" in conflict
    with pytest.raises(PluginConflictError):
        vs.Registry().load_command("pipelines")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('yield ("count", "a:b")', "videoseg_commands must yield videoseg.Command objects"),
        ('yield vs.Command("Count It", "nowhere")', "must be lower-case kebab"),
        ("raise ValueError('no')", "ValueError: no"),
        (
            'import itertools; yield from itertools.repeat(vs.Command("a", "b:c"))',
            "more than 1,000 commands",
        ),
    ],
)
def test_a_wrong_declaration_is_reported_and_the_program_works(
    install: Install, capsys: pytest.CaptureFixture[str], body: str, said: str
) -> None:
    source = f"""
    import videoseg as vs

    @vs.hookimpl
    def videoseg_commands():
        {body}
    """
    install("videoseg-wrong", source)
    [failure] = vs.Registry().failures
    assert said in failure.error
    assert main(["--help"]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_every_problem_of_a_declaration_is_listed() -> None:
    with pytest.raises(ConfigError) as caught:
        Command("Count It", "nowhere", summary=3)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("name", "package"),
    [("demo", "videoseg-synthetic"), ("ray", "videoseg-ray"), ("chat", "videoseg-vlm")],
)
def test_a_command_of_a_plugin_that_is_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, package: str
) -> None:
    monkeypatch.setenv("VIDEOSEG_PLUGINS", "")
    assert main([name, "--whatever"]) == 1
    error = capsys.readouterr().err
    assert f"command {name!r} comes with {package}, which is not loaded: pip install" in error
    assert package in error


def test_a_core_alone_says_which_package_reads_a_benchmark(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIDEOSEG_PLUGINS", "")
    assert main(["eval", "mevis", "--root", "x", "-o", "out"]) == 1
    error = capsys.readouterr().err
    assert "benchmark 'mevis' comes with videoseg-benchmarks, which is not loaded" in error
    assert "pip install videoseg-benchmarks" in error
    assert "pip install -r plugins/default.txt" in error


def test_a_plugin_that_failed_to_load_is_named_beside_what_to_install(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install("videoseg-broken", "raise RuntimeError('no luck')")
    monkeypatch.setenv("VIDEOSEG_PLUGINS", "videoseg-broken")
    assert main(["demo"]) == 1
    assert "videoseg-broken (RuntimeError: no luck)" in capsys.readouterr().err


def test_a_plugin_that_failed_to_load_is_named_for_an_unknown_command(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install("videoseg-broken", "raise RuntimeError('no luck')")
    monkeypatch.setenv("VIDEOSEG_PLUGINS", "videoseg-broken")
    assert main(["count"]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()[-1:]
    assert "there is no command 'count'" in line
    assert "Plug-ins that failed to load: videoseg-broken (RuntimeError: no luck)" in line


def test_importing_the_public_face_of_the_command_line_imports_nothing() -> None:
    code = (
        "import sys, videoseg.cli; "
        "assert not {'click', 'rich', 'numpy', 'pluggy'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
