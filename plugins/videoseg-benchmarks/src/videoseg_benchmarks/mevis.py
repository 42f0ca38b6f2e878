"""MeViS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from videoseg.benchmarks import LoadedSplit, Problems, SplitReader, SubmissionFormat
from videoseg.errors import ConfigError
from videoseg.metrics import protocol_named
from videoseg_benchmarks.expressions import GROUPS, type_group
from videoseg_benchmarks.mask_dict import read_rle_split

__all__ = ["Mevis"]

_FILES = {
    1: ("meta_expressions.json",),
    2: ("meta_expressions_v2.json", "meta_expressions_v2_release.json"),
}


class Mevis(SplitReader):
    """MeViS: motion expressions (Ding et al., ICCV 2023).

    ::

        <root>/<split>/meta_expressions.json          (second version: see below)
                       mask_dict.json                 (valid_u and train)
                       mask_dict_foreground.json      (optional; as in ReVOS)
                       JPEGImages/<video>/<frame>.jpg

    ``root`` may also be the folder of one split. The masks of ``valid`` are on the server:
    its truth is None, and predictions are uploaded. The truth of an expression is the union
    of the annotations in its ``anno_id``; an empty list means that there is no such object.
    If expressions have a ``type_id``, as in data of the same layout, it becomes the group:
    0 referring, 1 reasoning, 2 no-target.

    The second version (2025) calls its file ``meta_expressions_v2.json``, in ``valid``
    ``meta_expressions_v2_release.json``. If both versions are present, the first is read unless
    ``version`` says otherwise; a note of the split says which one was read.

    ``JPEGImages`` may be a text file with a relative path, which is what Git writes instead of
    a link where links are not supported.

    Args:
        check_pictures: Whether the frames must exist; scoring alone needs none.
        version: 1 or 2; by default the one that is present.

    Raises:
        ConfigError: If there is no such version.
    """

    name = "mevis"
    splits = ("valid_u", "valid", "train")
    license = "CC BY-NC-SA 4.0, non-commercial research only"
    homepage = "https://github.com/henghuiding/MeViS"
    submission = SubmissionFormat(top_folder="", server="https://github.com/henghuiding/MeViS")

    def __init__(self, *, check_pictures: bool = True, version: int | None = None) -> None:
        if version is not None and version not in _FILES:
            raise ConfigError(f"MeViS has the versions 1 and 2, got version={version!r}")
        super().__init__(check_pictures=check_pictures)
        self._versions = tuple(_FILES) if version is None else (version,)

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        folder = root / split
        if not folder.is_dir() and _files_in(root, self._versions):
            folder = root
        found = _files_in(folder, self._versions)
        version = min(found, default=self._versions[0])
        meta = found.get(version, folder / _FILES[version][0])
        if len(found) > 1:
            problems.note(
                f"both versions of MeViS are present; the first, {meta.name}, is read; set "
                f"version=2 to read {found[2].name}"
            )
        elif version == 2:
            problems.note(
                f"this is the second version of MeViS ({meta.name}); numbers on the first cannot "
                "be compared with it"
            )
        foreground = folder / "mask_dict_foreground.json"
        return read_rle_split(
            problems,
            protocol=protocol_named("mevis"),
            meta=meta,
            pictures=folder / "JPEGImages",
            masks=None if split == "valid" else folder / "mask_dict.json",
            foreground=foreground if foreground.is_file() else None,
            group_of=type_group(GROUPS),
            check_pictures=self.check_pictures,
        )


def _files_in(folder: Path, versions: Sequence[int]) -> dict[int, Path]:
    found = {}
    for version in versions:
        files = (folder / name for name in _FILES[version])
        file = next((file for file in files if file.is_file()), None)
        if file is not None:
            found[version] = file
    return found
