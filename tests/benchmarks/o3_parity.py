"""Compare the ``[SEG]`` strategy with the released modelling code: same words, same masks.

Run from the repository root, with a checkout of Dmmm1997/VideoSEG-O3:

    python tests/benchmarks/o3_parity.py --reference DIR --python VENV/bin/python

Both get one checkpoint with tiny random weights in the released layout, and a drawn clip. The
output head alone is fitted, so that the model says whole conversations (see ``teach`` in
``o3_reference.py``): one, two and three turns, and such as go wrong. The reference runs first,
in the interpreter named with ``--python``; it is pinned to transformers 4.57.0.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sam2_reference import sharpen
from videoseg_sam2 import config_path
from videoseg_synthetic import make_clip

import videoseg as vs
from videoseg.types import ChatReply, Message

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

QUERY = "the largest thing that moves to the left"
NUM_FRAMES, SIZE, SEED = 30, (540, 960), 3
"""Frames are larger than every limit of pixels, so that each of them is applied."""

RELEASED_SAM2 = "sam2-hiera-large"
EMBEDDING_TOLERANCE, LEAST_IOU = 1e-4, 0.999

THOUGHT = (
    "<think>Step 1: It moves from frame 4 on. Step 2: It is on the left. Step 3: It is the "
    "largest. Action: {action}</think>"
)


@dataclass(frozen=True)
class Case:
    """A conversation.

    Args:
        name: What it is called.
        says: The pieces of each turn's text.
        max_turns: How many turns are allowed; several are compared one by one.
        absent: Whether SAM 2 takes the object for absent.
        query: What is asked.
        num_frames: Length of the clip.
        size: Its (height, width).
    """

    name: str
    says: tuple[tuple[str, ...], ...]
    max_turns: tuple[int, ...] = (3,)
    absent: bool = False
    query: str = QUERY
    num_frames: int = NUM_FRAMES
    size: tuple[int, int] = SIZE

    def make_video(self) -> vs.Video:
        """Draw the clip."""
        return make_clip(seed=SEED, num_frames=self.num_frames, size=self.size).video


def select(window: str, seg: bool = True) -> tuple[str, ...]:
    """Return a turn that asks for frames."""
    opening = f"{THOUGHT.format(action='See new segment.')}<select><VTG>{window}</VTG> <RefSeg>"
    return (opening, *(["[SEG]"] if seg else []), "</RefSeg></select>")


def answer(window: str, *marks: str) -> tuple[str, ...]:
    """Return a turn that answers."""
    span = f"<VTG>{window}</VTG> " if window else ""
    opening = f"{THOUGHT.format(action='Confirmed.')}<answer>{span}<RefSeg>"
    return (opening, *marks, "</RefSeg></answer>")


def window(start: int, end: int, keyframe: int) -> str:
    """Return a window as the released models write it."""
    return json.dumps({"start": start, "end": end, "keyframe": keyframe})


FIRST, SECOND = select(window(4, 20, 11)), select(window(8, 11, 9))
LAST = answer(window(7, 12, 10), "[SEG]")

CASES = (
    Case("turns", (FIRST, SECOND, LAST), max_turns=(1, 2, 3)),
    Case("absent", (FIRST, LAST), absent=True),
    Case("at-once", (LAST,)),
    Case("at-once-no-window", (answer("", "[SEG]"),)),
    Case("looks-for-ever", (FIRST, SECOND, select(window(0, 29, 15)))),
    Case("no-key", (FIRST, select('{"start": 8, "end": 11}'))),
    Case("no-json", (FIRST, select("from 8 to 11"))),
    Case("no-json-first", (select("from 8 to 11"),)),
    Case("python-literal", (FIRST, select("{'start': 8, 'end': 11, 'keyframe': 9}"))),
    Case("end-before-start", (FIRST, select(window(12, 8, 13)))),
    Case("outside-video", (select(window(-5, 99, 77)), LAST)),
    Case("keyframe-outside-window", (select(window(4, 8, 20)), LAST)),
    Case("one-frame", (select(window(6, 6, 6)), LAST)),
    Case("never-seg", (select(window(4, 20, 11), seg=False), answer(window(7, 12, 10)))),
    Case("seg-before-only", (FIRST, answer(window(7, 12, 10)))),
    Case("two-segs", (FIRST, answer(window(7, 12, 10), "[SEG]", ", ", "[SEG]"))),
    Case("odd-query", (FIRST, LAST), query='l\'objet  <image>"rouge"\n\u2014 à gauche?'),
    Case("short", (select(window(1, 4, 2)), LAST), num_frames=6, size=(214, 120)),
    Case("one-frame-video", (select(window(0, 0, 0)), LAST), num_frames=1, size=(64, 300)),
)


def save_checkpoint(folder: Path, cases: Sequence[Case], sam2: str) -> Path:
    """Save a random checkpoint as transformers 4.57 would have, which is what was released."""
    from safetensors.torch import load_file, save_file
    from tiny_seg_model import save_tiny_seg_model

    known = {"[SEG]"}
    pieces = [piece for case in cases for turn in case.says for piece in turn]
    sentences = [piece for piece in dict.fromkeys(pieces) if piece not in known]
    checkpoint = save_tiny_seg_model(folder, sentences=sentences, sam2=sam2, num_shards=1)
    weights = checkpoint / "model.safetensors"
    state = load_file(weights)
    sharpen(state)
    save_file(state, weights, metadata={"format": "pt"})
    # The limits of the published Qwen3-VL: small frames are enlarged.
    facts = {
        "size": {"shortest_edge": 65536, "longest_edge": 16777216},
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor",
    }
    for name, kind, options in (
        ("preprocessor_config.json", "image_processor_type", "Qwen2VLImageProcessorFast"),
        ("video_preprocessor_config.json", "video_processor_type", "Qwen3VLVideoProcessor"),
    ):
        (checkpoint / name).write_text(json.dumps({**facts, kind: options}, indent=2))
    (checkpoint / "processor_config.json").unlink()
    tokens = json.loads((checkpoint / "tokenizer_config.json").read_text())
    tokens.pop("backend")
    tokens["tokenizer_class"] = "Qwen2Tokenizer"
    tokens["additional_special_tokens"] = tokens.pop("extra_special_tokens")
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(tokens, indent=2))
    return checkpoint


def run_reference(work: Path, reference: Path, python: str) -> dict[str, str]:
    """Run the released code on every case and return the versions that it ran with."""
    script = HERE / "o3_reference.py"
    command = [python, str(script), "--reference", str(reference), "--work", str(work)]
    subprocess.run(command, check=True)
    return json.loads((work / "reference.json").read_text())


@dataclass
class Outcome:
    """What one side has done in one conversation of n turns.

    Args:
        texts: What the model said in each turn.
        tokens: The token ids of each turn's prompt.
        pixels: What the vision encoder is given in each turn, shape (patches, values).
        keyframe: The frame on which the mask was decoded.
        embedding: The prompt of SAM 2; None where there is no ``[SEG]``.
        masks: Shape (T, H, W).
        logits: Of the keyframe, segmented alone, at a quarter of SAM 2's input; shape (h, w).
    """

    texts: list[str]
    tokens: list[np.ndarray]
    pixels: list[np.ndarray]
    keyframe: int | None
    embedding: np.ndarray | None
    masks: np.ndarray
    logits: np.ndarray | None


def read_outcome(file: Path, case: Case) -> Outcome:
    """Read what the reference has done."""
    with np.load(file) as data:
        facts = json.loads(str(data["facts"]))
        turns = range(len(facts["prompts"]))
        return Outcome(
            texts=facts["texts"],
            tokens=[data[f"input_ids_{turn}"][0] for turn in turns],
            pixels=[data[f"pixel_values_{turn}"] for turn in turns],
            keyframe=facts["keyframe"],
            embedding=data.get("embedding"),
            # The evaluation script writes empty masks where there are none.
            masks=data["masks"] if "masks" in data else no_masks(case),
            logits=data.get("shot"),
        )


def no_masks(case: Case) -> np.ndarray:
    """Return empty masks for a clip."""
    return np.zeros((case.num_frames, *case.size), bool)


class NotingChat:
    """A chat model that notes what it is given and what it says."""

    def __init__(self, checkpoint: Path) -> None:
        from torchvision_builds import declare_missing_operators

        declare_missing_operators()
        from videoseg_o3.model.chat import SegChat
        from videoseg_o3.model.checkpoint import SegOptions, load_seg_model
        from videoseg_o3.model.reader import PromptReader

        self.model = load_seg_model(SegOptions(str(checkpoint), dtype="float32", device="cpu"))
        self._reader = PromptReader(self.model.processor)
        self._chat = SegChat.of(self.model, complete_last=False)
        self.conversations: list[Any] = []
        self.replies: list[ChatReply] = []

    def chat(self, messages: Sequence[Message], **options: Any) -> Sequence[ChatReply]:
        replies = self._chat.chat(messages, **options)
        self.conversations.append(self._reader.read(messages))
        self.replies += replies
        return replies

    def segment(self, frame: np.ndarray, embedding: np.ndarray) -> np.ndarray:
        """Return the logits of a single frame, as training has them."""
        import torch

        with torch.no_grad():
            vector = torch.tensor(embedding, dtype=torch.float32)[None, None]
            return self.model.mask_logits(self.model.image_input([frame]), vector)[0].numpy()


def run_ours(checkpoint: Path, case: Case, max_turns: int) -> Outcome:
    """Run the pipeline of released behavior."""
    video = case.make_video()
    chat = NotingChat(checkpoint)
    pipe = vs.Pipeline(
        vs.use("coarse", preset="eval"),
        vs.use("o3", answer="seg", behavior="released"),
        vs.use("o3", model=str(checkpoint), device="cpu", precision="float32"),
        chat=chat,
        max_turns=max_turns,
    )
    result = pipe(video, case.query)
    keyframe, prompts = result.grounding.keyframe, result.grounding.prompts
    embedding = np.asarray(prompts[0].embedding.values) if prompts else None
    return Outcome(
        texts=[reply.text for reply in chat.replies],
        tokens=[np.asarray(one.tokens) for one in chat.conversations],
        pixels=[
            np.concatenate([image.make_patches().numpy() for image in one.images])
            for one in chat.conversations
        ],
        keyframe=keyframe,
        embedding=embedding,
        masks=result.tracks[0].dense() if result.tracks else no_masks(case),
        logits=chat.segment(next(iter(video.read([keyframe]))), embedding) if prompts else None,
    )


def compare(ours: Outcome, theirs: Outcome) -> dict[str, Any]:
    """Return how two outcomes differ."""
    same_turns = len(ours.tokens) == len(theirs.tokens)
    both = ours.embedding is not None and theirs.embedding is not None
    overlap = (ours.masks & theirs.masks).sum((1, 2))
    union = (ours.masks | theirs.masks).sum((1, 2))
    return {
        "turns": len(theirs.texts),
        "prompt": same_turns and all(map(np.array_equal, ours.tokens, theirs.tokens)),
        "pixels": max(map(largest_difference, ours.pixels, theirs.pixels)),
        "text": ours.texts == theirs.texts,
        "embedding": largest_difference(ours.embedding, theirs.embedding) if both else None,
        "logits": largest_difference(ours.logits, theirs.logits) if both else None,
        "has_embedding": (ours.embedding is not None) == (theirs.embedding is not None),
        "keyframe": (ours.keyframe, theirs.keyframe),
        "iou": float(np.where(union == 0, 1.0, overlap / np.maximum(union, 1)).min()),
        "wrong": int((ours.masks != theirs.masks).sum()),
        "covered": float(theirs.masks.mean()),
    }


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference of two arrays; infinity if their shapes differ."""
    if one.shape != other.shape:
        return np.inf
    return float(np.abs(one.astype(np.float64) - other).max())


