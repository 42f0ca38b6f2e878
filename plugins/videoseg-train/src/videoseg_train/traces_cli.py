"""``videoseg traces build``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli import (
    PATH,
    VideosegCommand,
    VideosegGroup,
    benchmark_options,
    json_option,
    note,
    open_console,
    open_split,
    parse_options,
    print_files,
    working,
    write_json,
)

if TYPE_CHECKING:
    from videoseg import ChatModel
    from videoseg_train.data import TrainingSet
    from videoseg_train.traces import TraceProgress, TraceReport

__all__ = ["build", "traces"]

_RECORD = "build.json"
_LOCK = ".lock"
_SPLIT = "train"


@click.group("traces", cls=VideosegGroup)
def traces() -> None:
    """Make demonstrations with looks, in the form of VTS-CoT."""


@traces.command(
    cls=VideosegCommand,
    examples="""
    videoseg traces build synthetic -B num_videos=20 -o traces/drawn
    videoseg traces build mevis --root data/mevis -o traces/mevis --chat openai -O chat.model=NAME
    videoseg traces build rl.json --pictures frames --masks masks.json -o traces/rl --chat openai
    """,
)
@click.argument("source")
@click.option("-o", "--output", type=PATH, required=True, help="Folder of the traces.")
@click.option("--root", type=PATH, help="The benchmark's folder, as published.")
@click.option("--split", show_default=_SPLIT, metavar="NAME", help="Split of the benchmark.")
@click.option(
    "-B",
    "--benchmark-option",
    "reader_options",
    multiple=True,
    metavar="OPTION=VALUE",
    help="Set an option of the benchmark. Can be repeated.",
)
@click.option("--pictures", type=PATH, help="Folder of the pictures of a JSON file.")
@click.option("--masks", type=PATH, help="File of the masks of a JSON file.")
@click.option(
    "--chat",
    default="none",
    show_default=True,
    metavar="NAME",
    help="Chat model that writes the thoughts; with 'none', they are set phrases.",
)
@click.option(
    "-O",
    "--option",
    "options",
    multiple=True,
    metavar="chat.OPTION=VALUE",
    help="Set an option of the chat model. Can be repeated.",
)
@click.option(
    "--looks",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many looks each trace has.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=512,
    show_default=True,
    help="Upper bound on the tokens of a thought.",
)
@click.option(
    "--parallel",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Samples to work on at once; for chat models on a server.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Take only the first N samples.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option("--resume", is_flag=True, help="Go on where the folder's run ended.")
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
def build(
    *,
    source: str,
    output: Path,
    root: Path | None,
    split: str | None,
    reader_options: tuple[str, ...],
    pictures: Path | None,
    masks: Path | None,
    chat: str,
    options: tuple[str, ...],
    looks: int,
    max_tokens: int,
    parallel: int,
    limit: int | None,
    seed: int,
    resume: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Make a trace for each sample of SOURCE, and say what was dropped and why.

    SOURCE is a benchmark, or a JSON file of questions as VideoSEG-O3 publishes them (with
    --pictures and --masks). Windows and keyframes come from the true masks; the chat model
    writes the thoughts, which are checked, written again once if they are wrong, and else dropped.

    Every reply and every trace is on the disk as soon as it is there: after a crash, a full disk,
    a server that is gone or Ctrl-C, --resume continues. Exits with 1 if no trace was kept.
    """
    from videoseg.files import expand_path
    from videoseg_train.traces import build_traces

    writer, about_chat = _open_chat(chat, options)
    with _closing(writer), _locked(output):
        record = {
            # The same file from another folder.
            "source": _absolute(expand_path(source)) if _is_file(source) else source,
            "root": _absolute(root),
            "split": split or _SPLIT,
            "options": list(reader_options),
            "pictures": _absolute(pictures),
            "masks": _absolute(masks),
            "chat": about_chat,
            "looks": looks,
            "max_tokens": max_tokens,
            "seed": seed,
        }
        _check_folder(output, record, resume=resume)
        with working(f"reading {source}", quiet=quiet or as_json):
            samples = _open_samples(source, root, split, reader_options, pictures, masks)
        if limit is not None:
            samples = samples[:limit]
        _start(output, record)
        with _Progress(quiet=quiet or as_json) as progress:
            try:
                report = build_traces(
                    samples,
                    output,
                    writer=writer,
                    num_looks=looks,
                    seed=seed,
                    max_tokens=max_tokens,
                    num_parallel=parallel,
                    on_done=progress.show,
                )
            except BaseException:
                folder = shlex.quote(str(output))
                note(f"what is finished is in {output}")
                note(f"to continue, repeat the command with -o {folder} --resume")
                raise
    _print_report(report, as_json=as_json, quiet=quiet)
    return int(report.num_kept == 0)


# -- what it is made from ----------------------------------------------------------------------


def _open_samples(
    source: str,
    root: Path | None,
    split: str | None,
    reader_options: tuple[str, ...],
    pictures: Path | None,
    masks: Path | None,
) -> TrainingSet:
    from videoseg_train.data import TrainingSet
    from videoseg_train.published import read_questions

    if not _is_file(source):
        if pictures is not None or masks is not None:
            raise click.UsageError("--pictures and --masks belong to a JSON file of questions")
        options = benchmark_options(reader_options)
        opened = open_split(source, root, split or _SPLIT, strict=False, options=options)
        return TrainingSet.of_split(opened)
    given = {"--root": root, "--split": split, "-B": reader_options or None}
    if wrong := [name for name, value in given.items() if value is not None]:
        raise click.UsageError(
            f"{' and '.join(wrong)} {'belongs' if len(wrong) == 1 else 'belong'} to a benchmark, "
            f"but {source} is a file of questions"
        )
    if pictures is None or masks is None:
        raise click.UsageError(f"{source} needs --pictures and --masks")
    return read_questions(source, pictures=pictures, masks=masks, strict=False)


