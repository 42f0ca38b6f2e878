"""The format of a file given as weights, recognized by its first bytes and its structure."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from videoseg.files import check_regular_file
from videoseg.text import parse_json, printable, shorten, shorten_text
from videoseg.weights.pickles import is_whole_pickle

__all__ = ["has_safetensors", "placeholder_problem", "weights_problem"]

_HEAD_BYTES = 1024
_MAX_HEADER_BYTES = 100_000_000  # safetensors itself reads no more
_MAX_INFLATION = 8
_DOWNLOAD_AGAIN = "download it again"

_OTHER_FORMATS = (
    (b"\x1f\x8b", "a gzip archive, which has to be unpacked first"),
    (b"BZh", "a bzip2 archive, which has to be unpacked first"),
    (b"\xfd7zXZ\x00", "an xz archive, which has to be unpacked first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive, which has to be unpacked first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive, which has to be unpacked first"),
    (b"Rar!\x1a\x07", "a rar archive, which has to be unpacked first"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, which torch does not read"),
    (b"GGUF", "a GGUF file, which torch does not read"),
    (b"\x93NUMPY", "a NumPy array, not parameters by name"),
)


def weights_problem(path: str | os.PathLike[str]) -> str:
    """Return why a file cannot hold weights, as far as a quick look shows.

    The file is not loaded: an empty answer does not guarantee that it can be.

    Args:
        path: The file.

    Returns:
        Words to put after the name of the file, such as ``is empty (0 bytes); download it
        again``; empty if it looks like a file of safetensors or of ``torch.save``.

    Example:
        >>> Path("page.pt").write_text("<html></html>")
        13
        >>> weights_problem("page.pt").split(":")[0]
        'is a web page (HTML)'
    """
    try:
        check_regular_file(path)
        with Path(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
            return _document_problem(head) or _format_problem(file, head)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if reason.startswith("is "):
            return f"{reason}; give the file with the weights"
        return f"cannot be read ({reason}); check the path and its permissions"


def placeholder_problem(path: str | os.PathLike[str]) -> str:
    """Return what a placeholder for a file is; empty if the file is not one.

    Recognizes pointers of git-lfs and git-annex, and web pages. For any file of a model, such as
    its configuration.

    Args:
        path: The file.

    Returns:
        Words to put after the name of the file, which say what to do.

    Raises:
        OSError: If it cannot be read.
    """
    check_regular_file(path)
    with Path(path).open("rb") as file:
        return _placeholder(file.read(_HEAD_BYTES))


def _placeholder(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"version https://git-lfs", b"version https://hawser")):
        return (
            "is a pointer of git-lfs, not the file itself: run `git lfs pull` in its repository, "
            "or download the file"
        )
    if b"/annex/objects/" in text and text.isascii():
        return (
            "is a pointer of git-annex, not the file itself: run `git annex get` in its "
            "repository, or download the file"
        )
    lowered = text.lower()
    if lowered.startswith(b"<") and any(
        sign in lowered for sign in (b"<!doctype html", b"<html", b"<head", b"<body")
    ):
        return (
            "is a web page (HTML): its address shows a page about the file; download the file "
            "itself"
        )
    if lowered.startswith((b"<?xml", b"<!doctype", b"<error")):
        return f"is an XML document, such as a server's error; {_DOWNLOAD_AGAIN}"
    return ""


def _document_problem(head: bytes) -> str:
    """Return what is wrong with a file that is not a model, from its first bytes."""
    if not head:
        return f"is empty (0 bytes); {_DOWNLOAD_AGAIN}"
    if not head.strip(b"\0"):
        return f"begins with nothing but zeros, as an unfinished download does; {_DOWNLOAD_AGAIN}"
    if problem := _placeholder(head):
        return problem
    if b'"weight_map"' in head:
        return (
            "is the index of weights that lie in several files; give one file that holds all of "
            "them"
        )
    for magic, name in _OTHER_FORMATS:
        if head.startswith(magic):
            return f"is {name}; give a file of torch.save or safetensors"
    if head[257:262] == b"ustar":
        return "is a tar archive; unpack it and give the file in it"
    return ""


def _format_problem(file: BinaryIO, head: bytes) -> str:
    """Return what is wrong with a file that may be a model, from its structure."""
    if _is_safetensors(head):
        return _safetensors_problem(file)
    if head.startswith(b"PK"):
        return _zip_problem(file)
    if head.startswith(b"\x80") or is_whole_pickle(file):
        return ""
    shown = _shown_text(head)
    if shown:
        return f"is text ({shown!r}), not weights; {_DOWNLOAD_AGAIN}"
    if Path(str(file.name)).suffix == ".safetensors":
        return _safetensors_problem(file)
    return (
        "is damaged, or no file of torch.save or safetensors (it begins with "
        f"{head[:8].hex(' ')}); {_DOWNLOAD_AGAIN}"
    )


def _shown_text(head: bytes) -> str:
    # A character may be cut in two at the end of what was read.
    text = head.decode("utf-8", "ignore" if len(head) == _HEAD_BYTES else "replace")
    readable = all(letter.isprintable() or letter in "\t\r\n" for letter in text)
    return shorten_text(" ".join(text.split()), 40) if readable and "\ufffd" not in text else ""


def _zip_problem(file: BinaryIO) -> str:
    size = file.seek(0, os.SEEK_END)
    try:
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    # A damaged archive can raise nearly any error.
    except Exception:
        return f"is cut short or damaged ({size:,} bytes); {_DOWNLOAD_AGAIN}"
    names = [member.filename for member in members]
    if any(name.endswith("/constants.pkl") for name in names):
        return (
            "is a TorchScript program, not weights, and was not opened, since it holds code; get "
            "the weights from their publisher, as tensors only"
        )
    if not any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        inside = shorten_text(printable(", ".join(names[:3])), 80)
        return f"is a zip archive without weights of torch.save (it holds {inside or 'nothing'})"
    if sum(member.file_size for member in members) > _MAX_INFLATION * size:
        return f"unpacks to far more than its {size:,} bytes and was refused; {_DOWNLOAD_AGAIN}"
    return ""


def _is_safetensors(head: bytes) -> bool:
    # The length of the header in 8 bytes, the least significant first, and the header, in JSON.
    # No zip archive or pickle has these two bytes here, though its first bytes may be alike.
    return head[7:9] == b"\0{"


def has_safetensors(path: Path) -> bool:
    """Return whether a file is of safetensors, judged by its content."""
    with path.open("rb") as file:
        return _is_safetensors(file.read(_HEAD_BYTES))


def _safetensors_problem(file: BinaryIO) -> str:
    size = file.seek(0, os.SEEK_END)
    length, header = _safetensors_header(file)
    if size < 8 or (8 + length > size and length <= _MAX_HEADER_BYTES):
        return f"is cut short: its {size:,} bytes end inside its header; {_DOWNLOAD_AGAIN}"
    if isinstance(header, str):
        return (
            f"is damaged or no file of safetensors: its header cannot be read ({header}); "
            f"{_DOWNLOAD_AGAIN}"
        )
    for name, entry in header.items():
        if name != "__metadata__" and str(entry.get("dtype")).startswith("C"):
            return f"holds {shorten(name)} as complex numbers; take weights that are real"
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if not ends:
        return "holds no parameters; take another file"
    if 8 + length + max(ends) > size:
        return (
            f"is cut short: it has {size:,} of {8 + length + max(ends):,} bytes; {_DOWNLOAD_AGAIN}"
        )
    return ""


def _safetensors_header(file: BinaryIO) -> tuple[int, dict[str, Any] | str]:
    """Return the length of the header and the header, or why it cannot be read."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > _MAX_HEADER_BYTES:
        return length, f"its length is given as {length:,} bytes"
    try:
        header = parse_json(file.read(length))
    except ValueError as error:
        return length, str(error)
    if not isinstance(header, dict) or not all(
        name == "__metadata__" or _is_entry(entry) for name, entry in header.items()
    ):
        return length, "it does not say where the tensors are"
    return length, header


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    offsets = entry.get("data_offsets")
    return (
        isinstance(offsets, list)
        and len(offsets) == 2
        and all(type(offset) is int and offset >= 0 for offset in offsets)
    )
