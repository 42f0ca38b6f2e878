"""Errors in rollouts: answers that cannot be read end an episode, all else ends the run."""

from __future__ import annotations

import threading

import pytest
from training_toys import FewFrames, LookingGrounder
from videoseg_train import Stages, TrainingError, record_demonstrations, run_rollouts

import videoseg as vs
from videoseg.errors import (
    ChatError,
    GroundingParseError,
    MissingDependencyError,
    VideoError,
)
from videoseg.types import ChatReply, Grounding, Look, Prompt


class Raising(LookingGrounder):
    """Looks, and fails in its second turn."""

    def __init__(self, chat, error, *, of=""):
        super().__init__(chat)
        self._error, self._of = error, of

    def step(self, episode):
        if episode.turn == 1 and episode.query.endswith(self._of):
            if isinstance(self._error, vs.types.Move):
                return self._error
            raise self._error
        return super().step(episode)


def stages(policy, error, **options):
    return Stages(FewFrames(), Raising(policy.chat, error, **options))


OF_THE_ANSWER = [
    GroundingParseError("it cannot be read", raw_text="?"),
    Grounding(99, (Prompt(1, 99, box=vs.Box(1, 1, 2, 2)),)),
]


@pytest.mark.parametrize("error", OF_THE_ANSWER, ids=["unread", "no frame"])
def test_what_the_policy_said_ends_its_episode_alone(error, load_policy, samples):
    policy = load_policy()
    rollouts = run_rollouts(policy, stages(policy, error, of="1"), samples, group_size=2)
    assert [rollout.error is None for rollout in rollouts] == [True, True, False, False]
    assert [len(rollout.steps) for rollout in rollouts] == [3, 3, 1, 1]


OTHERS = [
    (vs.ConfigError("the option is wrong"), vs.ConfigError, "the option is wrong"),
    (VideoError("frame 3 is damaged"), VideoError, "frame 3 is damaged"),
    (ChatError("the judge is gone", component="judge"), ChatError, "the judge is gone"),
    (KeyError("bbox"), TrainingError, "'clip 1'.*KeyError: 'bbox'.*GroundingParseError"),
    (ImportError("jinja2 is too old"), MissingDependencyError, "jinja2 is too old"),
    (MemoryError("full"), MemoryError, "full"),
    (SystemExit(3), TrainingError, "'clip 1'.*SystemExit"),
]


@pytest.mark.parametrize(("error", "kind", "message"), OTHERS, ids=lambda one: repr(one)[:20])
def test_any_other_error_ends_the_run_with_its_reason(error, kind, message, load_policy, samples):
    policy = load_policy()
    before = threading.active_count()
    with pytest.raises(kind, match=message):
        run_rollouts(policy, stages(policy, error, of="1"), samples, group_size=2)
    assert threading.active_count() == before


def test_the_other_episodes_are_given_up_at_once(load_policy, samples, monkeypatch):
    policy = load_policy()
    asked = []
    answer = policy.answer
    monkeypatch.setattr(policy, "answer", lambda calls: asked.append(len(calls)) or answer(calls))
    with pytest.raises(vs.ConfigError):
        run_rollouts(policy, stages(policy, vs.ConfigError("no"), of="1"), samples, group_size=2)
    # The turn of the error and, at most, one that had begun; not the third.
    assert len(asked) <= 2


def test_a_sampler_that_breaks_its_contract_ends_the_run(load_policy, samples):
    class Outside(FewFrames):
        def sample(self, video, query, *, window, keyframe=None, seed=0):
            return vs.FrameSelection.of([len(video)], window=window)

    policy = load_policy()
    with pytest.raises(TrainingError, match=r"sampler.*outside the window"):
        run_rollouts(policy, Stages(Outside(), LookingGrounder(policy.chat)), samples)


def test_a_template_that_cannot_be_computed_ends_the_run(load_policy, samples, monkeypatch):
    policy = load_policy()

    def fail(_):
        raise ImportError("apply_chat_template requires jinja2>=3.1.6")

    monkeypatch.setattr(policy.reader, "read", fail)
    pair = Stages(FewFrames(), LookingGrounder(policy.chat))
    with pytest.raises(MissingDependencyError, match=r"jinja2>=3\.1\.6; install or upgrade it"):
        run_rollouts(policy, pair, samples)
    with pytest.raises(MissingDependencyError, match=r"jinja2>=3\.1\.6; install or upgrade it"):
        record_demonstrations(policy, pair, samples, lambda *_: Silent())


class Silent:
    def chat(self, messages, **options):
        return [ChatReply("")]


def test_a_stage_of_demonstrations_that_fails_is_named(load_policy, samples):
    policy = load_policy()
    failing = stages(policy, KeyError("bbox"))
    with pytest.raises(TrainingError, match=r"'clip 0'.*KeyError"):
        record_demonstrations(policy, failing, samples, lambda *_: Silent())


def test_a_worker_that_dies_ends_the_run(load_policy, samples, monkeypatch):
    """A thread that ends without a result must not leave the others waiting."""
    policy = load_policy()
    monkeypatch.setattr("videoseg_train.rollout._run", lambda *_: None)
    with pytest.raises(TrainingError, match="4 episodes ended without a result"):
        run_rollouts(policy, stages(policy, None), samples, group_size=2)


def test_a_worker_that_cannot_be_started_ends_the_run(load_policy, samples, monkeypatch):
    policy = load_policy()
    start, started = threading.Thread.start, []

    def limited(thread):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    pair = Stages(FewFrames(), LookingGrounder(policy.chat))
    with pytest.raises(TrainingError, match="cannot run 4 episodes at once"):
        run_rollouts(policy, pair, samples, group_size=2)
    assert not any(thread.is_alive() for thread in started)


def test_a_look_in_the_last_turn_is_the_answers_fault(load_policy, samples):
    policy = load_policy()
    looking = Look(vs.Window(0, 2), 1)
    pair = Stages(FewFrames(), Raising(policy.chat, looking), max_turns=2)
    [rollout] = run_rollouts(policy, pair, samples[:1])
    assert "looked again in turn 2 of 2" in rollout.error
