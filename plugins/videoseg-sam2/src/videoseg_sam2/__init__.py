"""SAM 2 for videoseg: a segmenter and a propagator whose memory is bounded.

The names of the package are listed in ``__init__.pyi`` and imported when they are first used,
so that listing plug-ins stays light.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
