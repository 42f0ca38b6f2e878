"""Media files opened with PyAV: the choice of the stream, and why a file cannot be read."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from videoseg.errors import MissingDependencyError, VideoError
from videoseg.files import check_regular_file
from videoseg.text import show_path

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["missing_bytes", "open_container", "require_file", "require_pyav", "stream_warnings"]

# Older versions crash on MPEG program streams and give BT.709 pictures the colors of BT.601.
_OLDEST_PYAV = (17, 1)

# From this version on ``av.open`` accepts metadata that is not UTF-8 and has no option for it.
_LENIENT_PYAV = (19,)

# Names that match several files in shells and in FFmpeg.
_ADDRESS = re.compile(r"(https?|rtsps?|s3|gs|ftp):/+")
_PATTERN = re.compile(r"[*?]|%[0-9]*d")

# Demuxers that make moving pictures of files that are not videos: text becomes a terminal
# recording, scripts and playlists name other files or addresses to read.
_REFUSED_FORMATS = frozenset({"tty", "concat", "hls", "dash", "ffmetadata", "lavfi", "webvtt"})

# How much of a file is read to find its stated length.
_HEAD_BYTES = 4096

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def require_pyav() -> None:
    """Check that PyAV is installed, in a version that decodes correctly.

    Raises:
        MissingDependencyError: If it is not.
    """
    wanted = ".".join(map(str, _OLDEST_PYAV))
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(
            "reading and writing video needs PyAV, which is not installed; "
            f'run: python -m pip install "av>={wanted}"'
        ) from error
    if _pyav_version() < _OLDEST_PYAV:
        raise MissingDependencyError(
            f"PyAV {av.__version__} is too old: it gives wrong colors and crashes on some files; "
            f'run: python -m pip install --upgrade "av>={wanted}"'
        )


def require_file(path: Path, *, reader: str) -> None:
    """Check that a path is a regular file that is not empty.

    Raises:
        VideoError: If it does not exist, is a folder, a pipe, a device or a socket, is empty
            or may not be read.
    """
    try:
        check_regular_file(path)
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except (OSError, ValueError) as error:
        raise VideoError(_why_no_file(path, error), path=str(path), reader=reader) from error
    if is_empty:
        raise VideoError(
            f"{show_path(path)} is empty (0 bytes); copy or download it again",
            path=str(path),
            reader=reader,
        )


def open_container(
    path: Path, *, applies_edits: bool = True
) -> tuple[InputContainer, VideoStream]:
    """Open a video file and choose its video stream.

    Only local files are read, whatever the file itself refers to. Of several video streams
    the one is chosen that players show: the default one if the file names one, else the
    largest, else the first; a single picture only where nothing moves.

    Args:
        path: The file.
        applies_edits: Whether to give what the edit list of an MP4 file shows, or what is stored.

    Returns:
        The container and the stream; the caller closes the container.

    Raises:
        MissingDependencyError: If PyAV is not installed or too old.
        VideoError: If the file is missing, empty, no video or damaged beyond reading.
    """
    require_pyav()
    from av.error import FFmpegError

    require_file(path, reader="pyav")
    try:
        container = _open(path, applies_edits=applies_edits)
    except (FFmpegError, OSError, ValueError) as error:
        raise _error(
            path,
            f"is not a video that can be read ({_reason(error)}); if it plays elsewhere, convert "
            "it to MP4 with H.264, otherwise copy or download it again",
        ) from error
    try:
        return container, _choose_stream(container, path)
    except VideoError:
        container.close()
        raise


def stream_warnings(container: InputContainer, path: Path) -> tuple[str, ...]:
    """Return a warning about a file that does not say which video stream counts."""
    streams = _ranked_streams(container)
    rivals = [stream for stream in streams if _rank(stream)[:2] == _rank(streams[0])[:2]]
    if len(rivals) < 2:
        return ()
    width, height = _dimensions(rivals[0])
    which = "largest" if _rank(rivals[0]) > _rank(rivals[1]) else "first"
    return (
        f"{path.name} has {len(rivals)} video streams and does not say which one counts; the "
        f"{which} ({width}x{height}) is read",
    )


def missing_bytes(path: Path) -> int:
    """Return how many bytes a file lacks at its end; 0 also where its head does not say.

    AVI and Matroska (WebM) files begin with their length. If a download or copy ended early,
    the rest is readable and FFmpeg does not report that something is missing.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        present = os.fstat(file.fileno()).st_size
    stated = _matroska_length(head) if head.startswith(_EBML) else _riff_length(head)
    return max(0, stated - present)


