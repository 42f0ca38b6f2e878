"""``videoseg download``: fetch the weights of a pipeline or a component."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli.framework import PATH, VideosegCommand, note
from videoseg.cli.options import named_pipeline, parse_options, parse_value
from videoseg.cli.terminal import (
    json_option,
    open_console,
    print_line,
    print_row,
    quiet_option,
    working,
    write_json,
)
from videoseg.errors import ConfigError, MissingWeightsError
from videoseg.text import format_bytes, format_count, shorten

if TYPE_CHECKING:
    from videoseg.pipeline import Pipeline
    from videoseg.weights import Download, PublishedWeights

__all__ = ["download"]


@click.command(
    "download",
    cls=VideosegCommand,
    examples="""
    videoseg download videoseg-r1
    videoseg download detector yolox
    videoseg download detector yolox -O checkpoint=tiny --yes
    videoseg download mine.yaml --to /media/stick
    """,
)
@click.argument("what", nargs=-1, required=True, metavar="PIPELINE | [KIND] NAME")
@click.option(
    "-O",
    "--option",
    "options",
    multiple=True,
    metavar="[STAGE.]OPTION=VALUE",
    help="Set an option, which may decide which weights are needed. Can be repeated.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask; accept the licenses and terms.")
@click.option("--dry-run", is_flag=True, help="Only say what would be fetched.")
@click.option(
    "--to",
    "folder",
    type=PATH,
    metavar="FOLDER",
    help="Put everything into FOLDER instead of the caches, for a machine without network.",
)
@quiet_option
@json_option
def download(
    what: tuple[str, ...],
    *,
    options: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    folder: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Download the weights that a pipeline or a component needs and that are not here.

    PIPELINE is a pipeline's name or a YAML file; NAME is a component that `videoseg plugins`
    lists, with its KIND where several have that name. Says first what is fetched, from where,
    how large it is and under which license, and asks on a terminal. Half downloads are resumed,
    and files are compared with their SHA-256 where it is known.
    """
    from videoseg.weights import plan_downloads

    what = _with_kind(what)
    label, needed = _needed(what, options)
    # The caches are known to the libraries; a folder is shown as it was given.
    with working("checking what is here", quiet=quiet or as_json):
        plans = plan_downloads(needed, folder=folder)
    if as_json:
        document: dict[str, Any] = {"for": label, "downloads": [_described(one) for one in plans]}
    elif not quiet:
        _print_plans(label, needed, plans)
    if plans and not dry_run:
        _confirm(plans, yes=yes, may_ask=not as_json)
        paths = _fetch(plans, folder, quiet=quiet)
        if as_json:
            document["paths"] = [str(path) for path in paths]
        elif not quiet:
            _print_end(paths, folder)
    if as_json:
        write_json(document)
    if not plans and (said := _missing_files(what, options)):
        # A file or folder of the user's own, which nobody can fetch.
        raise MissingWeightsError(said)


def _with_kind(what: tuple[str, ...]) -> tuple[str, ...]:
    """Add the kind of a component that is given by its name alone, if no pipeline has it."""
    from videoseg.plugins import default_registry

    registry = default_registry()
    if len(what) != 1 or what[0] in registry.names("pipeline"):
        return what
    components = [entry.component for entry in registry.components()]
    kinds = {one.kind for one in components if one.name == what[0]}
    return (*kinds, *what) if len(kinds) == 1 else what


def _needed(
    what: Sequence[str], options: Sequence[str]
) -> tuple[str, tuple[PublishedWeights, ...]]:
    """Return what is meant, in words, and the weights that it needs."""
    from videoseg.plugins import KINDS, default_registry

    registry = default_registry()
    if len(what) == 1 and what[0] in KINDS:
        names = ", ".join(registry.names(what[0]))
        raise click.UsageError(
            f"give the name of the {what[0]} as well: {names}", click.get_current_context()
        )
    if len(what) == 1:
        return f"pipeline {what[0]}", _pipeline(what[0], options).weights()
    if len(what) != 2:
        raise click.UsageError(
            "give a pipeline, or kind and name of a component", click.get_current_context()
        )
    kind, name = what
    entry = registry.find(kind, name)
    if kind == "pipeline":
        return f"pipeline {name}", _pipeline(name, options).weights()
    given = dict(map(_split, options))
    if given and not entry.missing_modules:
        known = registry.options(kind, name)
        if unknown := [option for option in given if option not in known]:
            raise ConfigError(
                f"{kind} {name!r} has no option {unknown[0]!r}; it has {', '.join(known)}"
            )
    return f"{kind} {name}", registry.weights(kind, name, given)


