from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from videoseg_vlm import RecordingChat, ReplayChat, ReplayError

import videoseg as vs
from videoseg.chat_log import Exchange, Request, read_exchanges, write_line
from videoseg.errors import ComponentNotFoundError, OutputError
from videoseg.testing import ChatContract, moving_square
from videoseg.types import ChatReply, ImagePart, Message, TextPart


class Counter:
    """Answers with how often it has been asked; fails when told to."""

    def __init__(self):
        self.calls, self.closed, self.fails_at = 0, 0, None

    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        self.calls += 1
        if self.calls == self.fails_at:
            raise RuntimeError("the power went off")
        return [
            ChatReply(
                f"answer {self.calls}.{number} \u2028 <box>",
                num_prompt_tokens=12,
                num_tokens=3,
                image_sizes=((28, 56),),
                coordinate_space="per_mille",
                details={"finish": "stop"},
            )
            for number in range(num_samples)
        ]

    def close(self):
        self.closed += 1


def say(text, image=None, **more):
    parts = () if image is None else (ImagePart(image, **more),)
    return [Message("user", (*parts, TextPart(text)))]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "runs" / "exchanges.jsonl")


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)


class Repeating(Counter):
    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        return [ChatReply(f"seed {seed}, sample {i}") for i in range(num_samples)]


class TestRecordingContract(ChatContract):
    @pytest.fixture(autouse=True)
    def _recording(self, path):
        self.path = path

    def make(self):
        return RecordingChat(model=Repeating(), path=self.path)


def test_numpy_s_numbers_are_numbers_as_any(path):
    RecordingChat(model=Counter(), path=path).chat(say("what?"), seed=np.int64(3))
    assert ReplayChat(path=path).chat(say("what?"), seed=3)


class TestReplayContract(ChatContract):
    @pytest.fixture(autouse=True)
    def _recorded(self, path):
        contract = TestRecordingContract()
        contract.path = path
        for name in dir(ChatContract):
            if name.startswith("test_"):
                getattr(contract, name)()
        self.path = path

    def make(self):
        return ReplayChat(path=self.path)


# -- recording and replaying ---------------------------------------------------------------


def test_a_replay_answers_as_the_model_did(path, image):
    recording = RecordingChat(model=Counter(), path=path)
    asked = [
        (say("first", image, frame=3, time=0.125), {}),
        (say("second"), {"num_samples": 3, "temperature": 0.8, "seed": 9}),
        (say("first", image, frame=4, time=0.25, max_pixels=999), {"max_tokens": 5}),
    ]
    given_then = [recording.chat(messages, **how) for messages, how in asked]
    replay = ReplayChat(path=path)
    for (messages, how), replies in reversed(list(zip(asked, given_then, strict=True))):
        assert replay.chat(messages, **how) == replies


def test_a_line_is_json_and_tells_what_was_asked(path, image):
    RecordingChat(model=Counter(), path=path).chat(say("what?", image, frame=7), seed=2)
    with Path(path).open(encoding="utf-8") as file:
        [line] = file
    data = json.loads(line)
    assert data["request"]["seed"] == 2
    [picture, text] = data["request"]["messages"][0]["parts"]
    assert (picture["size"], picture["frame"], text) == ([20, 30], 7, {"text": "what?"})
    assert data["replies"][0]["text"].startswith("answer 1.0")


def test_the_key_of_a_request_is_the_same_everywhere_and_for_ever():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    how = {"num_samples": 1, "temperature": 0, "max_tokens": 10, "seed": 0}
    request = Request.of(say("où?", image, frame=1, time=0.1), **how)
    assert request.key() == "6a7e45f05128440bdf422efde12cea60ea11435b3690a45c32ba945e8673fa8f"
    transposed = Request.of(say("où?", np.asfortranarray(image), frame=1, time=0.1), **how)
    assert transposed.key() == request.key()


@pytest.mark.parametrize(
    "change",
    [
        {"text": "what now?"},
        {"frame": 8},
        {"time": 0.3},
        {"max_pixels": 5},
        {"seed": 1},
        {"temperature": 0.5},
        {"num_samples": 2},
        {"max_tokens": 9},
        {"image": np.full((20, 30, 3), 7, np.uint8)},
        {"image": np.zeros((30, 20, 3), np.uint8)},
    ],
)
def test_what_was_not_asked_is_not_answered(change, path):
    first = {"text": "what?", "image": np.zeros((20, 30, 3), np.uint8), "frame": 7, "time": 0.2}
    RecordingChat(model=Counter(), path=path).chat(say(**first))
    replay = ReplayChat(path=path)
    how = {k: v for k, v in change.items() if k not in (*first, "max_pixels")}
    asked = say(**{**first, **{k: v for k, v in change.items() if k not in how}})
    with pytest.raises(ReplayError, match="has no answer"):
        replay.chat(asked, **how)


