"""A tiny vision-language model that says one sentence, whatever it is shown.

With random weights a model says noise, and the stages behind it have nothing to do. Here its
weights are set by hand: each layer adds nothing, so that the next token depends on the last
one only, and what follows the opening of an answer is the sentence, as one token. Tokenizer,
processor, vision tower, cache and generation are the real ones and do all their work.
"""

from __future__ import annotations

from pathlib import Path

from tiny_vlm import Family, save_tiny_vlm

SENTENCE = '{"start": 0.4, "end": 1.6, "percent": 50, "bbox_2d": [280, 250, 700, 740]}'
"""Read as a span, as a position and as an object, so that one sentence serves all stages."""


def save_rigged_vlm(
    folder: Path, family: Family = "qwen3-vl", *, sentence: str = SENTENCE, seed: int = 0
) -> Path:
    """Build a tiny model that says one sentence, and save it; see ``save_tiny_vlm``."""
    # First, so that it can make torchvision importable where builds do not match.
    path = save_tiny_vlm(folder, family, seed=seed)
    import torch
    from tokenizers import AddedToken
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(path)
    tokenizer = processor.tokenizer
    [opening] = tokenizer("\n").input_ids
    tokenizer.add_tokens([AddedToken(sentence, special=False, normalized=False)])
    said = tokenizer.convert_tokens_to_ids(sentence)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model = AutoModelForImageTextToText.from_pretrained(path)
    model.resize_token_embeddings(len(tokenizer))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "language_model.layers" in name and ("o_proj" in name or "down_proj" in name):
                weight.zero_()
        inputs, outputs = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        outputs.zero_()
        for before, after in ((opening, said), (said, end)):
            outputs[after] = 20 * torch.nn.functional.normalize(inputs[before], dim=0)
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return path
