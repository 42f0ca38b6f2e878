"""Answers in forms that nobody agreed on, and requests that leave something out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_server import Answer, completion, scripted_server
from videoseg_vlm import OpenAIChat, RecordingChat, ReplayChat, ServerError
from videoseg_vlm.server.response import (
    clean_strings,
    find_complaint,
    parse_body,
    read_choices,
    read_complaint,
)

import videoseg as vs
from videoseg.errors import ContextLengthError
from videoseg.types import Message, TextPart

QUESTION = [Message("user", (TextPart("Where is it?"),))]


def made(url, **options):
    quick = {"model": "Qwen/Qwen2.5-VL-7B-Instruct", "timeout": 5.0, "deadline": 10.0}
    return OpenAIChat(base_url=url, **{**quick, **options})


# -- errors in an answer with status 200 ---------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "slow down", "code": 429}},
        {"error": {"message": "slow down", "code": "502"}},
        {"error": {"message": "slow down", "type": "overloaded_error"}},
        {"error": {"message": "slow down", "code": "rate_limit_exceeded"}},
        {"error": {"message": "slow down", "status": "RESOURCE_EXHAUSTED"}},
        {"object": "error", "message": "slow down", "code": 503},
        {"choices": [{"error": {"message": "slow down", "code": 520}, "finish_reason": "error"}]},
        {"choices": [], "error": {"message": "slow down", "code": 500}},
        [{"error": {"message": "slow down", "code": 503}}],
    ],
)
def test_a_passing_error_inside_a_success_is_outlasted(body):
    with scripted_server(Answer(body=body), completion("yes")) as server:
        assert made(server.url).chat(QUESTION)[0].text == "yes"
    assert len(server.requests) == 2
    with (
        scripted_server(Answer(body=body)) as server,
        pytest.raises(ServerError, match=r"answered 200, but with an error.*slow down.*asked 2"),
    ):
        made(server.url, max_retries=1).chat(QUESTION)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "no such image format", "code": 400}}, "no such image format"),
        ({"error": "no credit left"}, "no credit left"),
        ({"error": "Bad Request", "message": "too many images"}, "Bad Request; too many images"),
        ({"object": "error", "message": "wrong role", "code": 400}, "wrong role"),
        ({"detail": [{"loc": ["body", "n"], "msg": "too large"}]}, "n: too large"),
        ({"errors": [{"code": 7003, "message": "no route"}], "result": None}, "no route"),
        (
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {"raw": "the image is above 5 MB", "provider_name": "x"},
                }
            },
            "Provider returned error; the image is above 5 MB",
        ),
    ],
)
def test_a_lasting_error_inside_a_success_keeps_the_server_s_words(body, words):
    with scripted_server(Answer(body=body)) as server, pytest.raises(ServerError, match=words):
        made(server.url).chat(QUESTION)
    assert len(server.requests) == 1


def test_a_context_that_is_too_long_is_told_whatever_the_status():
    body = {"error": {"message": "maximum context length is 4096 tokens", "code": 400}}
    with scripted_server(Answer(body=body)) as server, pytest.raises(ContextLengthError):
        made(server.url).chat(QUESTION)


@pytest.mark.parametrize("content", [None, "", "  "])
def test_what_a_server_took_for_a_call_of_a_tool_is_the_answer(content):
    answer = completion("yes")
    call = {"type": "function", "function": {"name": "ground", "arguments": '{"bbox": [1]}'}}
    answer.body["choices"][0]["message"] = {"content": content, "tool_calls": [call]}
    with scripted_server(answer) as server:
        assert made(server.url).chat(QUESTION)[0].text == '{"bbox": [1]}'


@pytest.mark.parametrize("error", [None, "", {}, False])
def test_an_answer_with_an_error_that_is_none_is_an_answer(error):
    answer = completion("yes")
    answer.body.update(error=error, message=None)
    with scripted_server(answer) as server:
        assert made(server.url).chat(QUESTION)[0].text == "yes"


@pytest.mark.parametrize("status", [500, 520, 524, 529])
def test_all_passing_failures_of_a_server_are_outlasted(status):
    with scripted_server(Answer(status, b"oops"), completion("yes")) as server:
        assert made(server.url).chat(QUESTION)[0].text == "yes"


def test_a_wait_that_is_longer_than_the_deadline_is_told():
    later = Answer(429, {"error": "slow down"}, {"Retry-After": "3600"})
    with (
        scripted_server(later) as server,
        pytest.raises(ServerError, match=r"slow down; asked once.*left alone for 3600 s"),
    ):
        made(server.url).chat(QUESTION)


NAMES = st.sampled_from(
    [
        *("choices", "message", "delta", "content", "refusal", "finish_reason", "index", "usage"),
        *(
            "error",
            "errors",
            "detail",
            "code",
            "status",
            "type",
            "loc",
            "param",
            "metadata",
            "raw",
        ),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=60, deadline=None)
@given(answer=st.dictionaries(NAMES, JSON), is_stream=st.booleans())
def test_no_json_is_more_than_an_answer_can_be_read_from(answer, is_stream):
    text = json.dumps(answer)
    try:
        data = clean_strings(
            parse_body(f"data: {text}\n\ndata: [DONE]" if is_stream else text), str
        )
        read_complaint(data)
        complaint = find_complaint(data)
        if complaint is None:
            for reply in read_choices(data, 2):
                assert isinstance(reply.text, str)
                assert isinstance(reply.refusal, str)
        else:
            assert isinstance(complaint.words, str)
    except ValueError as error:
        assert str(error)


# -- streams of events, byte order marks ---------------------------------------------------


def events(*data, end="data: [DONE]\n\n", line="\n"):
    text = ": keep-alive\n\n" + "".join(f"event: x\ndata: {json.dumps(item)}\n\n" for item in data)
    body = (text + end).replace("\n", line).encode()
    return Answer(body=body, headers={"Content-Type": "text/event-stream"})


def chunk(index=0, finish=None, **delta):
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_a_stream_of_events_is_an_answer(line):
    answer = events(
        chunk(role="assistant", content=""),
        chunk(reasoning_content="It is "),
        chunk(reasoning_content="red."),
        chunk(content="[1,"),
        chunk(content=" 2]\u2028"),
        chunk(finish="length"),
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
        line=line,
    )
    with scripted_server(answer) as server:
        [reply] = made(server.url, family="none").chat(QUESTION)
    assert reply.text == "<think>It is red.</think>\n[1, 2]"
    assert (reply.num_prompt_tokens, reply.num_tokens, reply.finish_reason) == (9, 4, "length")


def test_samples_in_a_stream_of_events_are_told_apart():
    answer = events(
        chunk(1, content="b"),
        chunk(0, content="a"),
        chunk(1, content="B", finish="stop"),
        chunk(0, refusal="A", finish="stop"),
        end="",
    )
    with scripted_server(answer) as server:
        replies = made(server.url).chat(QUESTION, num_samples=2, temperature=1.0)
    assert [reply.text for reply in replies] == ["a", "bB"]
    assert replies[0].refusal == "A"


def test_a_whole_answer_in_an_event_is_an_answer():
    with scripted_server(events(completion("yes").body, end="")) as server:
        assert made(server.url).chat(QUESTION)[0].text == "yes"


def test_events_without_empty_lines_between_them_are_an_answer():
    lines = [chunk(content="a"), chunk(content="b", finish="stop")]
    body = "".join(f"data: {json.dumps(line)}\n" for line in lines) + "data: [DONE]"
    with scripted_server(Answer(body=body.encode())) as server:
        assert made(server.url).chat(QUESTION)[0].text == "ab"


def test_an_error_in_a_stream_of_events_is_told():
    answer = events(chunk(content="[1,"), {"error": {"message": "out of memory", "code": 400}})
    with scripted_server(answer) as server, pytest.raises(ServerError, match="out of memory"):
        made(server.url).chat(QUESTION)


def test_a_stream_of_events_that_breaks_off_is_asked_for_again():
    cut = events(chunk(content="[1,"), end="")
    with scripted_server(cut, completion("yes")) as server:
        assert made(server.url).chat(QUESTION)[0].text == "yes"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_an_answer(encoding):
    text = json.dumps(completion("où?").body, ensure_ascii=False)
    with scripted_server(Answer(body=text.encode(encoding))) as server:
        assert made(server.url).chat(QUESTION)[0].text == "où?"
    complaint = json.dumps({"error": {"message": "bad image"}})
    with (
        scripted_server(Answer(400, complaint.encode(encoding))) as server,
        pytest.raises(ServerError, match="400: bad image"),
    ):
        made(server.url).chat(QUESTION)


# -- answers that are cut off or refused ---------------------------------------------------


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("eos", "eos"),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_a_reply_says_why_it_ends(said, finish):
    answer = completion("yes")
    answer.body["choices"][0]["finish_reason"] = said
    with scripted_server(answer) as server:
        [reply] = made(server.url).chat(QUESTION)
    assert reply.finish_reason == finish


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "refusal": "I cannot help with that."},
        {"content": [{"type": "refusal", "refusal": "I cannot help with that."}]},
    ],
)
def test_a_reply_carries_a_refusal_and_so_does_a_recording(message, tmp_path):
    path = str(tmp_path / "said.jsonl")
    with scripted_server(Answer(body={"choices": [{"message": message}]})) as server:
        [reply] = RecordingChat(model=made(server.url), path=path).chat(QUESTION)
    assert (reply.text, reply.refusal) == ("", "I cannot help with that.")
    assert list(ReplayChat(path=path).chat(QUESTION)) == [reply]


def test_only_the_words_of_an_answer_in_parts_are_its_text():
    content = [{"type": "text", "text": "a"}, {"text": None}, {"text": 5}, 3, {"text": "b"}]
    with scripted_server(Answer(body={"choices": [{"message": {"content": content}}]})) as server:
        assert made(server.url).chat(QUESTION)[0].text == "ab"


# -- fields of a request -------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"omit": ["seed", "top_p", "temperature"]},
        {"omit": "seed, top_p,temperature"},
        {"extra_body": {"seed": None, "top_p": None, "temperature": None}},
        {"omit": ["seed"], "extra_body": {"top_p": None, "temperature": None}},
    ],
)
def test_fields_can_be_left_out(options):
    with scripted_server(completion("yes")) as server:
        chat = made(server.url, **options)
        chat.chat(QUESTION)
        chat.chat(QUESTION, num_samples=3, temperature=1.0)
    first, *others = server.requests
    assert first.keys() == {"model", "messages", "max_tokens"}
    assert len(others) == 3, "one choice came, the other two were asked for one by one"
    assert not any({"seed", "top_p", "temperature"} & body.keys() for body in others)


@pytest.mark.parametrize("name", ["max_tokens", "model", "n"])
def test_any_other_field_can_be_left_out(name):
    with scripted_server(completion("yes")) as server:
        made(server.url, omit=[name]).chat(QUESTION, num_samples=2, temperature=1.0)
    assert not any(name in body for body in server.requests)


@pytest.mark.parametrize("omit", [["sead"], ["messages"], ["max_completion_tokens"]])
def test_a_field_that_cannot_be_left_out_is_told_with_those_that_can(omit):
    with pytest.raises(vs.ConfigError, match=r"omit .*model, max_tokens, temperature, .*got"):
        made("http://localhost:1/v1", omit=omit)


def test_fields_to_leave_out_are_named_as_text():
    with pytest.raises(vs.ConfigError, match=r"'omit' .* must be text or a list of texts, got"):
        made("http://localhost:1/v1", omit=[3])


@pytest.mark.parametrize("status", [200, 400, 422])
@pytest.mark.parametrize(
    ("complaint", "advice"),
    [
        ({"detail": [{"loc": ["body", "seed"], "msg": "not permitted"}]}, r"omit=\['seed'\]"),
        ({"error": {"message": "Unknown field", "param": "top_p"}}, r"omit=\['top_p'\]"),
        (
            {"error": {"message": "seed and top_p: extra fields not permitted"}},
            r"omit=\['top_p', 'seed'\]",
        ),
        (
            {"error": {"message": "'temperature' does not support 0.0 with this model."}},
            r"omit=\['temperature'\]",
        ),
        (
            {"error": {"message": "'max_tokens' is not supported, use 'max_completion_tokens'"}},
            r"max_tokens_field='max_completion_tokens'",
        ),
        ({"error": {"message": "max_tokens is too large: 1024"}}, "give another max_tokens"),
        ({"error": {"message": "unknown field top_k"}}, "take top_k out of extra_body"),
    ],
)
def test_a_refusal_that_names_a_field_says_what_to_do(status, complaint, advice):
    with scripted_server(Answer(status, complaint)) as server:
        chat = made(server.url, extra_body={"top_k": -1})
        with pytest.raises(ServerError, match=advice):
            chat.chat(QUESTION)
    assert len(server.requests) == 1


def test_a_refusal_of_the_newer_name_says_the_older_one():
    complaint = {"error": {"message": "max_completion_tokens: extra inputs are not permitted"}}
    with scripted_server(Answer(400, complaint)) as server:
        chat = made(server.url, max_tokens_field="max_completion_tokens")
        with pytest.raises(ServerError, match=r"max_tokens_field='max_tokens'"):
            chat.chat(QUESTION)


def test_a_refusal_that_repeats_the_request_is_not_taken_to_name_its_fields():
    def respond(body):
        return Answer(422, {"detail": [{"loc": ["body"], "msg": "bad image", "input": body}]})

    with scripted_server(respond=respond) as server, pytest.raises(ServerError) as caught:
        made(server.url).chat(QUESTION)
    assert "bad image" in str(caught.value)
    assert "omit" not in str(caught.value)


@pytest.mark.parametrize("option", ["timeout", "deadline"])
@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e9])
def test_times_that_no_system_waits_for_are_refused(option, seconds):
    with pytest.raises(vs.ConfigError, match=option):
        made("http://localhost:1/v1", **{option: seconds})


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, b"bytes"])
def test_added_fields_that_are_no_json_are_refused(value):
    with pytest.raises(vs.ConfigError, match="extra_body"):
        made("http://localhost:1/v1", extra_body={"x": value})


def test_numbers_of_numpy_are_sent_as_any_other():
    with scripted_server(completion("yes")) as server:
        made(server.url).chat(QUESTION, seed=np.int64(3), max_tokens=np.int32(5))
    assert (server.requests[0]["seed"], server.requests[0]["max_tokens"]) == (3, 5)
