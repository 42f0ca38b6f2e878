"""The audit of existence: what it changes, what it leaves alone, what it costs."""

from __future__ import annotations

import re

import pytest
from drawn_tracks import TruthDetector, TruthPropagator, choosing
from videoseg_synthetic import make_clip
from videoseg_wrappers import ExistenceWrapper
from wrapper_scripts import (
    FITS,
    NO,
    UNSURE,
    YES,
    Expert,
    PointsAtTheMiddle,
    Written,
    found,
    ground,
)

import videoseg as vs
from videoseg.testing import GrounderContract
from videoseg.types import to_dict


def audit(*replies, answer=None, **options):
    chat = Expert(existence=list(replies))
    grounder = Written([answer or found()])
    wrapper = ExistenceWrapper(grounder=grounder, chat=chat, **options)
    return ground(wrapper).grounding, chat


class TestContract(GrounderContract):
    def make(self):
        return ExistenceWrapper(grounder=PointsAtTheMiddle(), chat=Expert(existence=[UNSURE]))


def test_what_the_video_contradicts_is_absent_with_the_evidence():
    answer, chat = audit(NO)
    assert (answer.status, answer.prompts, answer.keyframe) == ("absent", (), None)
    [warning] = answer.warnings
    assert "All objects are circles (frames 0, 3); the object that was found is dropped" in warning
    facts = answer.thought.details["existence"]
    assert facts["votes"][0]["parts"][0]["why"] == "only circles"
    assert facts["dropped"]["prompts"][0]["frame"] == 5
    assert (facts["num_questions"], facts["num_tokens"], answer.thought.num_tokens) == (1, 10, 10)
    assert "Here it is." in answer.thought.text
    assert "1 question, 10 tokens" in answer.thought.text
    assert len(chat.calls[0][2]) == 8
    assert 5 in chat.calls[0][2]


def test_a_right_answer_is_left_alone():
    answer, _ = audit(YES)
    assert (answer.status, answer.warnings) == ("answered", ())
    assert answer.prompts == found().prompts


def test_no_without_a_contradicted_part_is_doubt_not_absence():
    answer, _ = audit({"verdict": "no", "parts": [], "why": "I cannot see it."})
    assert answer.status == "guessed"
    assert answer.found
    assert "could not confirm the query: I cannot see it" in answer.warnings[0]


def test_what_was_judged_a_guess_stays_one():
    answer, _ = audit(YES, answer=found(status="guessed", unjudged=("dog",)))
    assert (answer.status, answer.unjudged) == ("guessed", ("dog",))


@pytest.mark.parametrize(
    ("policy", "reply", "status", "is_found"),
    [
        ("strict", UNSURE, "guessed", False),
        ("strict", NO, "absent", False),
        ("report", NO, "guessed", True),
        ("report", YES, "answered", True),
    ],
)
def test_policies(policy, reply, status, is_found):
    answer, _ = audit(reply, policy=policy)
    assert (answer.status, answer.found) == (status, is_found)
    assert bool(answer.warnings) == (reply is not YES)


@pytest.mark.parametrize(
    ("rule", "replies", "status"),
    [
        ("all", [NO, YES, NO], "guessed"),
        ("all", [NO, NO, NO], "absent"),
        ("majority", [NO, YES, NO], "absent"),
        ("majority", [NO, YES, YES], "answered"),
    ],
)
def test_votes_are_counted_by_the_rule(rule, replies, status):
    answer, chat = audit(*replies, votes=3, rule=rule)
    assert (answer.status, len(chat.calls)) == (status, 3)


def test_other_models_vote_too():
    other = Expert(existence=[YES])
    answer, chat = audit(NO, auditors=[other])
    assert (len(chat.calls), len(other.calls), answer.status) == (1, 1, "guessed")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (ConnectionError("the server is down"), "ConnectionError: the server is down"),
        ("I would rather not say.", "not the JSON that was asked for"),
        ({"verdict": "perhaps"}, "not the JSON that was asked for"),
    ],
)
def test_an_answer_survives_a_chat_model_that_fails(reply, reason):
    answer, _ = audit(reply)
    assert (answer.status, answer.prompts) == ("answered", found().prompts)
    assert "was not audited" in answer.warnings[0]
    assert reason in answer.warnings[0]


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def test_an_error_without_a_message_costs_no_answer_either():
    answer, _ = audit(SilentError())
    assert answer.found
    assert "SilentError: no message" in answer.warnings[0]


def test_control_characters_of_a_model_reach_no_message():
    ill = {**NO, "why": "\x1b[31mRed\u202e."}
    assert "\x1b" not in str(audit(ill)[0].warnings)
    assert "\u202e" not in audit(ill)[0].warnings[0]
    assert "\u202e" not in audit(ConnectionError("\u202egone"))[0].warnings[0]


def test_a_reply_that_cannot_be_read_is_asked_for_again():
    answer, chat = audit("Hm.", NO)
    assert (answer.status, len(chat.calls)) == ("absent", 2)


def test_no_question_begins_that_would_not_fit_into_the_seconds():
    chat = Expert(existence=[YES], seconds=0.06)
    wrapper = ExistenceWrapper(grounder=Written([found()]), chat=chat, votes=50, seconds=0.2)
    answer = ground(wrapper).grounding
    # Three fit; a fourth would end after 0.2 seconds.
    assert 1 <= len(chat.calls) <= 3
    assert "its 0.2 seconds were used up" in answer.warnings[0]
    assert answer.status == "answered"


def test_nothing_is_asked_where_nothing_was_found():
    answer, chat = audit(YES, answer=vs.Grounding(None))
    assert (answer.status, chat.calls) == ("absent", [])