def agrees(row: dict[str, Any]) -> bool:
    """Return whether a comparison is within the tolerances."""
    ours, theirs = row["keyframe"]
    # Where nothing is segmented, the frame that it would have been does not matter.
    same_frame = ours == theirs or not row["covered"]
    embedding = row["embedding"] is None or row["embedding"] <= EMBEDDING_TOLERANCE
    return bool(
        row["prompt"]
        and row["text"]
        and row["has_embedding"]
        and embedding
        and same_frame
        and row["iou"] >= LEAST_IOU
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="a checkout")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the reference")
    parser.add_argument("--sam2", default="toy-2.0", help="network of SAM 2")
    parser.add_argument("--cases", nargs="*", help="names; by default all")
    parser.add_argument("--work", type=Path, help="a folder for the files, which are kept")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = [case for case in CASES if not arguments.cases or case.name in arguments.cases]
    with tempfile.TemporaryDirectory() as temporary:
        rows = run(arguments.work or Path(temporary), cases, arguments)
    print_table(rows)
    return int(not all(agrees(row) for row in rows))


def run(work: Path, cases: Sequence[Case], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Run both sides on every case; what the reference has done before is not done again."""
    if not (work / "reference.json").is_file():
        for case in cases:
            frames = case.make_video().read(range(case.num_frames))
            (work / case.name).mkdir(parents=True)
            np.save(work / case.name / "frames.npy", np.stack(list(frames)))
        config = None if arguments.sam2 == RELEASED_SAM2 else str(config_path(arguments.sam2))
        task = {
            "checkpoint": str(save_checkpoint(work / "random", cases, arguments.sam2)),
            "sam2_config": config,
            "cases": [asdict(case) for case in cases],
        }
        (work / "task.json").write_text(json.dumps(task))
        run_reference(work, arguments.reference, arguments.python)
    versions = json.loads((work / "reference.json").read_text())
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    rows = []
    for case in cases:
        for max_turns in case.max_turns:
            theirs = read_outcome(work / case.name / f"reference-{max_turns}.npz", case)
            ours = run_ours(work / case.name / "checkpoint", case, max_turns)
            rows.append({"case": case.name, **compare(ours, theirs)})
    return rows


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows as Markdown."""
    print(
        "| conversation | turns | prompts | pixel values | texts | embedding | keyframe | "
        "logits of the keyframe | least IoU | pixels that differ | covered | |"
    )
    print("|" + "---|" * 12)
    for row in rows:
        ours, theirs = row["keyframe"]
        embedding = describe(row["embedding"]) if row["has_embedding"] else "only one has any"
        verdict = "" if agrees(row) else "OUT OF TOLERANCE"
        cells = (
            row["case"],
            row["turns"],
            "same" if row["prompt"] else "differ",
            describe(row["pixels"]),
            "same" if row["text"] else "differ",
            embedding,
            theirs if ours == theirs else f"{ours}, reference {theirs}",
            describe(row["logits"]),
            f"{row['iou']:.4f}",
            row["wrong"],
            f"{row['covered']:.0%}",
            verdict,
        )
        print("| " + " | ".join(map(str, cells)) + " |")


def describe(difference: float | None) -> str:
    """Return a difference as text."""
    if difference is None:
        return "none"
    return f"{difference:.1e}" if difference else "0"


if __name__ == "__main__":
    raise SystemExit(main())
