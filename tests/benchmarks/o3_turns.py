"""Measure episodes of the [SEG] model: passes of the vision encoder, and seconds for each turn.

Run from the repository root:

    python tests/benchmarks/o3_turns.py
    python tests/benchmarks/o3_turns.py --frames equal

An episode has three turns with the frames of the official evaluation: 20 small and 8 larger ones
at first, then 5 small ones and a keyframe twice. ``--frames equal`` shows 5 small frames and a
keyframe in every turn, so that turns differ only in what stands before them. Every answer has the
same number of tokens. Weights are random; the network has the structure of Qwen3-VL, and fewer
and narrower layers. Each episode is run with what earlier turns computed, and without, in turn.

Ends with status 1 if more images are encoded than there are pairs of frame and size, or if turn 3
takes more than 1.5 times as long as turn 1.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from torchvision_builds import declare_missing_operators

declare_missing_operators()

import torch  # noqa: E402
import transformers  # noqa: E402
from tiny_seg_model import SEG_TOKENS  # noqa: E402
from tiny_vlm import byte_tokenizer, processor_of  # noqa: E402
from videoseg_o3 import SegChat  # noqa: E402
from videoseg_o3.model.network import SegModel, make_projector  # noqa: E402

from videoseg.types import ChatReply, ImagePart, Message, TextPart  # noqa: E402

SQUARE = 28 * 28
SMALL, LARGER, LARGEST = 32 * SQUARE, 256 * SQUARE, 512 * SQUARE
NUM_FRAMES = 120
GOAL = 1.5
# The lower bound of Qwen3-VL's own processor.
LEAST_PIXELS = 65_536


def build_model(layers: int, width: int, device: str) -> SegModel:
    """Return a model with random weights that never ends an answer."""
    tokenizer = byte_tokenizer(*SEG_TOKENS)
    names = ("image_pad", "video_pad", "vision_start", "vision_end")
    tokens = {
        f"{name}_token_id".replace("pad_token", "token"): tokenizer.convert_tokens_to_ids(
            f"<|{name}|>"
        )
        for name in names
    }
    text = {
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": max(1, width // 128),
        "head_dim": 64,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 65_536,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5e6,
            "mrope_section": [12, 10, 10],
        },
        "bos_token_id": None,
        "eos_token_id": None,
    }
    vision = {
        "depth": max(3, layers // 2),
        "hidden_size": width // 2,
        "intermediate_size": 2 * width,
        "num_heads": max(1, width // 128),
        "out_hidden_size": width,
        "patch_size": 16,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [0, 1, 2],
    }
    config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **tokens)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        vlm = transformers.Qwen3VLForConditionalGeneration(config).eval()
        projector = make_projector(width, 256)
    with torch.no_grad():
        # Of equal logits the first is taken, so that only printable letters are said, which are
        # read as the same tokens in the next turn.
        letters = torch.arange(len(tokenizer)) % 90
        vlm.lm_head.weight.copy_(vlm.lm_head.weight[letters])
    vlm.generation_config.eos_token_id = None
    processor = processor_of("qwen3-vl", tokenizer)
    processor.image_processor.size = {"shortest_edge": LEAST_PIXELS, "longest_edge": 2**24}
    return SegModel(vlm, projector, None, processor).to(device)


def turns_of(frames: str) -> list[list[tuple[int, int]]]:
    """Return frame and budget of each image that a turn adds."""

    def spread(first: int, last: int, count: int) -> list[int]:
        return [int(frame) for frame in np.linspace(first, last, count)]

    looks = [(spread(30, 90, 5), 60), (spread(50, 80, 5), 66)]
    begin = [(frame, SMALL) for frame in spread(0, NUM_FRAMES - 1, 20)]
    begin += [(frame, LARGER) for frame in spread(0, NUM_FRAMES - 1, 8)]
    if frames == "equal":
        looks.insert(0, (spread(0, 119, 5), 40))
        begin = []
    later = [
        [*((frame, SMALL) for frame in window), (keyframe, LARGEST)] for window, keyframe in looks
    ]
    return [begin, *later] if begin else later


def ask_in_turn(
    chat: SegChat,
    turns: list[list[tuple[int, int]]],
    *,
    num_tokens: int,
    keep: bool,
    clock: Callable[[], float],
) -> Iterator[tuple[ChatReply, float]]:
    """Yield the reply of each turn of an episode, and its seconds."""
    chat._loaded = None
    messages = [Message("system", (TextPart("Think, look, answer."),))]
    for turn in turns:
        images = [ImagePart(picture(frame), max_pixels=budget) for frame, budget in turn]
        messages.append(Message("user", (*images, TextPart("Where is the dog?"))))
        if not keep:
            chat._loaded = None
        begin = clock()
        [reply] = chat.chat(messages, max_tokens=num_tokens)
        yield reply, clock() - begin
        messages.append(Message("assistant", (TextPart(reply.text),)))


def picture(frame: int) -> Any:
    """Return a frame of 480x854 pixels."""
    coarse = np.random.default_rng(frame).integers(0, 255, (15, 27, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(32, 0).repeat(32, 1)[:480, :854])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", choices=["evaluation", "equal"], default="evaluation")
    parser.add_argument("--tokens", type=int, default=64, help="of each answer")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--clock",
        choices=["wall", "cpu"],
        default="wall",
        help="cpu counts the seconds of this process only, for a machine that does other work",
    )
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    model = build_model(arguments.layers, arguments.width, arguments.device)
    chat = SegChat.of(model.to(getattr(torch, arguments.dtype)))
    turns = turns_of(arguments.frames)
    clock = time.process_time if arguments.clock == "cpu" else time.perf_counter
    seconds: dict[bool, list[list[float]]] = {True: [], False: []}
    replies: dict[bool, list[ChatReply]] = {}
    for _ in range(arguments.repeats):
        for keep in (True, False):
            run = list(
                ask_in_turn(chat, turns, num_tokens=arguments.tokens, keep=keep, clock=clock)
            )
            replies[keep] = [reply for reply, _ in run]
            seconds[keep].append([taken for _, taken in run])
    print(
        f"{arguments.layers} layers of width {arguments.width}, {arguments.dtype} on "
        f"{arguments.device}, {torch.get_num_threads()} threads, {arguments.tokens} tokens an "
        f"answer, {arguments.clock} seconds, median of {arguments.repeats} episodes\n"
    )
    print("| turn | new images | tokens | computed | s | without cache, s | ratio |")
    print("|---|---|---|---|---|---|---|")
    medians = {
        keep: [statistics.median(column) for column in zip(*rows, strict=True)]
        for keep, rows in seconds.items()
    }
    for number, turn in enumerate(turns):
        reply, kept, fresh = replies[True][number], medians[True][number], medians[False][number]
        print(
            f"| {number + 1} | {len(turn)} | {reply.num_prompt_tokens} | "
            f"{reply.details['computed_tokens']} | {kept:.2f} | {fresh:.2f} | {kept / fresh:.2f} |"
        )
    shown = len({pair for turn in turns for pair in turn})
    encoded = {
        keep: sum(reply.details["encoded_images"] for reply in said)
        for keep, said in replies.items()
    }
    growth = {keep: column[2] / column[0] for keep, column in medians.items()}
    same = [reply.text for reply in replies[True]] == [reply.text for reply in replies[False]]
    print(f"\nturn 3 / turn 1: {growth[True]:.2f}; without cache {growth[False]:.2f}")
    print(f"images encoded: {encoded[True]} of {shown} pairs; without cache {encoded[False]}")
    print(f"same answers with and without cache: {'yes' if same else 'no'}")
    return int(encoded[True] != shown or growth[True] > GOAL or not same)


if __name__ == "__main__":
    raise SystemExit(main())