def test_an_audit_that_comes_first_saves_the_rest():
    chat, grounder = Expert(existence=[NO]), Written([found()])
    wrapper = ExistenceWrapper(grounder=grounder, chat=chat, when="before")
    answer = ground(wrapper).grounding
    assert (answer.status, grounder.episodes) == ("absent", [])
    assert "contradicts the query" in answer.warnings[0]


def test_an_audit_that_comes_first_is_asked_once_in_an_episode_with_looks():
    chat = Expert(existence=[UNSURE])
    grounder = Written([vs.Look(vs.Window(2, 6), thought=vs.Thought("Closer.")), found(frame=4)])
    episode = ground(ExistenceWrapper(grounder=grounder, chat=chat, when="before"))
    assert len(chat.calls) == 1
    assert episode.grounding.status == "guessed"
    assert "Audit before the answer: unsure" in episode.trace.turns[0].thought.text


def test_the_trace_report_and_timings_of_a_result_show_it(tmp_path):
    chat = Expert(existence=[NO], seconds=0.02)
    pipe = vs.Pipeline(
        "uniform", vs.use("existence", grounder="attributes"), "flow", segmenter="cut", chat=chat
    )
    from videoseg.testing.clips import moving_square

    result = pipe(moving_square(8).video, "the red square")
    assert result.status == "absent"
    assert result.timings["existence"] >= 0.02
    assert "[existence] The video contradicts the query" in str(result.trace)
    result.save(tmp_path / "out", parts=["report"])
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "All objects are circles" in page
    assert re.search(r"existence \d+ ms|existence 0\.\d", page)
    assert vs.Segmentation.load(tmp_path / "out") == result


def test_pipelines_with_wrappers_go_to_yaml_and_back():
    pipe = vs.Pipeline(
        "uniform",
        vs.use("existence", grounder=vs.use("reflect", grounder="attributes", turns=2), votes=2),
        "flow",
        chat=vs.use("replay", path="none.jsonl"),
    )
    again = vs.Pipeline.from_yaml(pipe.to_yaml())
    assert again.config.to_dict() == pipe.config.to_dict()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"grounder": "atributes"}, "did you mean 'attributes'?"),
        ({"grounder": {"name": "attributes", "options": {"frames": 3}}}, "has no option 'frames'"),
        ({"grounder": {"name": "attributes", "option": {}}}, "unknown keys option"),
        ({"grounder": 3}, "must be the name of a grounder"),
        ({"grounder": "attributes", "auditors": ["nobody"]}, "there is no chat 'nobody'"),
        ({"grounder": "attributes", "prompt": "v9"}, "no version 'v9'"),
        ({"grounder": "attributes", "votes": 0}, "must be a whole number >= 1"),
    ],
)
def test_wrong_options_are_told_before_anything_runs(options, problem):
    problems = vs.default_registry().check("grounder", "existence", options)
    assert any(problem in text for text in problems), problems


def test_an_embedding_of_the_wrapped_grounder_is_known_before_anything_loads():
    entry = vs.default_registry().find("grounder", "existence").component
    wrapped = {"name": "o3", "options": {"answer": "seg"}}
    assert entry.embedding_model({"grounder": wrapped}) == "videoseg-o3"
    assert entry.embedding_model({"grounder": "attributes"}) == ""


def test_the_answer_can_be_written_as_json():
    answer, _ = audit(NO)
    to_dict(answer)


def test_what_wrapped_components_need_is_needed():
    detector = vs.use("yolox", checkpoint="tiny")
    inner = vs.use("attributes", detector=detector)
    wrapped = vs.use(
        "reflect", grounder=inner, responder=vs.use("transformers", model="an/answerer")
    )
    auditors = [{"name": "record", "options": {"model": "transformers"}}]
    needed = vs.default_registry().weights(
        "grounder", "existence", {"grounder": wrapped, "auditors": auditors}
    )
    assert [one.name for one in needed] == [
        "yolox_tiny.onnx",
        "an/answerer",
        "Qwen/Qwen2.5-VL-7B-Instruct",
    ]
    [weights] = vs.default_registry().weights("propagator", "on-doubt", {"propagator": "xmem"})
    assert weights.name == "XMem.pth"


@pytest.mark.parametrize("wrapper", ["existence", "reflect"])
def test_a_wrapped_grounder_gets_the_segmenter_of_the_pipeline(wrapper):
    made = make_clip(seed=5, num_frames=8, size=(96, 128), num_objects=2)
    expert = Expert(existence=[YES], consistent=[FITS])
    names = choosing(["thing"], lambda ids, _: {"true": ids[:1], "false": ids[1:]})

    class Both:
        def chat(self, messages, **sampling):
            text = messages[-1].parts[-1].text
            of_the_wrapper = '"verdict"' in text or '"visible"' in text or "question" in text
            return (expert if of_the_wrapper else names).chat(messages, **sampling)

    # Boxes alone, and a propagator that takes masks alone.
    parts = {"detector": TruthDetector(made), "propagator": TruthPropagator(made)}
    registry = vs.default_registry()
    grounder = registry.build(
        "grounder",
        wrapper,
        {"grounder": vs.use("track-then-choose", **parts)},
        given={"chat": Both(), "segmenter": registry.build("segmenter", "cut")},
    )
    result = vs.Pipeline("uniform", grounder, "given-masks")(made.video, "the first")
    assert (result.status, result.warnings, len(result.tracks)) == ("answered", (), 1)
    assert wrapper in result.trace.turns[-1].thought.details


def test_a_segmenter_that_the_pipeline_lacks_is_no_problem_of_a_wrapper():
    check = vs.default_registry().check
    assert check("grounder", "existence", {"grounder": "track-then-choose"}) == []
