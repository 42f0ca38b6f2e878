"""Read untrusted files, write files and folders atomically, and lock them."""

from videoseg.files.atomic import make_folder, recover_folder, staged_folder, write_file
from videoseg.files.lock import FileLock
from videoseg.files.reading import (
    check_regular_file,
    expand_path,
    read_bytes,
    read_text,
    shorten_name,
)

__all__ = [
    "FileLock",
    "check_regular_file",
    "expand_path",
    "make_folder",
    "read_bytes",
    "read_text",
    "recover_folder",
    "shorten_name",
    "staged_folder",
    "write_file",
]
