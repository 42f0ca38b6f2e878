"""One plug-in that is broken spoils nothing but itself, and says so."""

from __future__ import annotations

import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

import videoseg as vs
from videoseg.errors import (
    ComponentNotFoundError,
    MissingDependencyError,
    PluginConflictError,
    PluginLoadError,
)

from .conftest import Install

GOOD = """
    import videoseg as vs

    class Sampler:
        def sample(self, video, query, *, window, keyframe=None, seed=0):
            return vs.FrameSelection.of([window.start], window=window)

    @vs.hookimpl
    def videoseg_components():
        yield vs.Component("sampler", "{name}", "{module}:Sampler", summary="A good one.")
"""


def good(name: str, module: str) -> str:
    return GOOD.format(name=name, module=module)


def failure_of(registry: vs.Registry, plugin: str) -> str:
    found = [failure.error for failure in registry.failures if failure.plugin == plugin]
    assert len(found) == 1, registry.failures
    return found[0]


def test_an_installed_plugin_is_found_and_built(install: Install) -> None:
    install("videoseg-good", good("good", "videoseg_good"), version="2.3")
    registry = vs.Registry()
    entry = registry.find("sampler", "good")
    assert (entry.distribution, entry.version, entry.plugin) == (
        "videoseg-good",
        "2.3",
        "videoseg-good",
    )
    assert isinstance(registry.build("sampler", "good"), vs.FrameSampler)


def test_threads_that_ask_at_once_all_wait_for_the_plugins(install: Install) -> None:
    slow = "import time\ntime.sleep(0.3)\n" + textwrap.dedent(good("slow", "videoseg_slow"))
    install("videoseg-slow", slow)
    registry = vs.Registry()
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(registry.names, ["sampler"] * 3))
    assert all("slow" in names for names in answers)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("import a_module_nobody_has", "No module named 'a_module_nobody_has'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def :", "SyntaxError"),
    ],
)
def test_a_plugin_that_fails_on_import_is_reported_and_spoils_no_other(
    install: Install, source: str, said: str
) -> None:
    install("videoseg-broken", source)
    install("videoseg-good", good("good", "videoseg_good"))
    registry = vs.Registry()
    assert said in failure_of(registry, "videoseg-broken")
    assert "good" in registry.names("sampler")
    assert "uniform" in registry.names("sampler")


def test_the_traceback_of_a_failure_is_kept(install: Install) -> None:
    install("videoseg-broken", "def fail():\n    raise KeyError('deep')\n\nfail()\n")
    (failure,) = [f for f in vs.Registry().failures if f.plugin == "videoseg-broken"]
    assert "in fail" in failure.details
    assert failure.distribution == "videoseg-broken 1.0"


def test_a_plugin_whose_declaration_fails_leaves_no_component_behind(install: Install) -> None:
    install(
        "videoseg-half",
        """
        import videoseg as vs

        @vs.hookimpl
        def videoseg_components():
            yield vs.Component("sampler", "first-half", "videoseg_half:Sampler")
            raise ValueError("second half")
        """,
    )
    registry = vs.Registry()
    assert "ValueError: second half" in failure_of(registry, "videoseg-half")
    assert "first-half" not in registry.names("sampler")


def test_a_declaration_that_is_not_a_component_is_reported(install: Install) -> None:
    install(
        "videoseg-tuple",
        """
        import videoseg as vs

        @vs.hookimpl
        def videoseg_components():
            yield ("sampler", "mine")
        """,
    )
    assert "got tuple" in failure_of(vs.Registry(), "videoseg-tuple")


def test_a_misspelt_hook_is_reported_with_its_name(install: Install) -> None:
    install(
        "videoseg-misspelt",
        """
        import videoseg as vs

        @vs.hookimpl
        def videoseg_component():
            return []
        """,
    )
    assert "videoseg_component" in failure_of(vs.Registry(), "videoseg-misspelt")


def test_a_hook_with_an_argument_that_does_not_exist_is_reported(install: Install) -> None:
    install(
        "videoseg-signature",
        """
        import videoseg as vs

        @vs.hookimpl
        def videoseg_frame_done(event, progress):
            pass
        """,
    )
    assert "progress" in failure_of(vs.Registry(), "videoseg-signature")


def test_a_name_that_is_not_found_tells_of_the_plugins_that_failed(install: Install) -> None:
    install("videoseg-broken", "raise RuntimeError('no luck')")
    with pytest.raises(ComponentNotFoundError) as caught:
        vs.Registry().find("sampler", "unifrm")
    assert "did you mean 'uniform'" in str(caught.value)
    assert "videoseg-broken (RuntimeError: no luck)" in str(caught.value)


def test_listing_components_imports_none_of_them(install: Install) -> None:
    install(
        "videoseg-lazy",
        """
        import videoseg as vs

        @vs.hookimpl
        def videoseg_components():
            yield vs.Component("sampler", "lazy", "videoseg_lazy_stage:Sampler")
        """,
    )
    install("videoseg-lazy-stage", "class Sampler:\n    pass\n")
    # The stage's distribution is itself listed as a plug-in; keep it out.
    registry = vs.Registry(allow=("videoseg-lazy",))
    assert "lazy" in registry.names("sampler")
    assert "videoseg_lazy_stage" not in sys.modules


def test_a_component_whose_module_is_broken_names_its_package(install: Install) -> None:
    install("videoseg-good", good("good", "videoseg_nowhere"))
    with pytest.raises(PluginLoadError, match="videoseg-good could not be imported"):
        vs.Registry().build("sampler", "good")


def test_a_missing_dependency_gives_the_command(install: Install) -> None:
    install(
        "videoseg-needy",
        """
        import videoseg as vs

        @vs.hookimpl
        def videoseg_components():
            yield vs.Component(
                "sampler",
                "needy",
                "videoseg_needy:Sampler",
                requires=("a_module_nobody_has",),
                install="videoseg-needy[models]",
            )
        """,
    )
    registry = vs.Registry()
    assert registry.find("sampler", "needy").missing_modules == ("a_module_nobody_has",)
    with pytest.raises(MissingDependencyError, match=r"pip install videoseg-needy\[models\]"):
        registry.build("sampler", "needy")


def test_a_conflict_names_both_packages_only_when_the_name_is_used(install: Install) -> None:
    install("videoseg-one", good("same", "videoseg_one"), version="1.1")
    install("videoseg-two", good("same", "videoseg_two"), version="2.2")
    registry = vs.Registry()
    assert registry.build("sampler", "uniform") is not None
    assert len(registry.conflicts) == 1
    with pytest.raises(PluginConflictError) as caught:
        registry.build("sampler", "same")
    assert "videoseg-one 1.1 and videoseg-two 2.2" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "found"),
    [
        ("videoseg-one", {"one"}),
        ("videoseg-one, videoseg-two", {"one", "two"}),
        ("", set()),
        ("something-else", set()),
    ],
)
def test_the_allow_list_decides_which_plugins_load(
    install: Install, monkeypatch: pytest.MonkeyPatch, variable: str, found: set[str]
) -> None:
    install("videoseg-one", good("one", "videoseg_one"))
    install("videoseg-two", good("two", "videoseg_two"))
    monkeypatch.setenv("VIDEOSEG_PLUGINS", variable)
    names = set(vs.Registry().names("sampler"))
    assert names & {"one", "two"} == found
    assert "uniform" in names


def test_a_plugin_that_is_not_allowed_is_not_even_imported(install: Install) -> None:
    install("videoseg-secret", "raise SystemError('was imported')")
    assert not vs.Registry(allow=()).failures
    assert "videoseg_secret" not in sys.modules
