"""Reflection: wrong answers are sent back, right ones are not, and budgets end it."""

from __future__ import annotations

from videoseg_wrappers import ExistenceWrapper, ReflectWrapper
from wrapper_scripts import FITS, MISFIT, YES, Expert, PointsAtTheMiddle, Written, found, ground

import videoseg as vs
from videoseg.errors import GroundingParseError
from videoseg.testing import GrounderContract
from videoseg.testing.clips import moving_square

WRONG, RIGHT = found(box=(10, 10, 30, 30)), found(box=(40, 10, 60, 30))


class TestContract(GrounderContract):
    def make(self):
        chat = Expert(
            visible=[{"visible": "no", "best_image": 1, "why": "too small"}], consistent=[FITS]
        )
        return ReflectWrapper(grounder=PointsAtTheMiddle(), chat=chat)


def reflect(answers, *, max_turns=4, **options):
    chat = options.pop("chat", None) or Expert(**options.pop("replies", {}))
    grounder = Written(list(answers))
    episode = ground(ReflectWrapper(grounder=grounder, chat=chat, **options), max_turns=max_turns)
    return episode, grounder, chat


def test_a_right_answer_is_left_alone():
    episode, grounder, chat = reflect([RIGHT], replies={"consistent": [FITS]})
    answer = episode.grounding
    assert (answer.prompts, answer.status, answer.warnings) == (RIGHT.prompts, "answered", ())
    assert len(grounder.episodes) == 1
    assert [purpose for purpose, _, _ in chat.calls] == ["visible", "items", "consistent"]
    facts = answer.thought.details["reflect"]
    assert (facts["verified"], facts["num_questions"]) == (True, 3)
    assert "Check 1 passed (3 questions, 30 tokens)" in answer.thought.text


def test_an_object_that_does_not_fit_is_sent_back_with_what_was_wrong():
    episode, grounder, chat = reflect([WRONG, RIGHT], replies={"consistent": [MISFIT, FITS]})
    assert episode.grounding.prompts == RIGHT.prompts
    assert episode.grounding.status == "answered"
    assert [turn.action for turn in episode.trace.turns] == ["look", "answer"]
    second = grounder.episodes[1]
    assert second.query.startswith("the red square\n(Note on earlier answers: the answer at 31 %")
    assert "it is blue" in second.query
    assert (second.turn, second.max_turns, len(second.selections)) == (0, 3, 1)
    # The questions about objects are written once.
    assert len(chat.asked("items")) == 1
    assert "[reflect] Check 1 failed: object 1: it is blue; looking again at frame 5" in str(
        episode.trace
    )


def test_a_better_frame_becomes_the_keyframe():
    hidden = {"visible": "no", "best_image": 8, "why": "it is behind a wall"}
    episode, grounder, _ = reflect(
        [WRONG, found(frame=11)],
        replies={"visible": [hidden, {"visible": "yes"}], "consistent": [FITS]},
    )
    assert grounder.episodes[1].selection.keyframe == 11
    assert episode.trace.turns[0].look_keyframe == 11
    assert episode.grounding.keyframe == 11


def test_nothing_found_is_sent_to_the_frame_that_shows_it():
    seen = {"visible": "no", "best_image": 3, "why": "there it is"}
    episode, _, _ = reflect(
        [vs.Grounding(None), RIGHT],
        replies={"visible": [seen, {"visible": "yes"}], "consistent": [FITS]},
    )
    assert episode.grounding.prompts == RIGHT.prompts


def test_nothing_found_is_accepted_if_no_frame_shows_it():
    episode, grounder, _ = reflect(
        [vs.Grounding(None)], replies={"visible": [{"visible": "no", "best_image": None}]}
    )
    assert (episode.grounding.status, len(grounder.episodes)) == ("absent", 1)


def boxes(episode):
    """Another answer in each turn."""
    left = 5 * len(episode.query.split("seems wrong"))
    return found(box=(left, 0, left + 10, 10))


def test_the_turns_of_the_option_hold():
    episode, grounder, _ = reflect([boxes], replies={"consistent": [MISFIT]}, turns=3, max_turns=9)
    assert len(grounder.episodes) == 3
    assert episode.grounding.status == "guessed"
    assert "none of 3 answers passed" in episode.grounding.warnings[0]
    assert "turns is 3" in episode.trace.turns[-1].stop_reason


def test_the_turns_of_the_pipeline_hold():
    episode, grounder, _ = reflect([boxes], replies={"consistent": [MISFIT]}, max_turns=2)
    assert len(grounder.episodes) == 2
    assert episode.grounding.status == "guessed"


def test_the_best_answer_is_kept_and_the_first_of_equals():
    two = vs.Grounding(
        5,
        tuple(vs.Prompt(n, 5, box=vs.Box(20 * n, 0, 20 * n + 10, 10)) for n in (1, 2)),
    )
    half = {"objects": [{"id": 1, "answers": ["no"]}, {"id": 2, "answers": ["yes"]}]}
    episode, _, _ = reflect(
        [WRONG, two, RIGHT], replies={"consistent": [MISFIT, half, MISFIT]}, turns=3
    )
    assert episode.grounding.prompts == two.prompts
    assert "that of turn 2 is given as a guess" in episode.grounding.warnings[0]
    episode, _, _ = reflect([WRONG, RIGHT], replies={"consistent": [MISFIT]}, turns=2)
    assert episode.grounding.prompts == WRONG.prompts


