"""The teacher: its answers are read by the real stages, and are right as far as they are meant."""

from __future__ import annotations

import numpy as np
import pytest
from videoseg_train import (
    O3_GROUPS,
    RewardTerm,
    Stages,
    TargetFrameSampler,
    TeacherChat,
    TeacherFaults,
    TrainingSample,
    TrainingSet,
    o3_terms,
    record_demonstrations,
    score_rollouts,
)
from videoseg_train.teacher import _share_of

import videoseg as vs
from videoseg.metrics import boundary_f, region_j
from videoseg.pipeline import run_episode
from videoseg.types import Rle

CLIPS = {
    "num_videos": 4,
    "queries_per_video": 3,
    "size": (120, 160),
    "num_frames": 24,
    "difficulty": "appearance",
}


@pytest.fixture(scope="module")
def drawn():
    return TrainingSet.open("synthetic", split="train", options=CLIPS)


def shown_with_others(samples):
    """Return a sample whose object and another one show on the middle frame."""
    middle = (CLIPS["num_frames"] - 1) // 2
    for sample in samples:
        others = sample.other_tracks().values()
        if sample.visible()[middle] and any(other.masks[middle] for other in others):
            return sample
    raise AssertionError("no clip has two objects there")


class Heard:
    """A chat model that keeps what passes."""

    def __init__(self, chat):
        self.chat_model, self.messages, self.texts = chat, [], []

    def chat(self, messages, **options):
        replies = self.chat_model.chat(messages, **options)
        self.messages.append(messages)
        self.texts += [reply.text for reply in replies]
        return replies


def ask(sample, sampler, grounder, max_turns=3, **options):
    chat = Heard(TeacherChat(sample, **options))
    sampler, grounder = Stages(sampler, grounder).build(chat)
    episode = run_episode(
        sample.video, sample.query, sampler=sampler, grounder=grounder, max_turns=max_turns
    )
    return episode, chat


R1 = (vs.use("htfs", num_spans=2, num_positions=2, num_frames=12), vs.use("r1"))
O3 = (vs.use("coarse", preset="rollout"), vs.use("o3", answer="text"))


@pytest.mark.parametrize("stages", [R1, O3], ids=["r1", "o3"])
def test_a_perfect_teacher_leads_the_default_stages_to_the_true_masks(stages, drawn):
    scores = []
    registry = vs.default_registry()
    segmenter = registry.build("segmenter", "cut")
    propagator = registry.build("propagator", "flow")
    for sample in drawn[::3]:
        episode, _ = ask(sample, *stages)
        answer = episode.moves[-1]
        masks = segmenter.segment(sample.video, answer.prompts)
        found = np.zeros((len(sample.video), *sample.video.size), dtype=bool)
        with propagator.open(sample.video) as session:
            for prompt, mask in zip(answer.prompts, masks, strict=True):
                session.prompt(
                    vs.Prompt(prompt.object_id, prompt.frame, mask=Rle.encode(mask.mask))
                )
            for direction in ("forward", "backward"):
                for frame in session.run(direction):
                    found[frame.frame] |= frame.union
        true = np.stack([sample.mask(frame) for frame in range(len(sample.video))])
        j, f = np.mean(region_j(found, true)), np.mean(boundary_f(found, true))
        scores.append((j + f) / 2)
    assert np.mean(scores) >= 0.9, scores


def test_numbers_are_in_the_space_that_is_asked_for(drawn):
    sample = shown_with_others(drawn)
    boxes = []
    for space in ("per_mille", "per_mille_yx", "unit", "square(840)"):
        sampler, grounder = vs.use("middle"), vs.use("r1")
        episode, _ = ask(sample, sampler, grounder, coordinates=space)
        [prompt] = episode.moves[-1].prompts
        boxes.append((*prompt.box.as_tuple(), prompt.points[0].x, prompt.negative_points[0].y))
    assert np.ptp(boxes, axis=0).max() < 0.4
    sizes = lambda messages: [(28, 56)] * 2  # noqa: E731
    episode, _ = ask(
        sample, vs.use("middle"), vs.use("r1"), coordinates="pixels_of_resized", seen_sizes=sizes
    )
    assert episode.moves[-1].prompts[0].box.iou(vs.Box(*boxes[0][:4])) > 0.7
    with pytest.raises(vs.ConfigError, match="seen_sizes"):
        TeacherChat(sample, coordinates="pixels_of_resized")


def test_points_lie_on_the_object_and_on_its_nearest_neighbor(drawn):
    seen = 0
    for sample in drawn:
        others = sample.other_tracks()
        episode, _ = ask(sample, vs.use("middle"), vs.use("r1"))
        answer = episode.moves[-1]
        for prompt in answer.prompts:
            mask = sample.mask(answer.keyframe)
            [on], [off] = prompt.points, prompt.negative_points
            assert mask[int(on.y), int(on.x)]
            assert not mask[int(off.y), int(off.x)]
            there = [t.mask(answer.keyframe) for t in others.values() if t.masks[answer.keyframe]]
            if there:
                seen += 1
                assert np.any(there, axis=0)[int(off.y), int(off.x)]
    assert seen


def test_o3_looks_where_the_object_shows_and_answers_on_that_frame(drawn):
    for sample in drawn:
        episode, chat = ask(sample, *O3)
        look, answer = episode.moves
        assert sample.visible()[look.keyframe]
        assert look.keyframe in look.window
        assert look.keyframe in episode.selections[0].indices
        assert answer.keyframe == look.keyframe
        for text in chat.texts:
            assert all(part in text for part in ("Step 1", "Step 2", "Step 3", "Action"))


