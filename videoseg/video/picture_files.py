"""Untrusted picture files: opened safely and converted to RGB without guessing."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videoseg.errors import VideoError
from videoseg.files import check_regular_file
from videoseg.text import printable, shorten_text, show_path
from videoseg.types import Frame, Size
from videoseg.video.arrays import EIGHT_BIT_MODES, pillow_array, rgb_frame

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "Depth",
    "depth_of",
    "open_picture",
    "pages_of",
    "picture_errors",
    "report_errors",
    "seek_first",
    "to_rgb",
    "upright_size",
]

# The formats that Pillow may try, whatever the file's ending. It knows others, some of which
# start external programs: PostScript is given to Ghostscript.
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")

# Orientations 5 to 8 of the EXIF standard exchange rows and columns.
_EXIF_ORIENTATION = 0x0112
_EXIF_TRANSPOSED = frozenset({5, 6, 7, 8})

_TIFF_BITS_PER_SAMPLE = 258
_TIFF_SAMPLE_FORMAT, _TIFF_UNSIGNED = 339, (1, 4)
_TIFF_PHOTOMETRIC = 262
_TIFF_WHITE_IS_ZERO = 0

# A TIFF page of these kinds is another picture made smaller, or a mask of one.
_TIFF_NEW_SUBFILE_TYPE, _TIFF_SUBFILE_TYPE = 254, 255
_TIFF_REDUCED, _TIFF_MASK, _TIFF_OLD_REDUCED = 1, 4, 2


def open_picture(source: str | Path | bytes) -> Image.Image:
    """Open a picture file, or its content, with Pillow; reads the header only.

    Every untrusted picture is opened here. Only common formats are tried, and only regular
    files are opened: nothing waits for a pipe and no other program is started.

    Args:
        source: The file, or its content.

    Returns:
        The picture; close it, or use it as a context manager.

    Raises:
        OSError: If it cannot be read, is not a regular file, or not a picture of these formats.
            A damaged header raises others of ``picture_errors``.
    """
    from PIL import Image

    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    if isinstance(source, bytes):
        return Image.open(BytesIO(source), formats=formats)
    check_regular_file(source)
    return Image.open(source, formats=formats)


def picture_errors() -> tuple[type[Exception], ...]:
    """Return what Pillow raises for files that are damaged or that it does not know."""
    from PIL import Image

    # Its readers of TIFF, GIF and AVIF do not catch errors of their own arithmetic.
    return (
        *(OSError, EOFError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError),
        *(TypeError, LookupError, ArithmeticError, RuntimeError),
        Warning,  # where warnings are made errors
    )


@contextlib.contextmanager
def report_errors(path: Path, *, frame: int) -> Iterator[None]:
    """Convert errors while a picture is read into one that names the file and the frame.

    Raises:
        VideoError: If it cannot be read.
    """
    try:
        yield
    except VideoError as error:
        raise VideoError(str(error), path=str(path), frame=frame, reader="images") from error
    except picture_errors() as error:
        raise VideoError(
            f"{show_path(path)} cannot be read as a picture ({_reason(path, error)}); "
            f"{'fetch that file' if path.is_symlink() else 'replace it'}, or leave the frame out",
            path=str(path),
            frame=frame,
            reader="images",
        ) from error


def pages_of(image: Image.Image) -> list[int]:
    """Return which pictures of an open file are meant to be seen, at least one.

    A photo with a preview, a depth map or a second view beside it (MPO) is one picture, and
    so is a TIFF file that has smaller copies or masks of its picture as further pages.
    """
    if image.format in ("JPEG", "MPO"):
        return [0]
    pages = list(range(int(getattr(image, "n_frames", 1))))
    if image.format == "TIFF":
        return [page for page in pages if _is_whole_page(image, page)] or [0]
    if len(pages) > 1 and getattr(image, "default_image", False):
        # The first picture is for viewers that cannot show the animation.
        return pages[1:]
    return pages


def seek_first(image: Image.Image) -> int:
    """Go to the first picture of an open file that is meant to be seen; return how many are."""
    pages = pages_of(image)
    image.seek(pages[0])
    return len(pages)


def upright_size(image: Image.Image) -> Size:
    """Return (height, width) of an open picture as ``to_rgb`` gives it."""
    width, height = image.size
    if image.format == "TIFF":
        # Versions of Pillow differ in whether this is the size as it is stored or as shown.
        tags = image.tag_v2  # type: ignore[attr-defined]
        width, height = tags.get(256, width), tags.get(257, height)
    return (width, height) if _orientation(image) in _EXIF_TRANSPOSED else (height, width)


@dataclass(frozen=True)
class Depth:
    """The meaning of the values of a gray picture with more than eight bits.

    Args:
        bits: How many bits a value has, 9 to 16.
        is_inverted: Whether 0 is white.
    """

    bits: int
    is_inverted: bool = False


def depth_of(image: Image.Image, *, name: str) -> Depth | None:
    """Return how many bits the values of an open picture have, None for eight or fewer.

    Args:
        image: The picture.
        name: Its name in messages.

    Raises:
        VideoError: If it holds floats, signed or 32-bit numbers, or a color space whose range
            is unknown.
    """
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    is_unsigned = all(kind in _TIFF_UNSIGNED for kind in tags.get(_TIFF_SAMPLE_FORMAT, (1,)))
    if image.mode in EIGHT_BIT_MODES and is_unsigned:
        return None
    if image.mode.startswith("I;16") and is_unsigned:
        bits = tags.get(_TIFF_BITS_PER_SAMPLE, (16,))[0]
        is_inverted = tags.get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO
        return Depth(bits if 8 < bits <= 16 else 16, is_inverted=is_inverted)
    if image.mode == "I" and image.format in ("PNG", "PPM"):
        # Neither format has values of more than 16 bits.
        return Depth(16)
    kind = "floating-point numbers" if image.mode == "F" else "32-bit or signed whole numbers"
    if image.mode not in ("F", "I") and is_unsigned:
        raise VideoError(
            f"{name} is stored as {image.mode}, which cannot be converted to RGB; save it as RGB "
            "with 8 bits, as PNG or TIFF",
            reader="images",
        )
    raise VideoError(
        f"{name} holds {kind}, whose range is unknown; scale them to 0..255 and save the "
        "picture as 8-bit PNG or TIFF",
        reader="images",
    )


def to_rgb(image: Image.Image, *, name: str) -> tuple[Frame, int | None]:
    """Decode an open picture, upright, as RGB.

    Alpha is ignored, and the upper eight bits of deeper values are kept.

    Args:
        image: The picture, at one of its pages.
        name: Its name in messages.

    Returns:
        RGB uint8, shape (H, W, 3), and the largest value in units of 16 bits, 0..65535, of a
        picture with more than eight, as far as its upper eight bits show it; None for others.

    Raises:
        VideoError: If the range of its values is unknown; see ``depth_of``. A damaged picture
            raises one of ``picture_errors``.
    """
    from PIL import ImageOps

    depth = depth_of(image, name=name)
    is_deep = ";16" in _raw_mode(image)
    upright = ImageOps.exif_transpose(image) if _orientation(image) != 1 else image
    if depth is None:
        frame = rgb_frame(pillow_array(upright), name=name)
        # Of deep colors Pillow gives the upper eight bits only. If these are all 0, it is
        # unknown whether those below are used.
        return frame, (int(frame.max()) << 8 | 0xFF) if is_deep else None
    largest = 2**depth.bits - 1
    values = np.clip(np.asarray(upright).astype(np.int64), 0, largest)
    if depth.is_inverted:
        values = largest - values
    values <<= 16 - depth.bits
    return rgb_frame((values >> 8).astype(np.uint8), name=name), int(values.max())


def _is_whole_page(image: Image.Image, page: int) -> bool:
    image.seek(page)
    tags = image.tag_v2  # type: ignore[attr-defined]
    is_part = bool(tags.get(_TIFF_NEW_SUBFILE_TYPE, 0) & (_TIFF_REDUCED | _TIFF_MASK))
    return not is_part and tags.get(_TIFF_SUBFILE_TYPE) != _TIFF_OLD_REDUCED


def _raw_mode(image: Image.Image) -> str:
    """Return how the pixels of an open picture are stored, as Pillow calls it."""
    tiles = getattr(image, "tile", ())
    if not tiles:
        return ""
    details = tiles[0][3]
    return str(details[0] if isinstance(details, tuple) and details else details)


def _orientation(image: Image.Image) -> int:
    # Asking a PNG without an EXIF chunk in its header for EXIF decodes the whole picture to
    # look for one behind the pixels.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    value = image.getexif().get(_EXIF_ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def _reason(path: Path, error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        is_link = path.is_symlink()
        return "it is a link to a file that does not exist" if is_link else "there is no such file"
    if isinstance(error, UnidentifiedImageError):
        if path.stat().st_size == 0:
            return "the file is empty"
        return f"it is damaged, or none of the formats {', '.join(_FORMATS)} with 8 or 16 bits"
    reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return shorten_text(printable(" ".join(reason.split())), 200)
