"""Set the version of every distribution in this repository.

    python .ci/set_version.py 0.2.0

``videoseg/_version.py`` is the source; without an argument its version is written to the rest.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "videoseg" / "_version.py"
VERSION = re.compile(r'^(__version__ = |version = |version: )"?[^"\n]+"?$', re.MULTILINE)


def files() -> list[Path]:
    """Return the files that state a version, the source first."""
    plugins = sorted(ROOT.glob("plugins/*/pyproject.toml"))
    return [SOURCE, *plugins, ROOT / "CITATION.cff"]


def version_in(path: Path) -> str:
    """Return the version that a file states."""
    match = VERSION.search(path.read_text(encoding="utf-8"))
    if match is None:
        raise SystemExit(f"{path.relative_to(ROOT)} states no version")
    return match.group(0).removeprefix(match.group(1)).strip('"')


def main(arguments: list[str]) -> None:
    """Write the version to every file."""
    version = arguments[0] if arguments else version_in(SOURCE)
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        raise SystemExit(f"a version is like 0.2.0 or 0.2.0rc1, got {version!r}")
    for path in files():
        text = path.read_text(encoding="utf-8")
        path.write_text(VERSION.sub(rf'\g<1>"{version}"', text, count=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
