import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from toy_stages import AnswersAt, BoxIsMask, EverySecond, Hold

import videoseg as vs
from videoseg.errors import (
    ComponentNotFoundError,
    ConfigError,
    IncompatibleStagesError,
    MissingDependencyError,
)
from videoseg.types import ChatReply, PropagatorCapabilities


@pytest.fixture
def registry():
    registry = vs.Registry(allow=("attributes",))
    registry.add("sampler", "second", EverySecond, summary="Every second frame.")
    registry.add("grounder", "answers", AnswersAt)
    registry.add("segmenter", "box", BoxIsMask)
    registry.add(
        "propagator", "hold", Hold, capabilities=PropagatorCapabilities(boxes=True, live=True)
    )
    return registry


def test_a_saved_pipeline_comes_back_equal(registry, tmp_path):
    pipe = vs.Pipeline(
        vs.use("uniform", num_frames=3),
        "answers",
        vs.use("hold", backward=False),
        segmenter="box",
        max_turns=2,
        name="mine",
        registry=registry,
    )
    pipe.to_yaml(tmp_path / "mine.yaml")
    loaded = vs.Pipeline.from_yaml(tmp_path / "mine.yaml", registry=registry)
    assert loaded.config == pipe.config
    assert loaded.to_yaml() == pipe.to_yaml()


@pytest.mark.parametrize("segmenter", ["box", None])
def test_a_stage_gets_what_it_may_use_if_the_pipeline_has_it(registry, video, segmenter):
    got = []

    class May(AnswersAt):
        def __init__(self, *, segmenter=None):
            super().__init__()
            got.append(segmenter)

    registry.add("grounder", "may", May, may_use=("segmenter",))
    assert registry.options("grounder", "may") == {}
    registry.add(
        "propagator", "hold-any", Hold, capabilities=PropagatorCapabilities(boxes=True, masks=True)
    )
    pipe = vs.Pipeline("second", "may", "hold-any", segmenter=segmenter, registry=registry)
    pipe.ground(video, "it")
    assert [type(one) for one in got] == [BoxIsMask if segmenter else type(None)]


def test_numbers_of_numpy_and_paths_among_options_are_saved_as_numbers_and_text(registry):
    pipe = vs.Pipeline(
        vs.use("uniform", num_frames=np.int64(3)),
        vs.use("answers", path=Path("answers.json")),
        "hold",
        registry=registry,
    )
    mapping = pipe.config.to_dict()
    assert mapping["sampler"] == {"name": "uniform", "options": {"num_frames": 3}}
    assert mapping["grounder"] == {"name": "answers", "options": {"path": "answers.json"}}
    assert "num_frames: 3" in pipe.to_yaml()


def test_an_option_that_no_file_can_hold_is_told(registry):
    pipe = vs.Pipeline(
        vs.use("uniform", num_frames=object()), "answers", "hold", registry=registry
    )
    with pytest.raises(ConfigError, match=r"'num_frames'.* is of type object"):
        pipe.to_yaml()


def test_a_pipeline_is_read_from_text(registry):
    pipe = vs.Pipeline.from_yaml(
        "sampler: second\ngrounder: answers\npropagator: {name: hold, options: {boxes: true}}\n",
        registry=registry,
    )
    assert pipe.config.propagator == vs.use("hold", boxes=True)
    assert pipe.config.max_turns == 4


