"""A job on a pool of actors: its pieces, the actor that works on them, and actors that die."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from videoseg import errors
from videoseg.errors import EvaluationError, VideosegError
from videoseg.evaluation import Job, Record, RecordedError
from videoseg.text import parse_json, shorten
from videoseg_ray.actors import Actors
from videoseg_ray.session import quiet_data_log

__all__ = ["Worker", "run_job"]

_PLUGINS = "VIDEOSEG_PLUGINS"
# Enough for every actor to have something to do until the end.
_GROUPS_PER_ACTOR = 4


class Worker:
    """An actor's pipeline. Ray Data makes one in each actor and calls it with batches of one.

    Args:
        job: A reference to the job, in a list so that Ray does not resolve it.
    """

    def __init__(self, job: list[Any]) -> None:
        # Weights load with the first piece, so that an actor that dies while loading them counts
        # as dead. One that dies in its constructor would be restarted by Ray forever.
        self._job_reference = job[0]
        self._work: Callable[[int], Record] | None = None

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, list[Any]]]:
        """Yield a row when a piece of work begins, and one with its record when it is done.

        An error that concerns all pieces is yielded as a row, too, and not raised.
        """
        number = int(batch["number"][0])
        yield {"number": [number], "line": [""], "error": [""]}
        line = error = ""
        try:
            line = self._load_work()(number).to_line()
        except Exception as problem:
            error = json.dumps([type(problem).__name__, str(problem)])
        yield {"number": [number], "line": [line], "error": [error]}

    def _load_work(self) -> Callable[[int], Record]:
        if self._work is None:
            import ray

            job: Job = ray.get(self._job_reference)
            self._work = job.start()
        return self._work


def run_job(
    ray: Any, job: Job, groups: Sequence[Sequence[int]], *, actors: Actors, num_actors: int
) -> Generator[Record, None, None]:
    """Yield the records of a job as they are made, in any order.

    One actor works on each group of numbers, in order, so that it can keep a video open. If an
    actor dies, the number it was working on is run again up to ``actors.retries`` times and then
    recorded as failed; the rest of its group goes to other actors.

    Args:
        ray: The connected module.
        job: The work.
        groups: Numbers of pieces that belong together.
        actors: What each actor needs.
        num_actors: How many actors there are.

    Raises:
        VideosegError: If there is an error that concerns every piece of the work.
    """
    reference = _put_job(ray, job)
    left = split_groups(groups, num_actors)
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
            # Such as the loss of a machine with its unfinished records.
            if not done:
                raise EvaluationError(f"the actors cannot work: {_describe(error)}") from error
            machine_lost = True
        missing = [number for group in left for number in group if number not in done]
        if not machine_lost:
            # If no beginning was reported, any of them may be the cause.
            deaths.update(number for number in missing if number in begun or not begun)
        left = []
        for number in missing:
            if deaths[number] > actors.retries:
                yield job.make_failed(number, _death(deaths[number]))
            else:
                # Alone in its group, a number can take no other with it.
                left.append([number])


def _one_round(
    ray: Any,
    reference: Any,
    groups: Sequence[Sequence[int]],
    actors: Actors,
    num_actors: int,
) -> Iterator[tuple[int, Record | None]]:
    """Run every group once; yield (number, None) when one begins and (number, record) when done.

    The number that a dead actor was working on has begun and is never done.
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
            # Ray restarts dead actors; it must not repeat the task that killed them forever.
            max_task_retries=0,
        )
    with quiet_data_log():
        for row in dataset.iter_rows():
            if row["error"]:
                raise read_error(row["error"])
            yield int(row["number"]), Record.from_line(row["line"]) if row["line"] else None


def _put_job(ray: Any, job: Job) -> Any:
    try:
        return ray.put(job)
    # Pickle has no error of its own for what cannot be pickled.
    except Exception as error:
        raise EvaluationError(
            "the benchmark or the pipeline cannot be sent to an actor: "
            f"{_describe(error)}; run it in one process (videoseg eval --workers 0)"
        ) from error


def split_groups(groups: Sequence[Sequence[int]], num_actors: int) -> list[list[int]]:
    """Split large groups, so that no actor idles while another works on the last one."""
    total = sum(map(len, groups))
    size = max(1, -(-total // (num_actors * _GROUPS_PER_ACTOR)))
    return [
        list(group[start : start + size])
        for group in groups
        for start in range(0, len(group), size)
    ]


@contextlib.contextmanager
def _data_context(ray: Any) -> Iterator[None]:
    """Make datasets in this block pass on every row at once and survive dying actors."""
    with warnings.catch_warnings():
        # Copying the context touches deprecated names; and Ray 2.60 has no other place for
        # max_task_retries than a deprecated one.
        warnings.simplefilter("ignore", DeprecationWarning)
        context = ray.data.DataContext.get_current().copy()
        # A block is passed on when it is full: at this size, with its first row.
        context.target_max_block_size = context.target_min_block_size = 1
        context.max_errored_blocks = -1
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        with ray.data.DataContext.current(context):
            yield


def _environment() -> dict[str, Any] | None:
    """Return a runtime environment in which actors load the plug-ins that are allowed here."""
    allowed = os.environ.get(_PLUGINS)
    return None if allowed is None else {"env_vars": {_PLUGINS: allowed}}


def _death(count: int) -> RecordedError:
    times = "once" if count == 1 else f"{count} times"
    return RecordedError(
        "WorkerDied",
        f"its actor died {times}; if memory ran out, run fewer actors "
        "on a machine by giving each more CPUs or GPUs",
    )


def read_error(text: str) -> VideosegError:
    """Return the error that an actor reported as ``[name, message]``."""
    try:
        name, message = parse_json(text)
        return _rebuild_error(str(name), str(message))
    except (ValueError, TypeError) as error:
        return EvaluationError(
            f"an actor reported {shorten(text)}, which is not an error: {error}"
        )


def _rebuild_error(name: str, text: str) -> VideosegError:
    kind = getattr(errors, name, None)
    # Classes whose constructors need more than a message arrive as an EvaluationError.
    if (
        isinstance(kind, type)
        and issubclass(kind, VideosegError)
        and kind.__init__ is VideosegError.__init__
    ):
        return kind(text)
    return EvaluationError(f"an actor cannot work: {name}: {text}")


def _describe(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # The last line of a remote traceback is the error.
    return f"{type(error).__name__}: {lines[-1] if lines else 'no message'}"[:400]
