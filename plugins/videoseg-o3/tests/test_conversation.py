"""The conversation of an episode, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from videoseg_o3 import CoarseSampler, build_conversation, format_indices, load_prompts

import videoseg as vs
from videoseg.testing import moving_square
from videoseg.types import FrameGroup, ImagePart, Message, TextPart

SELECT = '<think>a</think><select><VTG>{"start": 2, "end": 9, "keyframe": 5}</VTG></select>'

SYSTEM = (
    "You are a helpful assistant. Your ultimate goal is to perform video temporal grounding (VTG) "
    "and referring video object segmentation (RefVOS). Based on the text query and video content, "
    "output your thinking process within <think> and </think> tags. If anything is unclear, you "
    "can select frames from the video for a clearer view by outputting "
    '<select>{"start": start, "end": end, "keyframe": keyframe}</select>, where \'start\' and '
    "'end' are the start and end frame indices of the region for detailed analysis, and "
    "'keyframe' is the corresponding keyframe index. Once the final answer is confirmed, provide "
    'it within <answer><VTG>{"start": start, "end": end, "keyframe": keyframe}</VTG>, '
    "<RefSeg></RefSeg></answer>."
)
FIRST = (
    "{20 x 32}\nHere are 20 low-resolution frames in this video (frame indice is [0, 1, 2, 3, 5, "
    "6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 25])\n"
    "{8 x 256}Here are 8 high-resolution frames in this video (frame indice:[0, 3, 7, 10, 14, 17, "
    "21, 25]).\n"
)
QUESTION = (
    'The query is "the red car". Show me your thought process for finding and segmenting this '
    "target. This video has 26 frames."
)
LOOK = (
    "{5 x 32}\nHere are 5 low-resolution frames in this video (frame indices are [2, 3, 5, 7, "
    "9])\n{1 x 512}Here is key frames (frame indice:5).\n"
)
GO_ON = (
    "\n Continue your reasoning process inside <think> and </think>. If needed, you can continue "
    "to select images on the original video, by outputting <select> and </select> as before. If "
    "the final answer is confirmed, put your final answer inside <answer> and </answer>."
)


def episode(query="the red car", *, num_frames=26, max_turns=3, sampler=None, keyframe=5):
    """Return an episode after one look."""
    video = moving_square(num_frames, size=(9, 13)).video
    sampler = sampler or CoarseSampler()
    whole, window = vs.Window(0, num_frames), vs.Window(2, 10)
    selections = (
        sampler.sample(video, query, window=whole),
        sampler.sample(video, query, window=window, keyframe=keyframe),
    )
    look = vs.Look(window, keyframe, vs.Thought("a", details={"raw": SELECT}))
    return vs.Episode(video, query, max_turns=max_turns, selections=selections, moves=(look,))


def flat(message: Message) -> str:
    """Return a message as one text, with ``{2 x 32}`` for two images of at most 32 units."""
    shown: list[str] = []
    units: list[int] = []
    for part in (*message.parts, TextPart("")):
        if isinstance(part, ImagePart):
            units.append(part.max_pixels // 784)
            continue
        if units:
            shown.append(f"{{{len(units)} x {units[0]}}}")
            assert len(set(units)) == 1
            units = []
        shown.append(part.text)
    return "".join(shown)


def test_the_released_prompts_are_the_bytes_that_the_checkpoints_know():
    messages = build_conversation(episode(), load_prompts("released"), behavior="released")
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert [flat(message) for message in messages] == [
        SYSTEM,
        FIRST + QUESTION,
        SELECT,
        # The whole first question is restated; in training it was the query alone.
        f"{LOOK}The text query is '{QUESTION}'.{GO_ON}",
    ]


def test_the_extended_prompts_for_seg_restate_the_query_and_tell_the_turns():
    messages = build_conversation(episode(), load_prompts("seg"))
    assert [flat(message) for message in messages] == [
        SYSTEM,
        f"{FIRST}{QUESTION} Turns left after this one: 2.",
        SELECT,
        f"{LOOK}The text query is 'the red car'.{GO_ON} Turns left after this one: 1.",
    ]


def test_the_extended_prompts_for_text_name_every_frame():
    messages = build_conversation(episode(max_turns=2), load_prompts("text"))
    first, last = messages[1], messages[3]
    assert flat(first).startswith("Frame 0:{1 x 32}Frame 1:{1 x 32}Frame 2:{1 x 32}Frame 3:")
    assert flat(first).endswith(
        "Frame 25:{1 x 256}Larger frames above: 8, with the indices [0, 3, 7, 10, 14, 17, 21, 25]."
        '\nThe query is "the red car". The video has 26 frames, from 0 to 25. '
        "Turns left after this one: 1."
    )
    assert flat(last) == (
        "Frame 2:{1 x 32}Frame 3:{1 x 32}Frame 5:{1 x 32}Frame 7:{1 x 32}Frame 9:{1 x 32}"
        "Small frames above, of the range that you chose: 5, with the indices [2, 3, 5, 7, 9].\n"
        "Frame 5:{1 x 512}Frame 5 above is shown larger.\n"
        'The query is still "the red car". This is the last turn: finish now, with <answer>.'
    )
    for words in ("Step 1 (temporal)", "Step 2 (spatial)", "Step 3 (linguistic)", "Action:"):
        assert words in flat(messages[0])


@pytest.mark.parametrize("purpose", ["released", "seg", "text", "find"])
def test_the_conversation_of_a_turn_begins_with_that_of_the_turn_before(purpose):
    later = episode()
    earlier = vs.Episode(
        later.video, later.query, max_turns=later.max_turns, selections=later.selections[:1]
    )
    prompts = load_prompts(purpose)
    before, after = build_conversation(earlier, prompts), build_conversation(later, prompts)
    assert [flat(message) for message in after[: len(before)]] == [flat(m) for m in before]
    assert len(after) == len(before) + 2


def test_numbers_are_plain_whatever_type_they_have():
    assert format_indices(np.array([0, 7], np.int64)) == "[0, 7]"
    assert format_indices((np.int32(3), np.uint8(4))) == "[3, 4]"
    prompts = load_prompts("released")
    assert prompts.fill("keyframe", frame=np.int64(5)) == (
        "Here is key frames (frame indice:5).\n"
    )

    class OfNumPy:
        def sample(self, video, query, *, window, keyframe=None, seed=0):
            frames = tuple(np.linspace(window.start, window.stop - 1, 3, dtype=np.int64))
            groups = [FrameGroup("context", frames)]
            if keyframe is not None:
                groups.append(FrameGroup("keyframe", (np.int64(keyframe),)))
            return vs.FrameSelection(tuple(groups), window)

    for purpose in ("released", "seg", "text", "find"):
        told = episode(sampler=OfNumPy(), keyframe=np.int64(5))
        text = "".join(map(flat, build_conversation(told, load_prompts(purpose))))
        assert "np." not in text
        assert "int64" not in text
        assert "[2, 5, 9]" in text


def test_the_released_evaluation_takes_placeholders_out_of_the_query():
    told = episode("the <image>red<video> car {frame} {query}")
    messages = build_conversation(told, load_prompts("released"), behavior="released")
    assert '"the red car {frame} {query}"' in flat(messages[1])
    assert "<image>" not in flat(messages[1]) + flat(messages[3])
    messages = build_conversation(told, load_prompts("text"))
    assert '"the <image>red<video> car {frame} {query}"' in flat(messages[3])


def test_the_token_that_ends_a_message_is_not_repeated():
    told = episode()
    look = vs.Look(vs.Window(2, 10), 5, vs.Thought("a", details={"raw": f"{SELECT}<|im_end|>"}))
    told = vs.Episode(told.video, told.query, selections=told.selections, moves=(look,))
    assert flat(build_conversation(told, load_prompts("released"))[2]) == SELECT


def test_the_look_of_another_grounder_is_told_by_its_thought():
    told = episode()
    look = vs.Look(vs.Window(2, 10), 5, vs.Thought("let me see"))
    told = vs.Episode(told.video, told.query, selections=told.selections, moves=(look,))
    assert flat(build_conversation(told, load_prompts("text"))[2]) == "let me see"


def test_every_role_can_be_shown_in_every_turn():
    video = moving_square(20, size=(9, 13)).video
    whole = vs.Window(0, 20)
    groups = (
        FrameGroup("detail", (4, 8), 300 * 784),
        FrameGroup("keyframe", (6,)),
        FrameGroup("context", (0, 10)),
    )
    selections = (vs.FrameSelection(groups, whole), vs.FrameSelection(groups[:1], whole))
    move = vs.Look(whole, 6)
    told = vs.Episode(video, "it", max_turns=3, selections=selections, moves=(move,))
    messages = build_conversation(told, load_prompts("released"), behavior="released")
    assert flat(messages[1]).startswith(
        "{2 x 300}Here are 2 high-resolution frames in this video (frame indice:[4, 8]).\n"
        "{1 x 512}Here is key frames (frame indice:6).\n"
        "{2 x 128}\nHere are 2 low-resolution frames in this video (frame indice is [0, 10])\n"
        'The query is "it".'
    )
    assert flat(messages[3]).startswith("{2 x 300}Here are 2 high-resolution frames")


def test_images_are_the_frames_that_they_are_called():
    told = episode()
    messages = build_conversation(told, load_prompts("text"))
    images = [part for m in messages for part in m.parts if isinstance(part, ImagePart)]
    assert len(images) == 20 + 8 + 5 + 1
    for image in images:
        assert np.array_equal(image.image, told.video.read([image.frame])[0])
        assert image.time == told.video.time_of(image.frame)


def test_prompts_of_a_file_are_used(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(
        "A comment.\n[system]\nBe brief.\n[context]\nC {indices}\n[detail]\nD {indices}\n"
        "[keyframe]\nK {frame}\n[question]\nQ {query}?\n[question again]\nAgain: {query}!\n",
        encoding="utf-8",
    )
    prompts = load_prompts("text", str(path))
    assert prompts.name == str(path)
    messages = build_conversation(episode(), prompts)
    assert flat(messages[0]) == "Be brief."
    assert flat(messages[3]) == "{5 x 32}C [2, 3, 5, 7, 9]{1 x 512}K 5Again: the red car!"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nothing", r"section \[system\] is missing"),
        ("[question]\nwhat?\n", "no placeholder {query}"),
        ("[sytem]\nBe brief.\n", r"there is no section \[sytem\]"),
    ],
)
def test_prompts_that_lack_something_are_refused(tmp_path, text, problem):
    path = tmp_path / "mine.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(vs.ConfigError, match=problem):
        load_prompts("text", str(path))


@pytest.mark.parametrize("version", ["v99", "/nowhere/at/all.txt", "\0"])
def test_prompts_that_do_not_exist_are_refused(version):
    with pytest.raises(vs.ConfigError, match="version"):
        load_prompts("text", version)


def test_prompts_differ_only_where_they_must():
    text, find = load_prompts("text").texts, load_prompts("find").texts
    assert {name for name in text if text[name] != find[name]} == {"system"}
    assert "bbox_2d" in text["system"]
    assert "bbox_2d" not in find["system"]
    seg, released = load_prompts("seg").texts, load_prompts("released").texts
    assert seg.keys() - released.keys() == {"turns", "last turn", "answer now"}
    assert {name for name in released if seg[name] != released[name]} == {"question again"}
    restated = released["question again"].replace("{question}", "{query}")
    assert seg["question again"] == restated
