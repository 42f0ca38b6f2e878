"""An interrupted run loses none of its progress and can be resumed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import COMMAND, environment, error_line, install_plugin, videoseg

from videoseg import Segmentation, Video
from videoseg.cli.main import main
from videoseg.plugins import default_registry
from videoseg.video import write_video

TALKING = '''
    import time
    from pathlib import Path

    import videoseg as vs


    class Oracle:
        """Repeats the question; may fail or hang at one, and writes down each it was asked."""

        def __init__(self, *, log: str, model: str = "a", fails_at: int = 0, hangs_at: int = 0,
                     url: str = ""):
            self.log, self.fails_at, self.hangs_at = Path(log), fails_at, hangs_at

        def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
            question = messages[0].parts[0].text
            with self.log.open("a") as file:
                file.write(question + "\\n")
            number = int(question.split()[-1])
            if number == self.hangs_at:
                time.sleep(100)
            if number == self.fails_at:
                raise vs.VideosegError("the server does not answer")
            return [vs.types.ChatReply(f"on {question}, seed {seed}")]


    class Asks:
        """Asks three questions, then answers with the middle of the frame."""

        def __init__(self, *, chat: vs.ChatModel, side: float = 8):
            self.chat, self.side = chat, side

        def step(self, episode):
            said = []
            for number in (1, 2, 3):
                message = vs.types.Message("user", (vs.types.TextPart(f"question {number}"),))
                said += [r.text for r in self.chat.chat([message], seed=episode.seed)]
            if not self.side:
                raise vs.errors.GroundingParseError("nobody can read that", raw_text=said[0])
            box = vs.Box(4, 4, 4 + self.side, 4 + self.side)
            return vs.Grounding(0, (vs.Prompt(1, 0, box=box),), vs.Thought("\\n".join(said)))


    @vs.hookimpl
    def videoseg_components():
        yield vs.Component("chat", "oracle", "talking:Oracle")
        yield vs.Component("grounder", "asks", "talking:Asks", uses=("chat",))
'''


@pytest.fixture(scope="module")
def plugins(toy_plugins):
    return install_plugin(toy_plugins, "talking", TALKING)


@pytest.fixture
def command(tmp_path, clip_path):
    """Return a function that makes the arguments of a run that talks to a chat model."""

    def arguments(*options, query="the square"):
        stages = ["--grounder", "asks", "--chat", "oracle", "-O", f"chat.log={tmp_path / 'log'}"]
        return ["run", clip_path, query, "--pipeline", "toy", "-o", "out", *stages, *options]

    return arguments


@pytest.fixture
def here(plugins, tmp_path, monkeypatch, capsys):
    """Return a function that runs a command in this process, which saves starting one."""
    monkeypatch.syspath_prepend(str(plugins))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIDEOSEG_PLUGINS", raising=False)

    def call(*arguments):
        default_registry.cache_clear()
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    yield call
    default_registry.cache_clear()


@pytest.fixture
def run(command, here):
    def call(*options, query="the square"):
        return here(*command(*options, query=query))

    return call


@pytest.fixture
def ask(clip_path, here):
    """Return a function that runs without a chat model."""

    def call(*options, query="x", video=clip_path):
        return here("run", video, query, "--pipeline", "toy", "-q", "-o", "out", *options)

    return call


def asked(folder: Path) -> list[int]:
    return [int(line.split()[-1]) for line in (folder / "log").read_text().splitlines()]


def outputs(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name.startswith("out"))


def kill_when(condition, command, folder, plugins, how=signal.SIGKILL):
    """Start a run and kill it as soon as something is true."""
    with subprocess.Popen(
        [*COMMAND, *map(str, command)],
        cwd=folder,
        env=environment(plugins),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        process.send_signal(how)
        return process.communicate(timeout=60)[1]


# -- between the questions to a chat model ------------------------------------------------


def test_after_a_failure_only_what_is_new_is_asked(run, tmp_path):
    failed = run("-O", "chat.fails_at=3", "--seed", "5")
    assert failed.returncode == 1
    assert "the server does not answer" in error_line(failed)
    assert "out.unfinished" in failed.stderr
    assert "-o out --resume" in failed.stderr
    assert asked(tmp_path) == [1, 2, 3]
    done = run("--resume")
    assert done.returncode == 0, done.stderr
    assert asked(tmp_path) == [1, 2, 3, 3]
    result = Segmentation.load(tmp_path / "out")
    assert result.trace.turns[0].thought.text == "\n".join(
        f"on question {number}, seed 5" for number in (1, 2, 3)
    )
    assert result.seed == 5
    assert outputs(tmp_path) == ["out"]


def test_a_killed_run_can_be_gone_on_from(run, command, plugins, tmp_path):
    kill_when(
        lambda: (tmp_path / "log").exists() and 3 in asked(tmp_path),
        command("-O", "chat.hangs_at=3"),
        tmp_path,
        plugins,
    )
    assert run("--resume").returncode == 0
    assert asked(tmp_path) == [1, 2, 3, 3]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_an_interrupted_run_says_how_to_go_on(how, command, plugins, tmp_path):
    said = kill_when(
        lambda: (tmp_path / "log").exists() and 3 in asked(tmp_path),
        command("-O", "chat.hangs_at=3"),
        tmp_path,
        plugins,
        how,
    )
    assert "--resume" in said
    assert (tmp_path / "out.unfinished" / "exchanges.jsonl").exists()


def test_a_run_may_be_gone_on_from_more_than_once(run, tmp_path):
    assert run("-O", "chat.fails_at=2").returncode == 1
    assert run("-O", "chat.fails_at=3", "--resume").returncode == 1
    assert run("-O", "propagator.fails_at=5", "--resume").returncode == 1
    assert run("--resume").returncode == 0
    assert asked(tmp_path) == [1, 2, 2, 3, 3]


def test_what_was_kept_is_neither_lost_nor_taken_unasked(run, tmp_path):
    assert run("-O", "chat.fails_at=3").returncode == 1
    again = run()
    assert again.returncode == 1
    assert all(word in error_line(again) for word in ("out.unfinished", "--resume", "--overwrite"))
    assert run("--overwrite").returncode == 0
    assert asked(tmp_path) == [1, 2, 3, 1, 2, 3]
    assert outputs(tmp_path) == ["out"]


def test_other_questions_are_not_answered_with_what_was_kept(run, tmp_path):
    assert run("-O", "chat.fails_at=3").returncode == 1
    for options, query, problem in (
        ((), "the dog", "its query is 'the square'"),
        (("--seed", "7"), "the square", "its seed is 0"),
        (("-O", "chat.model=b"), "the square", "its chat model is oracle"),
    ):
        refused = run("--resume", *options, query=query)
        assert refused.returncode == 1
        assert "belongs to another run" in error_line(refused)
        assert problem in error_line(refused)
    # Another server may answer what is left; another grounder asks anew whatever differs.
    options = ("-O", "chat.url=elsewhere", "-O", "grounder.side=9")
    assert run("--resume", *options).returncode == 0
    assert asked(tmp_path) == [1, 2, 3, 3]


def test_a_run_that_found_nothing_leaves_nothing(run, tmp_path):
    assert run("-O", "chat.fails_at=1").returncode == 1
    assert outputs(tmp_path) == []
    assert run("--resume").returncode == 0, "there is nothing to resume"


def test_a_run_that_found_nothing_leaves_no_folder_around_it_either(run, tmp_path):
    assert run("-O", "chat.fails_at=1", "-o", "out/of/the/way").returncode == 1
    assert outputs(tmp_path) == []
    assert run("-o", "out/of/the/way").returncode == 0
    assert (tmp_path / "out" / "of" / "the" / "way" / "result.json").exists()


def test_a_run_killed_before_it_found_anything_is_in_nobodys_way(run, command, plugins, tmp_path):
    kill_when((tmp_path / "log").exists, command("-O", "chat.hangs_at=1"), tmp_path, plugins)
    assert run().returncode == 0
    assert outputs(tmp_path) == ["out"]


def test_one_run_at_a_time_writes_into_a_folder(run, command, plugins, tmp_path):
    tried = []

    def others_were_refused() -> bool:
        if not (tmp_path / "log").exists() or 2 not in asked(tmp_path):
            return False
        tried.extend(run(*options) for options in ((), ("--resume",), ("--overwrite",)))
        return True

    kill_when(others_were_refused, command("-O", "chat.hangs_at=2"), tmp_path, plugins)
    for done in tried:
        assert done.returncode == 1
        assert "another run is still writing to the same folder" in error_line(done)
        assert "saved" not in error_line(done), "what the other one found is not this one's"
    assert run("--resume").returncode == 0, "a killed run keeps nobody out"
    assert asked(tmp_path) == [1, 2, 2, 3]


def test_exchanges_that_cannot_be_read_are_told_with_the_way_out(run, tmp_path):
    assert run("-O", "chat.fails_at=3").returncode == 1
    exchanges = tmp_path / "out.unfinished" / "exchanges.jsonl"
    exchanges.write_text("nonsense\n" + exchanges.read_text())
    refused = run("--resume")
    assert refused.returncode == 1
    assert "--overwrite" in error_line(refused)
    assert "to continue" not in error_line(refused)
    assert run("--overwrite").returncode == 0


def test_an_answer_that_nobody_can_read_is_not_offered_to_be_read_again(run, tmp_path):
    failed = run("-O", "grounder.side=0")
    assert failed.returncode == 1
    assert "out.unfinished" in error_line(failed)
    assert "--resume" not in error_line(failed)
    assert "--overwrite and another --seed" in error_line(failed)
    assert run("--overwrite", "--seed", "1").returncode == 0


# -- after the answer -----------------------------------------------------------------------


def test_a_propagation_that_fails_keeps_the_answer_and_the_masks(ask, tmp_path):
    done = ask("-O", "propagator.fails_at=5")
    assert done.returncode == 1
    line = error_line(done)
    assert "made of cheese" in line
    assert "out.unfinished" in done.stderr
    assert outputs(tmp_path) == ["out.unfinished"]
    kept = json.loads((tmp_path / "out.unfinished" / "run.json").read_text())
    assert kept["answer"]["grounding"]["prompts"][0]["label"] == "middle"
    until_then = Segmentation.load(tmp_path / "out.unfinished" / "masks")
    assert until_then.tracks[0].visible_frames == tuple(range(5))


def test_a_run_goes_on_from_the_answer(ask, tmp_path):
    assert ask("-O", "propagator.fails_at=5").returncode == 1
    record = tmp_path / "out.unfinished" / "run.json"
    kept = json.loads(record.read_text())
    # An answer that the pipeline would never give shows that it was not asked again.
    kept["answer"]["grounding"]["prompts"][0]["label"] = "kept"
    record.write_text(json.dumps(kept))
    other = ask("--resume", "--sampler", "middle")
    assert other.returncode == 1
    assert "its sampler is first" in error_line(other)
    assert ask("--resume").returncode == 0
    result = Segmentation.load(tmp_path / "out")
    assert result.grounding.prompts[0].label == "kept"
    assert result.trace.turns
    assert outputs(tmp_path) == ["out"]


def test_a_run_killed_while_it_propagates_has_its_answer(ask, clip_path, plugins, tmp_path):
    marker = tmp_path / "marker"
    options = ["-O", "propagator.seconds=20", "-O", f"propagator.marker={marker}"]
    command = ["run", clip_path, "x", "--pipeline", "toy", "-q", "-o", "out", *options]
    kill_when(marker.exists, command, tmp_path, plugins)
    record = tmp_path / "out.unfinished" / "run.json"
    record.write_text(record.read_text().replace('"middle"', '"kept"'))
    assert ask("--resume").returncode == 0
    assert Segmentation.load(tmp_path / "out").grounding.prompts[0].label == "kept"


def test_what_cannot_be_read_is_not_gone_on_from(ask, tmp_path):
    (tmp_path / "out.unfinished").mkdir()
    for text in ('{"format": "videoseg-unfinished-run"', "[]", '{"format": "other"}'):
        (tmp_path / "out.unfinished" / "run.json").write_text(text)
        done = ask("--resume")
        assert done.returncode == 1
        assert "run.json" in error_line(done)
        assert "--overwrite" in error_line(done)


def test_an_answer_about_another_video_of_the_same_name_is_not_taken(ask, clip_path, tmp_path):
    assert ask("-O", "propagator.fails_at=5").returncode == 1
    record = tmp_path / "out.unfinished" / "run.json"
    before = record.read_bytes()
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / clip_path.name
    write_video(other, [255 - frame for frame in Video.open(clip_path)], fps=12)
    refused = ask("--resume", video=other)
    assert refused.returncode == 1
    assert "shows something else on frame 0" in error_line(refused)
    assert record.read_bytes() == before


def test_a_result_that_cannot_be_saved_is_kept_with_its_masks(clip_path, plugins, tmp_path):
    marker = tmp_path / "marker"
    options = ["-O", "propagator.seconds=0.2", "-O", f"propagator.marker={marker}"]
    command = ["run", clip_path, "x", "--pipeline", "toy", "-q", "-o", "out", *options]
    with subprocess.Popen(
        [*COMMAND, *map(str, command)], cwd=tmp_path, env=environment(plugins)
    ) as process:
        while not marker.exists():
            assert process.poll() is None
            time.sleep(0.02)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").touch()
        assert process.wait(60) == 1
    kept = Segmentation.load(tmp_path / "out.unfinished" / "masks")
    assert kept.tracks[0].visible_frames == tuple(range(12))
    assert (tmp_path / "out" / "thesis.tex").exists()


# -- the folder beside it ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_somebody_elses_is_never_removed(kind, ask, tmp_path):
    place, precious = tmp_path / "out.unfinished", tmp_path / "precious"
    if kind == "file":
        place.write_text("precious")
    elif kind == "folder":
        place.mkdir()
        (place / "thesis.tex").write_text("precious")
    else:
        precious.mkdir()
        place.symlink_to(precious)
    for options in (("--overwrite",), ("--resume",), ()):
        refused = ask(*options)
        assert refused.returncode == 1
        assert "out.unfinished" in error_line(refused)
    assert not (tmp_path / "out").exists()
    assert place.is_file() or place.is_symlink() or (place / "thesis.tex").exists()


def test_a_name_as_long_as_the_system_allows_will_do(clip_path, plugins, tmp_path):
    name = "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 120
    stages = ("--pipeline", "toy", "-q", "-o", name)
    done = videoseg("run", clip_path, "x", *stages, folder=tmp_path, plugins=plugins)
    assert done.returncode == 0, done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
