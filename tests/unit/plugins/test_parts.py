"""Components that are made of others: what these lack, the whole lacks."""

from __future__ import annotations

import logging
import sys
import types
from dataclasses import replace

import pytest

import videoseg as vs
from videoseg.errors import ComponentNotFoundError, ConfigError
from videoseg.pipeline import STAGES
from videoseg.pipeline.composition import Composition
from videoseg.plugins import RegisteredComponent, Registry
from videoseg.plugins.readiness import judge_component
from videoseg.weights import WeightsFile

FILE = WeightsFile("https://example.org/needed.bin", "parts", 3_700_000, license="MIT")


class Stage:
    def __init__(
        self,
        *,
        grounder: object = None,
        detector: object = None,
        helpers: object = (),
        size: int = 1,
    ) -> None:
        pass

    def step(self, episode): ...


class Propagator:
    capabilities = vs.PropagatorCapabilities(boxes=True)

    def open(self, video, *, seed=0): ...


@pytest.fixture
def module(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDEOSEG_WEIGHTS", str(tmp_path))
    module = types.ModuleType("made_of_parts")
    module.Stage = Stage
    module.weights = lambda options: [FILE] if options.get("size") != 2 else []
    module.parts = lambda options: [("chat", one) for one in options.get("helpers", ())]
    monkeypatch.setitem(sys.modules, "made_of_parts", module)
    return module


@pytest.fixture
def registry(module):
    registry = Registry(allow=())
    target, weights = "made_of_parts:Stage", "made_of_parts:weights"
    for component in (
        vs.Component("grounder", "outer", target, parts="made_of_parts:parts", license="BSD"),
        vs.Component("grounder", "wrapper", target),
        vs.Component("detector", "needy", target, weights=weights, license="GPL"),
        vs.Component("chat", "helper", target, weights=weights),
        vs.Component(
            "chat", "elsewhere", target, requires=("no_such_module",), install="some-package"
        ),
    ):
        entry = RegisteredComponent(component, "parts", "parts")
        registry._components[component.kind, component.name] = [entry]
    return registry


def judge(registry, name, **options):
    return judge_component(registry, registry.find("grounder", name), options)


@pytest.mark.parametrize(
    "options",
    [
        {"detector": "needy"},
        {"detector": {"name": "needy", "options": {"size": 3}}},
        {"detector": vs.use("needy")},
        {"helpers": ["helper"]},
        {"grounder": {"name": "outer", "options": {"helpers": [{"name": "helper"}]}}},
    ],
    ids=["name", "mapping", "use", "list", "nested"],
)
def test_weights_of_parts_are_needed(registry, options):
    readiness = judge(registry, "outer", **options)
    assert (readiness.state, readiness.num_bytes) == ("needs download", 3_700_000)
    assert registry.weights("grounder", "outer", options) == (FILE,)


def test_each_part_is_downloaded_with_its_own_options(registry):
    inner = {"name": "outer", "options": {"detector": {"name": "needy", "options": {"size": 3}}}}
    readiness = judge(registry, "wrapper", grounder=inner)
    assert readiness.remedy == "videoseg download detector needy -O size=3"
    assert judge(registry, "wrapper", grounder="outer").state == "usable"


def test_packages_that_parts_lack_are_missing(registry):
    readiness = judge(registry, "wrapper", grounder=vs.use("outer", helpers=["elsewhere"]))
    assert (readiness.state, readiness.missing) == ("missing", ("no_such_module",))
    assert readiness.remedy == "pip install some-package"


def test_a_part_that_does_not_exist_makes_the_whole_unusable(registry):
    readiness = judge(registry, "wrapper", grounder={"name": "nobody"})
    assert readiness.state == "missing"
    assert "there is no grounder 'nobody'" in readiness.problem
    with pytest.raises(ComponentNotFoundError):
        registry.weights("grounder", "wrapper", {"grounder": "nobody"})


def test_a_part_of_itself_is_refused(registry):
    options: dict[str, object] = {}
    options["grounder"] = {"name": "wrapper", "options": options}
    assert "nested in more than" in judge(registry, "wrapper", **options).problem
    with pytest.raises(ConfigError, match="nested in more than"):
        registry.parts("grounder", "wrapper", options)


@pytest.mark.parametrize("parts", [lambda _: 1 / 0, lambda _: [None], lambda _: None])
def test_who_cannot_tell_its_parts_is_judged_alone(registry, module, caplog, parts):
    module.parts = parts
    with caplog.at_level(logging.WARNING):
        assert judge(registry, "outer").state == "usable"
    assert "grounder 'outer' cannot say which components it is made of" in caplog.text


@pytest.mark.parametrize(
    "value", [None, 3, {"name": 3}, {"options": {}}, {"name": "a", "options": 3}]
)
def test_what_names_no_component_is_no_part(registry, value):
    assert len(registry.parts("grounder", "wrapper", {"detector": value})) == 1


def test_versions_of_parts_are_recorded(registry):
    entry = registry.find("detector", "needy")
    registry._components["detector", "needy"] = [replace(entry, distribution="far", version="7")]
    stages = {"sampler": "uniform", "grounder": vs.use("wrapper", detector="needy")}
    composition = Composition(dict.fromkeys(STAGES) | stages, registry)
    assert ("far", "7") in composition.distributions()
    composition.stages["grounder"] = vs.use("wrapper", detector="gone")
    assert composition.distributions() == [("videoseg", vs.__version__), ("parts", "")]


def test_a_pipeline_tells_what_its_parts_lack(registry):
    pipe = vs.Pipeline(
        "uniform",
        vs.use("wrapper", grounder=vs.use("outer", detector="needy")),
        Propagator(),
        registry=registry,
    )
    explanation = pipe.explain()
    grounder = next(stage for stage in explanation.stages if stage.stage == "grounder")
    assert grounder.license == "BSD (grounder 'outer'); GPL (detector 'needy')"
    assert [one.name for one in grounder.weights] == ["needed.bin"]
    assert explanation.readiness.remedy == "videoseg download detector needy"
    lacking = pipe.replace(grounder={"grounder": vs.use("outer", helpers=["elsewhere"])}).explain()
    assert lacking.problems == ("chat 'elsewhere' needs no_such_module: pip install some-package",)
    unknown = pipe.replace(grounder={"grounder": "nobody"}).readiness()
    assert unknown.state == "missing"
