"""Whether the parts of a pipeline can go to another process."""

from __future__ import annotations

import pickle
import sys

from videoseg.errors import ConfigError, VideosegError
from videoseg.text import shorten_text

__all__ = ["REMEDY", "check_picklable"]

REMEDY = "make the pipeline in the worker, or send pipe.to_yaml() and use Pipeline.from_yaml there"

# These send more than pickle does, such as classes of a notebook.
_OTHER_PICKLERS = ("cloudpickle", "dill", "ray.cloudpickle", "joblib.externals.cloudpickle")


def check_picklable(value: object, what: str) -> None:
    """Refuse a value that cannot be sent, before the attempt ends in an error of pickle's own.

    Args:
        value: What is to be sent.
        what: What it is, for the message, such as ``the grounder, an instance of Mine,``.

    Raises:
        ConfigError: If it cannot.
    """
    try:
        pickle.Pickler(_Nowhere(), protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    except VideosegError:
        raise
    # Pickle has no error of its own for what cannot be pickled.
    except Exception as error:
        if _others_can_pickle(value):
            return
        reason = shorten_text(" ".join(str(error).split()), 200)
        raise ConfigError(
            f"{what} cannot be sent to another process ({reason}); {REMEDY}"
        ) from error


def _others_can_pickle(value: object) -> bool:
    for name in _OTHER_PICKLERS:
        try:
            sys.modules[name].dumps(value)
        # Either it is not in use, or it cannot pickle this, which it may say with any error.
        except Exception:
            continue
        return True
    return False


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        return len(data)