def test_an_error_says_what_differs(path, image):
    RecordingChat(model=Counter(), path=path).chat(say("where is the dog?", image), seed=4)
    replay = ReplayChat(path=path)
    with pytest.raises(ReplayError, match=r"seed=4 instead of 0; match='messages'"):
        replay.chat(say("where is the dog?", image))
    with pytest.raises(ReplayError, match=r"other pixels.*match='text'"):
        replay.chat(say("where is the dog?", image + 1), seed=4)
    with pytest.raises(ReplayError, match=r"'where is the dog\?' where 'where is the cat\?'"):
        replay.chat(say("where is the cat?", image), seed=4)


def test_matching_can_be_looser(path, image):
    RecordingChat(model=Counter(), path=path).chat(say("where?", image), seed=4)
    assert ReplayChat(path=path, match="messages").chat(say("where?", image), seed=5)
    with pytest.raises(ReplayError):
        ReplayChat(path=path, match="messages").chat(say("where?", image + 1))
    loose = ReplayChat(path=path, match="text")
    assert loose.chat(say("where?", image + 1), seed=5)
    with pytest.raises(ReplayError, match="1 answers to this, but 2"):
        loose.chat(say("where?", image), num_samples=2)


# -- going on after an interruption --------------------------------------------------------


def test_an_interrupted_run_goes_on_where_it_stopped(path):
    model = Counter()
    model.fails_at = 3
    recording = RecordingChat(model=model, path=path)
    questions = [say(f"question {number}") for number in range(4)]
    with pytest.raises(RuntimeError):
        [recording.chat(question) for question in questions]
    resumed, again = Counter(), []
    recording = RecordingChat(model=resumed, path=path, resume=True)
    again = [recording.chat(question)[0].text for question in questions]
    assert resumed.calls == 2
    assert again[0].startswith("answer 1.0")
    assert again[2].startswith("answer 1.0"), "the new model's first answer"
    assert len(read_exchanges(recording._path)) == 4


def test_a_line_that_was_cut_off_does_no_harm(path):
    recording = RecordingChat(model=Counter(), path=path)
    recording.chat(say("one"))
    recording.chat(say("two"))
    with Path(path).open("rb+") as file:
        file.truncate(file.seek(0, 2) - 20)
    assert len(read_exchanges(recording._path)) == 1
    RecordingChat(model=Counter(), path=path, resume=True).chat(say("two"))
    replay = ReplayChat(path=path)
    assert replay.chat(say("one"))
    assert replay.chat(say("two"))


def test_fewer_answers_than_are_asked_for_are_asked_for_again(path):
    RecordingChat(model=Counter(), path=path).chat(say("where?"))
    exchange = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps({**exchange, "replies": []}) + "\n")
    resumed = Counter()
    assert len(RecordingChat(model=resumed, path=path, resume=True).chat(say("where?"))) == 1
    assert resumed.calls == 1


