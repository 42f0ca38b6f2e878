"""Write ``valentine.jsonl``: hand-written answers of a model about the demo clip.

They were written while looking at the clip; no model produced them. The notebook
``videoseg_r1_step_by_step.ipynb`` replays them, so that it runs without a model. To record a
real one, give ``record`` the chat model of your choice instead of ``ByHand``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from videoseg_synthetic import demo_clip

import videoseg as vs
from videoseg.types import ChatReply, ImagePart, Message

QUERY = "the shape you would draw on a valentine, while it hides what is behind it"

SPANS = (("0.9", "3.3"), ("1.1", "3.1"), ("1.0", "3.2"))
NARROWER = (("0.7", "1.6"), ("0.5", "1.5"), ("0.6", "1.7"))
POSITIONS = (40, 55, 50)
THOUGHT = (
    "A valentine has a heart on it. Of the shapes, a red heart moves to the right and passes in "
    "front of a blue checked circle that stays where it is. In the target frame the heart "
    "covers the middle of the circle. The circle is what it is most easily mistaken for."
)


class ByHand:
    """A chat model that returns the answers written above."""

    def __init__(self) -> None:
        self.num_calls = 0

    def chat(
        self,
        messages: Sequence[Message],
        *,
        num_samples: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 1024,
        seed: int = 0,
    ) -> list[ChatReply]:
        """Return the answers to the questions of the strategy, in order."""
        images = [p for m in messages for p in m.parts if isinstance(p, ImagePart)]
        texts = [self._grounding(images[-1].frame or 0)]
        if self.num_calls < 2:
            spans = (SPANS, NARROWER)[self.num_calls]
            texts = [f'{{"start": {start}, "end": {end}}}' for start, end in spans]
        elif self.num_calls == 2:
            texts = [f'{{"percent": {percent}}}' for percent in POSITIONS]
        self.num_calls += 1
        sizes = tuple((p.image.shape[0], p.image.shape[1]) for p in images)
        return [
            ChatReply(
                text,
                num_tokens=len(text) // 4,
                image_sizes=sizes,
                coordinate_space="per_mille",
            )
            for text in texts[:num_samples]
        ]

    def _grounding(self, frame: int) -> str:
        clip = demo_clip(size=(180, 320), num_frames=60)
        box = clip.tracks[0].masks[frame].box
        height, width = clip.size
        x1, x2 = (round(1000 * x / width) for x in (box.x1, box.x2))
        y1, y2 = (round(1000 * y / height) for y in (box.y1, box.y2))
        answer = {
            "bbox_2d": [x1, y1, x2, y2],
            "point_2d": [(x1 + x2) // 2, (y1 + y2) // 2 - 20],
            "neg_point_2d": [x2 + 10, y1],
        }
        return f"<think>{THOUGHT}</think>\n<answer>{json.dumps([answer])}</answer>"


def main() -> None:
    """Ask the questions once and keep the exchanges."""
    path = Path(__file__).with_name("valentine.jsonl")
    path.unlink(missing_ok=True)
    chat = vs.default_registry().build("chat", "record", {"model": ByHand(), "path": str(path)})
    options = {"num_spans": 3, "num_positions": 3}
    pipe = vs.Pipeline(vs.use("htfs", **options), "r1", "flow", segmenter="cut", chat=chat)
    video = demo_clip(size=(180, 320), num_frames=60).video
    episode = pipe.ground(video, QUERY)
    print(episode.trace)


if __name__ == "__main__":
    main()