def test_looks_are_as_many_as_wanted_and_turns_allow(drawn):
    counts = {}
    for looks, turns in ((0, 3), (1, 3), (2, 3), (2, 2), (1, 1)):
        episode, _ = ask(drawn[0], *O3, max_turns=turns, num_looks=looks)
        counts[looks, turns] = len(episode.moves) - 1
    assert counts == {(0, 3): 0, (1, 3): 1, (2, 3): 2, (2, 2): 1, (1, 1): 0}


@pytest.mark.parametrize("form", ["seg", "find"])
def test_the_form_of_the_answer_is_that_of_the_system_message(form, drawn):
    options = {"answer": "seg"} if form == "seg" else {"answerer": "r1"}
    grounder = vs.use("o3", **options)
    chat = Heard(TeacherChat(drawn[0]))
    sampler, built = Stages(O3[0], grounder).build(chat)
    video, query = drawn[0].video, drawn[0].query
    episode = run_episode(video, query, sampler=sampler, grounder=built, max_turns=2)
    if form == "seg":
        # Without an embedding nothing is found; a teacher has none.
        assert len(episode.moves) == 2
        assert all("<RefSeg>[SEG]</RefSeg>" in text for text in chat.texts)
    else:
        assert episode.moves[-1].found
        assert "objects" not in chat.texts[1]


@pytest.mark.parametrize("count", [2, 7, 24, 100, 333])
def test_the_sampler_finds_the_frame_whose_position_is_named(count):
    frames = range(5, 5 + count)
    for frame in frames:
        percent = _share_of(frame, frames)
        assert 5 + min(int(count * percent / 100 + 1e-6), count - 1) == frame
        assert 0 <= percent <= 100
        assert count > 100 or percent == int(percent)


def test_what_is_not_there_is_denied():
    sample = TrainingSet.open(
        "synthetic", split="train", options={**CLIPS, "num_videos": 1, "difficulty": "absent"}
    )[0]
    assert not sample.tracks()
    for stages in (R1, O3):
        episode, _ = ask(sample, *stages)
        assert not episode.moves[-1].found


def test_faults_are_those_that_were_asked_for(drawn):
    sample = shown_with_others(drawn)
    exact, _ = ask(sample, vs.use("middle"), vs.use("r1"))
    box = exact.moves[-1].prompts[0].box

    def answers(**faults):
        asked = [
            ask(sample, vs.use("middle"), vs.use("r1"), seed=seed, faults=TeacherFaults(**faults))
            for seed in range(24)
        ]
        return [episode.moves[-1].prompts[0].box for episode, _ in asked]

    loose = answers(box_spread=0.06)
    assert all(one.area >= box.area and one.iou(box) > 0 for one in loose)
    assert 0.2 < np.mean([one.iou(box) for one in loose]) < 0.95
    assert len({one.as_tuple() for one in loose}) > 12
    wrong = [one.iou(box) < 0.5 for one in answers(wrong_object=0.5)]
    assert 4 <= sum(wrong) <= 20
    assert all(one.iou(box) < 0.5 for one in answers(wrong_object=1.0))
    # The same seed makes the same mistakes.
    assert answers(box_spread=0.06)[3] == loose[3]
    with pytest.raises(vs.ConfigError, match="wrong_object"):
        TeacherFaults(wrong_object=2)


def test_random_keyframes_are_frames_that_were_shown(drawn):
    faults = TeacherFaults(random_keyframe=1.0)
    looks = []
    for seed in range(8):
        episode, _ = ask(drawn[0], *O3, faults=faults, seed=seed)
        looks.append(episode.moves[0].keyframe)
        assert looks[-1] in episode.moves[0].window
        assert looks[-1] in episode.selections[0].indices
    assert len(set(looks)) > 2


def test_demonstrations_are_recorded_in_the_policys_place(load_policy, drawn):
    policy = load_policy()
    space = policy.coordinate_space

    def teacher(sample: TrainingSample, seed: int) -> TeacherChat:
        return TeacherChat(sample, seed=seed, coordinates=space)

    made = record_demonstrations(policy, Stages(*O3), drawn[:2], teacher)
    for rollout in made:
        assert rollout.error is None
        assert rollout.grounding.found
        assert [step.turn for step in rollout.steps] == [0, 1]
        assert rollout.steps[0].tokens


def test_demonstrations_earn_the_rewards(load_policy, drawn):
    policy = load_policy()
    registry = vs.default_registry()

    def teacher(sample: TrainingSample, seed: int) -> TeacherChat:
        return TeacherChat(sample, seed=seed, negatives="close")

    names = ("r1-format", "r1-accuracy", "r1-negative", "r1-no-repeat")
    terms = [RewardTerm(name, registry.build("reward", name, {})) for name in names]
    sampler = TargetFrameSampler(drawn[:3], num_context=(1, 2))
    made = record_demonstrations(policy, Stages(sampler, vs.use("r1")), drawn[:3], teacher)
    for score in score_rollouts(made, terms):
        assert list(score.parts.values()) == [4, 3, 1, 1]
    made = record_demonstrations(policy, Stages(*O3), drawn[:3], teacher)
    terms = [
        term for term in o3_terms() if term.name in O3_GROUPS["format"] + O3_GROUPS["temporal"]
    ]
    for score in score_rollouts(made, terms):
        assert score.parts["o3-format"] == score.parts["o3-steps"] == 1
        assert score.parts["o3-keyframe"] == 1
