"""Print how large the core and the plug-ins are: files, lines, lengths of functions.

python tests/benchmarks/code_size.py
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parents[2]


def function_lengths(tree: ast.AST) -> list[int]:
    """Return the number of lines of each function without its docstring."""
    lengths = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            length = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node, clean=False) is not None:
                docstring = node.body[0]
                length -= (docstring.end_lineno or 0) - docstring.lineno + 1
            lengths.append(length)
    return lengths


def docstring_lines(tree: ast.AST) -> int:
    """Return the number of lines that are docstrings."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return sum(
        (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None
    )


def describe(name: str, paths: list[Path]) -> str:
    """Return one line of the table for a set of files."""
    texts = [path.read_text(encoding="utf-8") for path in paths]
    trees = [ast.parse(text) for text in texts]
    lines = [text.count("\n") for text in texts]
    lengths = [length for tree in trees for length in function_lengths(tree)] or [0, 0]
    docstrings = sum(docstring_lines(tree) for tree in trees)
    spread = f"{median(lengths):.0f} / {quantiles(lengths, n=20)[-1]:.0f} / {max(lengths)}"
    return (
        f"{name:32}{len(paths):6}{sum(lines):8}{max(lines):9}"
        f"{docstrings / max(1, sum(lines)):12.0%}   {spread}"
    )


def main() -> None:
    """Print the table, and the folders with more than 20 files."""
    columns = f"{'':32}{'files':>6}{'lines':>8}{'longest':>9}{'docstrings':>12}"
    print(f"{columns}   function: median / p95 / longest")
    core = sorted((ROOT / "videoseg").rglob("*.py"))
    print(describe("videoseg", core))
    for folder in sorted(path for path in (ROOT / "videoseg").iterdir() if path.is_dir()):
        if found := sorted(folder.rglob("*.py")):
            print(describe(f"  {folder.name}", found))
    print(describe("  (modules)", sorted((ROOT / "videoseg").glob("*.py"))))
    for folder in sorted((ROOT / "plugins").glob("*/src")):
        print(describe(folder.parent.name, sorted(folder.rglob("*.py"))))
    sources = [*core, *(ROOT / "plugins").glob("*/src/**/*.py")]
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder, count in Counter(path.parent for path in sources).items()
        if count > 20
    }
    print(f"folders with more than 20 files: {crowded or 'none'}")


if __name__ == "__main__":
    main()
