"""Track-then-choose: tracks of the named things first, then a choice among them.

From a query to masks, by the types that hold each step:

1. Names: nouns that a detector is asked for, from a chat model (``concepts``) or from the grammar
   of ``videoseg_attributes``.
2. ``TrackPool`` of ``Track`` (``finding``): everything of these names, followed through the video.
3. ``Verdicts``: true, false or unknown for each track, from a chat model that sees numbered
   pictures (``rounds``), or from attributes.
4. A ``Grounding`` that carries the masks of the chosen tracks (``answering``), which the
   propagator ``given-masks`` repeats.

The names of the package are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
