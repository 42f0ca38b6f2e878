"""The published training files: what they give, and every way in which they can be wrong."""

from __future__ import annotations

import copy
import json

import cv2
import numpy as np
import pytest
from videoseg_train import (
    Stages,
    TraceChat,
    TraceSampler,
    TrainingDataError,
    read_cold_start,
    read_questions,
    record_demonstrations,
)

import videoseg as vs
from videoseg.testing import moving_square
from videoseg.types import ImagePart, Rle, TextPart

LENGTH = 30
FRAMES = [f"{number:05d}" for number in range(LENGTH)]


def said(tag, start, end, keyframe):
    frames = json.dumps({"start": start, "end": end, "keyframe": keyframe})
    return f"<think>Step 1</think><{tag}><VTG>{frames}</VTG> <RefSeg>[SEG]</RefSeg></{tag}>"


def trace():
    return {
        "video_name": "folder/clip",
        "frames": FRAMES,
        "exp": "the square",
        "anno_id": [7],
        "sample_frame_indice": [29, 1, 8, 15],
        "cot_trace": [
            {"start_frame": 3, "end_frame": 23, "key_frame": 9},
            {"start_frame": 5, "end_frame": 9, "key_frame": 6},
        ],
        "round_num": 2,
        "conversations": [
            {"from": "system", "value": "You are ..."},
            {"from": "human", "value": "Find the square."},
            {"from": "gpt", "value": said("select", 3, 23, 9)},
            {"from": "human", "value": "<image> Go on."},
            {"from": "gpt", "value": said("select", 5, 9, 6)},
            {"from": "human", "value": "<image> Go on."},
            {"from": "gpt", "value": said("answer", 5, 8, 6)},
        ],
    }


def question():
    keys = ("video_name", "frames", "exp", "anno_id")
    shows = [0] * 4 + [1] * (LENGTH - 4)
    return [{**{key: trace()[key] for key in keys}, "mask_existence": shows}]


@pytest.fixture(scope="module")
def clip():
    return moving_square(LENGTH, size=(48, 64))


@pytest.fixture
def write(tmp_path, clip):
    """Return a function that writes the files and reads them with a reader."""
    folder = tmp_path / "pictures" / "folder" / "clip"
    folder.mkdir(parents=True)
    for name, frame in zip(FRAMES, clip.video, strict=True):
        cv2.imwrite(str(folder / f"{name}.png"), frame[..., ::-1])
    rles = [Rle.encode(mask).to_coco() for mask in clip.masks[1]]
    rles[:4] = [None] * 4
    masks = {"7": rles, "8": [None] * LENGTH}

    def read(reader, items, masks=masks, **options):
        (tmp_path / "items.json").write_text(json.dumps(items))
        (tmp_path / "masks.json").write_text(json.dumps(masks))
        return reader(
            tmp_path / "items.json",
            pictures=tmp_path / "pictures",
            masks=tmp_path / "masks.json",
            **options,
        )

    read.masks = masks
    return read


def test_questions_give_samples(write, clip):
    samples = write(read_questions, [question(), question()])
    assert len(samples) == 2
    sample = samples[1]
    assert sample.id == "items/item 1"
    assert sample.query == "the square"
    assert sample.visible().tolist() == [False] * 4 + [True] * (LENGTH - 4)
    assert (sample.mask(9) == clip.masks[1][9]).all()
    assert (sample.video[9] == clip.video[9]).all()
    assert samples[1] is sample


def test_what_is_not_there_has_no_masks(write):
    [item] = question()
    absent = [{**item, "anno_id": [8], "mask_existence": [0] * LENGTH}]
    none = [{**item, "anno_id": [], "mask_existence": [0] * LENGTH}]
    for sample in write(read_questions, [absent, none]):
        assert not sample.visible().any()


def test_traces_give_demonstrations(write, load_policy):
    traces = write(read_cold_start, [trace()])
    one = traces.trace(0)
    assert one.sample is traces[0]
    assert one.detail == (1, 8, 15, 29)
    assert [(r.start, r.end, r.keyframe) for r in one.rounds] == [(3, 23, 9), (5, 9, 6)]
    stages = Stages(TraceSampler([one]), vs.use("o3", answer="seg"))
    [rollout] = record_demonstrations(
        load_policy("seg"), stages, [one.sample], lambda sample, seed: TraceChat(one)
    )
    assert rollout.error is None
    assert rollout.texts == one.texts
    looks = [(m.window.start, m.window.stop - 1, m.keyframe) for m in rollout.episode.moves[:-1]]
    assert looks == [(3, 23, 9), (5, 9, 6)]
    assert [len(step.seg_places) for step in rollout.steps] == [1, 1, 1]
    with pytest.raises(vs.ConfigError, match="none of the sampler's traces"):
        TraceSampler([]).sample(one.sample.video, "", window=vs.Window(0, 3))


