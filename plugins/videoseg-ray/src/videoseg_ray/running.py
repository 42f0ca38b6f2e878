"""A job on a pool of actors: records as they are made, whatever dies meanwhile."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from videoseg import errors
from videoseg.errors import EvaluationError, VideosegError
from videoseg.evaluation import Record, RecordedError
from videoseg.text import parse_json, shorten
from videoseg_ray.actors import Actors
from videoseg_ray.session import quiet_data_log
from videoseg_ray.worker import Job, Worker

__all__ = ["run_job"]

_PLUGINS = "VIDEOSEG_PLUGINS"
# Enough for every actor to have something to do until the end.
_GROUPS_PER_ACTOR = 4


def run_job(
    ray: Any, job: Job, groups: Sequence[Sequence[int]], *, actors: Actors, num_actors: int
) -> Generator[Record, None, None]:
    """Yield the records of a job as they are made, in whatever order.

    Each group of numbers is worked off by one actor, in order, so that it can keep a video
    open. If an actor dies, the number it was at is run again as often as ``actors.retries``
    says and then recorded as failed; the rest of its group goes to others.

    Args:
        ray: The connected module.
        job: What to do.
        groups: Numbers that belong together.
        actors: What each actor needs.
        num_actors: How many there are.

    Raises:
        VideosegError: If something is wrong that concerns every piece of the work.
    """
    reference = _sent(ray, job)
    left = _in_pieces(groups, num_actors)
    deaths: Counter[int] = Counter()
    while left:
        begun: set[int] = set()
        done: set[int] = set()
        machine_lost = False
        try:
            for number, record in _one_round(ray, reference, left, actors, num_actors):
                begun.add(number)
                if record is not None and number not in done:
                    done.add(number)
                    yield record
        except ray.exceptions.RayError as error:
            # Such as the loss of a machine with what it had not handed over yet.
            if not done:
                raise EvaluationError(f"the actors cannot work: {_told(error)}") from error
            machine_lost = True
        missing = [number for group in left for number in group if number not in done]
        if not machine_lost:
            # If not even a beginning was handed over, every one of them is at fault.
            deaths.update(number for number in missing if number in begun or not begun)
        left = []
        for number in missing:
            if deaths[number] > actors.retries:
                yield job.failed(number, _death(deaths[number]))
            else:
                # Alone in its group, a number cannot cost others anything.
                left.append([number])


def _one_round(
    ray: Any,
    reference: Any,
    groups: Sequence[Sequence[int]],
    actors: Actors,
    num_actors: int,
) -> Iterator[tuple[int, Record | None]]:
    """Run every group once, and yield what is begun (with None) and what is done.

    What an actor that died was at is begun and never done.
    """
    import pyarrow  # type: ignore[import-untyped]

    tables = [pyarrow.table({"number": list(group)}) for group in groups]
    # A dataset keeps the context in which it was made.
    with _data_context(ray):
        dataset = ray.data.from_arrow(tables).map_batches(
            Worker,
            fn_constructor_args=([reference],),
            batch_size=1,
            # One task at a time, so that a death concerns one group only.
            compute=ray.data.ActorPoolStrategy(
                size=min(num_actors, len(groups)), max_tasks_in_flight_per_actor=1
            ),
            num_cpus=actors.cpus,
            num_gpus=actors.gpus,
            runtime_env=_environment(),
            # Ray starts actors that died again, but would repeat what they died of without end.
            max_task_retries=0,
        )
    with quiet_data_log():
        for row in dataset.iter_rows():
            if row["error"]:
                raise _error_of(row["error"])
            yield int(row["number"]), Record.from_line(row["line"]) if row["line"] else None


def _sent(ray: Any, job: Job) -> Any:
    try:
        return ray.put(job)
    # Pickle has no error of its own for what cannot be pickled.
    except Exception as error:
        raise EvaluationError(
            f"the benchmark or the pipeline cannot be sent to an actor: {_told(error)}; run it in "
            "one process (videoseg eval --workers 0)"
        ) from error


def _in_pieces(groups: Sequence[Sequence[int]], num_actors: int) -> list[list[int]]:
    """Cut groups that would leave actors without work while one of them works them off."""
    total = sum(map(len, groups))
    size = max(1, -(-total // (num_actors * _GROUPS_PER_ACTOR)))
    return [
        list(group[start : start + size])
        for group in groups
        for start in range(0, len(group), size)
    ]


@contextlib.contextmanager
def _data_context(ray: Any) -> Iterator[None]:
    """Have the dataset that is made hand over every row at once and survive dying actors."""
    with warnings.catch_warnings():
        # Copying the context touches names that Ray has given up; and Ray 2.60 has no other
        # place for max_task_retries than the one it will give up.
        warnings.simplefilter("ignore", DeprecationWarning)
        context = ray.data.DataContext.get_current().copy()
        # A block is handed over when it is full; with this size it is by its first row.
        context.target_max_block_size = context.target_min_block_size = 1
        context.max_errored_blocks = -1
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        with ray.data.DataContext.current(context):
            yield


def _environment() -> dict[str, Any] | None:
    """Let actors see the plug-ins that are allowed here."""
    allowed = os.environ.get(_PLUGINS)
    return None if allowed is None else {"env_vars": {_PLUGINS: allowed}}


def _death(count: int) -> RecordedError:
    times = "once" if count == 1 else f"{count} times"
    return RecordedError(
        "WorkerDied",
        f"the actor that worked on this sample died, {times}; if memory ran out, have fewer "
        "actors on a machine by giving each more CPUs or GPUs",
    )


def _error_of(text: str) -> VideosegError:
    """Return the error that an actor has handed over as ``[name, message]``."""
    try:
        name, message = parse_json(text)
        return _same_error(str(name), str(message))
    except (ValueError, TypeError) as error:
        return EvaluationError(f"an actor handed over {shorten(text)}, which is no error: {error}")


def _same_error(name: str, text: str) -> VideosegError:
    kind = getattr(errors, name, None)
    # Some kinds take more than a message; those arrive as the plain kind.
    if isinstance(kind, type) and issubclass(kind, VideosegError) and "__init__" not in vars(kind):
        return kind(text)
    return EvaluationError(f"an actor cannot work: {name}: {text}")


def _told(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Of a remote traceback the last line is the error.
    return f"{type(error).__name__}: {lines[-1] if lines else 'no message'}"[:400]
