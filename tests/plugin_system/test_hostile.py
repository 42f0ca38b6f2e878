"""A plug-in may do anything; it ends no command and costs nobody a result."""

from __future__ import annotations

import pytest

import videoseg as vs
from videoseg.errors import PluginLoadError

from .conftest import Install

LISTS = """
    import itertools
    import videoseg as vs

    @vs.hookimpl
    def videoseg_components():
        {body}
"""


def failure_of(registry: vs.Registry, plugin: str) -> str:
    return "; ".join(failure.error for failure in registry.failures if failure.plugin == plugin)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("class Own(BaseException): pass\nraise Own('x')", "Own: x"),
        (
            "class Own(Exception):\n    def __str__(self): raise KeyError\nraise Own",
            "Own: no message",
        ),
        ("raise ValueError('x' * 10**6)", "ValueError: xxx"),
        (LISTS.format(body="raise KeyboardInterrupt"), "KeyboardInterrupt"),
        (
            LISTS.format(body="return itertools.repeat(vs.Component('sampler', 'a', 'b:C'))"),
            "more than 1,000 components",
        ),
        (LISTS.format(body="yield vs.Component('sampler', 5, 'b:C')"), "name must be text"),
    ],
)
def test_a_plugin_that_loads_badly_is_reported_in_a_line(
    install: Install, source: str, said: str
) -> None:
    install("videoseg-hostile", source)
    registry = vs.Registry(allow=("videoseg-hostile",))
    error = failure_of(registry, "videoseg-hostile")
    assert said in error
    assert len(error) < 600
    assert "uniform" in registry.names("sampler")


def test_the_import_of_a_component_may_not_end_the_program(install: Install) -> None:
    install("videoseg-list", LISTS.format(body="yield vs.Component('sampler', 'a', 'ends:C')"))
    install("ends", "raise KeyboardInterrupt")
    with pytest.raises(PluginLoadError, match="sampler 'a' of videoseg-list could not be impor"):
        vs.Registry(allow=("videoseg-list",)).build("sampler", "a")


class Leaves:
    """A grounder that leaves the interpreter, or an observer that does."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def step(self, episode: vs.Episode) -> vs.Grounding:
        raise self.error

    def videoseg_stage_started(self, event: object) -> None:
        raise self.error


def pipeline(grounder: object) -> vs.Pipeline:
    registry = vs.Registry(allow=("attributes",))
    return vs.Pipeline("first", grounder, "flow", segmenter="cut", registry=registry)


class OneBox:
    def step(self, episode: vs.Episode) -> vs.Grounding:
        return vs.Grounding(0, (vs.Prompt(1, 0, box=vs.Box(4, 16, 18, 30)),))


@pytest.mark.parametrize("error", [SystemExit(0), SystemExit(4), BaseException("own")])
def test_a_stage_that_leaves_is_an_error_that_names_it(
    moving_square: vs.Video, error: BaseException
) -> None:
    with pytest.raises(vs.StageError, match=f"grounder 'Leaves' failed: {type(error).__name__}"):
        pipeline(Leaves(error))(moving_square, "the square")


def test_ctrl_c_still_interrupts_a_stage(moving_square: vs.Video) -> None:
    with pytest.raises(KeyboardInterrupt):
        pipeline(Leaves(KeyboardInterrupt()))(moving_square, "the square")


@pytest.mark.parametrize("error", [SystemExit(9), KeyboardInterrupt(), BaseException()])
def test_an_observer_that_leaves_costs_a_warning(
    moving_square: vs.Video, error: BaseException
) -> None:
    result = pipeline(OneBox())(moving_square, "the square", observers=[Leaves(error)])
    assert result.found
    [warning] = [text for text in result.warnings if "observer" in text]
    assert warning.startswith(f"observer Leaves failed: {type(error).__name__}: ")


def test_a_stage_that_cannot_be_closed_or_asked_costs_nothing(moving_square: vs.Video) -> None:
    class Clings(OneBox):
        @property
        def device(self) -> str:
            raise SystemExit(5)

        def close(self) -> None:
            raise SystemExit(5)

    registry = vs.Registry(allow=("attributes",))
    registry.add("grounder", "clings", Clings)
    with vs.Pipeline("first", "clings", "flow", segmenter="cut", registry=registry) as pipe:
        assert pipe(moving_square, "the square").device == "cpu"


def test_what_a_stage_answers_is_bounded(moving_square: vs.Video) -> None:
    class Laughs(OneBox):
        def step(self, episode: vs.Episode) -> vs.Grounding:
            shared: list[object] = ["ha"]
            for _ in range(9):
                shared = [shared] * 10
            return vs.Grounding(None, thought=vs.Thought(details={"shared": shared}))

    with pytest.raises(vs.StageError, match="more than a result can hold"):
        pipeline(Laughs())(moving_square, "the square")
