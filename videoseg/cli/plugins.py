"""``videoseg plugins``: installed, missing and broken components."""

from __future__ import annotations

import difflib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from videoseg.cli.framework import VideosegCommand, VideosegGroup
from videoseg.cli.terminal import json_option, open_console, print_row, write_json
from videoseg.errors import ComponentNotFoundError
from videoseg.plugins import KINDS, Readiness, WeightsState
from videoseg.plugins.options import list_options
from videoseg.plugins.packages import describe_source
from videoseg.text import shorten
from videoseg.types import PropagatorCapabilities

if TYPE_CHECKING:
    from rich.console import Console

    from videoseg.plugins import RegisteredComponent, Registry

__all__ = ["plugins"]


@click.group("plugins", cls=VideosegGroup, invoke_without_command=True)
@json_option
@click.option("--check", is_flag=True, help="Exit with 1 if plug-ins failed or conflict.")
@click.pass_context
def plugins(context: click.Context, *, as_json: bool, check: bool) -> int:
    """List all components by kind, and plug-ins that failed to load.

    A component that is missing something is listed with the command that installs or downloads
    it. Pipelines are judged with all their stages, and with their default options, as components
    are.
    """
    if context.invoked_subcommand is not None:
        return 0
    from videoseg.plugins import default_registry

    registry = default_registry()
    if as_json:
        write_json(
            {
                "components": _components(registry),
                "failures": [asdict(failure) for failure in registry.failures],
                "conflicts": list(registry.conflicts),
            }
        )
    else:
        _print_list(open_console(), registry)
    return int(check and bool(registry.failures or registry.conflicts))


@plugins.command(
    "show",
    cls=VideosegCommand,
    examples="""
    videoseg plugins show uniform
    videoseg plugins show propagator sam2
    videoseg plugins show flow --json
    """,
)
@click.argument("what", nargs=-1, required=True, metavar="[KIND] NAME")
@json_option
def show(what: tuple[str, ...], *, as_json: bool) -> None:
    """Show one component: its options and capabilities.

    NAME is a name that `videoseg plugins` lists. KIND is needed where several components have
    that name: sampler, grounder, segmenter, propagator, detector, chat, reader, reward,
    benchmark or pipeline.
    """
    from videoseg.plugins import default_registry

    if len(what) > 2:
        raise click.UsageError(
            "give the name of one component, or its kind and name", click.get_current_context()
        )
    registry = default_registry()
    name = what[-1]
    kind = what[0] if len(what) == 2 else _kind_of(registry, name)
    entry = registry.find(kind, name)
    document = _component(registry, entry, conflicting=False)
    if not entry.missing_modules and kind != "pipeline":
        document["options"] = {
            option_name: {
                "type": option.type,
                "default": option.default,
                "meaning": option.meaning.replace("``", ""),
                "python_only": option.is_python_only,
            }
            for option_name, option in registry.options(kind, name).items()
        }
    if as_json:
        write_json(document)
    else:
        _print_component(open_console(), document)


def _kind_of(registry: Registry, name: str) -> str:
    """Return the kind of the only component of this name."""
    components = [entry.component for entry in registry.components()]
    kinds = list(dict.fromkeys(one.kind for one in components if one.name == name))
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        commands = " or ".join(f"videoseg plugins show {kind} {name}" for kind in kinds)
        raise click.UsageError(
            f"several components are called {name!r}; say which: {commands}",
            click.get_current_context(),
        )
    if name in KINDS:
        names = ", ".join(registry.names(name)) or "none is installed"
        raise click.UsageError(
            f"give the name of the {name} as well: {names}", click.get_current_context()
        )
    if sources := [text for kind in KINDS if (text := describe_source(kind, name))]:
        raise ComponentNotFoundError("; ".join(sources))
    text = f"there is no component {shorten(name)}; "
    if close := difflib.get_close_matches(name, [one.name for one in components], n=1):
        text += f"did you mean {close[0]!r}? "
    raise ComponentNotFoundError(f"{text}`videoseg plugins` lists what is installed")


