# The names of the package: __init__.py loads each from here when it is first used.
from .propagator import TransformersVideoPropagator as TransformersVideoPropagator
from .segmenter import TransformersVideoSegmenter as TransformersVideoSegmenter
from .session import TrackerSession as TrackerSession
