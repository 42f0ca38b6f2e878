"""What a pipeline's chat model is asked and answers can be kept, and taken up again."""

from __future__ import annotations

import copy

import pytest
from toy_stages import EverySecond, Hold

import videoseg as vs
from videoseg.chat_log import RecordingChat, read_exchanges
from videoseg.errors import OutputError
from videoseg.testing import moving_square
from videoseg.types import ChatReply, ImagePart, Message, TextPart


class Talks:
    """Answers, unless it is the third time; has more than a chat model must have."""

    device = "cpu:7"

    def __init__(self):
        self.asked, self.closed = [], 0

    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        self.asked.append(messages[0].parts[-1].text)
        if len(self.asked) == 3:
            raise vs.VideosegError("not now")
        return [ChatReply(f"{self.asked[-1]}!")] * num_samples

    def close(self):
        self.closed += 1

    def words(self):
        return 7


class Asks:
    def __init__(self, *, chat):
        self.chat = chat

    def step(self, episode):
        picture = ImagePart(episode.video[0], frame=0, time=0.0)
        said = [
            self.chat.chat([Message("user", (picture, TextPart(word)))])[0].text for word in "abcd"
        ]
        return vs.Grounding(0, (), vs.Thought(f"{''.join(said)} {self.chat.words()}"))


@pytest.fixture
def talks():
    return Talks()


@pytest.fixture
def pipe(talks):
    registry = vs.Registry(allow=("attributes",))
    registry.add("grounder", "asks", Asks, uses=("chat",))
    registry.add("chat", "talks", lambda: talks)
    return vs.Pipeline(EverySecond(), "asks", Hold(), chat="talks", registry=registry)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new folder" / "exchanges.jsonl"


@pytest.fixture
def video():
    return moving_square(4).video


def test_a_run_that_failed_asks_only_what_is_new(pipe, talks, path, video):
    with pytest.raises(vs.VideosegError, match="not now"):
        pipe.recording(path)(video, "x")
    assert len(read_exchanges(path)) == 2
    result = pipe.recording(path, resume=True)(video, "x")
    assert result.trace.turns[0].thought.text == "a!b!c!d! 7"
    assert talks.asked == ["a", "b", "c", "c", "d"]
    assert len(read_exchanges(path)) == 4


def test_of_two_answers_to_one_question_the_one_with_more_samples_is_taken(path):
    class Short(Talks):
        def chat(self, messages, *, num_samples=1, **how):
            super().chat(messages, num_samples=num_samples, **how)
            return [ChatReply("x")] * (2 if len(self.asked) == 1 else num_samples)

    talks, question = Short(), [Message("user", (TextPart("who?"),))]
    for _ in range(3):
        RecordingChat(talks, path, resume=True).chat(question, num_samples=5)
    assert len(talks.asked) == 2
    assert [len(exchange.replies) for exchange in read_exchanges(path)] == [2, 5]


def test_another_picture_is_another_question(pipe, talks, path, video):
    with pytest.raises(vs.VideosegError):
        pipe.recording(path)(video, "x")
    pipe.recording(path, resume=True)(moving_square(4, size=(40, 60)).video, "x")
    assert talks.asked == [*"abc", *"abcd"]


def test_only_the_pipeline_that_records_records(pipe, path, video):
    pipe.recording(path)
    with pytest.raises(vs.VideosegError):
        pipe(video, "x")
    assert not path.exists()


def test_a_change_of_stages_goes_on_recording(pipe, path, video):
    with pytest.raises(vs.VideosegError):
        pipe.recording(path).replace(sampler="first", max_turns=1)(video, "x")
    assert len(read_exchanges(path)) == 2


def test_results_name_the_model_and_its_device(pipe, path, video, talks):
    recording = pipe.recording(path)
    talks.asked += ["", "", ""]
    result = recording(video, "x")
    assert result.pipeline["chat"] == "talks"
    assert result.device == "cpu:7"


def test_a_model_that_was_named_is_freed_and_one_that_was_given_is_not(pipe, talks, path, video):
    talks.asked += ["", "", ""]
    with pipe.recording(path) as recording:
        recording(video, "x")
    assert talks.closed == 1
    with pipe.replace(chat=talks).recording(path) as recording:
        recording(video, "x")
    assert talks.closed == 1


def test_a_pipeline_without_a_chat_model_records_nothing(path, video):

    class Silent:
        def step(self, episode):
            return vs.Grounding(None, ())

    vs.Pipeline(EverySecond(), Silent(), Hold()).recording(path)(video, "x")
    assert not path.exists()


def test_what_cannot_be_written_is_an_output_error(talks, tmp_path):
    (tmp_path / "file").write_text("in the way")
    chat = RecordingChat(talks, tmp_path / "file" / "exchanges.jsonl")
    with pytest.raises(OutputError, match="give another path"):
        chat.chat([Message("user", (TextPart("x"),))])


def test_a_file_of_something_else_is_refused(talks, tmp_path):
    (tmp_path / "notes.txt").write_text("buy milk\nand bread\n")
    with pytest.raises(vs.ConfigError, match=r"notes\.txt, line 1"):
        RecordingChat(talks, tmp_path / "notes.txt")


def test_what_else_the_model_has_is_reached(talks, path):
    chat = RecordingChat(talks, path)
    assert chat.words() == 7
    assert "Talks" in repr(chat)
    with pytest.raises(AttributeError):
        chat.sings()
    assert copy.copy(chat).words() == 7
