"""Score the grounder ``attributes`` on synthetic clips: ``python attributes_synthetic.py``.

Prints, for each difficulty, how many queries are answered with exactly the objects meant
(keyframe boxes of IoU >= 0.5), and how often the answer "not in this video" is right and
wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from oracle import oracle_of_clip
from videoseg_attributes.grounding import AttributesGrounder
from videoseg_attributes.grounding.language import parse_query
from videoseg_attributes.motion_sampler import MotionSampler
from videoseg_synthetic import make_clip
from videoseg_synthetic.questions import DIFFICULTIES

from videoseg.pipeline import run_episode
from videoseg.types import Box, Episode

GOAL = 0.95


@dataclass(frozen=True, slots=True)
class Task:
    """One clip and its queries."""

    seed: int
    difficulty: str
    per_kind: int
    oracle: bool
    max_turns: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one query."""

    task: Task
    kind: str
    text: str
    wanted: tuple[int, ...]
    right: bool
    rejected: bool
    thought: str


def is_right(clip: object, episode: Episode, object_ids: tuple[int, ...]) -> bool:
    """Whether the prompts are exactly the objects meant, each found by its box."""
    grounding = episode.grounding
    if grounding is None or len(grounding.prompts) != len(object_ids):
        return False
    left = set(object_ids)
    for prompt in grounding.prompts:
        best, best_iou = 0, 0.0
        for object_id in left:
            mask = clip.labels[prompt.frame] == object_id  # type: ignore[attr-defined]
            if not mask.any() or prompt.box is None:
                continue
            rows, columns = np.nonzero(mask)
            truth = Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            iou = truth.iou(prompt.box)
            if iou > best_iou:
                best, best_iou = object_id, iou
        if best_iou < 0.5:
            return False
        left.remove(best)
    return True


def ask(task: Task) -> tuple[list[Answer], float]:
    """Run all queries of one clip; return the answers and the seconds of CPU time."""
    started = time.process_time()
    clip = make_clip(seed=task.seed, difficulty=task.difficulty)
    survey = oracle_of_clip(clip) if task.oracle else None
    grounder = AttributesGrounder(survey=survey)
    used: Counter[str] = Counter()
    answers = []
    for query in clip.queries_of(task.difficulty):
        if used[query.kind] >= task.per_kind:
            continue
        used[query.kind] += 1
        episode = run_episode(
            clip.video,
            query.text,
            sampler=MotionSampler(),
            grounder=grounder,
            max_turns=task.max_turns,
            seed=0,
        )
        grounding = episode.grounding
        answers.append(
            Answer(
                task,
                query.kind,
                query.text,
                query.object_ids,
                is_right(clip, episode, query.object_ids),
                grounding is not None and not grounding.found,
                "" if grounding is None else grounding.thought.text,
            )
        )
    return answers, time.process_time() - started


def ask_all(tasks: Iterable[Task], workers: int) -> Iterator[tuple[list[Answer], float]]:
    """Run the queries of all clips, in order."""
    if workers == 1:
        yield from map(ask, tasks)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(ask, tasks)


def main() -> None:
    """Run the benchmark."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=6, help="clips for each difficulty")
    options.add_argument("--first-seed", type=int, default=1000)
    options.add_argument("--per-kind", type=int, default=2, help="queries of one kind and clip")
    options.add_argument("--oracle", action="store_true", help="survey from the exact masks")
    options.add_argument("--single-turn", action="store_true")
    options.add_argument("--verbose", action="store_true")
    options.add_argument("--difficulty", choices=DIFFICULTIES, default=None)
    options.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    chosen = options.parse_args()
    difficulties = (chosen.difficulty,) if chosen.difficulty else DIFFICULTIES
    turns = 1 if chosen.single_turn else 3
    tasks = [
        Task(
            chosen.first_seed + 50 * number + seed,
            difficulty,
            chosen.per_kind,
            chosen.oracle,
            turns,
        )
        for number, difficulty in enumerate(difficulties)
        for seed in range(chosen.seeds)
    ]
    answers: list[Answer] = []
    seconds = 0.0
    for here, spent in ask_all(tasks, chosen.workers):
        answers += here
        seconds += spent
        for answer in here:
            if not answer.right or chosen.verbose:
                show(answer)
    report(answers, difficulties)
    print(f"{seconds:.0f} s of CPU time")


def show(answer: Answer) -> None:
    """Print one answer, with the grounder's reasoning if it is wrong."""
    ignored = [piece.words for piece in parse_query(answer.text).ignored]
    print(
        f"{'ok   ' if answer.right else 'WRONG'} seed {answer.task.seed} {answer.kind}: "
        f"{answer.text!r} wants {answer.wanted}, ignored {ignored}",
        flush=True,
    )
    if not answer.right:
        print(f"      {answer.thought[:1500]}")


def report(answers: list[Answer], difficulties: Iterable[str]) -> None:
    """Print the tables."""
    print(f"\n{'difficulty':16s} right / asked  clips with an error")
    for difficulty in difficulties:
        here = [answer for answer in answers if answer.task.difficulty == difficulty]
        right = sum(answer.right for answer in here)
        share = right / max(1, len(here))
        goal = "" if share >= GOAL else "   below the goal"
        clips = {answer.task.seed for answer in here}
        wrong = {answer.task.seed for answer in here if not answer.right}
        score = f"{right:4d} / {len(here):4d}"
        print(f"{difficulty:16s} {score}  {share:6.1%}  {len(wrong)} of {len(clips)}{goal}")
    kinds = Counter((answer.task.difficulty, answer.kind) for answer in answers)
    hits = Counter((answer.task.difficulty, answer.kind) for answer in answers if answer.right)
    for key in sorted(kinds):
        if hits[key] < kinds[key]:
            print(f"   {key[0]}/{key[1]}: {hits[key]}/{kinds[key]}")
    right = sum(answer.right for answer in answers)
    print(f"all              {right:4d} / {len(answers):4d}  {right / max(1, len(answers)):6.1%}")
    for present, words in ((False, "rightly"), (True, "wrongly")):
        group = [answer for answer in answers if bool(answer.wanted) is present]
        said = sum(answer.rejected for answer in group)
        print(f"'not in this video' said {words}: {said} of {len(group)}")


if __name__ == "__main__":
    main()
