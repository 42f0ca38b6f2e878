"""Synthetic clips for videoseg, with exact masks, queries, answers and reference reasoning."""

from videoseg_synthetic.benchmark import SPLIT_SEEDS, SyntheticBenchmark
from videoseg_synthetic.clip import SyntheticClip, make_clip
from videoseg_synthetic.demo import demo_clip
from videoseg_synthetic.facts import ObjectFacts
from videoseg_synthetic.questions import DIFFICULTIES, Difficulty
from videoseg_synthetic.reference import SyntheticQuery
from videoseg_synthetic.stream import SyntheticStream, stream_clip

__all__ = [
    "DIFFICULTIES",
    "SPLIT_SEEDS",
    "Difficulty",
    "ObjectFacts",
    "SyntheticBenchmark",
    "SyntheticClip",
    "SyntheticQuery",
    "SyntheticStream",
    "demo_clip",
    "make_clip",
    "stream_clip",
]
