"""The files of a checkpoint's folder, looked at before and after loading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from videoseg.files import read_bytes
from videoseg.text import parse_json
from videoseg.weights import code_problem, placeholder_problem, weights_problem

__all__ = ["damage_in_folder", "foreign_code", "has_weights", "packed_types"]

# In the order in which transformers looks for them.
_FORMS = (("model", "safetensors"), ("pytorch_model", "bin"))
# Numbers of one byte or less, which mean something only to who knows how they were packed.
_PACKED = ("I8", "U8", "F8_", "F6_", "F4", "I4", "U4")


def has_weights(folder: Path) -> bool:
    """Return whether weights are there, with every part that their index names."""
    for suffix in ("safetensors", "bin"):
        if any(file.is_file() for file in folder.glob(f"*.{suffix}")):
            indices = folder.glob(f"*.{suffix}.index.json")
            return all((folder / part).is_file() for index in indices for part in _parts(index))
    return False


def damage_in_folder(folder: Path) -> str:
    """Return which file of a folder is not what it should be, and why; empty if none shows it."""
    try:
        for suffix in ("json", "model", "safetensors", "bin"):
            for file in sorted(folder.glob(f"*.{suffix}")):
                if file.is_file() and (problem := placeholder_problem(file)):
                    return f"{file.name!r} {problem}"
    except OSError as error:
        return f"{Path(error.filename).name!r} cannot be read ({error.strerror})"
    for file in _weight_files(folder):
        if problem := weights_problem(file):
            return f"{file.name!r} {problem}"
    return ""


def foreign_code(folder: Path) -> str:
    """Return which file of weights holds more than tensors, and what; empty if none does.

    Nothing is loaded. For a checkpoint that could not be, since the words of torch for it advise
    to load it in a way that runs what it holds.
    """
    for file in _weight_files(folder):
        if file.suffix == ".bin" and (problem := code_problem(file)):
            return f"{file.name!r} {problem}"
    return ""


def packed_types(folder: Path) -> list[str]:
    """Return the types of packed numbers that files of safetensors hold, such as ``I8``."""
    from safetensors import safe_open

    found: set[str] = set()
    for file in _weight_files(folder):
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                names = opened.keys()
                found.update(opened.get_slice(name).get_dtype() for name in names)
    return sorted(name for name in found if name.startswith(_PACKED))


def _weight_files(folder: Path) -> Iterator[Path]:
    for stem, suffix in _FORMS:
        index = folder / f"{stem}.{suffix}.index.json"
        names = [f"{stem}.{suffix}", *sorted(_parts(index))]
        files = [folder / name for name in names if (folder / name).is_file()]
        yield from files
        if files:
            return


def _parts(index: Path) -> set[str]:
    try:
        named: Any = parse_json(read_bytes(index))["weight_map"].values()
        return {str(name) for name in named}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Loading says better what is wrong with it.
        return set()
