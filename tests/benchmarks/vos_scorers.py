"""Scores of drawn benchmarks with first masks given, beside those of their official scorers.

    python tests/benchmarks/vos_scorers.py --reference DIR

``DIR`` holds checkouts, of which those that are there are run: ``davis2017-evaluation``,
``VOST``, ``lvos-evaluation``, ``sam2`` (with ``sav_dataset``) and ``MOSE-api`` (of 2025, with
``metricsv2.py`` and the script that imports it). They need scikit-image and tqdm; nothing of them
is part of this project. The true masks and predictions that are wrong in several ways are scored
by both. Exits with 1 if a score differs by more than 1e-9.

Three have no scorer of their own that is public and still runs. DAVIS-2016 is compared with the
package of 2017 on pictures of one object, MOSE with it because its rules are said to be those of
DAVIS, and the first version of LVOS with the scorer of both, without its groups. YouTube-VOS is
not here: its server is the only scorer.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import math
import shutil
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]
sys.path.insert(0, str(ROOT / "plugins/videoseg-benchmarks/src"))

from drawn_vos import (  # noqa: E402
    SIZE,
    VIDEOS,
    VOS_LAYOUTS,
    draw_mose,
    numbered,
    save_ids,
)

from videoseg.benchmarks import open_benchmark  # noqa: E402
from videoseg.evaluation import score_predictions  # noqa: E402
from videoseg.plugins import Registry  # noqa: E402

Scores = Mapping[str, float]


def tampered(picture: np.ndarray, number: int, name: str) -> np.ndarray:
    """Return a picture of ids that is wrong in one of several ways."""
    rng = np.random.default_rng([number, *name.encode()])
    kind = int(rng.integers(6))
    if name == "true" or kind == 0:
        return picture
    if kind == 1:
        return np.zeros_like(picture)
    if kind == 2:
        return np.roll(picture, (int(rng.integers(-3, 4)), int(rng.integers(-5, 6))), (0, 1))
    wrong = picture.copy()
    top, left = (int(rng.integers(size - 12)) for size in picture.shape)
    values = [value for value in np.unique(picture).tolist() if value] or [1]
    wrong[top : top + 12, left : left + 12] = 0 if kind == 3 else rng.choice(values)
    if kind == 5 and len(values) > 1:
        first, second = values[:2]
        swapped = wrong.copy()
        swapped[wrong == first], swapped[wrong == second] = second, first
        return swapped
    return wrong


def write_predictions(truth: Path, folder: Path, name: str) -> None:
    """Write predictions for every picture of the truth."""
    for number, path in enumerate(sorted(truth.rglob("*.png"))):
        picture = tampered(np.asarray(Image.open(path)), number, name)
        save_ids(folder / path.relative_to(truth), picture)


@contextlib.contextmanager
def imported(folder: Path, *names: str) -> Iterator[list[Any]]:
    """Import modules of a checkout, and forget them afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def of_davis(reference: Path, root: Path, predictions: Path) -> Scores:
    with imported(reference / "davis2017-evaluation", "davis2017.evaluation") as (module,):
        found = module.DAVISEvaluation(str(root), "semi-supervised", "val").evaluate(
            str(predictions)
        )
    j, f = found["J"], found["F"]
    means = {"j": j["M"], "j_recall": j["R"], "j_decay": j["D"]}
    means |= {"f": f["M"], "f_recall": f["R"], "f_decay": f["D"]}
    scores = {name: float(np.mean(values)) for name, values in means.items()}
    return {**scores, "j_and_f": (scores["j"] + scores["f"]) / 2}


def of_davis_2016(reference: Path, root: Path, predictions: Path) -> Scores:
    with tempfile.TemporaryDirectory() as folder:
        copy, merged = Path(folder, "data"), Path(folder, "predictions")
        shutil.copytree(root / "ImageSets", copy / "ImageSets")
        (copy / "ImageSets/2016").rename(copy / "ImageSets/2017")
        for source, target in (
            (root / "Annotations/480p", copy / "Annotations/480p"),
            (predictions, merged),
        ):
            for path in source.rglob("*.png"):
                # The package takes 255, which is the foreground in 2016, for void.
                foreground = np.asarray(Image.open(path)) > 0
                save_ids(target / path.relative_to(source), foreground.astype(np.uint8))
        shutil.copytree(root / "JPEGImages", copy / "JPEGImages")
        return of_davis(reference, copy, merged)


def of_mose(reference: Path, root: Path, predictions: Path) -> Scores:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("JPEGImages", "Annotations"):
            shutil.copytree(root / "train" / name, Path(folder) / name / "480p")
        list_videos(Path(folder) / "ImageSets/2017/val.txt")
        scores = of_davis(reference, Path(folder), predictions)
    return {name: scores[name] for name in ("j_and_f", "j", "f")}


