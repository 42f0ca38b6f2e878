"""What stands in the way of a pipeline that is sent to another process."""

from __future__ import annotations

import pickle
import sys

from videoseg.errors import ConfigError, VideosegError
from videoseg.text import shorten_text

__all__ = ["SENDING_REMEDY", "check_picklable"]

SENDING_REMEDY = (
    "make the pipeline in the worker, or send pipe.to_yaml() and use Pipeline.from_yaml there"
)

# These send more than pickle does, such as classes of a notebook.
_OTHER_PICKLERS = frozenset({"cloudpickle", "dill"})


def check_picklable(value: object, what: str) -> None:
    """Refuse a value that cannot be pickled, with a message that names it.

    Args:
        value: What is to be sent.
        what: Its name in messages, such as ``the grounder, an instance of Mine,``.

    Raises:
        ConfigError: If it cannot be pickled.
    """
    if _is_other_pickler():
        return
    try:
        pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except VideosegError:
        raise
    # Pickle has no error of its own for what cannot be pickled.
    except Exception as error:
        reason = shorten_text(" ".join(str(error).split()), 200)
        raise ConfigError(
            f"{what} cannot be sent to another process ({reason}); {SENDING_REMEDY}"
        ) from error


def _is_other_pickler() -> bool:
    """Return whether the object is being pickled by a library that can send more."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        # Ray and joblib have copies of their own, such as ray.cloudpickle.
        if _OTHER_PICKLERS & set(str(frame.f_globals.get("__name__")).split(".")):
            return True
    return False
