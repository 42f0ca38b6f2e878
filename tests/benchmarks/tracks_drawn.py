"""Score track-then-choose on drawn clips, with exact detections and right answers.

Run from the repository root:

    python tests/benchmarks/tracks_drawn.py --seeds 3 5 11 21

The detector knows the boxes of a clip, the model gives the right verdict on every track, and
``cut`` and ``flow`` do what they do: what is lost is lost in following. A track is right if most
of its frames show an object that the query means. For each clip, prints the number of objects, of
tracks, and J&F in percent of the union over all its queries. With ``--masks``, the detections have
exact masks, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from videoseg_synthetic import SyntheticClip, make_clip
from videoseg_tracks import Track, TrackThenChooseGrounder

import videoseg as vs
from videoseg.metrics import boundary_f, region_j

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from drawn_tracks import TruthDetector, is_round, numbers_shown
from scripted_chat import ScriptedChat


def object_of(clip: SyntheticClip, track: Track) -> int:
    """Return the object that a track shows on most of its frames, 0 for the ground."""
    shown = [np.bincount(clip.labels[f][track.mask(f)]).argmax() for f in track.frames]
    return int(np.bincount(shown).argmax())


class Known:
    """Right answers: which number is which object is looked up in the grounder's own tracks."""

    def __init__(self, clip: SyntheticClip) -> None:
        self.clip = clip
        self.meant: tuple[int, ...] = ()
        self.objects: dict[int, int] = {}

    def answer(self, exchange, _number):
        """Answer one question."""
        if not is_round(exchange):
            return '{"names": ["thing"]}'
        shown = numbers_shown(exchange)
        true = [one for one in shown if self.objects[one] in self.meant]
        return json.dumps({"true": true, "false": [one for one in shown if one not in true]})


def main() -> None:
    """Score the clips asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[3, 5, 11, 21])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", type=int, nargs=2, default=[144, 192])
    parser.add_argument("--masks", action="store_true")
    options = parser.parse_args()
    registry = vs.default_registry()
    cut = registry.build("segmenter", "cut")
    print("| seed | objects | tracks | queries | answered | J&F |")
    print("|---|---|---|---|---|---|")
    means = []
    for seed in options.seeds:
        clip = make_clip(seed=seed, num_frames=options.frames, size=tuple(options.size))
        known = Known(clip)
        grounder = TrackThenChooseGrounder(
            chat=ScriptedChat(known.answer),
            detector=TruthDetector(clip, masks=options.masks),
            segmenter=cut,
        )
        sampler = vs.use("uniform", num_frames=16)
        pipe = vs.Pipeline(sampler, grounder, "given-masks", segmenter=cut, max_turns=3)
        window = vs.Window(0, clip.num_frames)
        pool = grounder._finder.find(clip.video, ["thing"], window=window)
        known.objects = {track.track_id: object_of(clip, track) for track in pool.tracks}
        scores, answered = [], 0
        queries = [query for query in clip.queries if query.object_ids]
        for query in queries:
            known.meant = tuple(query.object_ids)
            result = pipe(clip.video, query.text)
            answered += result.status == "answered"
            truth = clip.answer_masks(query)
            tracks = [track.dense() for track in result.tracks]
            union = np.any(tracks, axis=0) if tracks else np.zeros_like(truth)
            j, f = region_j(union, truth).mean(), boundary_f(union, truth).mean()
            scores.append(50 * float(j + f))
        means.append(np.mean(scores))
        print(
            f"| {seed} | {len(clip.objects)} | {len(pool.tracks)} | {len(queries)} | {answered} "
            f"| {means[-1]:.1f} |",
            flush=True,
        )
    print(f"| **mean** | | | | | **{np.mean(means):.1f}** |")


if __name__ == "__main__":
    main()
