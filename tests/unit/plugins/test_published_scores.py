"""What a component declares to have been published of its model."""

from __future__ import annotations

import sys

import pytest

import videoseg as vs
from videoseg.types import PublishedScore

HERE = "test_published_scores"


def by_size(options):
    """Return the score of the chosen model."""
    value = {"small": 60.0, "large": 70.0}[options.get("model", "small")]
    yield PublishedScore("Ours", "DAVIS-2017 val", value, "a paper")


def of_another_type(options):
    """Return what is no score."""
    return [("DAVIS-2017 val", 60.0)]


def component(function: str = "") -> vs.Component:
    return vs.Component("propagator", "ours", "ours:Propagator", scores=function)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


def test_scores_depend_on_the_options():
    ours = component(f"{HERE}:by_size")
    assert [one.value for one in ours.published_scores({})] == [60.0]
    assert [one.value for one in ours.published_scores({"model": "large"})] == [70.0]


def test_without_a_declaration_nothing_is_published():
    assert component().published_scores({}) == ()


def test_a_declaration_that_fails_says_of_which_component():
    with pytest.raises(vs.errors.PluginLoadError, match="propagator 'ours' cannot say"):
        component(f"{HERE}:by_size").published_scores({"model": "huge"})


def test_what_is_no_score_is_refused():
    with pytest.raises(vs.errors.PluginLoadError, match="PublishedScore"):
        component(f"{HERE}:of_another_type").published_scores({})


def test_a_target_of_another_form_is_refused_when_it_is_declared():
    with pytest.raises(vs.ConfigError, match="scores"):
        component("by_size")
