"""``videoseg traces build``: from a benchmark or a file of questions to what can be trained on."""

from __future__ import annotations

import contextlib
import io
import json
import re
import resource
import signal
import subprocess
import time

import pytest
import yaml
from command_line import COMMAND, environment, videoseg
from scripted_server import Answer, completion, scripted_server
from training_runs import call_command
from videoseg_train import Stages, read_cold_start, read_training_config, train
from videoseg_train.building import stages_for
from videoseg_train.check import check_training
from videoseg_train.traces_cli import traces as command

import videoseg as vs
from videoseg.errors import ChatError

pytest.importorskip("videoseg_synthetic")

GOOD = (
    "Step 1 (temporal): it moves.\nStep 2 (spatial): it is left.\n"
    "Step 3 (linguistic): a color.\nAction: look again."
)
CLIPS = ("-B", "num_videos=2", "-B", "size=[64,64]", "-B", "num_frames=12")


def call(*arguments):
    """Run ``videoseg traces build`` in this process; return its exit status and output."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        words = ["build", *map(str, arguments)]
        status = command.main(words, "traces", standalone_mode=False)
    return status or 0, output.getvalue()


def asking(server):
    """Return the options that let a server's model write."""
    options = (f"base_url={server.url}", "model=m", "max_retries=0")
    return ("--chat", "openai", *(x for one in options for x in ("-O", f"chat.{one}")))


def read(folder):
    return read_cold_start(
        folder / "traces.json", pictures=folder / "pictures", masks=folder / "masks.json"
    )


def test_drawn_clips_give_traces_that_are_trained_on(seg_folder, tmp_path):
    folder = tmp_path / "traces"
    _, output = call("synthetic", *CLIPS, "-o", folder, "--limit", 2, "--json")
    facts = json.loads(output)
    assert facts["kept"] == len(read(folder)) > 0
    config = {
        "model": {"path": str(seg_folder), "kind": "seg", "dtype": "float32", "device": "cpu"},
        "policy": {"max_pixels": 64 * 64},
        "stages": {
            "sampler": "trace",
            "grounder": {"name": "o3", "options": {"answer": "seg"}},
        },
        "data": {
            "file": str(folder / "traces.json"),
            "format": "vts-cot",
            "pictures": str(folder / "pictures"),
            "masks": str(folder / "masks.json"),
        },
        "sft": {"steps": 1, "samples_per_step": 1, "optimizer": {"learning_rate": 1e-4}},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    _, output = call_command("sft", tmp_path / "run.yaml", "-o", tmp_path / "out", "--json")
    metrics = json.loads(output)["metrics"]
    assert metrics["tokens"] > 100
    assert metrics["mask_cross_entropy"] > 0
    assert metrics["left_out"] == 0


def test_traces_that_are_longer_than_episodes_are_refused(seg_folder, tmp_path):
    folder = tmp_path / "traces"
    call("synthetic", *CLIPS, "-o", folder, "--limit", 1, "--looks", 3, "-q")
    stages = {"sampler": "trace", "grounder": {"name": "o3", "options": {"answer": "seg"}}}
    config = {
        "model": {"path": str(seg_folder), "kind": "seg", "dtype": "float32", "device": "cpu"},
        "stages": stages,
        "data": {
            "file": str(folder / "traces.json"),
            "format": "vts-cot",
            "pictures": str(folder / "pictures"),
            "masks": str(folder / "masks.json"),
        },
        "sft": {"steps": 1, "samples_per_step": 1, "optimizer": {"learning_rate": 1e-4}},
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config))
    message = "a trace has 4 turns, but an episode ends after 3.*set 'stages.max_turns' to 4"
    [data] = [one for one in check_training(path, "sft") if one.part == "sft data"]
    assert not data.ok
    assert re.search(message, data.text)
    with pytest.raises(vs.ConfigError, match=message):
        train(read_training_config(path, "sft"), tmp_path / "out", quiet=True)
    # Traces of one's own are checked when they are replayed.
    traces = read(folder)
    with pytest.raises(vs.ConfigError, match=message):
        stages_for(Stages("trace", "o3"), traces, [traces.trace(0)])
    path.write_text(yaml.safe_dump({**config, "stages": {**stages, "max_turns": 4}}))
    assert all(one.ok for one in check_training(path, "sft"))


def test_a_server_writes_the_thoughts_and_may_go_away(tmp_path):
    def respond(_body):
        if len(server.requests) == 3:
            return Answer(hang_up=True)
        return completion(GOOD)

    with scripted_server(respond=respond) as server:
        words = ("synthetic", *CLIPS, "-o", tmp_path / "out", *asking(server))
        ended = videoseg("traces", "build", *words, folder=tmp_path)
        assert ended.returncode == 1
        [line] = [one for one in ended.stderr.splitlines() if one.startswith("error:")]
        assert server.url in line
        assert "--resume" in line
        assert "Traceback" not in ended.stderr
        _, output = call(*words, "--resume")
    asked = [json.dumps(one) for one in server.requests]
    # What the server did not answer was asked again, nothing else.
    assert len(asked) == len(set(asked)) + 1
    traces = read(tmp_path / "out")
    assert len(asked) == 2 * len(traces) + 1
    assert output.startswith(f"{len(traces)} traces, 0 dropped")
    assert all(f"<think>{GOOD}</think>" in text for text in traces.trace(0).texts)


