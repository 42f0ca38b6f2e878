"""Contract tests for stages: subclass one, give ``make``, and let pytest run it.

    from videoseg.testing import SamplerContract

    class TestEveryTenth(SamplerContract):
        def make(self):
            return EveryTenth()

The message of a failed test says what the contract asks for. Without pytest,
``contract_failures(TestEveryTenth())`` runs all tests and returns the messages.
"""

from videoseg.testing.benchmark import BenchmarkContract
from videoseg.testing.chat import ChatContract
from videoseg.testing.checks import contract_failures
from videoseg.testing.clips import (
    LiveSource,
    RenderedSource,
    ToyClip,
    moving_square,
    passing_squares,
)
from videoseg.testing.detector import DetectorContract
from videoseg.testing.grounder import GrounderContract
from videoseg.testing.propagator import PropagatorContract
from videoseg.testing.reader import ReaderContract
from videoseg.testing.sampler import SamplerContract
from videoseg.testing.segmenter import SegmenterContract
from videoseg.testing.weights import WeightsContract

__all__ = [
    "BenchmarkContract",
    "ChatContract",
    "DetectorContract",
    "GrounderContract",
    "LiveSource",
    "PropagatorContract",
    "ReaderContract",
    "RenderedSource",
    "SamplerContract",
    "SegmenterContract",
    "ToyClip",
    "WeightsContract",
    "contract_failures",
    "moving_square",
    "passing_squares",
]
