"""The pipeline ``attributes``: classical vision and a small grammar, no weights.

From pixels to masks, by the types that hold each step:

1. ``MovingPart`` and ``OutlinedPart`` (``regions``): a region of one surveyed frame that moves
   unlike the camera, or that has one color and a clear outline.
2. ``MovingTrack`` and ``OutlinedTrack``: such parts over the frames of a survey, from a tracker or
   by association.
3. ``ObjectHypothesis``: movers and outlined tracks combined, where one does not explain the other.
4. ``Candidate``: a hypothesis as disjoint masks, with its motion; a ``Survey`` holds them.
5. ``MeasuredCandidate`` (``grounding``): a candidate with size, place, colors and path.
6. ``Choice``: a measured candidate that the query refers to, with its score. Its mask is cut out
   of the source frame and becomes a ``Prompt``.

``segmentation`` turns boxes and points into masks, ``propagation`` follows masks through the
video, and ``vision`` has what all use: flow, camera motion, shot cuts, colors, filters.

With a detector, named things are candidates, too: detections are linked to ``NamedTrack``s, and
``choose_tracks`` chooses among these. It takes tracks from anywhere, so that other plug-ins can
judge theirs without a language model.

The names of the package are listed in ``__init__.pyi`` and imported when they are first used,
so that listing plug-ins stays light.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
