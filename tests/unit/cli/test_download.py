"""The command download: what it says, asks and leaves."""

from __future__ import annotations

import hashlib
import json
import sys
import types

import pytest
from file_server import file_server

import videoseg as vs
from videoseg.cli.main import main
from videoseg.plugins import RegisteredComponent
from videoseg.weights import WeightsFile

CONTENT = b"weights" * 1000


class Sampler:
    def __init__(self, *, model: str = "small", detector: object = None) -> None:
        pass

    def sample(self, video, query, *, window, keyframe=None, seed=0): ...


@pytest.fixture
def server():
    with file_server(CONTENT) as running:
        yield running


@pytest.fixture
def folder(monkeypatch, tmp_path, server):
    """Register a component that needs weights, and a pipeline that uses it twice."""
    monkeypatch.setenv("VIDEOSEG_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def weights(options):
        if options.get("model") == "mine.bin":
            return []
        sha256 = hashlib.sha256(CONTENT).hexdigest()
        terms = "no use on Sundays" if options.get("model") == "large" else ""
        return [WeightsFile(server.url, "net", len(CONTENT), sha256, "MIT", terms)]

    module = types.ModuleType("needs_weights")
    module.weights, module.Sampler = weights, Sampler
    module.pipeline = lambda: {"sampler": "needy", "grounder": "attributes", "propagator": "flow"}
    monkeypatch.setitem(sys.modules, "needs_weights", module)
    own, declared = "needs_weights:Sampler", "needs_weights:weights"
    for component in (
        vs.Component("sampler", "needy", own, weights=declared),
        vs.Component("sampler", "outer", own),
        vs.Component("detector", "needy", own, weights=declared),
        vs.Component("pipeline", "needy", "needs_weights:pipeline"),
    ):
        entry = RegisteredComponent(component, "needy", "needy")
        key = (component.kind, component.name)
        monkeypatch.setitem(vs.default_registry()._components, key, [entry])
    return tmp_path / "cache" / "net"


@pytest.fixture
def run(capsys, folder):
    def run(*arguments, status=0):
        assert main(["download", *arguments]) == status
        out, err = capsys.readouterr()
        return " ".join(out.split()), err

    return run


@pytest.mark.parametrize("what", [("needy",), ("sampler", "needy"), ("pipeline", "needy")])
def test_all_is_said_and_then_fetched(run, server, folder, what):
    out, _ = run(*what, "--yes")
    assert "weights.bin, 7.0 kB" in out
    assert f"from {server.url}"[:20] in out
    assert "license MIT" in out
    assert (folder / "weights.bin").read_bytes() == CONTENT
    assert str(folder / "weights.bin") in out
    out, _ = run(*what)
    assert "are on this machine" in out
    assert len(server.requests) == 1


def test_nothing_is_fetched_without_a_yes(run, server, folder):
    out, err = run("needy", status=1)
    assert "weights.bin, 7.0 kB" in out
    assert "pass --yes to accept the licenses" in err
    assert not folder.exists()
    assert server.requests == []


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("n\n", 130)])
def test_a_terminal_is_asked(run, folder, monkeypatch, typed, status):
    import io

    keyboard = io.StringIO(typed)
    keyboard.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", keyboard)
    _, err = run("sampler", "needy", "-O", "model=large", status=status)
    assert "fetch them and accept their terms?" in err
    assert (folder / "weights.bin").is_file() == (status == 0)


def test_a_dry_run_only_tells(run, server, folder):
    out, _ = run("sampler", "needy", "-O", "model=large", "--dry-run")
    assert "terms no use on Sundays" in out
    assert not folder.exists()
    document = json.loads(run("needy", "--dry-run", "--json")[0])
    [planned] = document["downloads"]
    assert (planned["num_bytes"], planned["license"]) == (7000, "MIT")
    assert planned["source"] == server.url


def test_json_needs_a_yes_as_well(run, folder):
    assert "--yes" in run("needy", "--json", status=1)[1]
    document = json.loads(run("needy", "--json", "--yes")[0])
    assert document["paths"] == [str(folder / "weights.bin")]


def test_options_decide_what_is_needed(run):
    assert "needs no published weights" in run("sampler", "needy", "-O", "model=mine.bin")[0]
    assert "needs no published weights" in run("needy", "-O", "sampler.model=mine.bin")[0]
    assert "has no option 'modle'" in run("sampler", "needy", "-O", "modle=x", status=1)[1]
    assert "the form option=value" in run("sampler", "needy", "-O", "model", status=2)[1]


@pytest.mark.parametrize("inner", ["needy", "{name: needy, options: {model: large}}"])
def test_components_that_are_options_count(run, inner):
    assert "needs no published weights" in run("sampler", "outer")[0]
    out, _ = run("sampler", "outer", "-O", f"detector={inner}", "--dry-run")
    assert "weights.bin, 7.0 kB" in out


def test_a_component_needs_no_kind_where_nothing_else_has_its_name(run):
    assert "sampler outer needs no published weights" in run("outer")[0]
    assert "pipeline needy needs:" in run("needy", "--dry-run")[0]


def test_what_lacks_in_an_option_is_fetched_by_a_command_of_its_own(run):
    detector = {"name": "needy", "options": {"model": "large"}}
    pipe = vs.Pipeline.from_name("attributes").replace(sampler=vs.use("outer", detector=detector))
    remedy = pipe.readiness().remedy
    assert remedy == "videoseg download detector needy -O model=large"
    assert "weights.bin, 7.0 kB" in run(*remedy.split()[2:], "--dry-run")[0]
    pipe = pipe.replace(sampler=vs.use("needy", detector=detector))
    assert pipe.readiness().remedy == f"videoseg download sampler needy && {remedy}"


def test_another_machine_is_served(run, folder, tmp_path):
    out, _ = run("needy", "--yes", "--to", str(tmp_path / "my stick"))
    assert (tmp_path / "my stick" / "net" / "weights.bin").read_bytes() == CONTENT
    assert f"VIDEOSEG_WEIGHTS='{tmp_path / 'my stick'}'" in out
    assert not folder.exists()


def test_quiet_says_nothing(run, folder):
    assert run("needy", "--yes", "--quiet") == ("", "")
    assert (folder / "weights.bin").is_file()


def test_a_failure_is_one_line_and_leaves_nothing(run, server, folder):
    server.content = CONTENT[::-1]
    _, err = run("needy", "--yes", status=1)
    [line] = [line for line in err.splitlines() if "error" in line]
    assert line.startswith(f"error: {server.url} is not the published file")
    assert list(folder.iterdir()) == []


def test_names_that_do_not_exist_come_with_those_that_do(run):
    assert "there is no pipeline 'nope'" in run("nope", status=1)[1]
    assert "give the name of the sampler as well: " in run("sampler", status=2)[1]
    assert "give a pipeline, or kind and name" in run("a", "b", "c", status=2)[1]
    assert "there is no kind" in run("samplr", "needy", status=1)[1]


def test_python_does_the_same(folder):
    pipe = vs.Pipeline.from_name("needy")
    assert str(pipe.readiness()) == "needs download: videoseg download needy (7.0 kB)"
    assert vs.weights.download_weights(pipe.weights()) == [folder / "weights.bin"]
    assert pipe.readiness().state == "usable"
    needed = vs.default_registry().weights("sampler", "needy", {"model": "mine.bin"})
    assert needed == ()
