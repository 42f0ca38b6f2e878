"""Real classes from the question to the masks, with a tiny model or random weights."""

from __future__ import annotations

from collections import Counter

import pytest
from scripted_chat import knowing
from torchvision_builds import declare_missing_operators
from videoseg_r1 import HierarchicalSampler, ReasoningGrounder
from videoseg_synthetic import make_clip

import videoseg as vs
from videoseg.types import to_dict
from videoseg.video import write_video


def without_times(result: vs.Segmentation) -> dict[str, object]:
    data = dict(to_dict(result))
    del data["timings"]
    for turn in data["trace"]["turns"]:
        del turn["sampler_seconds"], turn["grounder_seconds"]
    return data


def test_from_a_model_over_sam2_and_xmem_to_a_saved_result(tmp_path):
    declare_missing_operators()
    clip = make_clip(seed=18, num_frames=12, size=(192, 256))
    query = "the black one"
    write_video(tmp_path / "clip.mp4", clip.iter_frames(), fps=clip.fps)
    with vs.Pipeline.from_name("videoseg-r1-tiny").replace(
        sampler={"num_spans": 3, "num_positions": 3},
        segmenter=vs.use("sam2", model="toy", random_weights=True, low_score=0.0),
        propagator=vs.use("xmem", checkpoint="random", size=64),
    ) as pipe:
        first, second = (pipe(tmp_path / "clip.mp4", query, seed=5) for _ in range(2))
    first.save(tmp_path / "out", parts=["masks"])
    kept = vs.Segmentation.load(tmp_path / "out")
    [turn] = kept.trace.turns
    assert len(turn.selection.details["rounds"][0]["replies"]) == 3
    assert turn.thought.details["coordinate_space"] == "square(96)"
    [prompt] = kept.grounding.prompts
    [meant] = next(asked.object_ids for asked in clip.queries if asked.text == query)
    [point] = prompt.points
    assert clip.masks(meant)[prompt.frame, int(point.y), int(point.x)]
    assert {"sampler", "grounder", "segmenter", "propagator", "total"} <= set(kept.timings)
    assert kept.pipeline["chat"] == "tiny"
    assert without_times(first) == without_times(second)
    assert kept == first


@pytest.mark.parametrize(
    ("segmenter", "propagator"),
    [
        ("cut", "flow"),
        (
            vs.use("sam2", model="toy", random_weights=True, low_score=0.0),
            vs.use("xmem", checkpoint="random", size=64),
        ),
    ],
    ids=["weightless", "sam2-xmem"],
)
def test_every_frame_is_decoded_once(tmp_path, monkeypatch, segmenter, propagator):
    from videoseg.video.pyav import PyavReader

    decoded: Counter[int] = Counter()
    decode = PyavReader._decode

    def counted(reader, cursor, index):
        decoded[index] += 1
        return decode(reader, cursor, index)

    monkeypatch.setattr(PyavReader, "_decode", counted)
    # Longer than what is shown of it, and with several places where decoding may begin.
    clip = make_clip(seed=1, difficulty="motion", num_frames=30, size=(480, 854))
    path = tmp_path / "clip.mp4"
    write_video(path, clip.iter_frames(), fps=clip.fps)
    chat = knowing(clip, clip.queries[0])
    pipe = vs.Pipeline(
        HierarchicalSampler(chat=chat, num_spans=2, num_positions=2, num_frames=12),
        ReasoningGrounder(chat=chat),
        propagator,
        segmenter=segmenter,
    )
    with vs.Video.open(path, reader="pyav") as video:
        result = pipe(video, clip.queries[0].text)
    assert result.found
    assert 0 < result.grounding.keyframe < 29
    assert decoded == Counter(range(30))