def test_threads_write_whole_lines(path):
    recording = RecordingChat(model=Repeating(), path=path)
    threads = [
        threading.Thread(target=lambda n=n: [recording.chat(say(f"{n} {i}")) for i in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_exchanges(recording._path)) == 80


# Half of a character pair, as a broken server may send it, is text to Python.
ANY_TEXT = st.text(st.characters(codec=None))


@settings(max_examples=60, deadline=None)
@given(text=ANY_TEXT, answer=ANY_TEXT, seed=st.integers(0, 2**31))
@example(text="\ud800", answer="\udfff\u2028\n", seed=0)
def test_any_text_survives(text, answer, seed, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "any_text.jsonl"
    file.unlink(missing_ok=True)
    request = Request.of(say(text), num_samples=1, temperature=0.1, max_tokens=1, seed=seed)
    write_line(file, Exchange(request, (ChatReply(answer),)))
    [exchange] = read_exchanges(file)
    assert exchange.request.key() == request.key()
    assert exchange.replies[0].text == answer


# -- composing -----------------------------------------------------------------------------


def test_the_recorded_model_can_be_named(path, tmp_path):
    first = str(tmp_path / "first.jsonl")
    RecordingChat(model=Counter(), path=first).chat(say("hello"))
    registry = vs.Registry()
    for model in (
        {"name": "replay", "options": {"path": first}},
        vs.use("replay", path=first),
    ):
        chat = registry.build("chat", "record", {"model": model, "path": path})
        assert chat.chat(say("hello"))[0].text.startswith("answer 1.0")
        chat.close()


class AskingGrounder:
    """Takes the numbers in an answer for a box."""

    __module__ = "asking"  # pytest's name for this file is no module's

    def __init__(self, *, chat):
        self.chat = chat

    def step(self, episode):
        keyframe = episode.selection.indices[0]
        image = ImagePart(episode.video[keyframe], frame=keyframe, time=0.0)
        replies = self.chat.chat(
            [Message("user", (image, TextPart(episode.query)))],
            num_samples=2,
            temperature=0.7,
            seed=episode.seed,
        )
        numbers = [ord(letter) % 7 for letter in replies[1].text[:2]]
        box = vs.Box(numbers[0], numbers[1], numbers[0] + 20, numbers[1] + 20)
        return vs.Grounding(keyframe, (vs.Prompt(1, keyframe, box=box),))


def test_a_replayed_pipeline_gives_the_recorded_result(path, checkpoints):
    clip = moving_square(4)
    registry = vs.Registry()
    registry.add("grounder", "asking", AskingGrounder, uses=("chat",))
    tiny = vs.use("transformers", model=str(checkpoints["qwen3-vl"]))
    results = []
    for chat in (vs.use("record", model=tiny, path=path), vs.use("replay", path=path)):
        pipe = vs.Pipeline(
            "first", "asking", "flow", segmenter="cut", chat=chat, registry=registry
        )
        again = vs.Pipeline.from_yaml(pipe.to_yaml(), registry=registry)
        with again:
            results.append(again(clip.video, "the square", seed=3))
    recorded, replayed = results
    assert recorded.grounding == replayed.grounding
    assert recorded.tracks == replayed.tracks
    with pytest.raises(ReplayError, match="seed=3 instead of 4"):
        again(clip.video, "the square", seed=4)


def test_a_model_given_as_an_instance_stays_open(path):
    model = Counter()
    recording = RecordingChat(model=model, path=path)
    recording.close()
    assert model.closed == 0


def test_options_of_the_recorded_model_are_not_written(path, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-secret-value")
    options = {"model": "m", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "A_KEY"}
    chat = RecordingChat(
        model={"name": "openai", "options": {**options, "max_retries": 0}}, path=path
    )
    with pytest.raises(vs.StageError):
        chat.chat(say("hello"))
    assert "secret" not in repr(chat)
    assert Path(path).read_text() == ""


@pytest.mark.parametrize("model", [{"nme": "openai"}, 3, {"name": "openai", "extra": 1}, None])
def test_what_is_no_model_is_refused(model, path):
    with pytest.raises(vs.ConfigError, match="recorded model"):
        RecordingChat(model=model, path=path)


def test_an_unknown_model_is_refused_with_the_nearest(path):
    with pytest.raises(ComponentNotFoundError, match="transformers"):
        RecordingChat(model="transformer", path=path)


# -- files that are no recordings ----------------------------------------------------------


def test_a_recording_that_is_not_there_is_told(tmp_path):
    with pytest.raises(vs.ConfigError, match="No such file"):
        ReplayChat(path=str(tmp_path / "none.jsonl"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hello", "line 1: it is not an exchange"),
        ("[]", "line 1: it is not an exchange"),
        ('{"exchange": 2, "request": {}, "replies": []}', "line 1: its format 2"),
        ('{"exchange": 1, "request": {}, "replies": []}', "line 1: its request has no messages"),
        ('{"exchange": 1, "request": {}, "replies": [{"txt": 1}]}', "line 1: .*text"),
    ],
)
def test_a_file_that_is_no_recording_is_told(line, words, tmp_path):
    file = tmp_path / "other.jsonl"
    file.write_text(f"{line}\n\n")
    with pytest.raises(vs.ConfigError, match=words):
        ReplayChat(path=str(file))


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="another path"):
        RecordingChat(model=Counter(), path=str(tmp_path / "file" / "exchanges.jsonl"))


def test_checking_the_options_of_a_recording_makes_no_file(tmp_path):
    path = tmp_path / "said.jsonl"
    registry = vs.default_registry()
    options = {"path": str(path), "model": {"name": "openai", "options": {"model": "m"}}}
    assert registry.check("chat", "record", options) == []
    options["model"]["options"]["timeout"] = -1
    [problem] = registry.check("chat", "record", options)
    assert "option 'timeout' of chat 'openai'" in problem
    assert not path.exists()