def _open(path: Path, *, applies_edits: bool) -> InputContainer:
    import av

    # The prefix keeps a name with a colon from being taken for a protocol.
    address, options = f"file:{path}", {"protocol_whitelist": "file"}
    if not applies_edits:
        options["ignore_editlist"] = "1"
    if _pyav_version() < _LENIENT_PYAV:
        return av.open(address, options=options, metadata_errors="replace")
    return av.open(address, options=options)


def _pyav_version() -> tuple[int, ...]:
    import av

    return tuple(int(part) for part in re.findall(r"[0-9]+", av.__version__)[:2])


def _choose_stream(container: InputContainer, path: Path) -> VideoStream:
    name = container.format.long_name
    if set(container.format.name.split(",")) & _REFUSED_FORMATS:
        raise _error(
            path, f"is not a video but a text or playlist file ({name}); give the video itself"
        )
    streams = _ranked_streams(container)
    if not streams:
        raise _error(
            path,
            f"has no video stream ({name}); give a file with moving pictures, and a photo as "
            "JPEG or PNG",
        )
    if getattr(streams[0], "codec_context", None) is None:
        raise _error(
            path,
            "is encoded in a way that cannot be decoded here; convert it to MP4 with H.264, or "
            "copy or download it again if it should be that",
        )
    return streams[0]


def _ranked_streams(container: InputContainer) -> list[VideoStream]:
    """Return the streams of moving pictures, the one that players show first."""
    from av.stream import Disposition

    # The cover of a piece of music is no video, and the tiles of a photo (HEIC) no picture.
    parts = Disposition.attached_pic | Disposition.dependent
    streams = [stream for stream in container.streams.video if not stream.disposition & parts]
    return sorted(streams, key=_rank, reverse=True)


def _rank(stream: VideoStream) -> tuple[bool, bool, int]:
    """Return whether a stream is the default one, whether it can move, and its pixels."""
    from av.stream import Disposition

    width, height = _dimensions(stream)
    is_default = bool(stream.disposition & Disposition.default)
    # Many containers do not count frames and say 0.
    return is_default, stream.frames != 1, width * height


def _dimensions(stream: VideoStream) -> tuple[int, int]:
    context = getattr(stream, "codec_context", None)
    return (context.width, context.height) if context is not None else (0, 0)


def _riff_length(head: bytes) -> int:
    size = int.from_bytes(head[4:8], "little")
    # A program that writes to a pipe cannot go back to fill in the length.
    is_known = head[:4] == b"RIFF" and 0 < size < 0xFFFFFFFF
    return 8 + size if is_known else 0


def _matroska_length(head: bytes) -> int:
    header, at = _matroska_number(head, len(_EBML))
    at += header
    if head[at : at + len(_SEGMENT)] != _SEGMENT:
        return 0
    size, begin = _matroska_number(head, at + len(_SEGMENT))
    return begin + size if size else 0


def _matroska_number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, 0 if it is "unknown", and where it ends."""
    first = data[at] if at < len(data) else 0
    if not first:
        return 0, at
    length = 9 - first.bit_length()
    most = 2 ** (7 * length) - 1
    number = int.from_bytes(data[at : at + length], "big") & most
    return (0 if number == most else number), at + length


def _why_no_file(path: Path, error: Exception) -> str:
    shown = show_path(path)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        if path.is_symlink():
            return (
                f"{shown} is a link to a file that does not exist; fetch that file or give "
                "another one"
            )
        if (address := _ADDRESS.match(str(path))) is not None:
            # Paths have lost one of the two slashes.
            shown = show_path(f"{address[1]}://{str(path)[address.end() :]}")
            hint = (
                "download it first, videos are read from local files only; streams are read with "
                "videoseg.video.LiveFrames"
            )
        elif _PATTERN.search(path.name):
            hint = "patterns are not expanded: give the folder, or a list of its files"
        else:
            hint = "check the spelling and the folder you are in"
        return f"there is no file {shown}; {hint}"
    if isinstance(error, IsADirectoryError):
        return f"{shown} is a folder, a video file was expected"
    if isinstance(error, ValueError):
        return f"there can be no file {shown} ({error}); check its name"
    reason = error.strerror if isinstance(error, OSError) else error
    if isinstance(error, OSError) and error.filename is not None and error.errno == errno.EINVAL:
        # Opening a pipe would wait for someone to write, and a device may never end.
        return (
            f"{shown} {reason}; a video file was expected; for a stream of frames use "
            "Video.from_iterator"
        )
    return f"{shown} cannot be read ({reason}); check its name and its permissions"


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).lower()


def _error(path: Path, words: str) -> VideoError:
    return VideoError(f"{show_path(path)} {words}", path=str(path), reader="pyav")
