"""Ask a video a question and get masks back, with the reasons.

>>> import videoseg as vs
>>> pipe = vs.Pipeline.from_name("attributes")

Importing the package imports nothing else. Its names and modules, such as ``vs.Pipeline`` and
``vs.types``, are listed in ``__init__.pyi`` and imported when they are first used.
"""

import sys
from typing import Any

import lazy_loader

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        # With name and obj, Python adds "Did you mean" to a traceback.
        raise AttributeError(
            f"module 'videoseg' has no attribute {name!r}", name=name, obj=sys.modules[__name__]
        )
    return _load(name)
