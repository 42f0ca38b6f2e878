"""Folders that appear whole or not at all.

Everything is written into a hidden folder beside the target, on the same file system, and
renamed at the end. A run that is killed leaves only the hidden folder, whose name says that
it is partial; the next save to the same place removes it.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from videoseg.errors import OutputError
from videoseg.files.reading import shorten_name
from videoseg.files.staged_file import make_folder
from videoseg.text import show_path

__all__ = ["clean_up_after_dead_processes", "recover_folder", "staged_folder"]

_counter = itertools.count()
# Linux's renameat2 flag: the two names change places in one step.
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
# Linux takes 4096 bytes, and a file of the folder has a name of its own. Elsewhere paths are
# shorter, and the system says so when the folder is made.
_MAX_PATH_BYTES = 4096 - 300
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def staged_folder(
    target: Path,
    *,
    overwrite: bool,
    what: str,
    replaceable: Callable[[Path], str | None],
    progress: Callable[[], float] | None = None,
) -> Iterator[Path]:
    """Give a folder to write into that becomes ``target`` when the block ends well.

    Args:
        target: Where the folder is to appear. Missing parents are made.
        overwrite: Whether an existing folder with files in it may be replaced.
        what: What is written, for messages, such as ``the result``.
        replaceable: Says why an existing folder may not be replaced, or None if it may.
        progress: The share already written, in [0, 1], to judge the space needed.

    Yields:
        The folder to write into.

    Raises:
        OutputError: If the target exists and may not be replaced, or cannot be written.
    """
    try:
        target = _resolved(target)
        if len(os.fsencode(target)) > _MAX_PATH_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        recover_folder(target)
        _require_free(target, overwrite=overwrite, what=what, replaceable=replaceable)
        make_folder(target.parent)
        clean_up_after_dead_processes(target)
        stage = target.parent / f"{_prefix(target, 'partial')}{os.getpid()}-{next(_counter)}"
        stage.mkdir()
    except OSError as error:
        raise _explained(error, target, what) from error
    try:
        try:
            yield stage
            _sync_tree(stage)
            # Asked again: another process may have been faster.
            _require_free(target, overwrite=overwrite, what=what, replaceable=replaceable)
            _put_in_place(stage, target, overwrite=overwrite)
        except OSError as error:
            raise _explained(
                error, target, what, stage=stage, share=progress() if progress else 0.0
            ) from error
        except Exception as error:
            # Encoders wrap the system's error; a full disk is still a full disk.
            if (system := _system_error(error)) is None or system.errno not in _FULL:
                raise
            raise _explained(
                system, target, what, stage=stage, share=progress() if progress else 0.0
            ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def recover_folder(target: Path) -> None:
    """Put an old folder back if a process died while it was replacing it.

    Only happens on systems that cannot exchange two folders in one step.
    """
    target = _resolved(target)
    if target.exists() or not target.parent.is_dir():
        return
    for left in _left_behind(target, "replaced"):
        left.replace(target)
        return


def clean_up_after_dead_processes(target: Path) -> None:
    """Remove what dead processes of this machine left beside the target."""
    target = _resolved(target)
    for kind in ("partial", "replaced"):
        for left in _left_behind(target, kind):
            shutil.rmtree(left, ignore_errors=True)


def _resolved(target: Path) -> Path:
    try:
        return Path(os.path.realpath(target))
    except ValueError as error:  # a null character
        raise OSError(errno.EINVAL, str(error)) from error


def _prefix(target: Path, kind: str) -> str:
    # File names have at most 255 bytes; the machine's name keeps us from judging the
    # processes of another machine on a shared disk.
    name = shorten_name(target.name, 100)
    host = "".join(letter for letter in socket.gethostname()[:40] if letter.isalnum())
    return f".{name}.{kind}-{host}-"


def _left_behind(target: Path, kind: str) -> list[Path]:
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
        # os.kill would end the process there; leaving a folder behind is the lesser evil.
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _require_free(
    target: Path, *, overwrite: bool, what: str, replaceable: Callable[[Path], str | None]
) -> None:
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise OutputError(
            f"cannot write {what} to {target}: a file of that name is in the way; "
            "choose another folder or remove the file"
        )
    if target.is_mount() or target == _resolved(Path.cwd()):
        kind = "a mount point" if target.is_mount() else "the current folder"
        raise OutputError(
            f"cannot write {what} to {target}: {kind} cannot be swapped in one step; "
            f"choose a folder inside it, such as {target / 'result'}"
        )
    try:
        empty = next(target.iterdir(), None) is None
    except OSError as error:
        raise _explained(error, target, what) from error
    if empty:
        return
    if (reason := replaceable(target)) is not None:
        raise OutputError(
            f"cannot write {what} to {target}: {reason}; choose another folder or empty this one"
        )
    if not overwrite:
        raise OutputError(
            f"{target} already holds {what}; choose another folder or pass overwrite=True "
            "(--overwrite on the command line)"
        )


def _put_in_place(stage: Path, target: Path, *, overwrite: bool) -> None:
    if not overwrite or not target.exists() or next(target.iterdir(), None) is None:
        # Also replaces an empty folder, and fails if another process has just filled it.
        if os.name != "posix" and target.exists():
            target.rmdir()
        stage.rename(target)
    elif _exchange(stage, target):
        # What is now called stage is the old folder; the caller removes it.
        pass
    else:
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
    """Let two folders change places in one step; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done = renameat2(
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(first)),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(second)),
        ctypes.c_uint(_RENAME_EXCHANGE),
    )
    if done == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(second))


def _sync_tree(folder: Path) -> None:
    """Make sure that everything in a folder is on the disk before it gets its name."""
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
        # Some network file systems cannot sync a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _system_error(error: BaseException | None) -> OSError | None:
    """Return the system's error that an exception goes back to, if there is one."""
    while error is not None:
        if isinstance(error, OSError):
            return error
        if isinstance(number := getattr(error, "errno", None), int):
            return OSError(number, str(error))
        error = error.__cause__ or error.__context__
    return None


def _explained(
    error: OSError, target: Path, what: str, *, stage: Path | None = None, share: float = 0.0
) -> OutputError:
    start = f"cannot write {what} to {show_path(target)}"
    if error.errno == errno.ENAMETOOLONG:
        return OutputError(f"{start}: the name is too long for this disk; choose a shorter one")
    if error.errno in _FULL:
        return OutputError(f"{start}: {_space_report(error, target, stage, share)}")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(
            f"{start}: {_nearest_existing(target.parent)} is read-only for this user; "
            "choose another folder or change its permissions"
        )
    if (in_the_way := _nearest_existing(target.parent)).is_file():
        return OutputError(f"{start}: {in_the_way} is a file, not a folder; choose another folder")
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        return OutputError(
            f"{start}: another process has just written there; choose another folder"
        )
    return OutputError(f"{start}: {error.strerror or error}; check the disk and the folder")


def _space_report(error: OSError, target: Path, stage: Path | None, share: float) -> str:
    written = 0 if stage is None else sum(f.stat().st_size for f in stage.rglob("*.*"))
    # The partial files are removed, so their space counts as left.
    left = written + shutil.disk_usage(_nearest_existing(target.parent)).free
    if error.errno == errno.EFBIG:
        problem = "a file grew larger than this system allows"
    elif error.errno == errno.EDQUOT:
        problem = "the disk quota of this user is used up"
    else:
        problem = "the disk is full"
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
