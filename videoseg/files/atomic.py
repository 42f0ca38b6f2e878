"""Write files and folders atomically: they appear complete or not at all.

The content is written to a hidden file or folder beside the target, on the same file system,
and renamed at the end. A process that is killed leaves only the hidden one behind, which is
named as partial; the next write to the same place removes such a folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from videoseg.errors import OutputError
from videoseg.files.reading import check_regular_file, shorten_name
from videoseg.text import show_path, well_formed

__all__ = ["make_folder", "recover_folder", "staged_folder", "write_file"]

_counter = itertools.count()
# Flag of Linux's renameat2: exchange the two names in one step.
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
# Linux allows 4096 bytes, of which files in the folder need some. Where paths are shorter, the
# system reports it when the folder is made.
_MAX_PATH_BYTES = 4096 - 300
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def make_folder(folder: Path) -> None:
    """Make a folder with its parents if it does not exist.

    Raises:
        OSError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except RecursionError as error:
        raise OSError(errno.ENAMETOOLONG, "the path has too many parts") from error


def write_file(path: Path, text: str | Iterable[str]) -> None:
    """Write a text file atomically: readers see the old content or the new, never half.

    The encoding is UTF-8; lone surrogates become U+FFFD. Missing parents are made.

    Args:
        path: The file.
        text: Its content, or the parts of it in their order, none of which is kept.

    Raises:
        OutputError: If it cannot be written, or a folder, a pipe or a device is in its place.
    """
    name = shorten_name(path.name, 100)
    partial = path.with_name(f".{name}.partial-{os.getpid()}-{next(_counter)}")
    try:
        if path.exists():
            # Replacing a device such as /dev/null would remove it for the whole system.
            check_regular_file(path)
        make_folder(path.parent)
        with partial.open("x", encoding="utf-8") as file:
            for part in (text,) if isinstance(text, str) else text:
                file.write(well_formed(part))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"cannot write {show_path(path)}: {reason}; check the folder, its "
            "permissions and the free space"
        ) from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            partial.unlink()


@contextmanager
def staged_folder(
    target: Path,
    *,
    overwrite: bool,
    what: str,
    replaceable: Callable[[Path], str | None],
    progress: Callable[[], float] | None = None,
) -> Iterator[Path]:
    """Yield a folder to write into that becomes ``target`` when the block succeeds.

    Args:
        target: The final path. Missing parents are made.
        overwrite: Whether an existing folder with files in it may be replaced.
        what: Name of the content for messages, such as ``the result``.
        replaceable: Returns why an existing folder must not be replaced, or None if it may.
        progress: Returns the share written so far, in [0, 1], to estimate the space needed.

    Yields:
        The temporary folder.

    Raises:
        OutputError: If the target exists and must not be replaced, or cannot be written.
    """
    try:
        target = _resolve(target)
        if len(os.fsencode(target)) > _MAX_PATH_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        recover_folder(target)
        _check_free(target, overwrite=overwrite, what=what, replaceable=replaceable)
        make_folder(target.parent)
        for folder in _find_leftovers(target, "partial") + _find_leftovers(target, "replaced"):
            shutil.rmtree(folder, ignore_errors=True)
        stage = target.parent / f"{_prefix(target, 'partial')}{os.getpid()}-{next(_counter)}"
        stage.mkdir()
    except OSError as error:
        raise _explain(error, target, what) from error
    try:
        try:
            yield stage
            _sync_tree(stage)
            # Check again: another process may have written there meanwhile.
            _check_free(target, overwrite=overwrite, what=what, replaceable=replaceable)
            _put_in_place(stage, target, overwrite=overwrite)
        except Exception as error:
            # Encoders wrap the system's error when the disk is full.
            system = _find_system_error(error)
            if system is None or (system is not error and system.errno not in _FULL):
                raise
            share = progress() if progress else 0.0
            raise _explain(system, target, what, stage=stage, share=share) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def recover_folder(target: Path) -> None:
    """Restore the old folder if a process died while it was replacing it.

    This is only needed on systems that cannot exchange two folders in one step.
    """
    target = _resolve(target)
    if target.exists() or not target.parent.is_dir():
        return
    for folder in _find_leftovers(target, "replaced")[:1]:
        folder.replace(target)


def _resolve(target: Path) -> Path:
    try:
        return Path(os.path.realpath(target))
    except ValueError as error:  # a null character
        raise OSError(errno.EINVAL, str(error)) from error


def _prefix(target: Path, kind: str) -> str:
    # File names have at most 255 bytes. With the machine's name, processes of another machine
    # on a shared disk are not taken for dead ones of this machine.
    name = shorten_name(target.name, 100)
    host = "".join(letter for letter in socket.gethostname()[:40] if letter.isalnum())
    return f".{name}.{kind}-{host}-"


