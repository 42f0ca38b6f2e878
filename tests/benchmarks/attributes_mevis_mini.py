"""Score the grounder ``attributes`` on the clips in the format of MeViS among the test data.

Prints for every expression which words were used and ignored, the answer and the IoU of its
keyframe box; then the fraction of expressions with understood words that reach IoU 0.5, and how
often the answer is "not in this video" for contradicted and for true expressions.

With ``--checkpoint yolox_nano.onnx`` the nouns are found by the detector ``yolox``, as in the
pipeline ``names``, and those expressions count whose nouns it knows; "absent" counts by status.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from videoseg_attributes.grounding import AttributesGrounder
from videoseg_attributes.grounding.language import list_names, parse_query
from videoseg_attributes.motion_sampler import MotionSampler

from videoseg.pipeline import run_episode
from videoseg.types import BoolArray, Box, Grounding, Rle
from videoseg.video import Video

GOAL, GOAL_WITH_NAMES = 0.7, 0.85
LEAST_SCORE = 0.1  # of a box, as in the pipeline ``names``


def data_folder() -> Path:
    """Return the folder of development data."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("VIDEOSEG_TEST_DATA", beside))


def box_of(mask: BoolArray) -> Box | None:
    """Return the box around a mask, or None if it is empty."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    return Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def mean_iou(grounding: Grounding, truths: list[list[dict[str, object] | None]]) -> float:
    """Return the mean box IoU of a best one-to-one match, missing objects counting as 0."""
    left = list(range(len(truths)))
    total = 0.0
    for prompt in grounding.prompts:
        best, best_iou = -1, 0.0
        for index in left:
            data = truths[index][prompt.frame]
            box = None if data is None else box_of(Rle.from_coco(data).decode())
            iou = box.iou(prompt.box) if box is not None and prompt.box is not None else 0.0
            if iou > best_iou:
                best, best_iou = index, iou
        if best >= 0:
            left.remove(best)
            total += best_iou
    return total / max(len(truths), len(grounding.prompts))


def main() -> None:
    """Run the benchmark."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--video", default=None, help="only this sequence")
    options.add_argument("--thoughts", action="store_true", help="print the reasoning too")
    options.add_argument("--checkpoint", default=None, help="a file of YOLOX that finds nouns")
    chosen = options.parse_args()
    detector = None
    if chosen.checkpoint is not None:
        from videoseg_detectors import YoloxDetector

        detector = YoloxDetector(checkpoint=chosen.checkpoint, min_score=LEAST_SCORE)
    root = data_folder() / "mevis_mini"
    videos = json.loads((root / "meta_expressions.json").read_text())["videos"]
    masks = json.loads((root / "mask_dict.json").read_text())
    judged_right = judged_total = 0
    rejected = {True: [0, 0], False: [0, 0]}
    started = time.process_time()
    for name, facts in videos.items():
        if chosen.video not in (None, name):
            continue
        # The frames are a link to those of DAVIS, which not every copy of the data keeps.
        linked = root / "JPEGImages" / name
        frames = linked if linked.is_dir() else root.parent / "davis/JPEGImages/480p" / name
        video = Video.open(frames)
        grounder = AttributesGrounder(detector=detector)
        for item in facts["expressions"].values():
            plan = parse_query(item["exp"])
            names = (
                list_names(item["exp"], detector.unknown_names, detector.vocabulary)
                if detector is not None
                else ()
            )
            counts = bool(names) if detector is not None else plan.target.understood
            episode = run_episode(
                video, item["exp"], sampler=MotionSampler(), grounder=grounder, max_turns=3
            )
            grounding = episode.grounding
            if grounding is None:
                continue
            truths = [masks[str(number)] for number in item["anno_id"]]
            present = bool(truths)
            is_absent = not grounding.found if detector is None else grounding.status == "absent"
            if present or counts:
                rejected[present][0] += is_absent
                rejected[present][1] += 1
            iou = mean_iou(grounding, truths) if present else float(is_absent)
            if counts:
                judged_total += 1
                judged_right += iou >= 0.5
            answer = ", ".join(
                f"{prompt.frame}:{[round(v) for v in prompt.box.as_tuple()]}"
                for prompt in grounding.prompts
                if prompt.box is not None
            )
            print(f"{name:12s} {'ok ' if iou >= 0.5 else 'BAD'} IoU {iou:.2f} {item['exp']!r}")
            print(
                f"      judged {grounding.judged}, not judged {grounding.unjudged} -> "
                f"{grounding.status}: {answer or 'nothing'}"
            )
            if chosen.thoughts:
                print(f"{episode.trace}")
    share = judged_right / max(1, judged_total)
    goal = "" if share >= (GOAL if detector is None else GOAL_WITH_NAMES) else "   below the goal"
    print(
        f"\nexpressions with {'known nouns' if detector else 'judged words'}: "
        f"{judged_right} of {judged_total} right, {share:.0%}{goal}"
    )
    for present, words in ((False, "contradicted"), (True, "true")):
        count, total = rejected[present]
        print(f"'not in this video' for {words} expressions: {count} of {total}")
    print(f"{time.process_time() - started:.0f} s of CPU time")


if __name__ == "__main__":
    main()
