"""Every stage of the default pipeline keeps the contract that plug-in authors are held to."""

from __future__ import annotations

import videoseg as vs
from videoseg.testing import (
    GrounderContract,
    PropagatorContract,
    SamplerContract,
    SegmenterContract,
)

REGISTRY = vs.Registry(allow=("attributes",))


class TestMotionSampler(SamplerContract):
    def make(self):
        return REGISTRY.build("sampler", "motion")


class TestCutSegmenter(SegmenterContract):
    def make(self):
        return REGISTRY.build("segmenter", "cut")


class TestAttributesGrounder(GrounderContract):
    def make(self):
        return REGISTRY.build("grounder", "attributes")


class TestFlowPropagator(PropagatorContract):
    registered = REGISTRY.find("propagator", "flow").component.capabilities

    def make(self):
        return REGISTRY.build("propagator", "flow")