def of_vost(reference: Path, root: Path, predictions: Path) -> Scores:
    # The package uses a name that NumPy has removed.
    np.bool = np.bool_  # type: ignore[misc]
    with imported(reference / "VOST/evaluation", "source.evaluation") as (module,):
        found = module.Evaluation(str(root), "val").evaluate(str(predictions))
    j, last = found["J"], found["J_last"]
    return {
        "j": float(np.mean(j["M"])),
        "j_recall": float(np.mean(j["R"])),
        "j_decay": float(np.mean(j["D"])),
        "j_last_quarter": float(np.mean(last["M"])),
    }


def of_lvos_v1(reference: Path, root: Path, predictions: Path) -> Scores:
    # Without groups: every object counts once, in whichever of them it is.
    (root / "valid/unseen_videos.txt").write_text(VIDEOS[1], encoding="utf-8")
    groups = _lvos_objects(reference, root, predictions)
    j, f, deviation = (
        float(np.mean(np.concatenate([group[key] for group in groups]))) for key in "JFV"
    )
    return {"j_and_f": (j + f) / 2, "j": j, "f": f, "jf_deviation": deviation}


def of_lvos(reference: Path, root: Path, predictions: Path) -> Scores:
    groups = _lvos_objects(reference, root, predictions)
    j, f, deviation = (sum(float(np.mean(group[key])) for group in groups) / 2 for key in "JFV")
    return {"j_and_f": (j + f) / 2, "j": j, "f": f, "jf_deviation": deviation}


