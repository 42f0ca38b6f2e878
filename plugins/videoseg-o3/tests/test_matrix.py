"""Every sampler with every grounder and every propagator gives a result with a full trace."""

from __future__ import annotations

import itertools

import pytest
from scripted_chat import ScriptedChat, knowing, knowing_o3
from videoseg_synthetic import make_clip

import videoseg as vs

CLIP = make_clip(seed=0, difficulty="appearance", num_frames=4, size=(96, 128))
QUERY = next(query for query in CLIP.queries if query.text == "the thing that is green")

SAMPLERS = {
    "coarse": "coarse",
    "htfs": vs.use("htfs", num_spans=1, num_positions=1),
    "uniform": "uniform",
}
GROUNDERS = {"o3": "o3", "r1": "r1", "attributes": "attributes"}
PROPAGATORS = ("sam2", "xmem", "flow")


@pytest.fixture(scope="module")
def propagators():
    """Return segmenter and propagator by name; those with weights are built once."""
    build = vs.default_registry().build
    toy = {"model": "toy", "random_weights": True}
    segmenter = build("segmenter", "sam2", {**toy, "low_score": 0.0})
    xmem = build("propagator", "xmem", {"checkpoint": "random", "size": 64})
    return {
        "sam2": (None, build("propagator", "sam2", toy)),
        "xmem": (segmenter, xmem),
        "flow": ("cut", "flow"),
    }


def knowing_both():
    """Return a model that answers the questions of both strategies rightly."""
    o3, r1 = knowing_o3(CLIP, QUERY), knowing(CLIP, QUERY)

    def answer(exchange, number):
        model = o3 if exchange.messages[0].role == "system" else r1
        return model.answer(exchange, number)

    return ScriptedChat(answer)


@pytest.mark.parametrize(
    ("sampler", "grounder", "propagator"),
    [*itertools.product(SAMPLERS, GROUNDERS, PROPAGATORS)],
)
def test_each_mix_gives_a_valid_segmentation_with_a_full_trace(
    sampler, grounder, propagator, propagators, tmp_path
):
    segmenter, last = propagators[propagator]
    with vs.Pipeline(
        SAMPLERS[sampler],
        GROUNDERS[grounder],
        last,
        segmenter=segmenter,
        chat=knowing_both(),
        max_turns=3,
    ) as pipe:
        result = pipe(CLIP.video, QUERY.text)
    assert result.found
    assert all(result.mask(frame).shape == CLIP.size for frame in range(CLIP.num_frames))
    turns = result.trace.turns
    assert [turn.action for turn in turns] == ["look"] * (len(turns) - 1) + ["answer"]
    assert len(turns) == (2 if grounder == "o3" else 1)
    for turn in turns:
        assert turn.selection.indices
        assert turn.selection.reason
        assert turn.thought.text
    assert {"sampler", "grounder", "propagator", "total"} <= set(result.timings)
    result.save(tmp_path / "out", parts=("masks",))
    assert vs.Segmentation.load(tmp_path / "out") == result
