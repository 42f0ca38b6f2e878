"""Imports go one way. This walks the source, so nothing has to be imported to check it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "videoseg"

# A module may import from a layer above it in this table, and from its own part. Parts in one
# row do not know each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("videoseg.errors", "videoseg._version", "videoseg._core_commands", "videoseg.text"),
    ("videoseg.files",),
    ("videoseg._interruption", "videoseg._ahead"),
    ("videoseg.types", "videoseg.devices"),
    ("videoseg.coordinates", "videoseg.engines"),
    ("videoseg.weights",),
    ("videoseg.stages",),
    ("videoseg.plugins", "videoseg.propagation"),
    ("videoseg.masks", "videoseg.samplers", "videoseg.chat_log", "videoseg.progress"),
    ("videoseg.video", "videoseg.metrics", "videoseg._html"),
    ("videoseg.results",),
    ("videoseg.pipeline",),
    ("videoseg.benchmarks",),
    ("videoseg.given",),
    ("videoseg.testing",),
    ("videoseg.evaluation",),
    ("videoseg.batch", "videoseg.bench"),
    ("videoseg.cli",),
    ("videoseg.__main__",),
)

# Importing videoseg, or any module of it, must stay cheap and safe on a machine without them.
HEAVY = {
    *(
        "IPython",
        "PIL",
        "av",
        "cv2",
        "datasets",
        "decord",
        "jinja2",
        "filelock",
        "markupsafe",
        "matplotlib",
        "pandas",
    ),
    *("pycocotools", "rich", "scipy", "torch", "torchvision", "transformers"),
}


@dataclass(frozen=True)
class Import:
    module: str
    target: str
    line: int
    late: bool
    typing_only: bool = False

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports_of(path: Path) -> Iterator[Import]:
    module = module_name(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def visit(node: ast.AST, late: bool, typing_only: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, late, typing_only)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                # `from videoseg.results import report` names a module, `import save` a function.
                inner = f"{base}.{alias.name}"
                target = inner if is_module(inner) else base
                yield Import(module, target, node.lineno, late, typing_only)
        elif is_type_checking(node):
            for other in node.body:
                yield from visit(other, late, typing_only=True)
            for other in node.orelse:
                yield from visit(other, late, typing_only)
        else:
            late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, late, typing_only)

    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from visit(tree, late=False, typing_only=False)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def part_of(module: str) -> tuple[int, str]:
    """Return (layer, part) of a module; the longest prefix in the table wins."""
    found = [
        (len(part), layer, part)
        for layer, parts in enumerate(LAYERS)
        for part in parts
        if module == part or module.startswith(part + ".")
    ]
    assert found, f"{module} belongs to no layer; add it to LAYERS"
    _, layer, part = max(found)
    return layer, part


def goes_down(source: str, target: str) -> bool:
    source_layer, source_part = part_of(source)
    target_layer, target_part = part_of(target)
    return target_layer < source_layer or target_part == source_part


EVERY_IMPORT = [found for path in sorted(PACKAGE.rglob("*.py")) for found in imports_of(path)]
ALL_IMPORTS = [found for found in EVERY_IMPORT if not found.typing_only]
OWN_IMPORTS = [
    found
    for found in ALL_IMPORTS
    # `import videoseg` itself is lazy and belongs to no layer; its table of names is tested
    # with the public API.
    if found.target.startswith("videoseg.") and found.module != "videoseg"
]


def test_the_walk_sees_the_package() -> None:
    modules = {found.module for found in ALL_IMPORTS}
    assert {"videoseg.pipeline.pipeline", "videoseg.results.segmentation"} <= modules


def test_imports_go_down_only_inside_functions_too() -> None:
    wrong = [str(found) for found in OWN_IMPORTS if not goes_down(found.module, found.target)]
    assert not wrong, "\n".join(wrong)


def test_no_heavy_library_is_imported_at_module_level() -> None:
    wrong = [
        str(found)
        for found in ALL_IMPORTS
        if not found.late and found.target.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_the_package_itself_imports_only_its_version() -> None:
    wrong = [
        str(found)
        for found in ALL_IMPORTS
        if found.module == "videoseg"
        and found.target.startswith("videoseg.")
        and found.target != "videoseg._version"
    ]
    assert not wrong, "\n".join(wrong)


def test_the_core_names_no_plugin() -> None:
    folders = [path.name.replace("-", "_") for path in (ROOT / "plugins").glob("videoseg-*")]
    assert folders
    wrong = [str(found) for found in ALL_IMPORTS if found.target.split(".")[0] in folders]
    assert not wrong, "\n".join(wrong)


# Circles that only imports inside functions close, and why.
LATE_CIRCLES: dict[frozenset[str], str] = {
    frozenset({"videoseg.video.arrays", "videoseg.video.picture_files"}): (
        "an open Pillow image among arrays is read with the errors of picture files"
    ),
    frozenset(
        {
            "videoseg.results.candidates",
            "videoseg.results.colors",
            "videoseg.results.folder",
            "videoseg.results.live",
            "videoseg.results.notebook",
            "videoseg.results.report.page",
            "videoseg.results.report.timeline",
            "videoseg.results.segmentation",
            "videoseg.results.supervision",
            "videoseg.results.wording",
        }
    ): "a segmentation saves and shows itself",
}


def circles(imports: Iterable[Import]) -> list[frozenset[str]]:
    """Return the sets of modules that import each other in a circle (Tarjan's algorithm)."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        if found.target.startswith("videoseg.") and found.target != found.module:
            graph.setdefault(found.module, set()).add(found.target)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    result = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in sorted(graph.get(module, ())):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            start = stack.index(module)
            if len(stack) - start > 1:
                result.append(frozenset(stack[start:]))
            del stack[start:]

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return result


def shown(found: Iterable[frozenset[str]]) -> str:
    return "\n".join(" <-> ".join(sorted(circle)) for circle in found)


def test_no_modules_import_each_other_in_a_circle_not_even_for_type_checkers() -> None:
    found = circles(found for found in EVERY_IMPORT if not found.late)
    assert not found, shown(found)


def test_late_imports_close_a_circle_only_where_a_reason_is_given() -> None:
    found = circles(EVERY_IMPORT)
    assert len(LATE_CIRCLES) <= 3
    assert set(found) == set(LATE_CIRCLES), shown(found)


def test_a_circle_is_noticed() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "b"), ("d", "a")]
    imports = [Import(f"videoseg.{a}", f"videoseg.{b}", 1, late=False) for a, b in edges]
    assert circles(imports) == [frozenset({"videoseg.b", "videoseg.c"})]


@pytest.mark.parametrize(
    ("source", "target", "allowed"),
    [
        ("videoseg.pipeline.pipeline", "videoseg.types", True),
        ("videoseg.types.rle", "videoseg.pipeline", False),
        ("videoseg.metrics.region", "videoseg.video", False),
        ("videoseg.results.overlay", "videoseg.pipeline", False),
        ("videoseg.pipeline.pipeline", "videoseg.results", True),
    ],
)
def test_the_rule(source: str, target: str, allowed: bool) -> None:
    assert goes_down(source, target) is allowed
