"""Pipelines and results that are copied, pickled and used in other processes."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
from toy_stages import AnswersAt, BoxIsMask, EverySecond, Hold, pipeline
from videoseg_synthetic import make_clip

import videoseg as vs
from videoseg import Pipeline, Registry, Video
from videoseg.errors import ComponentNotFoundError, ConfigError
from videoseg.video import VideoWriter


def comparable(result):
    """Return what two runs of one question have in common."""
    return (result.query, result.video, result.grounding, result.tracks, result.warnings)


@pytest.fixture(scope="module")
def frames():
    clip = make_clip(seed=3, num_frames=6, size=(64, 80), num_objects=1, camera="still")
    return np.stack(list(clip.video))


# Run by a fresh interpreter: a forked process lacks the threads of OpenCV's pool, and would wait
# for them forever if an earlier test had started that pool.
IN_A_POOL = """
import multiprocessing, pathlib, pickle, sys
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
from videoseg import Pipeline

method, folder = sys.argv[1], pathlib.Path(sys.argv[2])
cv2.setNumThreads(1)
frames = np.load(folder / "frames.npy")
pipe = Pipeline.from_name("attributes")
here = pipe(frames, "the largest object")
# A second call, with what the first one built still in memory.
context = multiprocessing.get_context(method)
with ProcessPoolExecutor(1, mp_context=context) as pool:
    there = pool.submit(pipe, frames, "the largest object").result(timeout=120)
