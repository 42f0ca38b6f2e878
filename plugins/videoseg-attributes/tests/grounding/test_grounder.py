from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from videoseg_attributes.grounding import AttributesGrounder
from videoseg_attributes.motion_sampler import MotionSampler

from videoseg.errors import ConfigError, QueryError
from videoseg.pipeline import run_episode
from videoseg.samplers import UniformSampler
from videoseg.stages import Grounder
from videoseg.types import Episode, FrameSelection, Grounding, Look, Window


def ask(scene, query: str, *, max_turns: int = 3) -> Episode:
    grounder = AttributesGrounder(survey=scene.survey)
    return run_episode(
        scene.video, query, sampler=UniformSampler(), grounder=grounder, max_turns=max_turns
    )


def answered(scene, query: str, *, max_turns: int = 3) -> set[str]:
    """Return the names of the things whose masks the answer's prompts lie on."""
    grounding = ask(scene, query, max_turns=max_turns).grounding
    assert grounding is not None
    names = list(scene.things)
    found = set()
    for prompt in grounding.prompts:
        (point,) = prompt.points
        label = scene.labels[prompt.frame, int(point.y), int(point.x)]
        assert label > 0, "the point lies on the ground"
        found.add(names[label - 1])
        rows, columns = np.nonzero(scene.labels[prompt.frame] == label)
        assert prompt.box is not None
        assert prompt.box.as_tuple() == (
            columns.min(), rows.min(), columns.max() + 1, rows.max() + 1,
        )  # fmt: skip
        for negative in prompt.negative_points:
            assert scene.labels[prompt.frame, int(negative.y), int(negative.x)] != label
    assert len(found) == len(grounding.prompts)
    return found


QUESTIONS = {
    "the red one": {"red"},
    "the blue object": {"blue"},
    "the largest object": {"green"},
    "the smallest one": {"blue"},
    "the second largest object": {"red"},
    "the thing in the bottom right corner": {"white"},
    "the leftmost of the ones that stand still": {"green"},
    "the object that moves right": {"blue"},
    "both objects that do not move": {"green", "white"},
    "the objects that move left": {"red", "yellow"},
    "the largest of the ones that move left": {"red"},
    "the object that leaves": {"red"},
    "the one that was not there at the beginning": {"yellow"},
    "the last one to appear": {"yellow"},
    "the object that enters after the red one leaves": {"yellow"},
    "the object that moves left but is not red": {"yellow"},
    "all objects that are not red": {"blue", "green", "yellow", "white"},
    "everything except the largest one": {"red", "blue", "yellow", "white"},
    "the red one and the blue one": {"red", "blue"},
    "the still object below the red one": {"green"},
    "the object that never moves to the right of the green one": {"white"},
    "the object that is larger than the red one": {"green"},
    "the fastest one": {"red"},
    "the two smallest objects": {"blue", "white"},
    "the object that is neither moving nor white": {"green"},
}


@pytest.mark.parametrize("query", QUESTIONS)
def test_the_objects_meant_are_found(street, query: str) -> None:
    assert answered(street, query) == QUESTIONS[query]


@pytest.mark.parametrize("query", QUESTIONS)
def test_one_turn_is_enough_if_no_more_is_allowed(street, query: str) -> None:
    assert answered(street, query, max_turns=1) == QUESTIONS[query]


@pytest.mark.parametrize(
    "query",
    [
        "the purple one",
        "the black object",
        "the object that moves up",
        "the red one that moves right",
        "the green one that moves across the picture",
        "the blue one that leaves",
        "the object that disappears and comes back",
        "the white one left of the green one",
        "the object left of the purple one",
        "the object that enters after the green one leaves",
    ],
)
def test_what_contradicts_every_candidate_is_not_in_the_video(street, query: str) -> None:
    grounding = ask(street, query).grounding
    assert grounding is not None
    assert not grounding.found
    assert grounding.keyframe is None
    assert "Not in this video" in grounding.thought.text


def test_a_white_duck_is_not_a_black_swan(swan) -> None:
    assert not ask(swan, "a white duck").grounding.found
    assert ask(swan, "the black swan").grounding.found
    assert ask(swan, "the bird swimming to the right").grounding.found
    assert not ask(swan, "the bird swimming to the left").grounding.found


def test_a_noun_alone_falls_back_to_what_stands_out_and_says_so(street) -> None:
    grounding = ask(street, "the skateboard").grounding
    assert [prompt.object_id for prompt in grounding.prompts] == [1]
    assert any("skateboard" in warning for warning in grounding.warnings)
    assert grounding.confidence < 0.5


def test_judged_words_need_no_warning(street) -> None:
    assert ask(street, "the red object").grounding.warnings == ()


def test_too_few_are_reported(street) -> None:
    grounding = ask(street, "the three red ones").grounding
    assert len(grounding.prompts) == 1
    assert any("3" in warning for warning in grounding.warnings)


def test_the_reasoning_says_which_candidate_each_object_is(street) -> None:
    for query in ("the red object", "all objects that move", "the red object that moves left"):
        grounding = ask(street, query).grounding
        assert grounding.prompts
        for prompt in grounding.prompts:
            number = grounding.thought.details["candidates"][prompt.object_id - 1]
            said = f"Object {prompt.object_id} is candidate {number}"
            assert said in grounding.thought.spatial


def test_the_reasoning_has_parts_with_numbers(street) -> None:
    thought = ask(street, "the red object that moves left").grounding.thought
    assert (
        "candidate 0 scores 0.9" in thought.spatial or "candidate 0 scores 1.0" in thought.spatial
    )
    assert "left 0." in thought.temporal
    assert '"red"' in thought.linguistic
    for part in (thought.temporal, thought.spatial, thought.linguistic):
        assert part in thought.text


