"""The tiny ``[SEG]`` model: the tiny language model, a projector and a tiny SAM 2."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from videoseg_o3 import SegModel, new_seg_model, save_seg_model

__all__ = ["TAGS", "export_seg_model", "new_tiny_seg_model"]

TAGS = ("<VTG>", "</VTG>", "<RefSeg>", "</RefSeg>")
"""Tags of VideoSEG-O3's answers that become tokens; the vocabulary has no capitals otherwise."""


def new_tiny_seg_model(vlm: str | Path, sam2: Any, folder: Path, *, seed: int = 0) -> SegModel:
    """Make a model to train: the tiny language model with the tokens of ``[SEG]`` answers.

    Args:
        vlm: Folder of the tiny language model, such as the shipped one.
        sam2: Of the tiny size, trained.
        folder: Where its parameters are written to, from which the model is made.
        seed: Seed of the projector and of the new tokens.
    """
    import torch
    from tokenizers import AddedToken

    path = folder / "sam2.pt"
    torch.save({"model": sam2.state_dict()}, path)
    model = new_seg_model(vlm, path, dtype="float32", device="cpu", seed=seed)
    tokenizer = model.processor.tokenizer
    tokenizer.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in TAGS])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.vlm.resize_token_embeddings(len(tokenizer))
    return model


def export_seg_model(model: SegModel, folder: Path) -> Path:
    """Write a model as a released-style checkpoint in half precision.

    Args:
        model: The model; it is left as it is.
        folder: Where to.
    """
    import torch

    # Numbers of this size lose less in float16 than in bfloat16.
    return save_seg_model(copy.deepcopy(model).to(torch.float16), folder)
