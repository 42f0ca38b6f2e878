"""Score the grounder ``attributes`` on synthetic clips: ``python attributes_synthetic.py``.

Prints, for each difficulty, how many queries are answered with exactly the objects meant
(keyframe boxes of IoU >= 0.5), and how often "not in this video" is said where it is right
and where it is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from oracle import oracle_of_clip

from videoseg.builtin.grounding import AttributesGrounder
from videoseg.builtin.grounding.language import parse_query
from videoseg.builtin.samplers import MotionSampler
from videoseg.pipeline.episode_loop import run_episode
from videoseg.synthetic import make_clip
from videoseg.synthetic.questions import DIFFICULTIES
from videoseg.types import Box, Episode

GOAL = 0.95


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
    chosen = options.parse_args()
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    kinds: Counter[tuple[str, str]] = Counter()
    kinds_right: Counter[tuple[str, str]] = Counter()
    rejected: Counter[bool] = Counter()
    asked: Counter[bool] = Counter()
    started = time.process_time()
    difficulties = (chosen.difficulty,) if chosen.difficulty else DIFFICULTIES
    for number, difficulty in enumerate(difficulties):
        for seed in range(chosen.seeds):
            clip = make_clip(seed=chosen.first_seed + 50 * number + seed, difficulty=difficulty)
            survey = oracle_of_clip(clip) if chosen.oracle else None
            grounder = AttributesGrounder(survey=survey)
            used: Counter[str] = Counter()
            for query in clip.queries_of(difficulty):
                if used[query.kind] >= chosen.per_kind:
                    continue
                used[query.kind] += 1
                episode = run_episode(
                    clip.video,
                    query.text,
                    sampler=MotionSampler(),
                    grounder=grounder,
                    max_turns=1 if chosen.single_turn else 3,
                    seed=0,
                )
                grounding = episode.grounding
                good = is_right(clip, episode, query.object_ids)
                total[difficulty] += 1
                right[difficulty] += good
                kinds[difficulty, query.kind] += 1
                kinds_right[difficulty, query.kind] += good
                present = bool(query.object_ids)
                asked[present] += 1
                rejected[present] += grounding is not None and not grounding.found
                if not good or chosen.verbose:
                    plan = parse_query(query.text)
                    print(
                        f"{'ok   ' if good else 'WRONG'} seed {clip.seed} {query.kind}: "
                        f"{query.text!r} wants {query.object_ids}, "
                        f"unjudged {[u.words for u in plan.unjudged]}"
                    )
                    if not good and grounding is not None:
                        print(f"      {grounding.thought.text[:1500]}")
    print(f"\n{'difficulty':16s} right / asked")
    for difficulty in difficulties:
        share = right[difficulty] / max(1, total[difficulty])
        goal = "" if share >= GOAL else "   below the goal"
        score = f"{right[difficulty]:4d} / {total[difficulty]:4d}"
        print(f"{difficulty:16s} {score}  {share:6.1%}{goal}")
    for key in sorted(kinds):
        if kinds_right[key] < kinds[key]:
            print(f"   {key[0]}/{key[1]}: {kinds_right[key]}/{kinds[key]}")
    print(f"all              {sum(right.values()):4d} / {sum(total.values()):4d}")
    for present, words in ((False, "rightly"), (True, "wrongly")):
        print(f"'not in this video' said {words}: {rejected[present]} of {asked[present]}")
    print(f"{time.process_time() - started:.0f} s of CPU time")


if __name__ == "__main__":
    main()
