"""A tiny model that says ``[SEG]``, with random weights, saved as the released checkpoints are.

Its language model is that of ``tiny_vlm``, its SAM 2 the tiny network ``toy-2.0`` of
videoseg-sam2. What it says and segments is noise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from tiny_vlm import byte_tokenizer, processor_of, save_tiny_vlm

SEG_TOKENS = ("[SEG]", "<p>", "</p>", "<vp>", "</vp>")
TOY_SAM2 = "toy-2.0"


def save_tiny_seg_model(
    folder: Path,
    *,
    family: Literal["qwen3-vl", "qwen2.5-vl"] = "qwen3-vl",
    num_vectors: int = 1,
    sam2: str = TOY_SAM2,
    num_shards: int = 2,
    max_positions: int = 8192,
    seed: int = 0,
) -> Path:
    """Build a model, and save it in the released layout.

    Args:
        folder: Where to; a folder named ``seg`` is made in it.
        family: Architecture of the language model; the released ones are Qwen3-VL.
        num_vectors: Vectors per ``[SEG]``; released are 1.
        sam2: Which network of SAM 2.
        num_shards: In how many files the weights are.
        max_positions: How many tokens the model takes.
        seed: Seed of the weights.

    Returns:
        The checkpoint's folder.
    """
    import torch
    import transformers
    from safetensors.torch import save_file
    from videoseg_sam2 import build_network, config_path

    target = folder / "seg"
    target.mkdir(parents=True)
    tokenizer = byte_tokenizer(*SEG_TOKENS)
    plain = save_tiny_vlm(
        folder / "plain", family, max_positions=max_positions, seed=seed, tokenizer=tokenizer
    )
    vlm = transformers.AutoModelForImageTextToText.from_pretrained(plain)
    network = build_network(config_path(sam2))
    hidden = vlm.config.get_text_config().hidden_size
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        projector = torch.nn.Sequential(
            torch.nn.Linear(hidden, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, network.hidden_dim * num_vectors),
        )
        # SAM 2's builder leaves many parameters zero, which would hide mistakes.
        for parameter in network.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    state = {
        **{f"model.{name}": tensor for name, tensor in vlm.state_dict().items()},
        **{f"text_hidden_fcs.{name}": tensor for name, tensor in projector.state_dict().items()},
        **{
            f"grounding_encoder.sam2_model.{name.replace('.gamma', '.g_weight')}": tensor
            for name, tensor in network.state_dict().items()
        },
    }
    _save_shards(
        target, {name: tensor.clone() for name, tensor in state.items()}, num_shards, save_file
    )
    config = json.loads((plain / "config.json").read_text())
    text = config["text_config"]
    # As releases of transformers before 5 wrote it.
    rope = text.pop("rope_parameters")
    text["rope_theta"] = rope["rope_theta"]
    text["rope_scaling"] = {"mrope_section": rope["mrope_section"], "rope_type": "default"}
    if family == "qwen3-vl":
        text["rope_scaling"]["mrope_interleaved"] = True
    config["vision_config"].pop("rope_parameters", None)
    config |= {
        "model_type": "sa2va_chat",
        "architectures": ["Sa2VAChatModelQwen"],
        "auto_map": {
            "AutoConfig": "configuration_sa2va_chat.Sa2VAChatConfigQwen",
            "AutoModel": "modeling_sa2va_qwen.Sa2VAChatModelQwen",
            "AutoModelForCausalLM": "modeling_sa2va_qwen.Sa2VAChatModelQwen",
        },
        "template": "qwen_chat",
        "tie_word_embeddings": False,
    }
    (target / "config.json").write_text(json.dumps(config, indent=2))
    processor_of(family, tokenizer).save_pretrained(target)
    generation = (plain / "generation_config.json").read_text()
    (target / "generation_config.json").write_text(generation)
    return target


def _save_shards(folder: Path, state: dict[str, Any], num_shards: int, save_file: Any) -> None:
    if num_shards == 1:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(state)
    where = {}
    for number in range(num_shards):
        file = f"model-{number + 1:05}-of-{num_shards:05}.safetensors"
        part = {name: state[name] for name in names[number::num_shards]}
        save_file(part, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    index = {"metadata": {"total_size": size}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