def _component(
    registry: Registry, entry: RegisteredComponent, *, conflicting: bool
) -> dict[str, Any]:
    from videoseg.pipeline import judge_registered

    component = entry.component
    # Which of two it is that a name stands for is not known.
    readiness = Readiness("usable") if conflicting else judge_registered(registry, entry)
    document: dict[str, Any] = {
        "kind": component.kind,
        "name": component.name,
        "state": "conflict" if conflicting else readiness.state,
        "summary": component.summary,
        "plugin": entry.plugin,
        "distribution": entry.distribution,
        "version": entry.version,
        "target": component.target,
        "missing": list(readiness.missing),
        "weights": [asdict(one) for one in readiness.weights],
        "remedy": readiness.remedy,
        "problem": readiness.problem,
        "download_bytes": readiness.num_bytes,
        "says": str(readiness),
        "uses": list(component.uses),
        "license": component.license,
    }
    if component.capabilities is not None:
        document["capabilities"] = asdict(component.capabilities)
    return document


def _components(registry: Registry) -> list[dict[str, Any]]:
    entries = registry.components()
    keys = [(entry.component.kind, entry.component.name) for entry in entries]
    return [
        _component(registry, entry, conflicting=keys.count(key) > 1)
        for entry, key in zip(entries, keys, strict=True)
    ]


def _print_list(console: Console, registry: Registry) -> None:
    documents = _components(registry)
    width = max((len(document["name"]) for document in documents), default=0) + 2
    kind = None
    for document in documents:
        if document["kind"] != kind:
            if kind is not None:
                console.print()
            console.print(document["kind"], style="bold")
            kind = document["kind"]
        text, style = f"{document['says']}: {document['summary']}".rstrip(": "), ""
        if document["state"] == "conflict":
            text = "conflict: also declared by another package (this one: {distribution})"
            text, style = text.format_map(document), "red"
        elif document["state"] != "usable":
            text, style = document["says"], "yellow"
        print_row(console, document["name"], text, width=width, style=style)
    problems = [
        (f"plug-in {failure.plugin} of {failure.distribution} failed to load", failure.error)
        for failure in registry.failures
    ]
    for title, text in problems:
        console.print(f"\n{title}", style="red")
        print_row(console, "", text, width=0)
    if registry.conflicts:
        console.print("\nconflicts", style="red")
    for conflict in registry.conflicts:
        print_row(console, "", conflict, width=0)


def _print_component(console: Console, document: dict[str, Any]) -> None:
    console.print(f"{document['kind']} {document['name']}", style="bold")
    owner = f"{document['distribution']} {document['version']}".strip()
    facts = [
        ("summary", document["summary"]),
        ("state", document["state"]),
        ("from", f"{owner}, {document['target']}"),
        ("license", document["license"]),
        ("uses", ", ".join(document["uses"])),
        ("missing", ", ".join(document["missing"])),
        ("problem", document["problem"]),
        *(("weights", str(WeightsState(**one))) for one in document["weights"]),
        *(("terms", one["terms"]) for one in document["weights"] if one["terms"]),
        ("to get it", document["remedy"]),
    ]
    for label, text in facts:
        if text:
            style = "yellow" if label == "to get it" else ""
            print_row(console, label, text, width=12, style=style)
    if "capabilities" in document:
        console.print("\ncapabilities", style="bold")
        meanings = list_options(PropagatorCapabilities)
        for label, value in document["capabilities"].items():
            text = f"{_plain(value)}\n{meanings[label].meaning}"
            print_row(console, label, text, width=22)
    if "options" in document:
        console.print("\noptions", style="bold")
        if not document["options"]:
            console.print("  none")
        width = max((len(option) for option in document["options"]), default=0) + 2
        for option, facts_of_option in document["options"].items():
            default = facts_of_option["default"]
            text = default if default == "required" else f"default {default}"
            if facts_of_option["python_only"]:
                text += "; set from Python only"
            text = f"{facts_of_option['type'] or 'any'}, {text}\n{facts_of_option['meaning']}"
            print_row(console, option, text.strip(), width=width)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "no limit"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
