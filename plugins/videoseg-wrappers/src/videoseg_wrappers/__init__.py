"""Wrappers for any strategy: an audit, reflection, and asking again when in doubt."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
