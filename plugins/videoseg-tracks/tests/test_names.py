"""Names to look for: how they are asked for, and what happens if nothing is found."""

from __future__ import annotations

import json

import pytest
from drawn_tracks import TruthDetector, is_round, numbers_shown
from scripted_chat import ScriptedChat
from videoseg_tracks import parse_names

from videoseg.errors import ContextLengthError


class Namer:
    """A model that names in turn what it is told, and calls everything right."""

    def __init__(self, *names):
        self.names = list(names)
        self.chat = ScriptedChat(self.answer)

    def answer(self, exchange, _number):
        if is_round(exchange):
            return '{"true": [1], "false": [2, 3, 4, 5, 6]}'
        return json.dumps({"names": self.names.pop(0)}) if self.names else '{"names": []}'

    @property
    def questions(self):
        return [call for call in self.chat.calls if not is_round(call)]


def test_the_query_alone_is_asked_first(clip, pipeline_of):
    namer = Namer(["thing"])
    pipeline_of(namer.chat)(clip.video, "it")
    [question] = namer.questions
    assert not question.images
    assert ", ".join(TruthDetector(clip).vocabulary) in question.texts[-1]


def test_without_a_noun_the_frames_are_shown(clip, pipeline_of):
    namer = Namer([], ["thing"])
    result = pipeline_of(namer.chat)(clip.video, "what causes it?")
    assert [bool(question.images) for question in namer.questions] == [False, True]
    assert result.status == "answered"


def test_names_that_fail_are_told_and_others_asked_for(clip, pipeline_of):
    namer = Namer(["unicorn"], ["thing"])
    result = pipeline_of(namer.chat)(clip.video, "it")
    assert "without success, so name others: unicorn" in namer.questions[-1].texts[-1]
    assert result.status == "answered"


def test_the_tries_are_bounded_and_what_the_detector_does_not_know_is_said(clip, pipeline_of):
    namer = Namer(*[[f"unicorn{n}"] for n in range(9)])
    result = pipeline_of(namer.chat, max_names=3)(clip.video, "it")
    assert len(namer.questions) == 3
    assert (result.status, result.found) == ("guessed", False)
    assert "does not know 'unicorn0' or 'unicorn1' or 'unicorn2'" in result.warnings[0]


def test_nothing_found_is_a_guess_that_says_so(clip, pipeline_of):
    everything = TruthDetector(clip, masks=True, missing=clip.object_ids)
    namer = Namer(["thing"])
    result = pipeline_of(namer.chat, detector=everything)(clip.video, "it")
    assert (result.status, result.found) == ("guessed", False)
    assert "found no thing, which does not show that there is none" in result.warnings[0]


def test_a_model_that_names_nothing_ends_in_a_guess(clip, pipeline_of):
    result = pipeline_of(ScriptedChat.saying("Hello!"))(clip.video, "it")
    assert (result.status, result.found) == ("guessed", False)
    assert "named nothing that could be looked for" in result.warnings[0]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"kind": "explicit", "names": ["Dog", "animal", "dog"]}', ("dog", "animal")),
        ('<think>A dog.</think>```json\n{"names": ["the dog"]}\n```', ("dog",)),
        ("['dog', 'cat']", ("dog", "cat")),
        ('{"names": "dog"}', ("dog",)),
        ('{"kind": "reasoning", "names": []}', ()),
        ("I cannot say.", ()),
        ('{"names": [1, null, {"a": 1}]}', ()),
        (json.dumps({"names": ["x" * 500]}), ()),
    ],
)
def test_names_are_read_as_models_write_them(text, names):
    assert parse_names(text) == names


@pytest.mark.parametrize("names", [[["unicorn"], ["thing"]], [["unicorn", "thing"]]])
def test_nothing_is_absent_where_a_name_could_not_be_looked_for(clip, pipeline_of, names):
    tries = iter(names)

    def reply(exchange, _number):
        if is_round(exchange):
            return json.dumps({"false": numbers_shown(exchange)})
        return json.dumps({"names": next(tries)})

    result = pipeline_of(ScriptedChat(reply))(clip.video, "the unicorn")
    assert (result.status, result.found) == ("guessed", False)
    assert "does not know 'unicorn', which was not looked for" in result.warnings[0]


def test_the_trace_tells_known_names_from_others(clip, pipeline_of):
    result = pipeline_of(Namer(["unicorn", "thing"]).chat)(clip.video, "it")
    assert result.status == "answered"
    told = result.trace.turns[0].thought.linguistic
    assert told.startswith("Looked for thing; not known: unicorn; followed 1 (thing)")
    assert "does not know 'unicorn'" in result.warnings[0]


@pytest.mark.parametrize("fits", [2, 0])
def test_frames_that_do_not_fit_into_the_context_are_left_out(clip, pipeline_of, fits):
    def reply(exchange, _number):
        if is_round(exchange):
            return '{"true": [1], "false": [2, 3, 4]}'
        if len(exchange.images) > fits:
            raise ContextLengthError("too many images", component="scripted")
        return '{"names": ["thing"]}' if exchange.images else '{"names": []}'

    pipe = pipeline_of(ScriptedChat(reply))
    if not fits:
        with pytest.raises(ContextLengthError):
            pipe(clip.video, "what causes it?")
        return
    result = pipe(clip.video, "what causes it?")
    assert result.status == "answered"
    asked = result.trace.turns[0].thought.details["concepts"]
    assert [len(one["frames"]) for one in asked] == [0, 2]