def test_words_of_time_make_it_look_closer_first(street) -> None:
    episode = ask(street, "the object that leaves")
    look, answer = episode.moves
    assert isinstance(look, Look)
    assert isinstance(answer, Grounding)
    assert len(look.window) < len(street.video)
    assert 17 in look.window
    assert street.surveys == [Window(0, 40), look.window]
    assert answer.keyframe in look.window


def test_words_without_time_are_answered_at_once(street) -> None:
    assert len(ask(street, "the red object").moves) == 1


def test_a_last_turn_is_never_a_look(street) -> None:
    episode = ask(street, "the object that leaves", max_turns=1)
    assert len(episode.moves) == 1
    assert episode.grounding.found


def test_stripes_of_two_colors(make_scene, thing) -> None:
    scene = make_scene(
        {
            "piebald": thing("black", 20, lambda t: (0.3, 0.5), stripe="white"),
            "plain": thing("black", 20, lambda t: (0.7, 0.5)),
        }
    )
    assert answered(scene, "the black and white dog") == {"piebald"}
    assert answered(scene, "the black dog without white patches") == {"plain"}


def test_one_after_the_other(make_scene, thing) -> None:
    def there_and_back(time: float) -> tuple[float, float]:
        return (0.2 + 1.2 * (0.5 - abs(time - 0.5)), 0.3)

    scene = make_scene(
        {
            "back": thing("red", 14, there_and_back),
            "on": thing("red", 14, lambda t: (0.2 + 0.6 * t, 0.7)),
        }
    )
    assert answered(scene, "the object that moves right, then left") == {"back"}
    assert answered(scene, "the object that turns around") == {"back"}


def test_what_hides_what(make_scene, thing) -> None:
    scene = make_scene(
        {
            "wall": thing("blue", 20, lambda t: (0.5, 0.5)),
            "walker": thing("red", 12, lambda t: (0.1 + 0.8 * t, 0.5)),
            "other": thing("green", 12, lambda t: (0.1 + 0.8 * t, 0.9)),
        },
        depth_order=(("walker", "wall"),),
    )
    assert answered(scene, "the object that passes in front of the blue one") == {"walker"}
    assert answered(scene, "the object that is partly hidden by the red one") == {"wall"}
    assert not ask(scene, "the green one that hides the blue one").grounding.found


def test_nothing_at_all_is_nothing(make_scene) -> None:
    grounding = ask(make_scene({}), "the red one").grounding
    assert not grounding.found
    assert any("no candidate" in warning for warning in grounding.warnings)


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_very_short_videos_are_answered(make_scene, thing, num_frames: int) -> None:
    scene = make_scene({"red": thing("red", 14, lambda t: (0.5, 0.5))}, num_frames=num_frames)
    for query in ("the red one", "the one that leaves", "the red one at the end", "the fastest",
                  "the object that moves left, then right"):  # fmt: skip
        assert ask(scene, query).grounding is not None
    assert answered(scene, "the red one") == {"red"}


def test_a_long_video_is_looked_into_before_it_is_answered(make_scene, thing) -> None:
    scene = make_scene({"red": thing("red", 14, lambda t: (0.2 + 0.6 * t, 0.5))}, num_frames=1500)
    grounder = AttributesGrounder(survey=scene.survey)
    episode = run_episode(
        scene.video, "the red one", sampler=MotionSampler(), grounder=grounder, max_turns=3
    )
    assert isinstance(episode.moves[0], Look)
    assert max(len(window) for window in scene.surveys) <= 1200
    assert episode.grounding.found


def test_the_same_episode_gives_the_same_move(street) -> None:
    query = "the second largest object"
    assert ask(street, query).moves == ask(street, query).moves


def test_a_closed_episode_does_not_keep_its_video(make_scene, thing) -> None:
    scene = make_scene({"red": thing("red", 14, lambda t: (0.5, 0.5))}, num_frames=6)
    grounder = AttributesGrounder(survey=scene.survey)
    video = scene.video
    run_episode(video, "the red one", sampler=UniformSampler(), grounder=grounder)
    reference = weakref.ref(video)
    del scene.video, video
    gc.collect()
    assert reference() is None


def test_a_query_without_words_is_an_error(street) -> None:
    selection = FrameSelection.of([0], window=Window(0, 40))
    episode = Episode(street.video, "...", selections=(selection,))
    with pytest.raises(QueryError):
        AttributesGrounder(survey=street.survey).step(episode)


def test_wrong_options_are_named_together() -> None:
    with pytest.raises(ConfigError) as caught:
        AttributesGrounder(num_frames=0, max_candidates=True)
    assert len(caught.value.problems) == 2


def test_it_is_a_grounder() -> None:
    assert isinstance(AttributesGrounder(), Grounder)


def test_of_several_things_low_down_the_lowest_is_at_the_bottom(make_scene, thing) -> None:
    # The later ones stand out less; that must not outweigh where they are.
    above = {
        name: thing(color, 8, lambda _, x=0.15 + 0.17 * index: (x, 0.15))
        for index, (name, color) in enumerate(
            [("one", "blue"), ("two", "green"), ("three", "white"), ("four", "black")]
        )
    }
    scene = make_scene(
        {
            "higher": thing("red", 12, lambda _: (0.3, 0.7)),
            **above,
            "lower": thing("yellow", 12, lambda _: (0.7, 0.88)),
        }
    )
    assert answered(scene, "the object at the bottom") == {"lower"}
