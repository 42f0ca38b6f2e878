"""From what was typed to a checked pipeline, and where results go."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoseg import ConfigError, add, default_registry, use
from videoseg.cli.options import checked_pipeline, named_pipeline, parse_options
from videoseg.cli.output_folder import check_output_folder, default_output_folder
from videoseg.errors import ComponentNotFoundError, OutputError
from videoseg.types import PropagatorCapabilities


def composed(name="attributes", *, stages=None, options=None, max_turns=None):
    return checked_pipeline(name, stages=stages or {}, options=options or {}, max_turns=max_turns)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("fast", "fast"),
        ("[1, 2]", [1, 2]),
        ("'8'", "8"),
        ("a=b", "a=b"),
        ("", None),
    ],
)
def test_option_values_are_read_as_yaml(text, value):
    assert parse_options([f"sampler.x={text}"]) == {"sampler": {"x": value}}


def test_options_of_several_stages():
    assert parse_options(["sampler.a=1", "sampler.b=2", "propagator.a=3"]) == {
        "sampler": {"a": 1, "b": 2},
        "propagator": {"a": 3},
    }


@given(st.text())
def test_any_option_is_read_or_refused_as_usage(text):
    try:
        options = parse_options([text])
    except click.BadParameter as error:
        assert error.format_message()
    else:
        assert "=" in text
        assert options


def test_stages_are_replaced_and_options_set():
    pipe = composed(
        stages={"sampler": "uniform", "chat": None},
        options={"sampler": {"num_frames": 5}, "propagator": {"causal": True}},
        max_turns=2,
    )
    assert pipe.config.sampler.name == "uniform"
    assert pipe.config.sampler.options == {"num_frames": 5}
    assert pipe.config.propagator.options == {"causal": True}
    assert pipe.config.grounder.name == "attributes"
    assert pipe.config.max_turns == 2


def test_the_segmenter_can_be_left_out():
    assert composed(stages={"segmenter": "none"}).config.segmenter is None


def test_wrong_options_are_found_before_any_work():
    with pytest.raises(ConfigError, match=r"num_framse.*did you mean 'num_frames'") as caught:
        composed(
            stages={"sampler": "uniform"},
            options={"sampler": {"num_framse": 5}, "propagator": {"nonsense": 1}},
        )
    assert len(caught.value.problems) == 2


def test_a_pipeline_is_a_name_or_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("sampler: uniform\ngrounder: attributes\npropagator: flow\n")
    assert named_pipeline(str(path)).config.sampler.name == "uniform"
    assert named_pipeline("attributes").config.name == "attributes"
    with pytest.raises(ComponentNotFoundError, match="did you mean 'attributes'"):
        named_pipeline("atributes")


def test_default_places_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = default_output_folder("dog")
    first.mkdir(parents=True)
    second = default_output_folder("dog")
    second.mkdir()
    names = [path.name for path in (first, second, default_output_folder("dog"))]
    assert names == ["dog", "dog-2", "dog-3"]


@given(st.text(max_size=300))
def test_default_places_stay_inside_their_folder(name):
    folder = default_output_folder(name)
    assert folder.parent.as_posix() == "videoseg-out"
    assert folder.name not in ("", ".", "..")
    assert len(folder.name.encode()) <= 255


def test_trying_a_place_leaves_nothing_behind(tmp_path):
    check_output_folder(tmp_path / "a" / "b" / "out", overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_trying_keeps_what_is_there(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"mine\.txt"):
        check_output_folder(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_empty_folder_is_free(tmp_path):
    (tmp_path / "out").mkdir()
    check_output_folder(tmp_path / "out", overwrite=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


class Placed:
    """A propagator with a device to choose."""

    def __init__(self, *, device: str = "auto"):
        self.device = device

    def open(self, video, *, seed=0):
        raise NotImplementedError


class Wraps:
    """A grounder that wraps another one."""

    def __init__(self, *, grounder: dict | None = None):
        self.grounder = grounder

    def step(self, episode):
        raise NotImplementedError


class Asks:
    """A grounder with a device to choose."""

    def __init__(self, *, device: str = "auto"):
        self.device = device

    def step(self, episode):
        raise NotImplementedError


@pytest.fixture
def placed():
    default_registry.cache_clear()
    capabilities = PropagatorCapabilities(boxes=True)
    add("propagator", "placed", Placed, capabilities=capabilities)
    add("grounder", "asks", Asks)
    add("grounder", "wraps", Wraps)
    yield
    default_registry.cache_clear()


def on_device(device, options=None, **stages):
    return checked_pipeline(
        "attributes", stages=stages, options=options or {}, max_turns=None, device=device
    )


def test_a_device_is_given_to_the_stages_that_have_one_to_choose(placed):
    config = on_device("cuda:1", propagator="placed").config
    assert config.propagator.options == {"device": "cuda:1"}
    assert "device" not in config.grounder.options


def test_an_option_of_a_stage_wins_over_the_device_of_all(placed):
    options = {"propagator": {"device": "cpu"}}
    config = on_device("cuda", options, propagator="placed", grounder="asks").config
    assert config.propagator.options == {"device": "cpu"}
    assert config.grounder.options == {"device": "cuda"}


def test_what_a_stage_wraps_runs_there_as_well(placed):
    from videoseg.cli.options import _on_device

    pipe = on_device(None, propagator="placed").replace(
        grounder=use("wraps", grounder={"name": "asks"})
    )
    config = _on_device(pipe, "cuda").config
    assert config.grounder.options == {"grounder": {"name": "asks", "options": {"device": "cuda"}}}


def test_a_gpu_that_no_stage_could_use_is_refused_and_the_cpu_is_not():
    with pytest.raises(ConfigError, match="no stage of this pipeline has a device"):
        on_device("cuda")
    assert on_device("auto").config == on_device("cpu").config == on_device(None).config


def test_a_command_may_pass_the_device_on_with_the_stages(placed):
    config = composed(stages={"propagator": "placed", "device": "cuda"}).config
    assert config.propagator.options == {"device": "cuda"}


def test_what_an_option_wraps_runs_there_too_unless_it_says_where(placed):
    options = {"grounder": {"grounder": "asks"}, "propagator": {"device": "cpu"}}
    config = on_device("cuda", options, grounder="wraps", propagator="placed").config
    assert config.grounder.options == {"grounder": {"name": "asks", "options": {"device": "cuda"}}}
    assert config.propagator.options == {"device": "cpu"}
