"""Training runs: resumed after a kill to the last bit, and what stands in their way."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import torch
import training_runs
from training_runs import STEPS, make_config, run
from training_toys import toy_sample
from videoseg_train import CheckpointError, Checkpoints, NonFiniteError, save_policy, train
from videoseg_train.journal import read_lines
from videoseg_train.run_folder import RunFolder
from videoseg_train.trainer import Trainer

from videoseg import ConfigError, VideosegError
from videoseg.errors import ChatError, MissingDependencyError, OutputError, VideoError

METHODS = ("sft", "grpo")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Compute as the other processes do: sums depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole_runs(one_thread, vlm_folder, tmp_path_factory):
    """Return the folder of an undisturbed run of each method."""
    folder = tmp_path_factory.mktemp("whole")
    for method in METHODS:
        run(make_config(method, vlm_folder), folder / method)
    return folder


def weights_of(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model" / "model.safetensors")


def assert_same_run(folder, whole):
    for name in ("metrics.jsonl", "episodes.jsonl", "config.yaml"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    mine, others = weights_of(folder), weights_of(whole)
    assert mine.keys() == others.keys()
    assert all(torch.equal(value, others[name]) for name, value in mine.items())


def start(method, model, output):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, training_runs.__file__, method, str(model), str(output)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def kill_when(process, happened):
    """End a process the hard way as soon as something has happened."""
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.stderr.read()[-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(
    method, vlm_folder, whole_runs, tmp_path
):
    output = tmp_path / "run"
    metrics = output / "metrics.jsonl"
    saved = Checkpoints(output / "checkpoints")
    # After a step that no checkpoint has.
    kill_when(
        start(method, vlm_folder, output),
        lambda: metrics.exists() and '"step": 3, "metrics"' in metrics.read_text(),
    )
    assert saved.steps() == [2]
    assert not (output / "model").exists()
    # A line cut in half and a half-written checkpoint, as a kill may leave them.
    with metrics.open("a") as file:
        file.write('{"kind": "step", "step": 4, "met')
    half = output / "checkpoints" / ".step-00000004.partial-x-1"
    half.mkdir()
    (half / "state.pt").write_bytes(b"half")
    run(make_config(method, vlm_folder), output, resume=True)
    assert_same_run(output, whole_runs / method)
    assert saved.steps() == [4, STEPS]


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(
    vlm_folder, whole_runs, tmp_path
):
    output = tmp_path / "run"
    output.mkdir()
    for name in ("config.yaml", "metrics.jsonl", "episodes.jsonl"):
        (output / name).write_bytes((whole_runs / "sft" / name).read_bytes())
    run(make_config("sft", vlm_folder), output, resume=True)
    assert_same_run(output, whole_runs / "sft")


def test_a_step_that_fails_loses_nothing(vlm_folder, whole_runs, tmp_path, monkeypatch):
    make_step = Trainer.sft_step

    def fail(self, *arguments, **options):
        if self.step == 3:
            raise NonFiniteError("the gradient is nan")
        return make_step(self, *arguments, **options)

    config = make_config("sft", vlm_folder)
    monkeypatch.setattr(Trainer, "sft_step", fail)
    with pytest.raises(NonFiniteError):
        run(config, tmp_path / "run")
    assert Checkpoints(tmp_path / "run" / "checkpoints").steps() == [2, 3]
    assert (tmp_path / "run" / "training.html").is_file()
    monkeypatch.undo()
    run(config, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", whole_runs / "sft")


class Torn(list):
    """Samples of which one cannot be opened the third time."""

    opened = 0

    def __getitem__(self, number):
        self.opened += 1
        if self.opened > 2 * 3:
            raise VideoError("the clip is torn")
        return super().__getitem__(number)


@pytest.mark.parametrize("updates", [1, 2])
def test_a_sample_that_cannot_be_opened_loses_nothing(updates, vlm_folder, tmp_path):
    config = make_config("grpo", vlm_folder)
    own = {**config.given["grpo"], "num_updates": updates}
    config = make_config("grpo", vlm_folder, grpo=own, checkpoints={"every": 100})
    output = tmp_path / "run"
    samples = Torn(toy_sample(number) for number in range(3))
    with pytest.raises(VideoError, match="torn"):
        run(config, output, samples=samples)
    assert Checkpoints(output / "checkpoints").steps() == [3]
    run(config, output, resume=True)
    run(config, tmp_path / "whole")
    assert_same_run(output, tmp_path / "whole")


@pytest.mark.parametrize("step", [2, STEPS])
def test_an_evaluation_that_fails_is_made_again(
    step, vlm_folder, whole_runs, tmp_path, monkeypatch
):
    import videoseg_train.loop as module

    evaluate = module.evaluate_policy
    steps = iter([0, 2, 4, STEPS])

    def fail(*arguments, **options):
        if next(steps) == step:
            raise ChatError("the judge is out", component="judge")
        return evaluate(*arguments, **options)

    config, output = make_config("grpo", vlm_folder), tmp_path / "run"
    monkeypatch.setattr(module, "evaluate_policy", fail)
    with pytest.raises(ChatError):
        run(config, output)
    assert Checkpoints(output / "checkpoints").steps()[-1] == step
    monkeypatch.undo()
    # It is made again each time until another step is saved.
    lines = [output / name for name in ("metrics.jsonl", "episodes.jsonl", "timings.jsonl")]
    if step == 2:
        monkeypatch.setattr(Trainer, "grpo_step", None)
        with pytest.raises(TypeError):
            run(config, output, resume=True)
        monkeypatch.undo()
        found = [line["step"] for line in read_lines(lines[0])]
        assert found == [0, 1, 2, 2]
    run(config, output, resume=True)
    assert_same_run(output, whole_runs / "grpo")
    evaluated = [line for line in read_lines(lines[2]) if "evaluation" in line["seconds"]]
    assert [line["step"] for line in evaluated] == [0, 2, 4, STEPS]


# -- folders and checkpoints ------------------------------------------------------------------


def test_a_folder_with_a_run_is_not_overwritten(vlm_folder, whole_runs, tmp_path):
    config = make_config("sft", vlm_folder)
    with pytest.raises(OutputError, match=r"already holds a training run; go on .*--resume"):
        run(config, whole_runs / "sft")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="something else than a training run"):
        run(config, tmp_path, resume=True)


def test_another_run_is_not_resumed(vlm_folder, whole_runs):
    with pytest.raises(ConfigError, match="'seed' was 7 and is 8"):
        run(make_config("sft", vlm_folder, seed=8), whole_runs / "sft", resume=True)


def test_a_run_that_is_over_stays_as_it_is(vlm_folder, whole_runs):
    before = (whole_runs / "grpo" / "metrics.jsonl").read_bytes()
    result = run(make_config("grpo", vlm_folder), whole_runs / "grpo", resume=True)
    assert result.steps == STEPS
    assert (whole_runs / "grpo" / "metrics.jsonl").read_bytes() == before


def test_a_changed_model_is_noticed_at_resume(vlm_folder, tmp_path, monkeypatch):
    import videoseg_train.run as module

    config = make_config("sft", vlm_folder)
    run(config, tmp_path / "run")
    monkeypatch.setattr(module, "digest_model", lambda model: "another")
    with pytest.raises(CheckpointError, match="is another one than the run began with"):
        run(config, tmp_path / "run", resume=True)


def test_a_damaged_checkpoint_is_an_error_that_names_the_one_before(tmp_path):
    saved = Checkpoints(tmp_path)
    for step in (1, 2):
        saved.save(step, {"weights": torch.ones(1000)}, {})
    state = tmp_path / "step-00000002" / "state.pt"
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"is damaged .*resume from step 1"):
        saved.load()
    (tmp_path / "step-00000002" / "checkpoint.json").write_text("{")
    with pytest.raises(CheckpointError, match="step-00000002 is damaged"):
        saved.load()
    assert torch.equal(saved.load(1).state["weights"], torch.ones(1000))


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    saved = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 10):
        saved.save(step, {}, {"seed": step})
    assert saved.steps() == [2, 10]
    assert saved.load().facts["seed"] == 10


@contextmanager
def full_disk():
    """Let files have at most 100 kB, as if there were no room for more."""
    resource = pytest.importorskip("resource", reason="needs limits of file sizes")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_is_one_error_and_leaves_the_checkpoint_before(tmp_path):
    saved = Checkpoints(tmp_path)
    saved.save(1, {"weights": torch.zeros(10)}, {})
    message = r"cannot write a checkpoint .*free some space"
    with pytest.raises(OutputError, match=message), full_disk():
        saved.save(2, {"weights": torch.zeros(1_000_000)}, {})
    assert saved.steps() == [1]
    assert saved.load().step == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-00000001"]


def test_a_disk_without_room_for_the_model_is_one_error_and_leaves_the_model_before(
    load_policy, tmp_path
):
    policy = load_policy()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    message = r"cannot write the trained model .*free some space"
    with pytest.raises(OutputError, match=message), full_disk():
        save_policy(policy, tmp_path / "model")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "config.json"]


def test_a_folder_of_checkpoints_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(OutputError, match="cannot write a checkpoint"):
        Checkpoints(tmp_path / "checkpoints").save(1, {}, {})


def test_metrics_that_cannot_be_written_are_an_error(vlm_folder, tmp_path, monkeypatch):
    from videoseg_train.journal import Journal

    def full(self, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.open", full)
    with pytest.raises(OutputError, match=r"metrics.jsonl: No space left .*resume the run"):
        Journal(tmp_path).add("metrics.jsonl", {"step": 1})


# -- what a run writes ------------------------------------------------------------------------


def test_the_model_of_a_run_is_loaded_by_the_next(vlm_folder, whole_runs, tmp_path):
    model = whole_runs / "sft" / "model"
    run(make_config("grpo", model), tmp_path / "run")
    assert (tmp_path / "run" / "model" / "preprocessor_config.json").is_file() or (
        tmp_path / "run" / "model" / "processor_config.json"
    ).is_file()


def test_adapters_are_merged_into_the_saved_model_and_resumed(vlm_folder, tmp_path):
    own = {
        "steps": 2,
        "samples_per_step": 2,
        "parts": [],
        "lora": {"rank": 2, "alpha": 4, "dropout": 0.5, "targets": ["q_proj"]},
        "optimizer": {"learning_rate": 1e-2},
    }
    config = make_config("sft", vlm_folder, sft=own, checkpoints={"every": 1})
    run(config, tmp_path / "whole")
    run(config, tmp_path / "parts")
    checkpoint = tmp_path / "parts" / "checkpoints" / "step-00000002"
    for file in checkpoint.iterdir():
        file.unlink()
    checkpoint.rmdir()
    run(config, tmp_path / "parts", resume=True)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    from safetensors.torch import load_file

    before, after = load_file(vlm_folder / "model.safetensors"), weights_of(tmp_path / "whole")
    assert before.keys() == after.keys()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert all("q_proj" in name for name in changed)


def test_the_lines_of_a_run_have_steps_evaluations_and_costs(whole_runs):
    folder = whole_runs / "grpo"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    kinds = [(line["kind"], line["step"]) for line in lines]
    assert kinds == [
        ("evaluation", 0),
        ("step", 1),
        ("step", 2),
        ("evaluation", 2),
        ("step", 3),
        ("step", 4),
        ("evaluation", 4),
        ("step", 5),
        ("evaluation", 5),
    ]
    assert lines[1]["metrics"]["rewards/even"] == lines[1]["metrics"]["reward"]
    timings = [json.loads(line) for line in (folder / "timings.jsonl").read_text().splitlines()]
    assert set(timings[1]["seconds"]) == {"rollout", "reward", "update"}
    assert timings[1]["tokens"] == lines[1]["metrics"]["tokens"] > 0
    assert timings[1]["memory_bytes"] > 1e6


def test_the_report_has_curves_episodes_costs_and_warnings(whole_runs):
    page = (whole_runs / "grpo" / "training.html").read_text()
    for text in (
        "<title>Training report: GRPO, grpo</title>",
        "5 steps in",
        "episodes failed",
        "rewards/even",
        "answer_tokens",
        "policy_loss",
        "before (step 0)",
        "after (step 5)",
        "the square 5",
        "<td>rollout</td>",
        "tokens of the policy a second, over whole steps; at most",
        "of memory of the process",
        "group_size: 3",
        "data:image/png;base64,",
    ):
        assert text in page, text
    assert page.count("<svg") >= 10
    assert "http" not in page.replace("http://www.w3.org", "")
    # Nothing that a policy says becomes part of the page.
    assert "<script" not in page


# -- the lock, and trackers ---------------------------------------------------------------------


def test_two_runs_do_not_write_to_one_folder(vlm_folder, whole_runs, tmp_path):
    import shutil

    output = tmp_path / "run"
    shutil.copytree(whole_runs / "sft", output)
    config = make_config("sft", vlm_folder)
    held = RunFolder(output)
    held.take(config, resume=True)
    before = sorted(path.name for path in output.iterdir())
    with pytest.raises(OutputError, match=r"another process is training in .*choose another"):
        run(config, output, resume=True)
    assert sorted(path.name for path in output.iterdir()) == before
    held.release()
    assert not (output / ".lock").exists()
    # As a process that was killed leaves it.
    (output / ".lock").touch()
    assert run(config, output, resume=True).steps == STEPS
    assert not (output / ".lock").exists()


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path):
    with pytest.raises(VideosegError):
        train(make_config("sft", tmp_path / "no model"), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_metrics_go_to_tensorboard(vlm_folder, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    own = {"steps": 2, "samples_per_step": 2}
    run(make_config("sft", vlm_folder, sft=own, report_to=["tensorboard"]), tmp_path / "run")
    events = tmp_path / "run" / "videoseg-train"
    found = EventAccumulator(str(events))
    found.Reload()
    losses = [(event.step, event.value) for event in found.Scalars("train/loss")]
    lines = read_lines(tmp_path / "run" / "metrics.jsonl")
    steps = [line for line in lines if line["kind"] == "step"]
    assert losses == [
        (line["step"], pytest.approx(line["metrics"]["loss"], rel=1e-5)) for line in steps
    ]
    assert "evaluation/keyframe_iou" in found.Tags()["scalars"]


def test_a_tracker_that_is_not_installed_is_an_error(vlm_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    config = make_config("sft", vlm_folder, report_to=["wandb", "trackio"])
    with pytest.raises(MissingDependencyError, match="pip install wandb trackio"):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
