"""Rendered clips with exact masks, queries with answers, and reference reasoning."""

from videoseg.synthetic.clip import SyntheticClip, make_clip
from videoseg.synthetic.facts import ObjectFacts
from videoseg.synthetic.questions import DIFFICULTIES, Difficulty
from videoseg.synthetic.reference import SyntheticQuery

__all__ = [
    "DIFFICULTIES",
    "Difficulty",
    "ObjectFacts",
    "SyntheticClip",
    "SyntheticQuery",
    "make_clip",
]
