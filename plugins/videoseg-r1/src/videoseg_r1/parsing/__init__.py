"""Parsers for the answers of language models: objects, times and positions.

Models are asked for JSON and write many other forms. The parsers read what can be read without
guessing, and keep the coordinates and units in which it was written.
"""

from videoseg_r1.parsing.answer import Answer, parse_answer
from videoseg_r1.parsing.objects import ObjectAnswer
from videoseg_r1.parsing.reasoning import split_answer
from videoseg_r1.parsing.times import parse_percent, parse_span, parse_timestamp

__all__ = [
    "Answer",
    "ObjectAnswer",
    "parse_answer",
    "parse_percent",
    "parse_span",
    "parse_timestamp",
    "split_answer",
]
