"""Editing the masks of one video: corrections, undo, propagation from where something changed.

A project is a folder. Its journal holds every action, each written to the disk before it is
answered, and is all that is needed to come back after a crash. Masks are in a database beside
it, one row for each object and frame, and are read as they are needed.

``EditSession`` is the way in. ``state`` has what the actions make of each other, ``planning``
what has to be computed again after a correction, ``clicks`` how clicks become a mask.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
