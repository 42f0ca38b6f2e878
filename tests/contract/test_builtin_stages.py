"""Every built-in stage keeps the contract that plug-in authors are held to."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

import videoseg as vs
from videoseg.testing import (
    GrounderContract,
    ReaderContract,
    SamplerContract,
)

if find_spec("decord") is not None:
    # It appends to PATH when it is first imported, which no test may do while it runs.
    import decord  # noqa: F401

REGISTRY = vs.Registry(allow=())
OPTIONS = {"explicit": {"indices": [0]}}


class _EverySampler(SamplerContract):
    name = ""

    def make(self):
        return REGISTRY.build("sampler", self.name, OPTIONS.get(self.name))


for _name in REGISTRY.names("sampler"):
    _class = f"Test{_name.capitalize()}Sampler"
    globals()[_class] = type(_class, (_EverySampler,), {"name": _name})


class TestGivenGrounder(GrounderContract):
    def make(self):
        prompts = [{"object_id": 2, "frame": 0, "box": [1, 1, 6, 7]}]
        return REGISTRY.build("grounder", "given", {"prompts": prompts})


class TestPyavReader(ReaderContract):
    def make(self, path: Path):
        return REGISTRY.factory(REGISTRY.find("reader", "pyav"))(path)


class TestDecordReader(ReaderContract):
    def make(self, path: Path):
        if find_spec("decord") is None:
            pytest.skip("decord is not installed here")
        return REGISTRY.factory(REGISTRY.find("reader", "decord"))(path)


def test_no_built_in_stage_is_left_out():
    covered = {("reader", "pyav"), ("reader", "decord")}
    covered.add(("grounder", "given"))
    covered |= {("sampler", name) for name in REGISTRY.names("sampler")}
    stages = ("sampler", "grounder", "segmenter", "propagator", "chat", "reader")
    all_stages = {(kind, name) for kind in stages for name in REGISTRY.names(kind)}
    assert all_stages == covered
