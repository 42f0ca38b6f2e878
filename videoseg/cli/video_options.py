"""Command line options that choose a part of a video, and those that give objects in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from videoseg.errors import ConfigError
from videoseg.files import expand_path
from videoseg.text import shorten

if TYPE_CHECKING:
    from videoseg.types import Prompt, VideoSource

__all__ = ["GivenObject", "make_prompts", "part_options", "prompt_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _PlaceType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Seconds, or a frame."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the text, and return it."""
        from videoseg.video.part import parse_place

        try:
            parse_place(value, "it")
        except ConfigError as error:
            self.fail(str(error), param, ctx)
        return value


_PLACE = _PlaceType()

_PART_OPTIONS = (
    click.option(
        "--start",
        type=_PLACE,
        metavar="S",
        help="Begin here: seconds (12.5, 1:02.5) or a frame (300f).",
    ),
    click.option(
        "--end",
        type=_PLACE,
        metavar="S",
        help="End here, itself not included: seconds or a frame.",
    ),
    click.option(
        "--every",
        type=click.IntRange(min=1),
        default=1,
        metavar="N",
        help="Look at every Nth frame only: what saves the most time.",
    ),
    click.option(
        "--max-side",
        type=click.IntRange(min=16),
        metavar="PX",
        help="Look at frames scaled down to this longer side: quicker, less exact outlines.",
    ),
)


def part_options(command: _Command) -> _Command:
    """Add the options that choose a part of a video, for ``Video.part``.

    Frame numbers and masks of the results are those of the whole video.
    """
    for option in reversed(_PART_OPTIONS):
        command = option(command)
    return command


# -- objects that are given ---------------------------------------------------------------

