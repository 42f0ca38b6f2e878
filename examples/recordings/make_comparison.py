"""Write ``comparison.jsonl``: answers of an imagined model to both strategies' questions.

No model produced them. They are written from the known truth of the rendered clips, in the form
that each strategy asks for: right times to the tenth of a second, positions rounded to ten
percent, boxes in thousandths. So the notebook ``compare_two_strategies.ipynb`` shows what the
strategies look at and how their parts fit together, and not how well a model does. To record a
real one, give ``record`` the chat model of your choice instead of ``FromTruth``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videoseg_synthetic import SyntheticClip, SyntheticQuery, make_clip

import videoseg as vs
from videoseg.types import ChatReply, ImagePart, Message, TextPart

QUERIES = {
    2: "the one in front of the orange blob",
    5: "the one behind the yellow circle",
    10: "the object that is partly hidden by the purple blob",
}
"""The question about each clip, by the clip's seed."""


def draw_clip(seed: int) -> SyntheticClip:
    """Return the clip with a seed, as the notebook draws it."""
    return make_clip(seed=seed, num_frames=60, size=(90, 160), num_objects=4)


class FromTruth:
    """A chat model that answers about one clip with what is true of it.

    As part of grounder ``o3`` it first asks for the window of the query and the frame in it that
    it has seen and that is nearest to the best one, then for the frames around the best one; as
    soon as that is shown as keyframe, it answers.
    """

    def __init__(self, clip: SyntheticClip, text: str) -> None:
        self.clip = clip
        self.query: SyntheticQuery = next(q for q in clip.queries if q.text == text)
        assert self.query.keyframe is not None
        self.best = self.query.keyframe
        [self.track] = [t for t in clip.tracks if t.object_id in self.query.object_ids]

    def chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 1024,
        seed: int = 0,
    ) -> list[ChatReply]:
        """Answer a question of either strategy."""
        images = [p for m in messages for p in m.parts if isinstance(p, ImagePart)]
        last = messages[-1].parts
        texts = [part.text for part in last if isinstance(part, TextPart)]
        sizes = tuple((p.image.shape[0], p.image.shape[1]) for p in images)
        if messages[0].role == "system":
            answer = self._move(messages)
        elif '"percent"' in texts[-1]:
            answer = self._position(images)
        elif "time span" in texts[-1]:
            answer = self._span(images)
        else:
            answer = self._objects_of_r1(images[-1].frame or 0)
        reply = ChatReply(
            answer,
            num_tokens=len(answer) // 4,
            image_sizes=sizes,
            coordinate_space="per_mille",
        )
        return [reply] * num_samples

    # -- the sampler of R1 -----------------------------------------------------------------

    def _span(self, images: Sequence[ImagePart]) -> str:
        """Return the window of the query, or in a later round the frames around the best."""
        shown = vs.Window(images[0].frame or 0, (images[-1].frame or 0) + 1)
        window = self.query.window.clamped(shown)
        if len(window) > 0.9 * len(shown):
            window = self._around(6).clamped(shown)
        offset = images[0].time or 0.0
        start, end = (self.clip.video.time_of(f) - offset for f in (window.start, window.stop - 1))
        return json.dumps({"start": round(start, 1), "end": round(end, 1)})

    def _position(self, images: Sequence[ImagePart]) -> str:
        first, last = images[0].frame or 0, images[-1].frame or 0
        share = (min(max(self.best, first), last) - first) / max(1, last - first)
        return json.dumps({"percent": 10 * round(10 * share)})

    # -- the grounder of R1 ----------------------------------------------------------------

    def _objects_of_r1(self, frame: int) -> str:
        thought = self.query.grounding.thought
        why = f"{thought.linguistic} {thought.temporal}"
        return f"<think>{why}</think>\n<answer>{json.dumps(self._objects(frame))}</answer>"

    def _objects(self, frame: int) -> list[dict[str, list[int]]]:
        box = self.track.masks[frame]
        assert box is not None and box.box is not None
        height, width = self.clip.size
        x1, x2 = (round(1000 * x / width) for x in (box.box.x1, box.box.x2))
        y1, y2 = (round(1000 * y / height) for y in (box.box.y1, box.box.y2))
        return [{"bbox_2d": [x1, y1, x2, y2], "point_2d": [(x1 + x2) // 2, (y1 + y2) // 2]}]

    # -- the grounder of O3 ----------------------------------------------------------------

    def _move(self, messages: Sequence[Message]) -> str:
        shown = [p for p in messages[-1].parts if isinstance(p, ImagePart)]
        largest = max(shown, key=lambda part: part.max_pixels or 0)
        num_looks = sum(message.role == "assistant" for message in messages)
        has_keyframe = sum(p.max_pixels == largest.max_pixels for p in shown) == 1
        window, keyframe = self.query.window, self.best
        if has_keyframe and largest.frame == self.best:
            found = {"start": window.start, "end": window.stop - 1, "keyframe": keyframe}
            if "bbox_2d" in "".join(p.text for p in messages[0].parts if isinstance(p, TextPart)):
                found["objects"] = self._objects(keyframe)  # type: ignore[assignment]
            action = f"Confirmed on frame {keyframe}: answer."
            return f"{self._think(action)}\n<answer>{json.dumps(found)}</answer>"
        if num_looks == 0 and not has_keyframe:
            seen = [p.frame for p in shown if p.frame is not None and p.frame in window]
            keyframe = min(seen, key=lambda frame: abs(frame - self.best))
            action = f"The event is in frames {window.start} to {window.stop - 1}: look there."
        else:
            window = self._around(6)
            action = f"Frame {keyframe} shows it best: look at the frames around it."
        wanted = {"start": window.start, "end": window.stop - 1, "keyframe": keyframe}
        return f"{self._think(action)}\n<select>{json.dumps(wanted)}</select>"

    def _think(self, action: str) -> str:
        thought = self.query.grounding.thought
        return (
            f"<think>Step 1 (temporal): {thought.temporal}\n"
            f"Step 2 (spatial): {thought.spatial}\n"
            f"Step 3 (linguistic): {thought.linguistic}\n"
            f"Action: {action}</think>"
        )

    def _around(self, num_frames: int) -> vs.Window:
        whole = vs.Window(0, self.clip.num_frames)
        start = max(0, self.best - num_frames)
        return vs.Window(start, self.best + num_frames + 1).clamped(whole)


def compose(chat: Any) -> dict[str, vs.Pipeline]:
    """Return the pipelines that the notebook compares."""
    htfs = vs.use("htfs", num_spans=3, num_positions=3)
    looking = vs.use("o3", answerer="r1")
    stages: dict[str, tuple[Any, Any]] = {
        "R1": (htfs, "r1"),
        "O3": ("coarse", "o3"),
        "R1's sampler, O3's grounder": (htfs, "o3"),
        "O3's looking, R1's answer": ("coarse", looking),
    }
    return {
        name: vs.Pipeline(sampler, grounder, "flow", segmenter="cut", chat=chat, max_turns=3)
        for name, (sampler, grounder) in stages.items()
    }


def main() -> None:
    """Ask the questions of every pipeline about every clip, and keep the exchanges."""
    path = Path(__file__).with_name("comparison.jsonl")
    path.unlink(missing_ok=True)
    for seed, text in QUERIES.items():
        clip = draw_clip(seed)
        model = {"model": FromTruth(clip, text), "path": str(path)}
        chat = vs.default_registry().build("chat", "record", model)
        for name, pipe in compose(chat).items():
            episode = pipe.ground(clip.video, text)
            print(f"{name}: {text}\n{episode.trace}\n")


if __name__ == "__main__":
    main()
