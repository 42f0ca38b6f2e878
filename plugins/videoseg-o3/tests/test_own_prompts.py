from __future__ import annotations

import pytest
from videoseg_o3 import build_conversation, load_prompts

import videoseg as vs
from videoseg.testing import moving_square
from videoseg.types import TextPart

SECTIONS = """[system]
Look for {query} in {num_frames} frames.
[frame]
Frame {frame}:
[context]
Small.
[detail]
Larger.
[keyframe]
Sharp.
[question]
Where is {query}?
[question again]
And now?
"""


@pytest.fixture
def episode():
    video = moving_square(12, size=(48, 64)).video
    selection = vs.FrameSelection.of([0, 6], window=vs.Window(0, 12))
    return vs.Episode(video, "the square", max_turns=2, selections=(selection,))


def texts(message):
    return [part.text for part in message.parts if isinstance(part, TextPart)]


def test_the_system_message_may_name_the_query(tmp_path, episode):
    path = tmp_path / "mine.txt"
    path.write_text(SECTIONS)
    first, second = build_conversation(episode, load_prompts("text", str(path)))
    assert texts(first) == ["Look for the square in 12 frames."]
    assert texts(second) == ["Frame 0:", "Frame 6:", "Small.", "Where is the square?"]


def test_indices_may_be_left_out_only_where_every_frame_is_named(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(SECTIONS.replace("Frame {frame}:", "A frame:"))
    with pytest.raises(vs.ConfigError, match=r"\[context\] has no placeholder \{indices\}"):
        load_prompts("text", str(path))


@pytest.mark.parametrize("purpose", ["text", "seg", "find", "released"])
def test_the_system_messages_of_this_package_are_the_same_for_all_queries(purpose, episode):
    prompts = load_prompts(purpose)
    assert "{" + "query}" not in prompts.texts["system"]
    assert texts(build_conversation(episode, prompts)[0]) == [prompts.texts["system"]]