def _pipeline(name: str, options: Sequence[str]) -> Pipeline:
    pipeline = named_pipeline(name)
    changes = {stage: dict(given) for stage, given in parse_options(options).items()}
    return pipeline.replace(**changes) if changes else pipeline


def _missing_files(what: Sequence[str], options: Sequence[str]) -> str:
    """Return what constructors miss although all that is published is here; empty if nothing."""
    from videoseg.plugins import default_registry

    if len(what) == 1 or what[0] == "pipeline":
        readiness = _pipeline(what[-1], options).explain().readiness
        return readiness.problem if readiness.state == "missing" and not readiness.missing else ""
    kind, name = what
    registry = default_registry()
    if registry.find(kind, name).missing_modules:
        return ""
    return registry.examine(kind, name, dict(map(_split, options)))[1]


def _split(item: str) -> tuple[str, Any]:
    option, equals, text = item.partition("=")
    if not equals or not option.strip():
        raise click.BadParameter(
            f"{shorten(item)} must have the form option=value, such as checkpoint=tiny",
            param_hint="-O",
        )
    return option.strip(), parse_value(text, item, "-O")


def _described(plan: Download) -> Mapping[str, Any]:
    return {
        "name": plan.weights.name,
        "source": plan.weights.source,
        "num_bytes": plan.num_bytes,
        "license": plan.license,
        "terms": plan.terms,
        "reason": plan.reason,
        "parts": [{"name": part.name, **asdict(part)} for part in plan.parts],
    }


def _print_plans(label: str, needed: Sequence[object], plans: Sequence[Download]) -> None:
    if not needed:
        print_line(f"{label} needs no published weights")
    elif not plans:
        print_line(f"all published weights of {label} are on this machine")
    if not plans:
        return
    console = open_console()
    console.print(f"{label} needs:", style="bold")
    for plan in plans:
        size = format_bytes(plan.num_bytes) if plan.num_bytes else "size unknown"
        console.print(f"\n  {plan.weights.name}, {size}", soft_wrap=True)
        rows = [("from", plan.weights.source), ("license", plan.license), ("terms", plan.terms)]
        if "not on this machine" not in plan.reason:
            rows.append(("because", f"what is here {plan.reason}"))
        for name, text in rows:
            if text:
                print_row(console, name, text, width=9, style="yellow" if name == "terms" else "")
    total = sum(plan.num_bytes for plan in plans)
    if len(plans) > 1 and total:
        console.print(f"\n{format_bytes(total)} in all")


def _confirm(plans: Sequence[Download], *, yes: bool, may_ask: bool) -> None:
    if yes:
        return
    if not may_ask or not sys.stdin.isatty():
        raise ConfigError(
            f"{format_count(len(plans), 'download')} would begin; pass --yes to accept the "
            "licenses and fetch, or --dry-run only to see what is needed"
        )
    accepts = " and accept their terms" if any(plan.terms for plan in plans) else ""
    click.confirm(f"\nfetch them{accepts}?", abort=True, err=True)


def _fetch(plans: Sequence[Download], folder: Path | None, *, quiet: bool) -> list[Path]:
    from videoseg.progress import open_display
    from videoseg.weights import download_weights

    if quiet:
        return download_weights(plans, folder=folder)
    with _noted_interruption(), closing(open_display(sys.stderr)) as display:
        current = ""

        def show(name: str, done: int, total: int) -> None:
            nonlocal current
            if name != current:
                current = name
                display.begin(name, total or None)
            of = f" of {format_bytes(total)}" if total else ""
            display.advance(done, total or None, f"{format_bytes(done)}{of}")

        return download_weights(plans, folder=folder, progress=show, quiet=False)


@contextmanager
def _noted_interruption() -> Iterator[None]:
    try:
        yield
    except Exception:
        raise
    # Ctrl-C and signals
    except BaseException:
        note("what was fetched is kept, and the same command goes on from there")
        raise


def _print_end(paths: Sequence[Path], folder: Path | None) -> None:
    for path in paths:
        print_line(f"{path}")
    if folder is not None:
        here, hub = shlex.quote(str(folder)), shlex.quote(str(folder / "hub"))
        print_line(f"on the other machine, set VIDEOSEG_WEIGHTS={here} and HF_HUB_CACHE={hub}")
