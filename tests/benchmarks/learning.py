"""The claims of both papers in miniature: tiny policies trained from nothing, on drawn clips.

Run from the repository root, on two cores:

    python tests/benchmarks/learning.py FOLDER
    python tests/benchmarks/learning.py FOLDER --experiment length --seeds 1

Three policies (seeds of weights, demonstrations' order and sampling) learn to see from exact
labels, then to answer from an imperfect teacher, then by reinforcement with ``videoseg train``'s
own code. Held-out questions are about clips that nothing else uses. Everything is kept in FOLDER
and made once, so that an interrupted run goes on; ``FOLDER/tables.md`` and ``curves.png`` are what
docs/explanation/learning.md shows. Several seeds can be made at once by several processes with
``--only-seed``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from torchvision_builds import declare_missing_operators

declare_missing_operators()

from learning_questions import OTHER_KINDS, REWARDED_KINDS, draw_questions  # noqa: E402
from learning_report import Table, describe_cost, draw_curves, to_markdown  # noqa: E402
from learning_runs import (  # noqa: E402
    Run,
    looking_grpo,
    looking_pipeline,
    masks_grpo,
    reasoning_grpo,
    reasoning_pipeline,
    run_grpo,
    run_masks_grpo,
)
from learning_scores import (  # noqa: E402
    PROMPTS,
    Cells,
    compare,
    estimate,
    score_policy,
    score_prompts,
    score_teacher,
)
from learning_starts import MAX_TURNS, make_start  # noqa: E402
from videoseg_tiny.plugin import SEG_MODEL, videoseg_o3_tiny_seg  # noqa: E402

REINFORCED_SEEDS = 12_000_000
"""First seed of the clips of reinforcement learning,..."""
WATCHED_SEEDS = 22_000_000
"""... of those that runs are evaluated on meanwhile,..."""
HELD_OUT_SEEDS = 54_000_000
"""... and of those that the tables are about,..."""
HIDING_SEEDS = 58_000_000
"""... where objects show on some frames alone."""

NUM_REINFORCED = 480
NUM_WATCHED = 32
ALONE_STEPS = 10
"""Of reinforcement without a cold start, in which no reward ever differs from another."""


@dataclass(frozen=True)
class Laboratory:
    """Makes policies and scores, and keeps them.

    Args:
        folder: Where.
        seeds: Of the policies.
        num_questions: Of each kind of question set.
    """

    folder: Path
    seeds: tuple[int, ...]
    num_questions: int

    # -- questions ---------------------------------------------------------------------------

    @cached_property
    def rewarded(self) -> Any:
        """Held-out questions of the kinds that reinforcement trains on."""
        return draw_questions(HELD_OUT_SEEDS, self.num_questions, REWARDED_KINDS)

    @cached_property
    def others(self) -> Any:
        """Held-out questions of other kinds."""
        return draw_questions(HELD_OUT_SEEDS + 10_000, self.num_questions // 2, OTHER_KINDS)

    @cached_property
    def hiding(self) -> Any:
        """Held-out questions about objects that show on some frames alone."""
        return draw_questions(HIDING_SEEDS, self.num_questions, ("color",), hides=True)

    @cached_property
    def _training(self) -> tuple[Any, Any]:
        return (
            draw_questions(REINFORCED_SEEDS, NUM_REINFORCED, REWARDED_KINDS),
            draw_questions(WATCHED_SEEDS, NUM_WATCHED, REWARDED_KINDS),
        )

    @cached_property
    def _hiding_training(self) -> tuple[Any, Any]:
        return (
            draw_questions(REINFORCED_SEEDS + 10_000, NUM_REINFORCED // 2, ("color",), hides=True),
            draw_questions(WATCHED_SEEDS + 10_000, NUM_WATCHED, ("color",), hides=True),
        )

    # -- policies ----------------------------------------------------------------------------

    def start(self, name: str, seed: int) -> Path:
        """Return the model of a cold start: ``seeing``, ``sft`` or ``longer``."""
        return make_start(self.folder, seed)[name]

    def reasoning(self, seed: int, *, start: str = "sft", penalty: bool = False) -> Run:
        """Return a run of GRPO in one turn."""
        name = "grpo-penalty" if penalty else "grpo" if start == "sft" else f"grpo-{start}"
        settings = reasoning_grpo(penalty=penalty)
        if start != "sft":
            settings["grpo"]["steps"] = ALONE_STEPS
            settings["policy"]["max_tokens"] = 48
        return self._run(name, self.start(start, seed), settings, *self._training, seed)

    def looking(self, seed: int) -> Run:
        """Return a run of GRPO over several turns, which take longer to imitate."""
        start = self.start("longer", seed)
        return self._run("grpo-looking", start, looking_grpo(), *self._hiding_training, seed)

    def calibrated(self, name: str, calibration: Mapping[str, Any] | None, seed: int) -> Path:
        """Return a ``[SEG]`` model after GRPO, which begins with the shipped one."""
        settings = masks_grpo(Path(SEG_MODEL), calibration, seed=seed)
        return run_masks_grpo(self.folder / f"seed-{seed}" / name, settings).model

    def _run(
        self,
        name: str,
        start: Path,
        settings: dict[str, Any],
        samples: Any,
        watched: Any,
        seed: int,
    ) -> Run:
        folder = self.folder / f"seed-{seed}" / name
        return run_grpo(folder, start, settings, samples, watched, seed=seed)

    # -- scores ------------------------------------------------------------------------------

    def score(
        self,
        name: str,
        model: Callable[[int], Path],
        configuration: dict[str, Any],
        samples: Any,
    ) -> Cells:
        """Return the scores of the policies of all seeds."""
        return {
            seed: score_policy(self._file(name, seed), model(seed), configuration, samples)
            for seed in self.seeds
        }

    def _file(self, name: str, seed: int) -> Path:
        return self.folder / f"seed-{seed}" / "scores" / f"{name}-{self.num_questions}.json"

    def score_masks(
        self, name: str, model: Path | None, samples: Any, *, seed: int | None = None
    ) -> Any:
        """Return the scores of a ``[SEG]`` model."""
        home = self.folder if seed is None else self.folder / f"seed-{seed}"
        file = home / "scores" / f"masks {name}-{self.num_questions}.json"
        configuration = videoseg_o3_tiny_seg(None if model is None else str(model))
        return score_policy(file, None, configuration, samples)

    def score_teacher(self, name: str, configuration: dict[str, Any], samples: Any) -> Cells:
        """Return the scores of the teacher."""
        file = self.folder / "scores" / f"{name}-{self.num_questions}.json"
        rows = score_teacher(file, configuration, samples)
        return dict.fromkeys(self.seeds, rows)

    def score_prompts(
        self, name: str, model: Callable[[int], Path], samples: Any
    ) -> Mapping[str, Cells]:
        """Return the scores of the same answers with prompts left out."""
        found = {
            seed: score_prompts(self._file(name, seed), model(seed), reasoning_pipeline(), samples)
            for seed in self.seeds
        }
        return {what: {seed: found[seed][what] for seed in self.seeds} for what in PROMPTS}


# -- the experiments -----------------------------------------------------------------------------


def beyond_imitation(lab: Laboratory) -> Table:
    """RL beats SFT, and helps out of domain (VideoSeg-R1, table 4)."""
    policies: Mapping[str, Callable[[int], Path]] = {
        "SFT": lambda seed: lab.start("sft", seed),
        "longer SFT": lambda seed: lab.start("longer", seed),
        "SFT, then GRPO": lambda seed: lab.reasoning(seed).model,
    }
    columns = {"trained": lab.rewarded, "others": lab.others}
    scores = {
        name: {
            about: lab.score(f"{name} on {about}", model, reasoning_pipeline(), samples)
            for about, samples in columns.items()
        }
        for name, model in policies.items()
    }
    scores = {
        "teacher": {
            about: lab.score_teacher(f"teacher on {about}", reasoning_pipeline(), samples)
            for about, samples in columns.items()
        },
        **scores,
    }
    first = scores["SFT"]
    rows = [
        [
            name,
            *(estimate(cells[about]).text() for about in columns),
            *(
                "" if name == "SFT" else compare(first[about], cells[about]).text(sign=True)
                for about in columns
            ),
        ]
        for name, cells in scores.items()
    ]
    head = ["policy", "J&F, kinds rewarded", "J&F, other kinds", "change", "change, other kinds"]
    return head, rows


def sampling(lab: Laboratory) -> Table:
    """Hierarchical sampling beats direct, random, first frame (VideoSeg-R1, table 5)."""
    hierarchical = reasoning_pipeline()
    options = hierarchical["sampler"]["options"]
    others = {"max_rounds"}
    samplers: Mapping[str, Any] = {
        "first frame": "first",
        "direct": {
            "name": "direct",
            "options": {key: value for key, value in options.items() if key not in others},
        },
        "segment, then random": {"name": "segment-random", "options": options},
        "hierarchical": hierarchical["sampler"],
    }
    scores = {
        name: lab.score(
            f"sampler {name}",
            lambda seed: lab.reasoning(seed).model,
            {**hierarchical, "sampler": sampler},
            lab.hiding,
        )
        for name, sampler in samplers.items()
    }
    rows = [
        [
            name,
            estimate(cells).text(),
            _shows(cells),
            ""
            if name == "hierarchical"
            else compare(cells, scores["hierarchical"]).text(sign=True),
        ]
        for name, cells in scores.items()
    ]
    return [
        "sampler",
        "J&F",
        "object shows on the target frame, %",
        "hierarchical beside it",
    ], rows


def prompting(lab: Laboratory) -> Table:
    """Box, point and negative point together are best (VideoSeg-R1, table 6)."""
    policies: Mapping[str, Callable[[int], Path]] = {
        "SFT": lambda seed: lab.start("sft", seed),
        "GRPO": lambda seed: lab.reasoning(seed).model,
    }
    present = [one for one in lab.rewarded if one.details["kind"] != "no-color"]
    found = {
        name: lab.score_prompts(f"prompts {name}", model, present)
        for name, model in policies.items()
    }
    rows = [
        [
            what,
            *(estimate(found[name][what]).text() for name in found),
            *(
                "" if what == "box" else compare(cells["box"], cells[what]).text(sign=True)
                for cells in found.values()
            ),
        ]
        for what in PROMPTS
    ]
    return [
        "prompts",
        "J&F, SFT",
        "J&F, GRPO",
        "beside the box, SFT",
        "beside the box, GRPO",
    ], rows


def length(lab: Laboratory) -> Table:
    """The length penalty shortens and does not harm (VideoSeg-R1, table 7)."""
    models: Mapping[str, Callable[[int], Path]] = {
        "SFT": lambda seed: lab.start("sft", seed),
        "GRPO without penalty": lambda seed: lab.reasoning(seed).model,
        "GRPO with penalty": lambda seed: lab.reasoning(seed, penalty=True).model,
    }
    names = {"SFT": "SFT on trained", "GRPO without penalty": "SFT, then GRPO on trained"}
    scores = {
        name: lab.score(names.get(name, name), model, reasoning_pipeline(), lab.rewarded)
        for name, model in models.items()
    }
    free, short = scores["GRPO without penalty"], scores["GRPO with penalty"]
    rows = [
        [
            name,
            estimate(cells, "tokens").text(1),
            estimate(cells, "thinking").text(1),
            estimate(cells).text(),
        ]
        for name, cells in scores.items()
    ]
    saved = 1 - estimate(short, "tokens").mean / estimate(free, "tokens").mean
    thought = 1 - estimate(short, "thinking").mean / estimate(free, "thinking").mean
    rows.append(["saved", f"{saved:.0%}", f"{thought:.0%}", compare(free, short).text(sign=True)])
    return ["policy", "tokens of an answer", "tokens of thought", "J&F"], rows


def looking(lab: Laboratory) -> Table:
    """Looking again helps, up to three turns (VideoSEG-O3)."""
    policies: Mapping[str, Callable[[int], Path]] = {
        "SFT": lambda seed: lab.start("longer", seed),
        "GRPO": lambda seed: lab.looking(seed).model,
    }
    single = {**reasoning_pipeline(), "sampler": "middle"}
    scores = {
        (name, turns): lab.score(
            f"{turns} turns {name}",
            model,
            single if turns == 1 else looking_pipeline(turns),
            lab.hiding,
        )
        for name, model in policies.items()
        for turns in range(1, MAX_TURNS + 1)
    }
    rows = [
        [
            name,
            str(turns),
            estimate(cells).text(),
            _shows(cells),
            f"{estimate(cells, 'turns').mean:.2f}",
            "" if turns == 1 else compare(scores[name, turns - 1], cells).text(sign=True),
            "" if name == "SFT" else compare(scores["SFT", turns], cells).text(sign=True),
        ]
        for (name, turns), cells in scores.items()
    ]
    head = [
        *("policy", "most turns", "J&F", "object shows on the keyframe, %", "turns taken"),
        *("beside one turn less", "beside SFT"),
    ]
    return head, rows


def cold_start(lab: Laboratory) -> Table:
    """Cold start and GRPO beat either alone."""
    cells: Mapping[tuple[str, str], Cells] = {
        ("no", "no"): lab.score(
            "untrained",
            lambda seed: lab.start("seeing", seed),
            reasoning_pipeline(),
            lab.rewarded,
        ),
        ("no", "yes"): lab.score(
            "GRPO alone",
            lambda seed: lab.reasoning(seed, start="seeing").model,
            reasoning_pipeline(),
            lab.rewarded,
        ),
        ("yes", "no"): lab.score(
            "SFT on trained",
            lambda seed: lab.start("sft", seed),
            reasoning_pipeline(),
            lab.rewarded,
        ),
        ("yes", "yes"): lab.score(
            "SFT, then GRPO on trained",
            lambda seed: lab.reasoning(seed).model,
            reasoning_pipeline(),
            lab.rewarded,
        ),
    }
    rows = [[*which, estimate(one).text()] for which, one in cells.items()]
    return ["cold start", "GRPO", "J&F"], rows


def calibrating(lab: Laboratory) -> Table:
    """Calibration raises mask quality (VideoSEG-O3)."""
    ways: Mapping[str, Mapping[str, Any] | None] = {
        "GRPO": None,
        "GRPO, calibrated with its own masks": {"weight": 1.0, "target": "own"},
        "GRPO, calibrated with the true masks": {"weight": 1.0, "target": "truth"},
    }
    present = [one for one in lab.rewarded if one.details["kind"] != "no-color"]
    scores = {"start": dict.fromkeys(lab.seeds, lab.score_masks("start", None, present))}
    for way, calibration in ways.items():
        scores[way] = {
            seed: lab.score_masks(way, lab.calibrated(way, calibration, seed), present, seed=seed)
            for seed in lab.seeds
        }
    rows = [
        [
            way,
            estimate(cells).text(),
            "" if way == "start" else compare(scores["start"], cells).text(sign=True),
            "" if way in ("start", "GRPO") else compare(scores["GRPO"], cells).text(sign=True),
        ]
        for way, cells in scores.items()
    ]
    return ["policy", "J&F", "beside the start", "beside GRPO without"], rows


EXPERIMENTS: Mapping[str, Callable[[Laboratory], Table]] = {
    "rl": beyond_imitation,
    "length": length,
    "looking": looking,
    "sampling": sampling,
    "prompts": prompting,
    "cold-start": cold_start,
    "calibration": calibrating,
}


def _shows(cells: Cells) -> str:
    shown = [bool(row["shows"]) for rows in cells.values() for row in rows]
    return f"{100 * sum(shown) / len(shown):.0f}"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--experiment", "names", multiple=True, type=click.Choice(list(EXPERIMENTS)))
@click.option("--seeds", default=3, show_default=True, help="How many policies.")
@click.option("--only-seed", type=int, help="Make this policy's runs and scores alone.")
@click.option("--questions", default=48, show_default=True, help="Held-out questions of a set.")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
def main(
    folder: Path,
    names: tuple[str, ...],
    seeds: int,
    only_seed: int | None,
    questions: int,
    threads: int,
) -> None:
    """Run the experiments, and write their tables to FOLDER."""
    import torch

    torch.set_num_threads(threads)
    chosen = tuple(range(seeds)) if only_seed is None else (only_seed,)
    lab = Laboratory(folder.resolve(), chosen, questions)
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for name in names or EXPERIMENTS:
        experiment = EXPERIMENTS[name]
        title = (experiment.__doc__ or name).splitlines()[0]
        parts.append(f"## {title}\n\n{to_markdown(experiment(lab))}\n")
        click.echo(parts[-1])
    parts.append(
        f"## Cost of reinforcement\n\n{to_markdown(describe_cost(lab.folder, lab.seeds))}\n"
    )
    click.echo(parts[-1])
    if only_seed is None:
        (folder / "tables.md").write_text("\n".join(parts), encoding="utf-8")
        draw_curves(lab.folder, lab.seeds, folder / "curves.png")


if __name__ == "__main__":
    main()
