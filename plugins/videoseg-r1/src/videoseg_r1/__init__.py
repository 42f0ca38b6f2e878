"""The VideoSeg-R1 strategy: hierarchical sampling, explicit reasoning, boxes and points."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
