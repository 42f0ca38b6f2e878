"""refCOCO, refCOCO+, refCOCOg and gRefCOCO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from videoseg.benchmarks.json_files import read_json
from videoseg.benchmarks.opening import split_named
from videoseg.benchmarks.pickles import read_pickle
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.refer import read_references
from videoseg.benchmarks.split import LoadedSplit
from videoseg.errors import ConfigError
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.protocols import GREFCOCO, REFCOCO

__all__ = ["Grefcoco", "Refcoco", "RefcocoPlus", "Refcocog"]

_Divisions: TypeAlias = Mapping[str, tuple[str, ...]]

_UNC = ("val", "testA", "testB", "train")
_WITH_TEST = ("val", "test", "train")
_LICENSE = "images under the terms of COCO and Flickr; none stated for the expressions"


class Refcoco:
    """refCOCO (Yu et al., ECCV 2016), in the layout of the REFER toolkit.

    ::

        <root>/refcoco/refs(unc).p or refs(unc).json
               refcoco/instances.json
               images/mscoco/images/train2014/COCO_train2014_<id>.jpg

    ``root`` may also be the folder ``refcoco``; the images may lie in ``images/train2014`` or
    ``train2014`` of the root or of the folder above it. An image is a video of one frame, named
    like its file; a sample is one sentence, its expression id the ``sent_id``. The pickle is
    read without running what it may hold; the same list as JSON is taken, too.

    A sentence without text or a region that cannot be drawn is left out; an empty list of
    polygons is an empty region.

    Args:
        split_by: Whose division into splits: ``unc`` (val, testA, testB, train) or ``google``
            (val, test, train).
        check_pictures: Whether the images must be there.

    Raises:
        ConfigError: If there is no such division.
    """

    name: str = "refcoco"
    splits: tuple[str, ...] = _UNC
    license: str = _LICENSE
    homepage: str = "https://github.com/lichengunc/refer"
    submission = None
    _folder = "refcoco"
    _file = "refs"
    _protocol: EvalProtocol = REFCOCO
    _with_crowds = True

    _divisions: ClassVar[_Divisions] = {"unc": _UNC, "google": _WITH_TEST}

    def __init__(self, *, split_by: str = "", check_pictures: bool = True) -> None:
        if split_by and split_by not in self._divisions:
            raise ConfigError(
                f"{self.name} is divided into splits by {' or '.join(self._divisions)}, got "
                f"split_by={split_by!r}"
            )
        self._split_by = split_by or next(iter(self._divisions))
        self.splits = self._divisions[self._split_by]
        self._check_pictures = check_pictures

    def read(self, root: Path, split: str = "") -> LoadedSplit:
        """Read one split and check it.

        Raises:
            EvaluationError: If the folder is not as described; all problems are listed.
        """
        split = split_named(self, split)
        name = f"{self.name}/{split}"
        problems = Problems(name, root)
        folder = root / self._folder
        if not folder.is_dir() and (root / "instances.json").is_file():
            folder = root
        path = folder / f"{self._file}({self._split_by}).json"
        pickled = path.with_suffix(".p")
        references: Any
        if path.is_file() or not pickled.is_file():
            references = read_json(path, problems)
        else:
            path, references = pickled, read_pickle(pickled, problems)
        return read_references(
            name,
            root,
            folder=folder,
            references=references,
            path=path,
            split=split,
            protocol=self._protocol,
            problems=problems,
            with_crowds=self._with_crowds,
            check_pictures=self._check_pictures,
        )


class RefcocoPlus(Refcoco):
    """refCOCO+: no words for places (Yu et al., ECCV 2016). Layout as refCOCO, ``refcoco+``.

    Args:
        split_by: Whose division into splits: ``unc``.
        check_pictures: Whether the images must be there.
    """

    name = "refcoco-plus"
    _folder = "refcoco+"
    _divisions: ClassVar[_Divisions] = {"unc": _UNC}


class Refcocog(Refcoco):
    """refCOCOg: longer sentences (Mao et al., CVPR 2016). Layout as refCOCO, ``refcocog``.

    Args:
        split_by: Whose division into splits: ``umd`` (val, test, train) or ``google`` (val,
            train).
        check_pictures: Whether the images must be there.
    """

    name = "refcocog"
    splits = _WITH_TEST
    _folder = "refcocog"
    _divisions: ClassVar[_Divisions] = {"umd": _WITH_TEST, "google": ("val", "train")}


class Grefcoco(Refcoco):
    """gRefCOCO: sentences for several objects or none (Liu et al., GRES, CVPR 2023).

    ::

        <root>/grefcoco/grefs(unc).json
               grefcoco/instances.json
               images as for refCOCO

    ``ann_id`` is a list; ``[-1]`` means that there is no such object. Crowds are left out, as
    the authors' loader does. Groups: single, multiple, no-target.

    Args:
        split_by: Whose division into splits: ``unc``.
        check_pictures: Whether the images must be there.
    """

    name = "grefcoco"
    homepage = "https://github.com/henghuiding/gRefCOCO"
    _folder = "grefcoco"
    _file = "grefs"
    _protocol = GREFCOCO
    _divisions: ClassVar[_Divisions] = {"unc": _UNC}
    _with_crowds = False
