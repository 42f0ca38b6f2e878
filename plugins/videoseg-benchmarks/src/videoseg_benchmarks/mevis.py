"""MeViS."""

from __future__ import annotations

from pathlib import Path

from videoseg.benchmarks import Expression, LoadedSplit, Problems, SplitReader, SubmissionFormat
from videoseg.errors import ConfigError
from videoseg.metrics import protocol_named
from videoseg_benchmarks.expressions import GROUPS, read_expressions, type_group
from videoseg_benchmarks.mask_dict import read_rle_split

__all__ = ["Mevis"]

_FILES = {
    1: ("meta_expressions.json",),
    2: ("meta_expressions_v2.json", "meta_expressions_v2_release.json"),
}

_NUM_SENTENCES_OF_2 = {"train": 27_502, "valid_u": 907, "valid": 2_523}
"""Sentences of the second version (README of MeViS); the first has 23,051, 793 and 2,236."""


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
    ``version`` says otherwise; a note of the split says which one was read. A file that has the
    first one's name and exactly as many sentences as the second is read as the second. With it
    the protocol is ``mevis-v2``, and samples of splits with masks are grouped into ``target`` and
    ``no-target``. Its spoken expressions are not read.

    ``JPEGImages`` may be a text file with a relative path, which is what Git writes instead of
    a link where links are not supported.

    Args:
        check_pictures: Whether the frames must exist; scoring alone needs none.
        version: 1 or 2; by default the one that is present. 2 also reads a file that has been
            renamed to ``meta_expressions.json``.

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
        self._version = version

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        folder = root / split
        if not folder.is_dir() and self._files_in(root):
            folder = root
        found = self._files_in(folder)
        version = min(found, default=self._version or 1)
        meta = found.get(version, folder / _FILES[version][0])
        if version == 1 and self._version is None and len(found) == 1:
            # Problems of the file are noted where it is read for good.
            videos = read_expressions(meta, Problems(problems.subject, problems.root))
            num_sentences = sum(len(video.expressions) for video in videos)
            version = 2 if num_sentences == _NUM_SENTENCES_OF_2[split] else 1
        if len(found) > 1:
            problems.note(
                f"both versions of MeViS are present; the first, {meta.name}, is read; set "
                f"version=2 to read {found[2].name}"
            )
        elif version == 2:
            problems.note(
                f"this is the second version of MeViS ({meta.name}); numbers on the first cannot "
                "be compared with it; its spoken expressions (audio) are not read"
            )
        foreground = folder / "mask_dict_foreground.json"
        return read_rle_split(
            problems,
            protocol=protocol_named("mevis" if version == 1 else "mevis-v2"),
            meta=meta,
            pictures=folder / "JPEGImages",
            masks=None if split == "valid" else folder / "mask_dict.json",
            foreground=foreground if foreground.is_file() else None,
            group_of=type_group(GROUPS) if version == 1 else _target_group,
            check_pictures=self.check_pictures,
        )

    def _files_in(self, folder: Path) -> dict[int, Path]:
        found = {}
        for version in _FILES if self._version is None else (self._version,):
            files = (folder / name for name in _FILES[version])
            file = next((file for file in files if file.is_file()), None)
            if file is not None:
                found[version] = file
        renamed = folder / _FILES[1][0]
        if self._version == 2 and not found and renamed.is_file():
            found[2] = renamed
        return found


def _target_group(expression: Expression) -> str:
    if expression.anno_ids is None:
        return ""
    return "target" if expression.anno_ids else "no-target"
