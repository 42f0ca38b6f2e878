"""What the rounds so far have said, kept in the trace: a grounder itself keeps no state."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from videoseg import Episode

__all__ = ["STATE_KEY", "RoundState"]

STATE_KEY = "track_state"
"""The key of the details of a thought under which the state of the rounds is kept."""


@dataclass(frozen=True, slots=True)
class RoundState:
    """The state after a round.

    Args:
        names: The names that were looked for; with them the tracks are found again.
        chosen: Tracks that were judged true.
        dropped: Tracks that were judged false.
        undecided: Tracks that are unknown.
        unknown_names: Names that the detector does not know, so that nothing can be said of them.
        confirming: Whether the next round asks if all that were chosen are meant.
        warnings: What the user should know so far.
    """

    names: tuple[str, ...] = ()
    chosen: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    undecided: tuple[int, ...] = ()
    unknown_names: tuple[str, ...] = ()
    confirming: bool = False
    warnings: tuple[str, ...] = ()

    @staticmethod
    def before(episode: Episode) -> RoundState | None:
        """Return the state after the last round of an episode; None before the first one."""
        for move in reversed(episode.moves):
            if (kept := move.thought.details.get(STATE_KEY)) is not None:
                values: dict[str, Any] = {
                    name: value if isinstance(value, bool) else tuple(value)
                    for name, value in kept.items()
                }
                return RoundState(**values)
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the state, JSON-serializable."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    def warning(self, *sentences: str) -> RoundState:
        """Return the state with further warnings."""
        return replace(self, warnings=(*self.warnings, *sentences))