class Heard:
    """A trace that keeps what it was asked."""

    def __init__(self, trace):
        self._chat, self.messages = TraceChat(trace), []

    def chat(self, messages, **options):
        self.messages.append(messages)
        return self._chat.chat(messages, **options)


def test_each_image_stands_at_its_own_place(write, clip, load_policy):
    """The released loader feeds the images of the first turn in another order."""
    one = write(read_cold_start, [trace()]).trace(0)
    chat = Heard(one)
    sampler, grounder = Stages(TraceSampler([one]), vs.use("o3", answer="seg")).build(chat)
    vs.pipeline.run_episode(
        one.sample.video, one.sample.query, sampler=sampler, grounder=grounder, max_turns=3
    )
    shown, named = [], []
    for message in chat.messages[-1]:
        block = []
        for part in message.parts:
            if isinstance(part, ImagePart):
                assert (part.image == clip.video[part.frame]).all()
                block.append(part.frame)
            elif block:
                shown.append(block)
                named.append(part)
                block = []
    first = np.linspace(0, LENGTH - 1, 20, dtype=int).tolist()
    assert shown[:2] == [first, [1, 8, 15, 29]]
    assert [len(block) for block in shown[2:]] == [10, 1, 5, 1]
    assert shown[3] == [9]
    assert shown[5] == [6]
    for block, part in zip(shown, named, strict=True):
        assert isinstance(part, TextPart)
        listed = part.text.partition("indice")[2]
        assert str(block if len(block) > 1 else block[0]) in listed
    # Behind the n-th start of an image come as many tokens as the n-th image has.
    policy = load_policy("seg")
    conversation = policy.reader.read(chat.messages[-1])
    sizes = policy.reader.sizes(conversation)
    assert len(sizes) == sum(map(len, shown))
    tokens = policy.tokenizer.convert_ids_to_tokens(list(conversation.tokens))
    counts = [run.count("<|image_pad|>") for run in split(tokens, "<|vision_start|>")]
    area = {count: size[0] * size[1] for count, size in zip(counts, sizes, strict=True)}
    assert all(
        count * min(area.values()) == size[0] * size[1] * min(counts)
        for count, size in zip(counts, sizes, strict=True)
    )


def split(tokens, mark):
    runs = []
    for token in tokens:
        if token == mark:
            runs.append([])
        elif runs:
            runs[-1].append(token)
    return runs


WRONG_ITEMS = [
    (lambda i: i.update(video_name="../clip"), "'video_name'"),
    (lambda i: i.update(frames=[]), "'frames'"),
    (lambda i: i.update(frames=["a", "a"]), "'frames'"),
    (lambda i: i.update(frames=["a/b"]), "'frames'"),
    (lambda i: i.update(exp=" "), "'exp'"),
    (lambda i: i.update(anno_id=7), "'anno_id'"),
    (lambda i: i.update(anno_id=[9]), "annotation 9 are not in the file"),
    (lambda i: i.update(frames=FRAMES[:-1]), "are for 30 frames, but the video has 29"),
    (lambda i: i.update(video_name="other"), "other"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_ITEMS, ids=[m for _, m in WRONG_ITEMS])
@pytest.mark.parametrize("reader", [read_cold_start, read_questions])
def test_wrong_items_are_named(reader, change, message, write):
    item = trace() if reader is read_cold_start else question()[0]
    change(item)
    items = [item] if reader is read_cold_start else [[item]]
    with pytest.raises(TrainingDataError) as caught:
        write(reader, items)
    assert any(message in problem for problem in caught.value.problems)
    assert all(problem.startswith("item 0: ") for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i.update(mask_existence=[1] * 29), "is for 29 frames"),
        (lambda i: i.update(mask_existence=[2] * LENGTH), "must be 0 or 1"),
        (lambda i: i.update(mask_existence=[1] * LENGTH), "says 1 for frame 0.*4 such frames"),
        (lambda i: i.update(mask_existence=[0] * LENGTH), "says 0 for frame 4"),
        (lambda i: i.pop("mask_existence"), "must be 0 or 1"),
    ],
)
def test_existence_is_compared_with_the_masks(change, message, write):
    item = question()
    change(item[0])
    with pytest.raises(TrainingDataError, match=message):
        write(read_questions, [item])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i.update(sample_frame_indice=[30]), "sample_frame_indice"),
        (lambda i: i.update(sample_frame_indice=[]), "sample_frame_indice"),
        (lambda i: i.update(cot_trace=[]), "at least one round"),
        (lambda i: i["cot_trace"][0].update(key_frame=30), "round 0 of 'cot_trace'"),
        (lambda i: i["cot_trace"][1].update(start_frame=10), "round 1 of 'cot_trace'"),
        (lambda i: i["cot_trace"][0].pop("end_frame"), "round 0 of 'cot_trace'"),
        (lambda i: i.update(round_num=3), "'round_num' is 3"),
        (lambda i: i.update(conversations="a"), "'conversations'"),
        (lambda i: i["conversations"].pop(0), "must be system, then human"),
        (lambda i: i["conversations"].pop(), "must be system, then human"),
        (lambda i: i["conversations"][3].update(value="Go on."), "turn 1 must have one <image>"),
        (
            lambda i: i["conversations"][2].update(value=said("select", 3, 23, 8)),
            "turn 0 must select the frames of its round",
        ),
        (
            lambda i: i["conversations"][4].update(value="<select>[SEG]</select>"),
            "no readable <select>",
        ),
        (lambda i: i["conversations"][6].update(value="Done. [SEG]"), "no <answer>"),
        (lambda i: i["conversations"][6].update(value="<answer></answer>"), r"one \[SEG\]"),
    ],
)
def test_wrong_traces_are_named(change, message, write):
    item = trace()
    change(item)
    with pytest.raises(TrainingDataError, match=message):
        write(read_cold_start, [item])


