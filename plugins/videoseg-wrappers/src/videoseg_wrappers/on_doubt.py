"""The wrapper ``on-doubt``: has the query answered again where masks are in doubt."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from annotated_types import Ge, Gt, Interval

from videoseg import ConfigError, Propagator, PropagatorCapabilities
from videoseg.plugins import PositiveInt, checked_options
from videoseg.stages import PropagatorSession, Reanswer
from videoseg.types import VideoSource
from videoseg_wrappers.asking_session import AskingSession, Settings
from videoseg_wrappers.budget import Budget
from videoseg_wrappers.doubt import Thresholds
from videoseg_wrappers.wrapped import build_wrapped, check_wrapped, close_wrapped, device_of

__all__ = ["OnDoubtPropagator"]

_NAME = "on-doubt"
_DEFAULTS = Thresholds()


class OnDoubtPropagator:
    """Watches the masks of any propagator, and has the query answered again where they fail.

    A mask is in doubt if it jumps, changes its size, falls to pieces, changes its colors or stays
    away: measured from masks and frames, so that every propagator can be watched. Then the
    pipeline's own sampler, grounder and segmenter answer again on that frame, each time as a turn
    of the trace. The answer replaces the mask of an object if its colors are at least as like
    those that the object had, and the object is propagated from there; the frames just before are
    mended backward. Otherwise the propagator goes on as it was. After StreamingRVOS, which asks
    when the overlap with the last mask or SAM 2's own estimate falls below a threshold.

    It asks only in a pipeline that has a query: ``open`` gives the wrapped propagator's session.

    Args:
        propagator: The wrapped propagator: the name of a component, a mapping with ``name`` and
            ``options``, ``videoseg.use(...)``, or an instance. It must take masks.
        asks: How often the query is answered again in one run at most.
        seconds: Budget of time for asking and for what follows from it, in one run; None for no
            limit. Nothing is asked that would not fit, judged by the longest so far.
        least_overlap: Least IoU with the mask of the frame before; null switches it off, as for
            the other measures.
        most_growth: Largest factor between the area and the median of the last 8 frames.
        least_wholeness: Least share of the mask in its largest connected part.
        least_likeness: Least share of its colors that the object had before.
        lost_frames: After how many frames without a mask an object counts as lost.
        patience: Frames until the same object is asked for again; doubled each time that asking
            did not help.
        window_frames: The sampler chooses among so many frames, from the one in doubt on. An
            object that is still hidden there is taken up where the answer shows it.
        look_back: How many frames before it may be mended; masks come out that much later.

    Raises:
        ConfigError: If an option is not allowed, or the wrapped propagator takes no masks.
    """

    @checked_options("propagator 'on-doubt'")
    def __init__(
        self,
        *,
        propagator: object,
        asks: PositiveInt = 5,
        seconds: Annotated[float, Gt(0)] | None = None,
        least_overlap: Annotated[float, Interval(ge=0, le=1)] | None = _DEFAULTS.overlap,
        most_growth: Annotated[float, Gt(1)] | None = _DEFAULTS.growth,
        least_wholeness: Annotated[float, Interval(ge=0, le=1)] | None = _DEFAULTS.wholeness,
        least_likeness: Annotated[float, Interval(ge=0, le=1)] | None = _DEFAULTS.likeness,
        lost_frames: PositiveInt | None = _DEFAULTS.lost_frames,
        patience: PositiveInt = 12,
        window_frames: PositiveInt = 48,
        look_back: Annotated[int, Ge(0)] = 8,
    ) -> None:
        self._given = propagator
        self._propagator: Propagator = build_wrapped("propagator", propagator, owner=_NAME)
        if not self._propagator.capabilities.masks:
            raise ConfigError(
                "on-doubt: the wrapped propagator takes no masks, with which it is begun anew; "
                "wrap another one"
            )
        self._asks, self._seconds = asks, seconds
        self._settings = Settings(
            Thresholds(least_overlap, most_growth, least_wholeness, least_likeness, lost_frames),
            patience=patience,
            window_frames=window_frames,
            look_back=look_back,
        )
        # All sessions of a run have the same ``ask``, and so one budget.
        self._budgets: WeakKeyDictionary[Reanswer, Budget] = WeakKeyDictionary()

    @staticmethod
    def check_options(*, propagator: object, **_others: Any) -> None:
        """Check the options without building the wrapped propagator.

        Raises:
            ConfigError: If there is no such propagator, or its options are not allowed.
        """
        check_wrapped("propagator", propagator, owner=_NAME)

    @property
    def capabilities(self) -> PropagatorCapabilities:
        """Those of the wrapped propagator, but for live sources, whose past cannot be read."""
        return replace(self._propagator.capabilities, live=False)

    @property
    def device(self) -> str | None:
        """Where the model of the wrapped propagator runs."""
        return device_of(self._propagator)

    def open(self, video: VideoSource, *, seed: int = 0) -> PropagatorSession:
        """Begin a propagation that does not ask, since there is no query."""
        return self._propagator.open(video, seed=seed)

    def open_asking(
        self, video: VideoSource, *, ask: Reanswer, seed: int = 0
    ) -> PropagatorSession:
        """Begin a propagation that asks; see ``videoseg.stages.AsksAgain``."""
        budget = self._budgets.get(ask)
        if budget is None:
            budget = self._budgets[ask] = Budget(self._asks, self._seconds)
        return AskingSession(
            video,
            self._propagator,
            self.capabilities,
            ask=ask,
            budget=budget,
            settings=self._settings,
            seed=seed,
        )

    def close(self) -> None:
        """Free the wrapped propagator, unless it was given as an instance."""
        close_wrapped(self._given, self._propagator)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_budgets": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._budgets = WeakKeyDictionary()
