"""What a constructor objects to is known before anything runs."""

from __future__ import annotations

import pytest

import videoseg as vs
from videoseg.errors import PluginLoadError


class Stage:
    """Objects to its option in each way that constructors do."""

    closed = 0

    def __init__(self, *, how: str = "", num: int = 1, download: bool = False, chat=None) -> None:
        if download:
            raise AssertionError("nothing may be fetched to check options")
        if how == "config":
            raise vs.ConfigError(["how of the sampler 'mine' is wrong", "and so is num"])
        if how == "value":
            raise ValueError("how\n\x1b[2Jever")
        if how == "weights":
            raise vs.MissingWeightsError("no weights here")
        if how == "exit":
            raise SystemExit(0)
        if how == "own":
            raise LookupError(how)
        self.num = num

    def sample(self, video, query, *, window, keyframe=None, seed=0): ...

    def close(self) -> None:
        Stage.closed += 1


@pytest.fixture
def registry() -> vs.Registry:
    registry = vs.Registry(allow=("attributes",))
    registry.add("sampler", "mine", Stage)
    return registry


def test_the_constructor_has_the_last_word_on_options(registry):
    before = Stage.closed
    assert registry.check("sampler", "mine", {"how": "", "download": True}) == []
    assert Stage.closed == before + 1
    assert registry.check("sampler", "mine", {"how": "config"}) == [
        "how of the sampler 'mine' is wrong",
        "sampler 'mine': and so is num",
    ]
    [problem] = registry.check("sampler", "mine", {"how": "value"})
    assert problem == (
        "sampler 'mine' cannot be built with how='value': ValueError: how \ufffd[2Jever"
    )
    assert registry.check("sampler", "mine", {"how": "weights"}) == []
    [problem] = registry.check("sampler", "mine", {"how": "exit"})
    assert problem == "sampler 'mine' cannot be built: SystemExit: 0"


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("config", vs.ConfigError),
        ("value", vs.ConfigError),
        ("weights", vs.MissingWeightsError),
        ("exit", PluginLoadError),
        ("own", PluginLoadError),
    ],
)
def test_whatever_a_constructor_raises_is_typed(registry, how, kind):
    with pytest.raises(kind):
        registry.build("sampler", "mine", {"how": how})


@pytest.mark.parametrize(
    ("stage", "options"),
    [
        (stage, {option: value})
        for stage, option in (
            (("sampler", "uniform"), "num_frames"),
            (("sampler", "every"), "step"),
            (("grounder", "attributes"), "max_candidates"),
        )
        for value in (-1, 0, True, 10**21, float("nan"), float("inf"), "many", [1], 10**5000)
    ],
)
def test_impossible_numbers_are_refused_with_the_options_name(builtin_registry, stage, options):
    [problem] = builtin_registry.check(*stage, options)
    assert next(iter(options)) in problem
    assert len(problem) < 300
    with pytest.raises(vs.ConfigError):
        builtin_registry.build(*stage, options)


def test_a_stage_that_uses_another_is_checked_without_it():
    class Asks:
        def __init__(self, *, chat: object, turns: int = 1) -> None:
            if turns < 1:
                raise ValueError("turns must be at least 1")
            self.chat = chat

        def step(self, episode): ...

    registry = vs.Registry(allow=("attributes",))
    registry.add("grounder", "asks", Asks, uses=("chat",))
    assert registry.check("grounder", "asks", {"turns": 2}) == []
    [problem] = registry.check("grounder", "asks", {"turns": 0})
    assert "turns must be at least 1" in problem


def test_a_class_may_check_its_options_itself():
    class Writes:
        def __init__(self, *, path: str) -> None:
            raise AssertionError("a file would be made")

        @staticmethod
        def check_options(*, path: str) -> None:
            if not path:
                raise vs.ConfigError("path must not be empty")

        def sample(self, video, query, *, window, keyframe=None, seed=0): ...

    registry = vs.Registry(allow=("attributes",))
    registry.add("sampler", "writes", Writes)
    assert registry.check("sampler", "writes", {"path": "x"}) == []
    assert registry.check("sampler", "writes", {"path": ""}) == [
        "sampler 'writes': path must not be empty"
    ]


def test_limits_in_annotations_count_too():
    from typing import Annotated

    from annotated_types import Ge

    class Wants:
        def __init__(self, *, number=1) -> None:
            self.number = number

        def sample(self, video, query, *, window, keyframe=None, seed=0): ...

    Wants.__init__.__annotations__["number"] = Annotated[int, Ge(3)]
    registry = vs.Registry(allow=("attributes",))
    registry.add("sampler", "wants", Wants)
    assert registry.check("sampler", "wants", {"number": 3}) == []
    [problem] = registry.check("sampler", "wants", {"number": 2})
    assert problem == ("option 'number' of sampler 'wants' must be a whole number >= 3, got 2")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": 5},
        {"name": None},
        {"name": "x" * 101},
        {"summary": 5},
        {"requires": "torch"},
        {"requires": (5,)},
        {"uses": ("",)},
        {"license": b"MIT"},
    ],
)
def test_a_declaration_of_the_wrong_form_is_refused(wrong):
    right = {"kind": "sampler", "name": "mine", "target": "my_stages:Mine"}
    with pytest.raises(vs.ConfigError, match=next(iter(wrong))):
        vs.Component(**{**right, **wrong})
