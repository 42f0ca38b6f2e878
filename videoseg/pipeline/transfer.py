"""Whether the parts of a pipeline can go to another process."""

from __future__ import annotations

import pickle
import sys

from videoseg.errors import ConfigError, VideosegError
from videoseg.text import shorten_text

__all__ = ["REMEDY", "check_picklable"]

REMEDY = "make the pipeline in the worker, or send pipe.to_yaml() and use Pipeline.from_yaml there"

# These send more than pickle does, such as classes of a notebook.
_OTHER_PICKLERS = frozenset({"cloudpickle", "dill"})


def check_picklable(value: object, what: str) -> None:
    """Refuse a value that cannot be sent, before the attempt ends in an error of pickle's own.

    Args:
        value: What is to be sent.
        what: What it is, for the message, such as ``the grounder, an instance of Mine,``.

    Raises:
        ConfigError: If it cannot.
    """
    if _another_pickler_asks():
        return
    try:
        pickle.Pickler(_Nowhere(), protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    except VideosegError:
        raise
    # Pickle has no error of its own for what cannot be pickled.
    except Exception as error:
        reason = shorten_text(" ".join(str(error).split()), 200)
        raise ConfigError(
            f"{what} cannot be sent to another process ({reason}); {REMEDY}"
        ) from error


def _another_pickler_asks() -> bool:
    """Return whether the object is being pickled by a library that can send more."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        # Ray and joblib have copies of their own, such as ray.cloudpickle.
        if _OTHER_PICKLERS & set(str(frame.f_globals.get("__name__")).split(".")):
            return True
    return False


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        return len(data)