def _find_leftovers(target: Path, kind: str) -> list[Path]:
    """Return what dead processes of this machine left beside the target."""
    prefix = _prefix(target, kind)
    found = []
    for entry in sorted(target.parent.iterdir()):
        if entry.name.startswith(prefix):
            process = entry.name[len(prefix) :].split("-")[0]
            if process.isdecimal() and not _is_alive(int(process)):
                found.append(entry)
    return found


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        # os.kill would end the process there; rather leave a folder behind.
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _check_free(
    target: Path, *, overwrite: bool, what: str, replaceable: Callable[[Path], str | None]
) -> None:
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise OutputError(
            f"cannot write {what} to {target}: a file of that name is in the way; "
            "choose another folder or remove the file"
        )
    if target.is_mount() or target == _resolve(Path.cwd()):
        kind = "a mount point" if target.is_mount() else "the current folder"
        raise OutputError(
            f"cannot write {what} to {target}: {kind} cannot be swapped in one step; "
            f"choose a folder inside it, such as {target / 'result'}"
        )
    try:
        empty = next(target.iterdir(), None) is None
    except OSError as error:
        raise _explain(error, target, what) from error
    if empty:
        return
    if (reason := replaceable(target)) is not None:
        raise OutputError(
            f"cannot write {what} to {target}: {reason}; choose another folder or empty this one"
        )
    if not overwrite:
        raise OutputError(f"{target} already exists; choose another folder or pass overwrite=True")


def _put_in_place(stage: Path, target: Path, *, overwrite: bool) -> None:
    if not overwrite or not target.exists() or next(target.iterdir(), None) is None:
        # This also replaces an empty folder, and fails if another process has just filled it.
        if os.name != "posix" and target.exists():
            target.rmdir()
        stage.rename(target)
    # After an exchange the old folder is at the stage's path, which the caller removes.
    elif not _exchange(stage, target):
        old = target.parent / f"{_prefix(target, 'replaced')}{os.getpid()}-{next(_counter)}"
        target.rename(old)
        try:
            stage.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    _sync_path(target.parent)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders in one step; return False if the system cannot.

    Without it there would be a moment between two renames at which other readers find no
    result, and a process killed in that moment would leave none until the next load.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    names = os.fsencode(first), os.fsencode(second)
    if renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(second))


def _sync_tree(folder: Path) -> None:
    """Flush a folder's content to the disk, before the folder gets its final name."""
    for root, _, files in os.walk(folder, topdown=False):
        for name in files:
            _sync_path(Path(root, name))
        _sync_path(Path(root))


def _sync_path(path: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _find_system_error(error: BaseException | None) -> OSError | None:
    """Return the system error that caused an exception, if any."""
    while error is not None:
        if isinstance(error, OSError):
            return error
        if isinstance(number := getattr(error, "errno", None), int):
            return OSError(number, str(error))
        error = error.__cause__ or error.__context__
    return None


def _explain(
    error: OSError, target: Path, what: str, *, stage: Path | None = None, share: float = 0.0
) -> OutputError:
    place = _nearest_existing(target.parent)
    if error.errno == errno.ENAMETOOLONG:
        reason = "the name is too long for this disk; choose a shorter one"
    elif error.errno in _FULL:
        reason = _space_report(error, place, stage, share)
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        reason = (
            f"{place} is read-only for this user; choose another folder or change its permissions"
        )
    elif place.is_file():
        reason = f"{place} is a file, not a folder; choose another folder"
    elif error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        reason = "another process has just written there; choose another folder"
    else:
        reason = f"{error.strerror or error}; check the disk and the folder"
    return OutputError(f"cannot write {what} to {show_path(target)}: {reason}")


def _space_report(error: OSError, place: Path, stage: Path | None, share: float) -> str:
    written = 0 if stage is None else sum(f.stat().st_size for f in stage.rglob("*.*"))
    # The partial files will be removed, so their space counts as free.
    left = written + shutil.disk_usage(place).free
    problem = {
        errno.EFBIG: "a file grew larger than this system allows",
        errno.EDQUOT: "the disk quota of this user is used up",
    }.get(error.errno or 0, "the disk is full")
    needed = f"about {_megabytes(written / share)}" if share > 0 else "more than that"
    return (
        f"{problem}: it needs {needed} and {_megabytes(left)} are left; free some space, "
        "choose another disk, or write fewer parts"
    )


def _nearest_existing(folder: Path) -> Path:
    while not os.path.exists(folder) and folder != folder.parent:  # noqa: PTH110 - never raises
        folder = folder.parent
    return folder


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.1f} MB"
