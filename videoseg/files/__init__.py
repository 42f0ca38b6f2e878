"""Reading files that anybody may have made, and writing files and folders whole or not at all."""

from videoseg.files.reading import (
    check_regular_file,
    expand_path,
    read_bytes,
    read_text,
    shorten_name,
)
from videoseg.files.staged_file import make_folder, write_file
from videoseg.files.staged_folder import recover_folder, staged_folder

__all__ = [
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
