"""What one of several processes does for all, and how they end together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object

from videoseg import VideosegError
from videoseg.errors import OutputError
from videoseg_train.errors import TrainingError

__all__ = ["do_first", "fail_together", "is_foreseen", "leave_processes"]


class _OtherProcessError(TrainingError):
    """Another process has failed."""

    def __init__(self, message: str, *, is_foreseen: bool) -> None:
        super().__init__(message)
        self.is_foreseen = is_foreseen


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


@contextmanager
def fail_together(several: bool) -> Iterator[None]:
    """End a part in which processes work by themselves: all go on, or all raise an error.

    All processes must come to the end of this part; nothing in it may wait for another process
    after one can have failed.

    Args:
        several: Whether there are several processes; otherwise this does nothing.

    Raises:
        TrainingError: In processes where nothing went wrong, if it did in another: which one, and
            with what. Those that failed raise their own errors; but if ``is_foreseen`` says
            another thing of the errors of two processes, this one, so that all do the same next.
    """
    if not several:
        yield
        return
    error: Exception | None = None
    try:
        yield
    except Exception as found:
        error = found
    mine = None
    if error is not None:
        mine = (f"{type(error).__name__}: {error}", is_foreseen(error))
    told = gather_object([mine])
    failed = [(rank, *one) for rank, one in enumerate(told) if one is not None]
    if not failed:
        return
    rank, message, foreseen = min(failed, key=lambda one: one[2])
    if error is not None and is_foreseen(error) == foreseen:
        raise error
    raise _OtherProcessError(
        f"process {rank} of {len(told)} has failed: {message}", is_foreseen=foreseen
    ) from error


def is_foreseen(error: BaseException) -> bool:
    """Return whether an error leaves a trainer that can be saved, and a disk to save it on."""
    if isinstance(error, _OtherProcessError):
        return error.is_foreseen
    return isinstance(error, VideosegError) and not isinstance(error, OutputError)


def leave_processes() -> None:
    """Leave the other processes, before the interpreter ends under their connections.

    gloo's threads may otherwise abort a process whose work is done. Nothing can be exchanged
    afterwards. Does nothing where there is one process.
    """
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
