"""Observers of one run: calls them with its events, and times its stages."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from videoseg._interruption import describe_error, foreign_code, is_from_user
from videoseg.errors import MissingDependencyError, StageError, VideosegError
from videoseg.plugins import FrameDone, Grounded, Registry, StageFinished, StageStarted
from videoseg.types import Grounding, Trace
from videoseg.types.episode import summarize_answer

__all__ = ["Observation", "timed_part"]

_logger = logging.getLogger(__name__)

_observing: ContextVar[Observation | None] = ContextVar("observing", default=None)


@contextmanager
def timed_part(name: str) -> Iterator[None]:
    """Count the time of a block under a name of its own in the timings of the run.

    For a stage that does several things, such as a grounder that wraps another one. The time is
    taken off that of the stage, so that the parts of ``Segmentation.timings`` add up. Outside of
    a run, and in the propagator of a stream, it does nothing.

    Args:
        name: The name, such as ``existence``.

    Example:
        >>> with timed_part("existence"):
        ...     pass
    """
    observation = _observing.get()
    if observation is None:
        yield
        return
    with observation.timed(name):
        yield


@dataclass
class Observation:
    """The observers of one run: plug-ins' hooks, and objects given by the caller.

    An observer is any object with methods named like the hooks, each taking the event. One
    that fails is reported once in ``warnings`` and not called again.

    Args:
        registry: Where plug-ins' observer hooks are found.
        observers: Objects given for this run.
        warnings: What the user should know.
        timings: Seconds that each stage took in all.
        last_seconds: Seconds that the stage took that ended last.
    """

    registry: Registry
    observers: Sequence[object] = ()
    warnings: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    last_seconds: float = 0.0
    _silenced: set[str] = field(default_factory=set)
    # Seconds that parts of the current stage took, and stages inside of it.
    _inner_seconds: float = 0.0

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to a name in the timings, but for those of blocks inside."""
        begin = time.perf_counter()
        outer_seconds, self._inner_seconds = self._inner_seconds, 0.0
        try:
            yield
        finally:
            self.last_seconds = time.perf_counter() - begin
            own_seconds = max(0.0, self.last_seconds - self._inner_seconds)
            self.timings[name] = self.timings.get(name, 0.0) + own_seconds
            self._inner_seconds = outer_seconds + self.last_seconds

    @contextmanager
    def stage(
        self,
        stage: str,
        component: str,
        *,
        turn: int | None = None,
        total: int | None = None,
        streams: bool = False,
    ) -> Iterator[None]:
        """Time a stage, announce it, and turn foreign errors into ``StageError``.

        The time of a stage inside of another one counts for the inner one alone.

        Args:
            stage: As in ``StageStarted``.
            component: As in ``StageStarted``.
            turn: As in ``StageStarted``.
            total: As in ``StageStarted``.
            streams: Whether the block is part of a generator, which may be closed.

        Raises:
            MissingDependencyError: If the stage needs a package of the core that is missing.
            StageError: If the stage fails with an error that is not a videoseg error, or leaves
                the interpreter without having been asked to.
        """
        _logger.debug("%s %s begins%s", stage, component, _turn(turn))
        self._notify("videoseg_stage_started", StageStarted(stage, component, turn, total))
        problem: str | None = None
        # A generator may go on in another context, in which this one cannot be reset.
        token = None if streams else _observing.set(self)
        try:
            with self.timed(stage):
                yield
        except VideosegError as error:
            problem = str(error)
            raise
        except BaseException as error:
            is_closed = streams and isinstance(error, GeneratorExit)
            if is_closed or isinstance(error, MemoryError) or is_from_user(error):
                problem = "interrupted"
                raise
            if (missing := MissingDependencyError.of(error)) is not None:
                problem = str(missing)
                raise missing from error
            problem = f"{stage} {component!r} failed: {describe_error(error)}"
            raise StageError(problem, stage=stage, component=component) from error
        finally:
            if token is not None:
                _observing.reset(token)
            outcome = "took" if problem is None else "failed after"
            _logger.info(
                "%s %s%s %s %.2f s", stage, component, _turn(turn), outcome, self.last_seconds
            )
            self._notify(
                "videoseg_stage_finished",
                StageFinished(stage, component, turn, self.last_seconds, problem),
            )

    def grounded(self, query: str, grounding: Grounding, trace: Trace) -> None:
        """Announce the answer."""
        _logger.info(
            "answer to %r: %s, keyframe %s",
            query,
            summarize_answer(grounding, len(grounding.object_ids)),
            grounding.keyframe,
        )
        self._notify("videoseg_grounded", Grounded(query, grounding, trace))

    def frame_done(self, frame: int, done: int, total: int | None) -> None:
        """Announce that the masks of one frame are ready."""
        self._notify("videoseg_frame_done", FrameDone(frame, done, total))

    def failed(self, errors: Sequence[Exception]) -> None:
        """Warn of each different error after the first, which is raised itself."""
        texts = dict.fromkeys(describe_error(error) for error in errors)
        for text in [*texts][1:]:
            self.warnings.append(f"another pass of the propagator also failed: {text}")

    def _notify(self, hook: str, event: object) -> None:
        own = [
            (type(observer).__name__, getattr(observer, hook))
            for observer in self.observers
            if hasattr(observer, hook)
        ]
        for name, call in [*self.registry.observers(hook), *own]:
            if name in self._silenced:
                continue
            try:
                with foreign_code():
                    call(event)
            except Exception as error:
                # A failing progress bar or logger must not cost the result.
                self._silenced.add(name)
                self.warnings.append(f"observer {name} failed: {describe_error(error)}")
                _logger.warning("observer %s failed: %s", name, describe_error(error))
                _logger.debug("where observer %s failed", name, exc_info=error)


def _turn(turn: int | None) -> str:
    return f", turn {turn + 1}" if turn else ""
