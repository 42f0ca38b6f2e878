"""What models answer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from scripted_chat import ScriptedChat

import videoseg as vs
from inputs.common import Inputs, SkippedError
from videoseg.testing import moving_square

_GOOD = (
    '<think>It moves.</think>\n<answer>[{"bbox_2d": [100, 200, 300, 400], "point_2d": [150, 250],'
    ' "label": "a square"}]</answer>'
)
_FRAGMENTS = (
    *("[", "]", "{", "}", ",", ":", '"', "'", "`" * 3, "json", "bbox_2d", "point_2d", "<think>"),
    *("</think>", "<answer>", "</answer>", "1", "-5", "1e999", "NaN", "1" * 400, "0.5", "\\ud800"),
    *("\ud800", "\x1b[2J", "\u202e", "null", "none", "not in the video", "None", "\\", "#", "//"),
    *(
        "10, 20, 30, 40",
        "(1, 2)",
        "<box>",
        "x1",
        "label",
        "\n",
        " ",
        "true",
        "\ufeff",
        "<|im_end|>",
    ),
)


def inputs(folder: Path, rng: random.Random) -> Inputs:
    """Yield the inputs."""
    texts = {
        "good": _GOOD,
        "empty": "",
        "open": "[" * 50_000,
        "pairs": ("[" * 34 + "]" * 33 + ",") * 1000,
        "objects": '{"a":' * 20_000,
        "quotes": '"' * 100_000,
        "escapes": '"' + "\\" * 100_001,
        "numbers": "[" + ",".join(["1"] * 60_000) + "]",
        "digits": f"[{'9' * 100_000}, 1, 2, 3]",
        "boxes": "[" + ",".join(['{"bbox_2d": [1, 2, 3, 4]}'] * 3000) + "]",
        "infinite": '[{"bbox_2d": [1e999, 0, 1, 1]}]',
        "nan": '[{"bbox_2d": [NaN, 0, 1, 1]}]',
        "label": '[{"bbox_2d": [1, 2, 30, 40], "label": "\\ud800\\u001b[2J"}]',
        "thinks": "<think>" * 20_000,
        "fences": "```json\n" * 10_000,
        "spaces": " " * 200_000,
        "commas": "[" + "," * 100_000,
        "words": "the box is at " * 10_000,
    }
    for number in range(70):
        letters = list(_GOOD)
        for _ in range(rng.randrange(1, 12)):
            letters.insert(rng.randrange(len(letters)), rng.choice(_FRAGMENTS))
        texts[f"mixed-{number}"] = "".join(letters)
    for number in range(40):
        texts[f"fragments-{number}"] = "".join(
            rng.choice(_FRAGMENTS) for _ in range(rng.randrange(3, 400))
        )
    for name, text in texts.items():
        yield name, lambda place, text=text: _answer(place, text)


def _answer(place: Path, text: str) -> None:
    try:
        from videoseg_r1 import ReasoningGrounder
    except ImportError as error:
        raise SkippedError(str(error)) from error
    grounder: Any = ReasoningGrounder(chat=ScriptedChat.saying(text))
    video = moving_square(4, size=(48, 64)).video
    window = vs.Window(0, 4)
    selection = vs.FrameSelection.of([0, 2], window=window, keyframe=2)
    move = grounder.step(vs.Episode(video, "the square", selections=(selection,)))
    for prompt in move.prompts:
        if prompt.box is not None and prompt.box.clipped(video.size) is None:
            raise AssertionError(f"a box outside the frame: {prompt.box}")