_FORMS = {
    "--box": "[NAME=]FRAME:X1,Y1,X2,Y2",
    "--point": "[NAME=]FRAME:X,Y",
    "--negative-point": "[NAME=]FRAME:X,Y",
    "--mask": "[NAME=]FRAME:FILE",
}
_EXAMPLES = {
    "--box": "0:120,80,260,300 or dog=0:120,80,260,300",
    "--point": "0:190,150 or dog=0:190,150",
    "--negative-point": "0:190,150 or dog=0:190,150",
    "--mask": "0:mask.png or dog=0:mask.png",
}
# The key of points without a name; no NAME equals it.
_NAMELESS_POINTS = ("points",)
_PARTS = re.compile(r"(?:(?P<name>[^=:]+)=)?(?P<frame>\d{1,9}):(?P<rest>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class GivenObject:
    """One box, point or mask from the command line.

    Args:
        option: The option, such as ``--box``.
        name: The object's name; empty if none was given.
        frame: The frame.
        numbers: The coordinates, in pixels of the video's frame.
        file: The picture of a mask.
    """

    option: str
    name: str
    frame: int
    numbers: tuple[float, ...] = ()
    file: Path | None = None


def _read_given(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[GivenObject, ...]:
    return tuple(_parse(parameter.opts[0], value) for value in values)


def _parse(option: str, value: str) -> GivenObject:
    wrong = (
        f"{shorten(value)} must have the form {_FORMS[option]}, such as {_EXAMPLES[option]}; "
        "frames count from 0"
    )
    found = _PARTS.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter(wrong, param_hint=option)
    name, frame, rest = (found["name"] or "").strip(), int(found["frame"]), found["rest"].strip()
    if option == "--mask":
        return GivenObject(option, name, frame, file=expand_path(rest))
    count = 4 if option == "--box" else 2
    try:
        numbers = tuple(float(number) for number in rest.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise click.BadParameter(wrong, param_hint=option)
    if count == 4 and (numbers[2] <= numbers[0] or numbers[3] <= numbers[1]):
        raise click.BadParameter(
            f"{shorten(value)} has no area: a box is its left, top, right and bottom side in "
            "pixels, X1 < X2 and Y1 < Y2",
            param_hint=option,
        )
    return GivenObject(option, name, frame, numbers)


_PROMPT_OPTIONS = (
    click.option(
        "--box",
        "boxes",
        multiple=True,
        callback=_read_given,
        metavar=_FORMS["--box"],
        help="Instead of QUERY: a box around an object, in pixels of a frame. Each without a "
        "NAME is an object of its own. Can be repeated, as can the next three.",
    ),
    click.option(
        "--point",
        "points",
        multiple=True,
        callback=_read_given,
        metavar=_FORMS["--point"],
        help="Instead of QUERY: a point on an object. Points without a NAME are on one object.",
    ),
    click.option(
        "--negative-point",
        "negative_points",
        multiple=True,
        callback=_read_given,
        metavar=_FORMS["--negative-point"],
        help="A point that is not on the object.",
    ),
    click.option(
        "--mask",
        "masks",
        multiple=True,
        callback=_read_given,
        metavar=_FORMS["--mask"],
        help="Instead of QUERY: a PNG as large as the frame. Without a NAME, each of its values "
        "but 0 is an object.",
    ),
)


def prompt_options(command: _Command) -> _Command:
    """Add the options that give objects instead of a query, for ``make_prompts``."""
    for option in reversed(_PROMPT_OPTIONS):
        command = option(command)
    return command


def make_prompts(given: Sequence[GivenObject], video: VideoSource) -> tuple[Prompt, ...]:
    """Return prompts for what was given on the command line.

    Objects are numbered in the order in which they are given: boxes, points, masks. What has the
    same name is one object. A point without a name belongs to the only other object, or with
    the other points without a name to one of their own.

    Args:
        given: What was given.
        video: The whole video.

    Raises:
        click.UsageError: If it is not clear what belongs together.
        ConfigError: If a frame does not exist, or the picture of a mask cannot be used.
    """
    from videoseg.types import Box, Point, Prompt

    objects: dict[object, dict[int, dict[str, Any]]] = {}

    def part(key: object, frame: int) -> dict[str, Any]:
        return objects.setdefault(key, {}).setdefault(frame, {})

    count = len(video)
    for one in given:
        if one.frame >= count:
            raise ConfigError(
                f"{one.option} is given on frame {one.frame}, but {video.name} has the frames 0 "
                f"to {count - 1}"
            )
    key: object
    for number, one in enumerate(given):
        if one.option == "--box":
            key = one.name or number
            if "box" in part(key, one.frame):
                raise click.UsageError(
                    f"{one.name} has two boxes on frame {one.frame}; give each object one, or "
                    "other names"
                )
            part(key, one.frame)["box"] = Box(*one.numbers)
        elif one.option == "--mask":
            for value, mask in _read_masks(one, video):
                key = one.name or (number, value)
                if "mask" in part(key, one.frame):
                    raise click.UsageError(
                        f"{one.name} has two masks on frame {one.frame}; give each object one, or "
                        "other names"
                    )
                part(key, one.frame)["mask"] = mask
    others = list(objects)
    for one in given:
        kind = {"--point": "points", "--negative-point": "negative_points"}.get(one.option)
        if kind is None:
            continue
        key = one.name or _NAMELESS_POINTS
        if not one.name and len(others) > 1:
            raise click.UsageError(
                f"{one.option} {one.frame}:{','.join(f'{n:g}' for n in one.numbers)} could belong "
                f"to {len(others)} objects; name it and its box: --box dog={one.frame}:... "
                f"{one.option} dog={one.frame}:..."
            )
        if not one.name and others:
            [key] = others
        place = part(key, one.frame)
        place[kind] = (*place.get(kind, ()), Point(*one.numbers))
    prompts = []
    for object_id, (key, frames) in enumerate(objects.items(), start=1):
        label = key if isinstance(key, str) else ""
        for frame, values in sorted(frames.items()):
            if set(values) == {"negative_points"}:
                raise click.UsageError(
                    f"--negative-point on frame {frame} needs a --point, --box or --mask of the "
                    "same object on that frame"
                )
            prompts.append(Prompt(object_id, frame, label=label, **values))
    return tuple(prompts)


def _read_masks(given: GivenObject, video: VideoSource) -> list[tuple[int, Any]]:
    """Return the masks of a picture with their values; of a named object all as one."""
    import numpy as np

    from videoseg.benchmarks.mask_pictures import read_ids, read_mask
    from videoseg.errors import EvaluationError
    from videoseg.types import Rle

    assert given.file is not None
    where, fix = f"--mask {given.file}", "give a PNG of the frame's size"
    if not given.file.is_file():
        raise ConfigError(f"there is no file {given.file}; {fix}")
    try:
        if given.name:
            mask = read_mask(given.file, where=where, size=video.size, fix=fix)
            found = [(1, mask)] if mask.any() else []
        else:
            ids = read_ids(given.file, where=where, size=video.size, fix=fix)
            found = [(int(value), ids == value) for value in np.unique(ids) if value != 0]
    except EvaluationError as error:
        raise ConfigError(str(error)) from error
    if not found:
        raise ConfigError(f"{where} is empty; draw the object with values above 0")
    return [(value, Rle.encode(mask)) for value, mask in found]
