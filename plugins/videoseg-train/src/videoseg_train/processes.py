"""What one of several processes does for all."""

from __future__ import annotations

from collections.abc import Callable

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from videoseg_train.errors import TrainingError

__all__ = ["do_first"]


def do_first(accelerator: Accelerator, work: Callable[[], object]) -> None:
    """Do something in the first process, while the others wait for it.

    Raises:
        VideosegError: What went wrong in the first process; in the others a ``TrainingError``
            with the same words, so that none of them waits for one that has ended.
    """
    error: BaseException | None = None
    if accelerator.is_main_process:
        try:
            work()
        except Exception as found:
            error = found
    told = [None if error is None else str(error)]
    if accelerator.num_processes > 1:
        broadcast_object_list(told)
    if error is not None:
        raise error
    if told[0] is not None:
        raise TrainingError(f"the first process has failed: {told[0]}")