def test_the_seconds_hold():
    chat = Expert(consistent=[MISFIT], seconds=0.03)
    episode, grounder, _ = reflect([boxes], chat=chat, seconds=0.25, max_turns=50, turns=50)
    # A turn takes 0.06 to 0.09 seconds.
    assert 1 <= len(grounder.episodes) <= 4
    assert "0.25 seconds" in episode.grounding.warnings[0]


def test_a_check_without_a_judged_object_is_no_check():
    for reply in (
        {"objects": []},
        {"objects": [{"id": 1, "answers": "yes"}]},
        {"objects": [{"id": 7, "answers": ["yes"]}]},
    ):
        episode, _, _ = reflect([RIGHT], replies={"consistent": [reply]})
        assert (episode.grounding.prompts, episode.grounding.status) == (RIGHT.prompts, "answered")
        assert (
            "was not checked, since the reply could not be read" in episode.grounding.warnings[0]
        )


def test_doubt_about_visibility_alone_is_no_failure():
    unsure = {"visible": "unsure", "best_image": None}
    for questions, objects in (([], None), (["Is it red?"], FITS)):
        episode, _, _ = reflect(
            [RIGHT],
            replies={
                "visible": [unsure],
                "items": [{"questions": questions}],
                "consistent": [objects],
            },
        )
        assert (episode.grounding.status, episode.grounding.warnings) == ("answered", ())


def test_the_same_answer_again_ends_it():
    episode, grounder, _ = reflect([WRONG], replies={"consistent": [MISFIT]}, max_turns=9)
    assert len(grounder.episodes) == 2
    assert "the same answer came again" in episode.grounding.warnings[0]


def test_an_answer_survives_a_chat_model_that_fails():
    episode, _, _ = reflect([WRONG], replies={"visible": [ConnectionError("gone")]})
    assert (episode.grounding.prompts, episode.grounding.status) == (WRONG.prompts, "answered")
    assert "was not checked, since the chat model failed" in episode.grounding.warnings[0]


def test_an_earlier_answer_survives_a_grounder_that_fails_when_sent_back():
    failure = GroundingParseError("not readable", raw_text="?")
    episode, _, _ = reflect([WRONG, failure], replies={"consistent": [MISFIT]})
    assert (episode.grounding.prompts, episode.grounding.status) == (WRONG.prompts, "guessed")
    assert "not readable" in episode.grounding.warnings[0]


def test_looks_of_the_wrapped_grounder_pass():
    look = vs.Look(vs.Window(2, 6), 4, vs.Thought("Closer."))
    episode, grounder, _ = reflect(
        [look, WRONG, look, RIGHT], replies={"consistent": [MISFIT, FITS]}, max_turns=6
    )
    actions = [(turn.action, turn.look_keyframe) for turn in episode.trace.turns]
    assert actions == [("look", 4), ("look", 5), ("look", 4), ("answer", None)]
    # After it is sent back, the wrapped grounder begins an episode of its own.
    assert [len(one.moves) for one in grounder.episodes] == [0, 1, 0, 1]
    assert episode.grounding.prompts == RIGHT.prompts


def test_a_grounder_without_a_chat_model_gets_its_query_as_it_is():
    chat = Expert(
        visible=[{"visible": "no", "best_image": 1, "why": "too small"}, {"visible": "yes"}],
        consistent=[FITS],
    )
    wrapper = ReflectWrapper(grounder=vs.use("attributes"), chat=chat)
    episode = ground(wrapper, video=moving_square().video)
    assert len(episode.moves) == 2
    assert "seems wrong" not in str(episode.grounding)


def test_a_responder_answers_in_place_of_the_questioner():
    responder = Expert(consistent=[FITS])
    _, _, chat = reflect([RIGHT], responder=responder)
    assert [purpose for purpose, _, _ in chat.calls] == ["items"]
    assert [purpose for purpose, _, _ in responder.calls] == ["visible", "consistent"]


def test_wrappers_may_be_nested_and_keep_their_budgets():
    chat = Expert(consistent=[MISFIT], existence=[YES])
    grounder = Written([boxes])
    inner = ReflectWrapper(grounder=grounder, chat=chat, turns=2)
    outer = ReflectWrapper(
        grounder=ExistenceWrapper(grounder=inner, chat=chat), chat=chat, turns=2
    )
    episode = ground(outer, max_turns=9)
    # The inner one has two answers in each of the outer one's two turns.
    assert len(grounder.episodes) == 4
    assert len(chat.asked("existence")) == 2
    assert [turn.action for turn in episode.trace.turns] == ["look"] * 3 + ["answer"]
    assert episode.grounding.status == "guessed"
    assert episode.grounding.found