def test_a_pipeline_with_an_instance_says_how_to_make_it_savable(registry):
    pipe = vs.Pipeline(EverySecond(), "answers", "hold", registry=registry)
    with pytest.raises(ConfigError, match=r"register its class with videoseg.add\('sampler'"):
        pipe.to_yaml()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sampler: [\n", "not valid YAML"),
        ("- a\n- b\n", "must be a mapping"),
        ("sampler: second\nx: 1\n", "'grounder' is missing"),
        (
            "sampler: 3\ngrounder: answers\npropagator: hold\n",
            "'sampler' must be a name, or a mapping",
        ),
        (
            "sampler: second\ngrounder: answers\npropagator: {nam: hold}\n",
            "'propagator' has unknown keys 'nam'",
        ),
        (
            "sampler: second\ngrounder: answers\npropagator: hold\nmax_turns: many\n",
            "'max_turns' must be a whole number",
        ),
        (
            "smapler: second\ngrounder: answers\npropagator: hold\n",
            "did you mean 'sampler'?",
        ),
        ("videoseg: 9\nsampler: a\ngrounder: b\npropagator: c\n", "not a version"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(registry, text, expected):
    with pytest.raises(ConfigError) as caught:
        vs.Pipeline.from_yaml(text, registry=registry)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_problems_of_a_configuration_come_at_once(registry):
    with pytest.raises(ConfigError) as caught:
        vs.Pipeline.from_yaml("sampler: 3\nmax_turns: 0\nwindow: 4\n", registry=registry)
    assert len(caught.value.problems) == 5


def test_a_configuration_file_that_is_not_there_is_named(tmp_path, registry):
    with pytest.raises(ConfigError, match=r"cannot read the pipeline file .*none\.yaml"):
        vs.Pipeline.from_yaml(tmp_path / "none.yaml", registry=registry)


def test_an_unknown_name_is_met_with_the_nearest_one(registry):
    with pytest.raises(ComponentNotFoundError, match="did you mean 'hold'"):
        vs.Pipeline("second", "answers", "holt", registry=registry)


def test_a_component_of_another_kind_is_pointed_out(registry):
    with pytest.raises(ComponentNotFoundError, match="There is a propagator of that name"):
        vs.Pipeline("hold", "answers", "hold", registry=registry)


def test_an_unknown_option_is_met_with_the_nearest_one_and_all_that_exist(registry):
    pipe = vs.Pipeline("second", "answers", vs.use("hold", backwards=True), registry=registry)
    problems = pipe.explain().problems
    assert len(problems) == 1
    assert "did you mean 'backward'?" in problems[0]
    assert "fails_at" in problems[0]


def test_options_are_checked_against_their_types(registry):
    pipe = vs.Pipeline(vs.use("uniform", num_frames="many"), "answers", "hold", registry=registry)
    assert any("num_frames" in problem for problem in pipe.explain().problems)


def test_stages_without_the_right_methods_are_refused(registry):
    with pytest.raises(ConfigError) as caught:
        vs.Pipeline(object(), EverySecond(), Hold, registry=registry)
    assert len(caught.value.problems) == 3
    assert (
        "object is not a sampler: it has no method sample(video, query, *, window, keyframe=None, "
        "seed=0) -> FrameSelection"
    ) in str(caught.value)
    assert "pass an instance, Hold(...)" in str(caught.value)


def test_capabilities_of_another_type_are_refused_wherever_they_stand(registry):
    class Declares(Hold):
        def __init__(self):
            self.capabilities = {"boxes": True}

    wanted = r"must be a PropagatorCapabilities, such as .* got a value of type dict"
    with pytest.raises(ConfigError, match=wanted):
        vs.Pipeline("second", "answers", Declares(), registry=registry)
    with pytest.raises(ConfigError, match=wanted):
        registry.add("propagator", "other", Hold, capabilities={"boxes": True})
    registry.add("propagator", "declares", Declares)
    pipe = vs.Pipeline("second", "answers", "declares", registry=registry)
    with pytest.raises(ConfigError, match=wanted):
        pipe(np.zeros((3, 8, 8, 3), np.uint8), "the square")


def test_a_stage_that_uses_a_chat_model_needs_one(registry):
    class Asks:
        def __init__(self, *, chat):
            self.chat = chat

        def step(self, episode):
            return vs.Grounding(None)

    class Echo:
        def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=9, seed=0):
            return [ChatReply("yes")]

    registry.add("grounder", "asks", Asks, uses=("chat",))
    with pytest.raises(ConfigError, match=r"uses a chat model.*--chat NAME.*registered: none"):
        vs.Pipeline("second", "asks", "hold", registry=registry)
    registry.add("chat", "echo", Echo)
    with pytest.raises(ConfigError, match=r"registered: echo$"):
        vs.Pipeline("second", "asks", "hold", registry=registry)
    echo = Echo()
    pipe = vs.Pipeline("second", "asks", "hold", chat=echo, registry=registry)
    assert pipe._composition.build("grounder").chat is echo


@pytest.mark.parametrize("model", ["mine", None])
def test_a_propagator_that_does_not_take_the_embeddings_of_a_grounder_is_refused(registry, model):
    class Embeds(AnswersAt):
        answers_with_embeddings_of = model

    takes = PropagatorCapabilities(embeddings=("mine",))
    registry.add("propagator", "taker", Hold, capabilities=takes)
    assert vs.Pipeline("second", Embeds(), "taker", registry=registry)
    if model is None:
        assert vs.Pipeline("second", Embeds(), "hold", segmenter="box", registry=registry)
        return
    with pytest.raises(IncompatibleStagesError, match=r"'hold' does not take.*\(taker\)"):
        vs.Pipeline("second", Embeds(), "hold", registry=registry)
    with pytest.raises(IncompatibleStagesError, match="leave the segmenter out"):
        vs.Pipeline("second", Embeds(), "taker", segmenter="box", registry=registry)


def test_an_attribute_that_only_sounds_like_embeddings_refuses_nothing(registry):
    class Encodes(AnswersAt):
        embedding_model = "sentence-encoder"

    assert vs.Pipeline("second", Encodes(), "hold", segmenter="box", registry=registry)


@pytest.mark.parametrize("model", [True, 5, ("mine",), lambda self: "mine"])
def test_a_model_of_embeddings_that_is_no_text_is_refused(registry, model):
    class Embeds(AnswersAt):
        answers_with_embeddings_of = model

    with pytest.raises(ConfigError, match=r"'Embeds' must be the name of a model.*or None, got"):
        vs.Pipeline("second", Embeds(), "hold", registry=registry)


def test_a_segmenter_for_a_propagator_that_takes_no_masks_is_refused(registry):
    registry.add(
        "propagator",
        "points-only",
        Hold,
        capabilities=PropagatorCapabilities(points=True, masks=False),
    )
    with pytest.raises(IncompatibleStagesError, match="takes no masks"):
        vs.Pipeline("second", "answers", "points-only", segmenter="box", registry=registry)


def test_replacing_one_stage_keeps_the_others(registry):
    pipe = vs.Pipeline("second", "answers", "hold", name="mine", max_turns=2, registry=registry)
    changed = pipe.replace(sampler=vs.use("uniform", num_frames=2), max_turns=5)
    assert changed.config.sampler.name == "uniform"
    assert changed.config.grounder == pipe.config.grounder
    assert changed.config.max_turns == 5
    assert pipe.config.sampler.name == "second"


def test_options_alone_can_be_replaced(registry):
    pipe = vs.Pipeline("second", "answers", vs.use("hold", boxes=True), registry=registry)
    changed = pipe.replace(propagator={"backward": False})
    assert changed.config.propagator == vs.use("hold", boxes=True, backward=False)


def test_replacing_what_is_no_stage_is_refused(registry):
    pipe = vs.Pipeline("second", "answers", "hold", registry=registry)
    with pytest.raises(ConfigError, match="cannot replace 'smapler'"):
        pipe.replace(smapler="uniform")


def test_explaining_names_every_stage_and_what_it_takes(registry):
    pipe = vs.Pipeline("second", "answers", "hold", segmenter="box", registry=registry)
    text = str(pipe.explain())
    for word in ("second", "Every second frame.", "answers", "box", "hold", "takes masks, boxes"):
        assert word in text
    assert "<table" in pipe.explain()._repr_html_()


def test_a_notebook_is_told_all_that_the_text_tells(registry):
    pipe = vs.Pipeline(
        "second",
        "answers",
        vs.use("hold", backward=False),
        max_turns=3,
        name="mine",
        registry=registry,
    )
    explanation = pipe.explain()
    shown = re.sub(r"<[^>]+>", " ", explanation._repr_html_())
    for told in ("pipeline mine (at most 3 turns)", "hold(backward=False)", "boxes"):
        assert told in str(explanation)
        assert told in shown
    one = dataclasses.replace(explanation, max_turns=1)
    assert "(at most 1 turn)" in str(one)


def test_explaining_tells_what_is_missing_and_the_command(registry):
    class Needy:
        @vs.hookimpl
        def videoseg_components(self):
            yield vs.Component(
                "sampler",
                "needy",
                "nowhere.at.all:Sampler",
                requires=("a_module_nobody_has",),
                install="needy-package",
            )

    registry.register(Needy(), name="needy-plugin")
    pipe = vs.Pipeline("needy", "answers", "hold", registry=registry)
    assert pipe.explain().problems == (
        "sampler 'needy' needs a_module_nobody_has: pip install needy-package",
    )
    with pytest.raises(MissingDependencyError, match="pip install needy-package"):
        pipe._composition.build("sampler")


def test_the_embedded_default_is_a_pipeline_by_name():
    registry = vs.Registry(allow=("attributes",))
    pipe = vs.Pipeline.from_name("attributes", registry=registry)
    assert pipe.config.propagator.name == "flow"
    with pytest.raises(ComponentNotFoundError, match="did you mean 'attributes'"):
        vs.Pipeline.from_name("atributes", registry=registry)
