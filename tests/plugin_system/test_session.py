"""Registering stages without packaging them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import videoseg as vs
from videoseg.errors import ComponentNotFoundError, PluginConflictError, PluginLoadError
from videoseg.plugins import Option
from videoseg.plugins.packages import NEEDED_PACKAGES, PACKAGES


class FirstFrame:
    """Shows the first frame."""

    def sample(self, video, query, *, window, keyframe=None, seed=0):
        return vs.FrameSelection.of([window.start], window=window, keyframe=keyframe)


class LastFrame:
    """Shows the last frame."""

    def sample(self, video, query, *, window, keyframe=None, seed=0):
        return vs.FrameSelection.of([window.stop - 1], window=window, keyframe=keyframe)


def test_an_added_class_is_built_by_name(builtin_registry: vs.Registry) -> None:
    builtin_registry.add("sampler", "mine", FirstFrame, summary="Mine.")
    assert isinstance(builtin_registry.build("sampler", "mine"), FirstFrame)
    assert builtin_registry.find("sampler", "mine").distribution == "this session"


def test_adding_again_replaces(builtin_registry: vs.Registry) -> None:
    builtin_registry.add("sampler", "mine", FirstFrame)
    builtin_registry.add("sampler", "mine", LastFrame)
    assert isinstance(builtin_registry.build("sampler", "mine"), LastFrame)
    assert builtin_registry.names("sampler").count("mine") == 1


def test_an_installed_component_is_replaced_only_if_asked(builtin_registry: vs.Registry) -> None:
    with pytest.raises(PluginConflictError, match="already provided by videoseg"):
        builtin_registry.add("sampler", "uniform", FirstFrame)
    builtin_registry.add("sampler", "uniform", FirstFrame, replace=True)
    assert isinstance(builtin_registry.build("sampler", "uniform"), FirstFrame)


def test_an_instance_is_refused_with_advice(builtin_registry: vs.Registry) -> None:
    with pytest.raises(vs.ConfigError, match="pass instances to Pipeline directly"):
        builtin_registry.add("sampler", "mine", FirstFrame())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["My Sampler", "UPPER", "under_score", "", "-x"])
def test_a_name_that_is_not_kebab_is_refused(builtin_registry: vs.Registry, name: str) -> None:
    with pytest.raises(vs.ConfigError, match="lower-case kebab"):
        builtin_registry.add("sampler", name, FirstFrame)


def test_an_unknown_kind_is_refused(builtin_registry: vs.Registry) -> None:
    with pytest.raises(vs.ConfigError, match="is not one of sampler, grounder"):
        builtin_registry.add("smapler", "mine", FirstFrame)


@pytest.mark.parametrize(
    ("kind", "name", "package"),
    [
        ("pipeline", "attributes", "videoseg-attributes"),
        ("segmenter", "cut", "videoseg-attributes"),
        ("propagator", "sam2", "videoseg-sam2"),
        ("propagator", "xmem", "videoseg-xmem"),
        ("propagator", "cutie", "videoseg-cutie"),
        ("grounder", "existence", "videoseg-wrappers"),
        ("detector", "yolox", "videoseg-detectors"),
        ("grounder", "track-then-choose", "videoseg-tracks"),
        ("chat", "openai", "videoseg-vlm"),
        ("pipeline", "videoseg-r1", "videoseg-r1"),
        ("pipeline", "videoseg-o3-tiny", "videoseg-tiny"),
        ("benchmark", "synthetic", "videoseg-synthetic"),
        ("benchmark", "mevis", "videoseg-benchmarks"),
    ],
)
def test_a_component_of_a_package_that_is_missing_says_what_to_install(
    kind: str, name: str, package: str
) -> None:
    with pytest.raises(ComponentNotFoundError) as caught:
        vs.Registry(allow=()).find(kind, name)
    is_default = package in {
        "videoseg-attributes",
        "videoseg-benchmarks",
        "videoseg-synthetic",
    }
    folders = [f"-e plugins/{one}" for one in (*NEEDED_PACKAGES.get(package, ()), package)]
    place = "-r plugins/default.txt" if is_default else " ".join(folders)
    assert str(caught.value) == (
        f"{kind} {name!r} comes with {package}, which is not loaded: pip install {package}, or in "
        f"a checkout of the repository pip install {place}"
    )


def test_a_misspelt_name_of_a_package_that_is_missing_is_suggested() -> None:
    with pytest.raises(ComponentNotFoundError, match="did you mean 'mevis'"):
        vs.Registry(allow=()).find("benchmark", "meviss")


def test_a_preset_of_a_package_that_is_missing_says_what_to_install() -> None:
    with pytest.raises(ComponentNotFoundError, match="pip install videoseg-attributes"):
        vs.Pipeline.from_name("attributes", registry=vs.Registry(allow=()))


def test_the_packages_that_messages_name_have_these_components() -> None:
    registered = {
        (entry.component.kind, entry.component.name): entry.distribution
        for entry in vs.Registry().components()
    }
    registered |= {
        ("command", entry.command.name): entry.distribution for entry in vs.Registry().commands()
    }
    for kind, packages in PACKAGES.items():
        for name, package in packages.items():
            # Not every environment has every plug-in, but one that is there must have the name.
            if package in registered.values():
                assert registered[(kind, name)] == package
    ours = {package for packages in PACKAGES.values() for package in packages.values()}
    named = {(kind, name) for kind, packages in PACKAGES.items() for name in packages}
    assert {key for key, package in registered.items() if package in ours} <= named


def test_the_packages_that_messages_install_come_with_those_that_they_need() -> None:
    folder = Path(__file__).parents[2] / "plugins"
    packages = {package for kind in PACKAGES.values() for package in kind.values()}
    assert packages >= NEEDED_PACKAGES.keys()
    for package in packages:
        text = (folder / package / "pyproject.toml").read_text("utf-8")
        needed: set[str] = set()
        for name, extra in _of_this_project(text, "dependencies"):
            needed.add(name)
            if extra:
                inner = (folder / name / "pyproject.toml").read_text("utf-8")
                needed |= {name for name, _ in _of_this_project(inner, extra)}
        assert needed == set(NEEDED_PACKAGES.get(package, ())), package


def _of_this_project(pyproject: str, field: str) -> list[tuple[str, str]]:
    """Return the packages of this project in a list of requirements, each with its extra."""
    listed = re.search(rf"^{field} = \[(.*?)\]$", pyproject, re.DOTALL | re.MULTILINE)
    return re.findall(r'"(videoseg-\w+)(?:\[(\w+)\])?>', listed[1] if listed else "")


def test_a_list_of_plugins_to_load_is_mentioned_where_something_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIDEOSEG_PLUGINS", "")
    with pytest.raises(ComponentNotFoundError, match="VIDEOSEG_PLUGINS is set"):
        vs.Registry().find("propagator", "flow")


def test_what_is_added_to_one_registry_is_unknown_to_another() -> None:
    one, two = vs.Registry(allow=("attributes",)), vs.Registry(allow=("attributes",))
    one.add("sampler", "mine", FirstFrame)
    assert "mine" not in two.names("sampler")


def test_an_added_stage_fills_a_pipeline(
    builtin_registry: vs.Registry, moving_square: vs.Video
) -> None:
    seen: list[tuple[int, ...]] = []

    class Answer:
        def step(self, episode):
            seen.append(episode.selection.indices)
            prompt = vs.Prompt(1, episode.selection.indices[0], box=vs.Box(44, 12, 64, 34))
            return vs.Grounding(prompt.frame, (prompt,))

    builtin_registry.add("sampler", "mine", LastFrame)
    builtin_registry.add("grounder", "answer", Answer)
    pipe = vs.Pipeline("mine", "answer", "flow", segmenter="cut", registry=builtin_registry)
    result = pipe(moving_square, "the square")
    assert seen == [(11,)]
    assert result.grounding.keyframe == 11
    assert pipe.config.sampler == vs.use("mine")


def test_options_are_checked_against_the_signature(builtin_registry: vs.Registry) -> None:
    class Every:
        def __init__(self, *, step: int = 10) -> None:
            self.step = step

        def sample(self, video, query, *, window, keyframe=None, seed=0):
            return vs.FrameSelection.of(list(window)[:: self.step], window=window)

    builtin_registry.add("sampler", "each", Every)
    with pytest.raises(vs.ConfigError, match="did you mean 'step'"):
        builtin_registry.build("sampler", "each", {"steps": 3})
    with pytest.raises(vs.ConfigError, match="option 'step'"):
        builtin_registry.build("sampler", "each", {"step": "often"})
    assert builtin_registry.build("sampler", "each", {"step": "3"}).step == 3
    assert builtin_registry.options("sampler", "each") == {"step": Option("int", "10")}


def test_a_missing_shared_model_is_said_before_anything_is_built(
    builtin_registry: vs.Registry,
) -> None:
    class Asks:
        def __init__(self, *, chat: vs.ChatModel) -> None:
            raise AssertionError("was built")

        def step(self, episode):
            raise AssertionError

    builtin_registry.add("grounder", "asks", Asks, uses=("chat",))
    with pytest.raises(vs.ConfigError, match="pass chat="):
        vs.Pipeline("uniform", "asks", "flow", segmenter="cut", registry=builtin_registry)


def test_a_plugin_object_can_be_registered_and_a_bad_one_is_refused(
    builtin_registry: vs.Registry,
) -> None:
    class Good:
        @vs.hookimpl
        def videoseg_components(self):
            return [vs.Component("sampler", "object", f"{__name__}:FirstFrame")]

    class Misspelt:
        @vs.hookimpl
        def videoseg_stage_begun(self, event):
            pass

    builtin_registry.register(Good(), name="good")
    assert "object" in builtin_registry.names("sampler")
    with pytest.raises(PluginLoadError, match="videoseg_stage_begun"):
        builtin_registry.register(Misspelt(), name="misspelt")
    assert "object" in builtin_registry.names("sampler")
    assert not builtin_registry.failures


def test_frames_of_the_clip_are_what_the_fixture_says(moving_square: vs.Video) -> None:
    assert moving_square.size == (48, 64)
    assert np.array_equal(moving_square[0][20, 10], (210, 40, 40))
