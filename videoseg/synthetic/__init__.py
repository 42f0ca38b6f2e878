"""Rendered clips with exact masks, queries with answers, and reference reasoning."""

from videoseg.synthetic.clip import SyntheticClip, make_clip
from videoseg.synthetic.demo import demo_clip
from videoseg.synthetic.facts import ObjectFacts
from videoseg.synthetic.questions import DIFFICULTIES, Difficulty
from videoseg.synthetic.reference import SyntheticQuery
from videoseg.synthetic.stream import SyntheticStream, stream_clip

__all__ = [
    "DIFFICULTIES",
    "Difficulty",
    "ObjectFacts",
    "SyntheticClip",
    "SyntheticQuery",
    "SyntheticStream",
    "demo_clip",
    "make_clip",
    "stream_clip",
]
