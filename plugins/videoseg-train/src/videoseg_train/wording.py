"""The teacher's words: what it thinks before it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from videoseg import Box
from videoseg.types import Size

__all__ = ["Found", "TeacherWording"]

_COLUMNS = ("left", "middle", "right")
_ROWS = ("top", "center", "bottom")


@dataclass(frozen=True, slots=True)
class Found:
    """An object of a teacher's answer.

    Args:
        label: What it is called; may be empty.
        box: Around it, in pixels of the frame.
        size: (height, width) of the frame.
        box_numbers: The box, as it is written.
        point_numbers: A point on it, as it is written.
        negative_numbers: A point beside it, as it is written.
    """

    label: str
    box: Box
    size: Size
    box_numbers: tuple[float, ...]
    point_numbers: tuple[float, ...]
    negative_numbers: tuple[float, ...]

    @property
    def place(self) -> str:
        """Where it is, in two words such as ``left top``."""
        height, width = self.size
        center = self.box.center
        column = _COLUMNS[min(2, int(3 * center.x / width))]
        return f"{column} {_ROWS[min(2, int(3 * center.y / height))]}"


class TeacherWording:
    """Thoughts in plain English.

    They name an object before its place, and end just before the numbers: a small model can then
    fetch each with one step of attention. Subclass it for other words; a thought may be any text
    without tags.
    """

    def locate(self, query: str, found: Sequence[Found]) -> str:
        """Return the thought of grounder ``r1``.

        Args:
            query: The query.
            found: The objects of the answer.
        """
        if not found:
            return f'Nothing in the target frame matches "{query}".'
        return f'"{query}" means {_list(found)}.'

    def look(self, query: str, start: int, end: int, keyframe: int, is_there: bool) -> str:
        """Return the thought before a look: time, place, words, and what is done next.

        Args:
            query: The query.
            start: The first frame that is asked for.
            end: The last.
            keyframe: The frame to be shown larger.
            is_there: Whether the objects show on it.
        """
        seen = "shows" if is_there else "may show"
        return (
            f"Step 1 (temporal): it {seen} in frames {start} to {end}.\n"
            f"Step 2 (spatial): it has to be seen larger, on frame {keyframe}.\n"
            f'Step 3 (linguistic): "{query}" is what must match.\n'
            "Action: see a new segment."
        )

    def answer(
        self, query: str, start: int, end: int, keyframe: int, found: Sequence[Found]
    ) -> str:
        """Return the thought before an answer; see ``look``.

        Args:
            query: The query.
            start: The first frame of the answer.
            end: The last.
            keyframe: The frame on which the objects are given.
            found: The objects.
        """
        if not found:
            when, where = "it shows in no frame.", "nothing matches."
        else:
            when = f"it shows in frames {start} to {end}, well on frame {keyframe}."
            where = f"{_list(found)}."
        return (
            f"Step 1 (temporal): {when}\n"
            f'Step 2 (spatial): {where}\nStep 3 (linguistic): "{query}" is what must match.\n'
            "Action: confirmed."
        )


def _list(found: Sequence[Found]) -> str:
    return ", ".join(f"{one.label or 'the object'} ({one.place})" for one in found)
