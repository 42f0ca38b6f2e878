"""Generates the reference from the code.

One page for each public module, one for the names of the package, one for the components of the
core, one for the published benchmarks, one for the command line, one for the options of training.
The pages go to ``reference/generated``, which is not kept in the repository.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path

import click
from markdown_text import cell, code, prose
from training_reference import training_options_page

import videoseg
from videoseg.plugins import KINDS

__all__ = ["PUBLIC_MODULES", "write_pages"]

PACKAGE = Path(videoseg.__file__).parent


def _public_modules() -> tuple[str, ...]:
    names = {path.stem for path in PACKAGE.glob("[a-z]*.py")}
    names |= {path.parent.name for path in PACKAGE.glob("[a-z]*/__init__.py")}
    return tuple(f"videoseg.{name}" for name in sorted(names))


PUBLIC_MODULES = _public_modules()


def write_pages(folder: Path) -> None:
    """Write every generated page; leave alone what has not changed."""
    target = folder / "generated"
    target.mkdir(parents=True, exist_ok=True)
    pages = {f"{name}.md": _module_page(name) for name in PUBLIC_MODULES}
    pages["names.md"] = _names_page()
    pages["components.md"] = _components_page(
        "Components of the core", "Components that need no plug-in.", ()
    )
    pages["benchmarks.md"] = _components_page(
        "Readers of published benchmarks",
        "Components of the plug-in `videoseg-benchmarks`.",
        ("benchmarks",),
        kinds=("benchmark",),
    )
    pages["command-line.md"] = _command_line_page()
    pages["training-options.md"] = training_options_page()
    for stale in target.glob("*.md"):
        if stale.name not in pages:
            stale.unlink()
    for name, text in pages.items():
        path = target / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _module_page(name: str) -> str:
    lines = [f"# {name}", "", "```{eval-rst}", f".. automodule:: {name}"]
    lines.append("   :members:")
    if name == "videoseg.errors":
        lines.append("   :show-inheritance:")
    lines.append("")
    module = importlib.import_module(name)
    submodules = _documented_submodules(name) if not module.__all__ else []
    for submodule in submodules:
        lines += [f"{submodule}", "-" * len(submodule), ""]
        lines += [f".. automodule:: {submodule}", "   :members:", ""]
    return "\n".join([*lines, "```", ""])


def _documented_submodules(name: str) -> list[str]:
    """Return the modules of a package that names nothing itself, such as ``videoseg.results``."""
    folder = PACKAGE.joinpath(*name.split(".")[1:])
    doc = importlib.import_module(name).__doc__ or ""
    names = [f"{name}.{path.stem}" for path in sorted(folder.glob("[a-z]*.py"))]
    return [submodule for submodule in names if f"``{submodule}``" in doc]


def _names_page() -> str:
    lines = ["# Names in `videoseg`", ""]
    lines += ["Every name below can be used as `videoseg.<name>`, and every public module as in"]
    lines += ["`videoseg.types.Rle`. Each is imported when it is first used.", ""]
    lines += ["| name | what it is | documented in |"]
    lines.append("|---|---|---|")
    for name in sorted(videoseg.__all__):
        value = getattr(videoseg, name)
        if name == "__version__" or inspect.ismodule(value):
            continue
        module = _documented_in(name)
        lines.append(f"| `{name}` | {_first_line(value)} | [{module}]({module}.md) |")
    return "\n".join([*lines, ""])


def _documented_in(name: str) -> str:
    """Return the public module whose page documents a name of ``videoseg``."""
    return next(
        module for module in PUBLIC_MODULES if name in importlib.import_module(module).__all__
    )


def _components_page(
    title: str, what: str, plugins: Sequence[str], *, kinds: Sequence[str] = KINDS
) -> str:
    registry = videoseg.Registry(allow=plugins)
    lines = [f"# {title}", "", what]
    lines.append("`videoseg plugins` lists all components that are installed.")
    for kind in kinds:
        entries = registry.components(kind)
        if not entries:
            continue
        lines += ["", f"## {kind}"]
        for entry in entries:
            component = entry.component
            lines += ["", f"### {kind} `{component.name}`", "", component.summary, ""]
            if entry.missing_modules:
                continue
            factory = registry.factory(entry)
            if kind != "pipeline" and inspect.isclass(factory):
                lines += [prose(factory), ""]
            if kind == "reader":
                continue
            options = registry.options(kind, component.name)
            if options:
                lines += ["| option | type | default | meaning |", "|---|---|---|---|"]
                lines += [
                    f"| `{name}` | {code(option.type)} | {code(option.default)} "
                    f"| {cell(option.meaning)} |"
                    for name, option in options.items()
                ]
            elif kind == "pipeline":
                config = videoseg.Pipeline.from_name(component.name, registry=registry)
                lines += ["```yaml", config.to_yaml().rstrip(), "```"]
    return "\n".join([*lines, ""])


def _command_line_page() -> str:
    from videoseg.cli.program import videoseg as program

    lines = ["# Command line", "", "The same text as `--help` gives."]
    context = click.Context(program, info_name="videoseg", max_content_width=88)
    lines += _command_lines(program, context, 2)
    return "\n".join([*lines, ""])


def _command_lines(command: click.Command, context: click.Context, level: int) -> list[str]:
    lines = ["", f"{'#' * min(level, 4)} `{context.command_path}`", "", "```text"]
    lines += [command.get_help(context), "```"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                below = click.Context(inner, info_name=name, parent=context, max_content_width=88)
                lines += _command_lines(inner, below, level + 1)
    return lines


def _first_line(value: object) -> str:
    doc = inspect.getdoc(value) or ""
    return doc.split("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")
