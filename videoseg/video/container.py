"""Opening a media file with PyAV and saying plainly why one cannot be opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from videoseg.errors import MissingDependencyError, VideoError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["open_container", "require_file", "require_pyav"]

# Demuxers that make moving pictures of what is no video: text becomes a terminal recording,
# scripts and playlists name other files or addresses to read.
_REFUSED_FORMATS = frozenset({"tty", "concat", "hls", "dash", "ffmetadata", "lavfi", "webvtt"})


def require_pyav() -> None:
    """Check that PyAV is installed.

    Raises:
        MissingDependencyError: If it is not.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "reading and writing video needs PyAV, which is not installed; "
            'run: python -m pip install "av>=14"'
        ) from error


def require_file(path: Path, *, reader: str) -> None:
    """Check that a path is a file with something in it.

    Raises:
        VideoError: If it does not exist, is a folder, is empty or may not be read.
    """
    if not path.exists():
        hint = (
            "download it first, videos are read from local files only"
            if "://" in str(path) or str(path).startswith(("http:", "https:", "rtsp:"))
            else "check the spelling and the folder you are in"
        )
        raise VideoError(f"there is no file {path}; {hint}", path=str(path), reader=reader)
    if path.is_dir():
        raise VideoError(
            f"{path} is a folder, a video file was expected", path=str(path), reader=reader
        )
    if not path.is_file():
        # Opening a pipe would wait for someone to write, and a device may never end.
        raise VideoError(
            f"{path} is a pipe or a device, a video file was expected; for a stream of frames "
            "use Video.from_iterator",
            path=str(path),
            reader=reader,
        )
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except OSError as error:
        raise VideoError(
            f"{path} cannot be read ({error.strerror}); check its permissions",
            path=str(path),
            reader=reader,
        ) from error
    if is_empty:
        raise VideoError(
            f"{path} is empty (0 bytes); copy or download it again", path=str(path), reader=reader
        )


def open_container(path: Path, *, reader: str) -> tuple[InputContainer, VideoStream]:
    """Open a video file and choose its video stream.

    Only local files are read, whatever the file itself refers to.

    Args:
        path: The file.
        reader: The name of the reader, for errors.

    Returns:
        The container and the stream; the caller closes the container.

    Raises:
        MissingDependencyError: If PyAV is not installed.
        VideoError: If the file is missing, empty, no video or damaged beyond reading.
    """
    require_pyav()
    import av
    from av.error import FFmpegError

    require_file(path, reader=reader)
    try:
        # The prefix keeps a name with a colon from being taken for a protocol.
        container = av.open(
            f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except (FFmpegError, OSError, ValueError) as error:
        raise VideoError(
            f"{path} is not a video that can be read ({_reason(error)}); if it plays elsewhere, "
            "convert it to MP4 with H.264, otherwise copy or download it again",
            path=str(path),
            reader=reader,
        ) from error
    formats = set(container.format.name.split(","))
    if formats & _REFUSED_FORMATS:
        container.close()
        raise VideoError(
            f"{path} is not a video but a text or playlist file ({container.format.long_name}); "
            "give the video itself",
            path=str(path),
            reader=reader,
        )
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not streams:
        container.close()
        raise VideoError(
            f"{path} has no video stream ({container.format.long_name}); "
            "give a file with pictures",
            path=str(path),
            reader=reader,
        )
    stream = streams[0]
    if getattr(stream, "codec_context", None) is None:
        container.close()
        raise VideoError(
            f"{path} is encoded in a way that cannot be decoded here; convert it to MP4 with "
            "H.264, or copy or download it again if it should be that",
            path=str(path),
            reader=reader,
        )
    return container, stream


def _is_cover(stream: VideoStream) -> bool:
    """Return whether a stream is the cover picture of a piece of music."""
    disposition = getattr(stream, "disposition", None)
    return disposition is not None and "attached_pic" in (getattr(disposition, "name", "") or "")


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).lower()