def test_a_run_that_was_killed_asks_nothing_twice(tmp_path):
    with scripted_server(respond=lambda _: completion(GOOD)) as server:
        words = ["synthetic", *CLIPS, "-o", str(tmp_path / "out"), *asking(server)]
        for count in (1, 4):
            more = ["--resume"] if count > 1 else []
            process = subprocess.Popen(
                [*COMMAND, "traces", "build", *words, *more], env=environment()
            )
            while len(server.requests) < count and process.poll() is None:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.wait()
        call(*words, "--resume", "-q")
        killed = [json.dumps(one) for one in server.requests]
        call(*words[:-1], words[-1], "-o", str(tmp_path / "whole"), "-q")
    # One that was under way may have been sent but not been answered.
    assert len(killed) <= len(set(killed)) + 2
    for name in ("traces.json", "masks.json"):
        whole, resumed = (tmp_path / one / name for one in ("whole", "out"))
        assert whole.read_bytes() == resumed.read_bytes()
    assert not [*(tmp_path / "out").rglob("*.partial")]


def test_a_full_disk_loses_nothing(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))

    words = ("synthetic", *CLIPS, "-o", str(tmp_path / "out"))
    ended = subprocess.run(
        [*COMMAND, "traces", "build", *words],
        env=environment(),
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )
    assert ended.returncode == 1
    [line] = [one for one in ended.stderr.splitlines() if one.startswith("error:")]
    assert "cannot write" in line
    assert "--resume" in line
    call(*words, "--resume", "-q")
    assert len(read(tmp_path / "out"))


def test_questions_as_published_give_traces_with_one_folder_for_each_video(tmp_path, monkeypatch):
    call("synthetic", *CLIPS, "-o", tmp_path / "drawn", "-q")
    items = json.loads((tmp_path / "drawn" / "traces.json").read_text())
    masks = json.loads((tmp_path / "drawn" / "masks.json").read_text())
    questions = []
    for item in items * 2:
        tracks = [masks[str(one)] for one in item["anno_id"]]
        shows = [int(any(frame)) for frame in zip(*tracks, strict=True)]
        keys = ("video_name", "frames", "exp", "anno_id")
        questions.append([{**{key: item[key] for key in keys}, "mask_existence": shows}])
    questions.append([{**questions[0][0], "exp": ""}])
    (tmp_path / "rl.json").write_text(json.dumps(questions))
    given = ("--pictures", tmp_path / "drawn/pictures", "--masks", tmp_path / "drawn/masks.json")
    words = (tmp_path / "rl.json", *given, "-o", tmp_path / "out", "--looks", 2)
    _, output = call(*words)
    made = read(tmp_path / "out")
    assert len(made) == 2 * len(items)
    assert output.startswith(f"{len(made)} traces, 1 dropped")
    assert "1 dropped because of items of the source that cannot be used" in output
    # The same file, as it is called in another folder.
    monkeypatch.chdir(tmp_path)
    _, output = call("rl.json", *words[1:], "--resume", "--json")
    facts = json.loads(output)
    assert facts["reasons"] == {"items of the source that cannot be used": 1}
    [reason] = facts["dropped"].values()
    assert "'exp' must be a query" in reason
    assert {len(made.trace(number).rounds) for number in range(len(made))} == {2}
    folders = [*(tmp_path / "out" / "pictures").iterdir()]
    assert len(folders) == len({item["video_name"] for item in items})


def test_nothing_kept_is_a_failure_with_reasons(tmp_path):
    with scripted_server(completion("It is the red one.")) as server:
        words = ("synthetic", *CLIPS, "-o", tmp_path / "out", *asking(server))
        status, output = call(*words)
    assert status == 1
    assert "dropped because of thoughts that are not usable" in output
    assert "It is the red one." in (tmp_path / "out" / "report.html").read_text()


def test_a_folder_is_not_written_over(tmp_path):
    words = ("synthetic", *CLIPS, "-o", tmp_path / "out")
    call(*words, "-q")
    with pytest.raises(vs.VideosegError, match="already holds traces"):
        call(*words)
    with pytest.raises(vs.ConfigError, match="begun with looks 1, not 2"):
        call(*words, "--looks", 2, "--resume")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(vs.VideosegError, match="something else"):
        call("synthetic", *CLIPS, "-o", tmp_path / "other")


def test_wrong_arguments_are_named_and_leave_no_folder(tmp_path):
    for words, message in (
        (("synthetic", "-O", "chat.model=m"), "needs a chat model"),
        (("synthetic", "--chat", "openai", "-O", "sampler.a=1"), "only the stage chat"),
        (("synthetic", "--masks", "a"), "belong to a JSON file"),
        (("rl.json",), "needs --pictures and --masks"),
        (("rl.json", "--root", "a"), "--root belongs to a benchmark"),
        (("rl.json", "--split", "train"), "--split belongs to a benchmark"),
        (("rl.json", *CLIPS), "-B belongs to a benchmark"),
        (("rl.json", "--root", "a", "-B", "a=1"), "--root and -B belong to a benchmark"),
        (("nothing",), "nothing"),
        (("synthetic", "--chat", "nobody"), "nobody"),
        (("synthetic", "-B", "num_videos=0"), "num_videos"),
        (("synthetic", "--split", "dev"), "dev"),
    ):
        with pytest.raises(Exception, match=message):
            call(*words, "-o", tmp_path / "out")
        assert not (tmp_path / "out").exists(), words


def test_an_unreachable_server_is_a_typed_error(tmp_path):
    with scripted_server(completion(GOOD)) as server:
        pass
    with pytest.raises(ChatError, match=server.url):
        call("synthetic", *CLIPS, "-o", tmp_path / "out", *asking(server))