def _is_file(source: str) -> bool:
    """Return whether a source is a JSON file; else it is a benchmark."""
    return source.endswith(".json")


def _open_chat(
    name: str, items: tuple[str, ...]
) -> tuple[ChatModel | None, dict[str, Any] | None]:
    """Return the chat model, and what of it decides about the traces."""
    from videoseg import MissingWeightsError
    from videoseg.plugins import default_registry

    given = parse_options(items)
    if others := [stage for stage in given if stage != "chat"]:
        raise click.BadParameter(
            f"there is only the stage chat here, got {others[0]!r}", param_hint="-O"
        )
    options = given.get("chat", {})
    if name == "none":
        if options:
            raise click.UsageError("-O chat... needs a chat model: give --chat NAME")
        return None, None
    try:
        model: ChatModel = default_registry().build("chat", name, options)
    except MissingWeightsError as error:
        error.stages = error.stages or (("chat",),) * len(error.problems)
        raise
    # Other options, such as the address of a server or a key, do not change who answers.
    return model, {"name": name, "model": options.get("model")}


# -- the folder --------------------------------------------------------------------------------


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make a folder and let no other run write to it."""
    from videoseg.errors import OutputError
    from videoseg.files import FileLock, make_folder

    was_there = folder.exists()
    lock = FileLock(folder / _LOCK)
    try:
        make_folder(folder)
        is_free = lock.acquire()
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror or error}; choose another folder"
        ) from error
    if not is_free:
        raise OutputError(f"another run is writing to {folder}; wait for it, or choose another")
    try:
        yield
    finally:
        lock.release()
        if not was_there and not any(folder.iterdir()):
            folder.rmdir()


def _check_folder(folder: Path, record: Mapping[str, Any], *, resume: bool) -> None:
    """Check that traces may be written to a folder.

    Raises:
        OutputError: If it holds something, and nothing is resumed.
        ConfigError: If the traces in it were begun in another way.
    """
    from videoseg.errors import ConfigError, OutputError
    from videoseg.text import parse_json, shorten

    path = folder / _RECORD
    if not path.exists():
        if any(one.name != _LOCK for one in folder.iterdir()):
            raise OutputError(f"{folder} holds something else than traces; choose another folder")
        return
    if not resume:
        raise OutputError(
            f"{folder} already holds traces; go on with them (--resume), or choose another folder"
        )
    try:
        before = parse_json(path.read_bytes())
    except ValueError:
        before = None
    if not isinstance(before, dict):
        raise OutputError(f"{path} is damaged; choose another folder")
    if changed := [key for key in record if before.get(key) != record[key]]:
        raise ConfigError(
            [
                f"the traces in {folder} were begun with {key} {shorten(before.get(key))}, not "
                f"{shorten(record[key])}; give the same again, or choose another folder"
                for key in changed
            ]
        )


def _start(folder: Path, record: Mapping[str, Any]) -> None:
    from videoseg.files import write_file

    write_file(folder / _RECORD, json.dumps(record, indent=2, ensure_ascii=False))


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


@contextmanager
def _closing(model: object) -> Iterator[None]:
    from videoseg.stages import Closable

    try:
        yield
    finally:
        if isinstance(model, Closable):
            model.close()


# -- what is shown -----------------------------------------------------------------------------


class _Progress:
    """Shows how many samples are done and how long the others will take."""

    def __init__(self, *, quiet: bool) -> None:
        from videoseg.progress import open_display

        self._display = None if quiet else open_display()
        self._num_dropped = 0

    def show(self, progress: TraceProgress) -> None:
        from videoseg.text import format_seconds

        self._num_dropped += bool(progress.dropped)
        if self._display is None:
            return
        text = f"{progress.done} of {progress.total} samples, {self._num_dropped} dropped"
        if progress.seconds_left is not None and progress.done != progress.total:
            text += f", {format_seconds(progress.seconds_left)} left"
        self._display.advance(progress.done, progress.total, text)

    def __enter__(self) -> _Progress:
        if self._display is not None:
            self._display.begin("traces", None)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._display is not None:
            self._display.close()


def _print_report(report: TraceReport, *, as_json: bool, quiet: bool) -> None:
    from videoseg.text import format_count

    if as_json:
        write_json(
            {
                "folder": str(report.folder),
                "kept": report.num_kept,
                "dropped": report.dropped,
                "rewritten": report.num_rewritten,
                "reasons": report.reasons,
                "report": str(report.page),
            }
        )
    elif not quiet:
        console = open_console()
        kept = format_count(report.num_kept, "trace")
        rewritten = format_count(report.num_rewritten, "thought")
        console.print(f"{kept}, {len(report.dropped)} dropped, {rewritten} written again")
        for kind, count in report.reasons.items():
            console.print(f"  {count} dropped because of {kind}", style="yellow")
        print_files(
            console,
            [
                (report.folder / "traces.json", "the traces, to train on with format: vts-cot"),
                (report.folder / "masks.json", "the masks that they refer to"),
                (report.folder / "pictures", "the frames that they refer to"),
                (report.page, "what was dropped and why, with examples"),
            ],
        )