(folder / "results.pickle").write_bytes(pickle.dumps((here, there)))
"""


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_pool_of_processes_gives_what_this_process_gives(method, frames, tmp_path):
    np.save(tmp_path / "frames.npy", frames)
    command = [sys.executable, "-c", IN_A_POOL, method, str(tmp_path)]
    subprocess.run(command, check=True, timeout=240)
    here, there = pickle.loads((tmp_path / "results.pickle").read_bytes())
    assert comparable(there) == comparable(here)
    assert comparable(there) == comparable(
        Pipeline.from_name("attributes")(frames, "the largest object")
    )
    there.save(tmp_path / "result", video=Video.from_frames(frames), parts=["masks"])


@pytest.mark.parametrize("how", ["pickle", "copy", "deepcopy"])
def test_a_copy_has_the_same_configuration_and_builds_its_own_stages(how, frames):
    pipe = Pipeline.from_name("attributes").replace(
        propagator=vs.use("flow", causal=True), max_turns=3
    )
    pipe(frames, "the largest object")
    made = pickle.loads(pickle.dumps(pipe)) if how == "pickle" else getattr(copy, how)(pipe)
    assert made.config == pipe.config
    assert made.to_yaml() == pipe.to_yaml()
    assert not made._composition.built()
    assert comparable(made(frames, "the largest object")) == comparable(
        pipe(frames, "the largest object")
    )


def test_what_a_pipeline_has_loaded_is_not_in_its_pickle(frames):
    pipe = Pipeline.from_name("attributes")
    before = pickle.dumps(pipe)
    pipe(frames, "the largest object")
    assert pickle.dumps(pipe) == before
    assert len(before) < 2_000


def test_where_exchanges_are_kept_goes_along(tmp_path):
    pipe = Pipeline.from_name("attributes").recording(tmp_path / "talk.jsonl", resume=True)
    for made in (pickle.loads(pickle.dumps(pipe)), copy.deepcopy(pipe), copy.copy(pipe)):
        assert made._composition.chat_log == pipe._composition.chat_log == tmp_path / "talk.jsonl"
        assert made._composition.resume


def test_instances_are_sent_as_they_are(video):
    pipe = pipeline(grounder=AnswersAt([(1, 2), (2, 4)]))
    made = pickle.loads(pickle.dumps(pipe))
    assert made(video, "x").tracks == pipe(video, "x").tracks
    shared, own = copy.copy(pipe), copy.deepcopy(pipe)
    grounder = pipe._composition.stages["grounder"]
    assert shared._composition.stages["grounder"] is grounder
    assert own._composition.stages["grounder"] is not grounder
    assert own._composition.stages["grounder"].frames == grounder.frames


@pytest.mark.parametrize("kind", ["sampler", "grounder", "segmenter", "propagator"])
def test_instances_of_the_stages_that_come_along_can_be_sent(kind):
    registry = Registry(allow=("attributes",))
    for name in registry.names(kind):
        entry = registry.find(kind, name)
        if entry.component.uses or any(
            option.default == "required" for option in registry.options(kind, name).values()
        ):
            continue
        stage = registry.build(kind, name)
        assert type(pickle.loads(pickle.dumps(stage))) is type(stage)
        assert type(copy.deepcopy(stage)) is type(stage)


class Locked(AnswersAt):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def test_an_instance_that_cannot_be_sent_is_named_with_what_to_do_instead():
    pipe = pipeline(grounder=Locked())
    words = (
        r"the grounder, an instance of Locked, cannot be sent to another process \(cannot pickle "
        r".*lock.*\); make the pipeline in the worker, or send pipe\.to_yaml\(\)"
    )
    with pytest.raises(ConfigError, match=words):
        pickle.dumps(pipe)
    with pytest.raises(
        ConfigError, match=r"the grounder \(Locked\) cannot be copied: .*copy.copy"
    ):
        copy.deepcopy(pipe)
    assert copy.copy(pipe).explain()


def test_what_another_pickler_can_send_is_left_to_it():
    class Local(AnswersAt):
        pass

    pipe = pipeline(grounder=Local())
    with pytest.raises(ConfigError, match="an instance of Local, cannot be sent"):
        pickle.dumps(pipe)
    other = types.ModuleType("some.cloudpickle")
    exec("def dumps(value): return value.__getstate__()", vars(other))
    assert other.dumps(pipe)


def test_options_that_cannot_be_sent_are_named():
    pipe = Pipeline.from_name("attributes").replace(sampler=vs.use("uniform", seed=lambda: 3))
    with pytest.raises(ConfigError, match="the options of the sampler 'uniform' cannot be sent"):
        pickle.dumps(pipe)


def test_a_registry_of_its_own_stays_here(video):
    registry = Registry(allow=("attributes",))
    registry.add("grounder", "answers", AnswersAt)
    pipe = Pipeline(EverySecond(), "answers", Hold(), segmenter=BoxIsMask(), registry=registry)
    with pytest.raises(
        ConfigError, match=r"registry of its own .*make the pipeline in the worker"
    ):
        pickle.dumps(pipe)
    for made in (copy.copy(pipe), copy.deepcopy(pipe)):
        assert made(video, "x").tracks == pipe(video, "x").tracks


def test_a_component_that_the_other_process_lacks_is_told_when_it_is_needed(video, monkeypatch):
    vs.add("grounder", "mine", AnswersAt)
    sent = pickle.dumps(Pipeline(EverySecond(), "mine", Hold(), segmenter=BoxIsMask()))
    assert pickle.loads(sent)(video, "x").found
    # As in a process that has not run vs.add.
    vs.default_registry()._components.pop(("grounder", "mine"))
    with pytest.raises(
        ComponentNotFoundError, match=r"'mine' was added by videoseg.add in the pr"
    ):
        pickle.loads(sent)(video, "x")


def test_a_result_is_sent_without_frames_in_memory(frames, tmp_path):
    pipe = Pipeline.from_name("attributes")
    result = pipe(frames, "the largest object")
    sent = pickle.dumps(result)
    assert len(sent) < frames.nbytes
    arrived = pickle.loads(sent)
    assert arrived == result
    assert arrived.source is None
    for made in (copy.copy(result), copy.deepcopy(result)):
        assert made == result
        assert made.source is result.source


def test_a_result_of_an_iterator_can_be_sent(frames):
    result = Pipeline.from_name("attributes")(iter(frames), "the largest object")
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_result_of_a_file_keeps_the_file(tmp_path, frames):
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, fps=10) as writer:
        for frame in frames:
            writer.write(frame)
    result = Pipeline.from_name("attributes")(path, "the largest object")
    arrived = pickle.loads(pickle.dumps(result))
    assert arrived == result
    assert np.array_equal(arrived.source[2], result.source[2])


def test_a_stream_says_that_it_cannot_be_sent(video):
    with pipeline().stream(video, "x") as stream:
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(ConfigError, match="a MaskStream is bound to the process"):
                attempt(stream)
