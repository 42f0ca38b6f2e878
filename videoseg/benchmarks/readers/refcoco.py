"""refCOCO, refCOCO+, refCOCOg and gRefCOCO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from videoseg.benchmarks.json_files import read_json
from videoseg.benchmarks.opening import split_named
from videoseg.benchmarks.pickles import read_pickle
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.refer import read_references
from videoseg.benchmarks.split import LoadedSplit
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.protocols import GREFCOCO, REFCOCO

__all__ = ["Grefcoco", "Refcoco", "RefcocoPlus", "Refcocog"]

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

    Args:
        split_by: Whose division into splits: ``unc`` or ``google``.
    """

    name: str = "refcoco"
    splits: tuple[str, ...] = ("val", "testA", "testB", "train")
    license: str = _LICENSE
    homepage: str = "https://github.com/lichengunc/refer"
    submission = None
    _folder = "refcoco"
    _file = "refs"
    _protocol: EvalProtocol = REFCOCO
    _with_crowds = True

    def __init__(self, *, split_by: str = "unc") -> None:
        self._split_by = split_by

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
        )


class RefcocoPlus(Refcoco):
    """refCOCO+: no words for places (Yu et al., ECCV 2016). Layout as refCOCO, ``refcoco+``.

    Args:
        split_by: Whose division into splits: ``unc``.
    """

    name = "refcoco-plus"
    _folder = "refcoco+"


class Refcocog(Refcoco):
    """refCOCOg: longer sentences (Mao et al., CVPR 2016). Layout as refCOCO, ``refcocog``.

    Args:
        split_by: Whose division into splits: ``umd`` (val, test, train) or ``google`` (val,
            train).
    """

    name = "refcocog"
    splits = ("val", "test", "train")
    _folder = "refcocog"

    def __init__(self, *, split_by: str = "umd") -> None:
        super().__init__(split_by=split_by)


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
    """

    name = "grefcoco"
    homepage = "https://github.com/henghuiding/gRefCOCO"
    _folder = "grefcoco"
    _file = "grefs"
    _protocol = GREFCOCO
    _with_crowds = False