def _lvos_objects(
    reference: Path, root: Path, predictions: Path
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return J, F and V of each object, of seen and of unseen videos."""
    package = reference / "lvos-evaluation"
    with imported(package, "lvos.evaluation") as (module,):
        # NumPy 2 no longer puts an array of one number where a number belongs.
        for measure in ("db_eval_iou", "db_eval_boundary"):
            setattr(module, measure, _as_number(getattr(module, measure)))
        # With codalab the list of unseen videos is read from the folder of the data, and so is
        # another one that this task does not use.
        folder = root / "valid"
        (folder / "unsupervised_videos.txt").touch()
        scorer = module.LVOSEvaluation(str(folder), "semi-supervised", "valid", codalab=True)
        _, *found = scorer.evaluate(str(predictions), metric=("J", "F"))
        # The single-process version loses the deviations; they are taken from their definition.
        deviations: dict[bool, list[float]] = {True: [], False: []}
        for video in scorer.dataset.get_sequences():
            j, f = scorer._evaluate_semisupervised(
                scorer.dataset.get_sequence(video),
                module.Results(root_dir=str(predictions)),
                None,
                ("J", "F"),
            )
            deviations[video in scorer.unseen_videos] += [
                module.utils.db_statistics_var(j[key], f[key]) for key in j
            ]
    seen, unseen = (
        {"J": one["J"]["M"], "F": one["F"]["M"], "V": deviations[is_unseen]}
        for one, is_unseen in zip(found, (False, True), strict=True)
    )
    return seen, unseen


def _as_number(measure: Callable[..., Any]) -> Callable[..., float]:
    return lambda *masks, **options: float(np.squeeze(measure(*masks, **options)))


def of_sav(reference: Path, root: Path, predictions: Path) -> Scores:
    with imported(reference / "sam2/sav_dataset", "utils.sav_benchmark") as (module,):
        score = module.VideoEvaluator(str(root / "sav_val/Annotations_6fps"), str(predictions))
        found = [score(video) for video in VIDEOS]
    j, f = (
        float(np.mean([value for one in found for value in one[place].values()])) / 100
        for place in (1, 2)
    )
    return {"j": j, "f": f, "j_and_f": (j + f) / 2}


def of_mosev2(reference: Path, root: Path, predictions: Path) -> Scores:
    folder = reference / "MOSE-api"
    script = next(
        path
        for path in sorted(folder.glob("*.py"))
        if "def merge_chunk_results" in path.read_text()
    )
    progress = types.ModuleType("track_progress_rich")
    progress.track_progress_rich = None  # type: ignore[attr-defined]
    sys.modules.setdefault("track_progress_rich", progress)
    objects = ("1", "2")
    size = {"height": SIZE[0], "width": SIZE[1]}
    meta = {video: {"length": len(numbered()), **size, "objects": objects} for video in VIDEOS}
    with imported(folder, script.stem) as (module,):
        stop = len(numbered()) - 1
        tasks = [
            module.process_video_chunk(
                video, meta, str(predictions), str(root / "valid/Annotations"), *part, key, 0
            )
            for video in VIDEOS
            for key in objects
            for part in ((1, 6), (6, stop))
        ]
        rows = [
            module.merge_chunk_results(tasks, video, key) for video in VIDEOS for key in objects
        ]
    j, dotted, f = (float(np.mean([row[place] for row in rows])) for place in (0, 1, 2))
    means = {"j": j, "f_dot": dotted, "f": f}
    means |= {"j_and_f_dot": (j + dotted) / 2, "j_and_f": (j + f) / 2}
    for name, place in (("disappear", 3), ("reappear", 5)):
        pairs = [row[place : place + 2] for row in rows if row[place] is not None]
        means[name] = float(np.mean(pairs))
    return means


def draw_davis(root: Path) -> None:
    """Draw a copy of DAVIS-2017 with its truth."""
    draw_mose(root, "480p", scored=True)
    for name in ("JPEGImages", "Annotations"):
        (root / name).mkdir()
        shutil.move(root / "480p" / name, root / name / "480p")
    list_videos(root / "ImageSets/2017/val.txt")


def draw_davis_2016(root: Path) -> None:
    """Draw a copy of DAVIS-2016 with its truth: all objects are the foreground, 255."""
    draw_davis(root)
    (root / "ImageSets/2017").rename(root / "ImageSets/2016")
    for path in (root / "Annotations").rglob("*.png"):
        foreground = np.asarray(Image.open(path)) > 0
        save_ids(path, np.where(foreground, 255, 0).astype(np.uint8))


def draw_lvos(key: str, root: Path) -> None:
    """Draw a copy of LVOS with fewer objects in one video, so that means of means differ."""
    VOS_LAYOUTS[key][1](root)
    path = root / "valid/valid_meta.json"
    meta = json.loads(path.read_text(encoding="utf-8"))
    meta["videos"][VIDEOS[1]]["objects"] = {"1": meta["videos"][VIDEOS[1]]["objects"]["1"]}
    path.write_text(json.dumps(meta), encoding="utf-8")
    for picture in (root / "valid/Annotations" / VIDEOS[1]).glob("*.png"):
        ids = np.asarray(Image.open(picture))
        save_ids(picture, np.where(ids == 1, ids, 0).astype(np.uint8))


def list_videos(path: Path) -> None:
    """Write the list of the drawn videos."""
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(VIDEOS), encoding="utf-8")


SCORERS: dict[str, tuple[str, str, Callable[[Path], None], str, Callable[..., Scores]]] = {
    "davis-2016": (
        "davis2017-evaluation",
        "davis-2016",
        draw_davis_2016,
        "Annotations/480p",
        of_davis_2016,
    ),
    "davis-2017": (
        "davis2017-evaluation",
        "davis-2017",
        draw_davis,
        "Annotations/480p",
        of_davis,
    ),
    "vost": ("VOST", *VOS_LAYOUTS["vost"][:2], "Annotations", of_vost),
    "mose": (
        "davis2017-evaluation",
        *VOS_LAYOUTS["mose-train"][:2],
        "train/Annotations",
        of_mose,
    ),
    "lvos-v1": (
        "lvos-evaluation",
        "lvos-v1",
        partial(draw_lvos, "lvos-v1"),
        "valid/Annotations",
        of_lvos_v1,
    ),
    "lvos-v2": (
        "lvos-evaluation",
        "lvos-v2",
        partial(draw_lvos, "lvos-v2"),
        "valid/Annotations",
        of_lvos,
    ),
    "sa-v": ("sam2", *VOS_LAYOUTS["sa-v"][:2], "sav_val/Annotations_6fps", of_sav),
    "mosev2": ("MOSE-api", *VOS_LAYOUTS["mosev2"][:2], "valid/Annotations", of_mosev2),
}


# Where it is not the first one.
SPLITS = {"mose": "train"}


def compare(reference: Path) -> float:
    """Print the scores of both and return the largest difference."""
    registry = Registry(allow=("benchmarks",))
    largest = 0.0
    for key, (package, name, draw, truth, official) in SCORERS.items():
        if not (reference / package).is_dir():
            print(f"{key}: {reference / package} is not there; left out")
            continue
        for tamper in ("true", "first", "second", "third"):
            with tempfile.TemporaryDirectory() as folder:
                root, predictions = Path(folder, "data"), Path(folder, "predictions")
                root.mkdir()
                draw(root)
                write_predictions(root / truth, predictions, tamper)
                split = open_benchmark(name, root, SPLITS.get(key, ""), registry=registry)
                ours = score_predictions(split, predictions).overall
                # The scorers show the progress of two videos.
                with contextlib.redirect_stderr(io.StringIO()):
                    theirs = official(reference, root, predictions)
            for measure, value in theirs.items():
                difference = abs(ours[measure] - value)
                largest = max(largest, difference if math.isfinite(difference) else math.inf)
                print(
                    f"{key:<10} {tamper:<7} {measure:<14} {ours[measure]:.12f} {value:.12f} "
                    f"{difference:.1e}"
                )
    return largest


def main() -> int:
    """Compare with the checkouts in ``--reference``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True)
    largest = compare(parser.parse_args().reference.resolve())
    print(f"largest difference {largest:.1e}")
    return int(largest > 1e-9)


if __name__ == "__main__":
    raise SystemExit(main())