def test_wrong_masks_are_named(write):
    for change, message in (
        (lambda m: m["7"].__setitem__(9, {"size": [48, 64], "counts": "a"}), "frame 9"),
        (lambda m: m["7"].__setitem__(9, {"size": [4, 4], "counts": "1"}), "frame 9: the RLE is"),
        (lambda m: m.update({"7": "no"}), "must be a list with a mask"),
    ):
        masks = copy.deepcopy(write.masks)
        change(masks)
        with pytest.raises(TrainingDataError, match=message):
            write(read_questions, [question()], masks)
    small = {"7": [None] * 4 + [Rle.empty((4, 4)).to_coco()] * 26}
    with pytest.raises(TrainingDataError, match="its frames of"):
        write(read_cold_start, [trace()], small)


def test_every_problem_is_reported_at_once(write):
    items = [[{**question()[0], "exp": ""}] for _ in range(30)]
    with pytest.raises(TrainingDataError, match="30 problems") as caught:
        write(read_questions, items)
    assert len(caught.value.problems) == 30
    assert "and 10 more" in str(caught.value)


def test_wrong_items_may_be_left_out(write):
    wrong = [{**question()[0], "exp": ""}]
    samples = write(read_questions, [wrong, question(), "no"], strict=False)
    assert len(samples) == 1
    assert samples[0].id == "items/item 1"
    assert len(samples.left_out) == 2
    with pytest.raises(TrainingDataError):
        write(read_questions, [wrong], strict=False)


def test_some_of_the_traces_know_what_the_others_were_and_what_was_left_out(write):
    wrong = {**trace(), "exp": ""}
    queries = [f"the square {number}" for number in range(4)]
    items = [wrong, *({**trace(), "exp": query} for query in queries)]
    traces = write(read_cold_start, items, strict=False)
    some = traces.at([3, 1])
    assert [some.trace(number).sample.query for number in range(2)] == [queries[3], queries[1]]
    assert some.trace(0).sample is some[0]
    assert (some.most_turns, len(some.left_out)) == (3, 1)
    assert some.left_out == traces.left_out


def test_files_that_cannot_be_read(write, tmp_path):
    with pytest.raises(TrainingDataError, match="must hold a list"):
        write(read_questions, {"a": 1})
    with pytest.raises(TrainingDataError, match="must map"):
        write(read_questions, [question()], [1])
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(TrainingDataError, match="not valid JSON") as caught:
        read_questions(tmp_path / "bad.json", pictures=tmp_path, masks=tmp_path / "none.json")
    assert len(caught.value.problems) == 2


def test_pictures_may_be_checked_later(write, tmp_path):
    item = [{**question()[0], "video_name": "other"}]
    samples = write(read_questions, [item], check_pictures=False)
    with pytest.raises(TrainingDataError, match=r"item 0: .*other"):
        samples[0]
