"""The VideoSEG-O3 strategy: look at a window and a keyframe again, then answer."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
