"""Tiny checkpoints of transformers' video trackers, saved as the library saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from torchvision_builds import declare_missing_operators

# The video processors need torchvision's Python half.
declare_missing_operators()

SIDE = 64

SHARED = {
    "memory_attention_hidden_size": 128,
    "memory_attention_num_layers": 1,
    "memory_encoder_hidden_size": 128,
    # The library has 64 written into its attention.
    "memory_encoder_output_channels": 64,
    "mask_downsampler_embed_dim": 128,
    "memory_fuser_num_layers": 1,
    "memory_fuser_embed_dim": 128,
    "memory_fuser_intermediate_dim": 32,
}
DECODER = {
    "hidden_size": 128,
    "mlp_dim": 32,
    "num_attention_heads": 2,
    "iou_head_hidden_dim": 32,
    "num_hidden_layers": 1,
}


def prompt_encoder(side: int = SIDE, patch: int = 16) -> dict[str, Any]:
    return {"hidden_size": 128, "image_size": side, "patch_size": patch, "mask_input_channels": 4}


def sam2_vision() -> Any:
    hiera = transformers.Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIDE, SIDE],
        window_positional_embedding_background_size=[7, 7],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[8, 4, 4, 2],
        global_attention_blocks=[3],
    )
    return transformers.Sam2VisionConfig(
        backbone_config=hiera,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        fpn_hidden_size=128,
    )


def sam2_config() -> Any:
    return transformers.Sam2VideoConfig(
        vision_config=sam2_vision(),
        prompt_encoder_config=prompt_encoder(),
        mask_decoder_config=DECODER,
        image_size=SIDE,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[4, 4],
        **SHARED,
    )


def edgetam_config(vision: Any) -> Any:
    return transformers.EdgeTamVideoConfig(
        vision_config=vision,
        prompt_encoder_config=prompt_encoder(),
        mask_decoder_config=DECODER,
        image_size=SIDE,
        memory_attention_mlp_hidden_size=32,
        memory_attention_rope_feat_sizes=[4, 4],
        memory_attention_rope_k_sizes=[2, 2],
        perceiver_resampler_num_latents=4,
        perceiver_resampler_num_latents_2d=4,
        perceiver_resampler_hidden_size=64,
        perceiver_resampler_mlp_intermediate_size=16,
        perceiver_resampler_attention_head_dim=64,
        **SHARED,
    )


def sam3_config() -> Any:
    side = 56
    vision = transformers.Sam3VisionConfig(
        backbone_config={
            "model_type": "sam3_vit_model",
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": side,
            "patch_size": 14,
            "window_size": 2,
            "global_attn_indexes": [0],
            "pretrain_image_size": 28,
        },
        fpn_hidden_size=128,
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
    )
    return transformers.Sam3TrackerVideoConfig(
        vision_config=vision,
        prompt_encoder_config=prompt_encoder(side, 14),
        mask_decoder_config=DECODER,
        image_size=side,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[4, 4],
        **SHARED,
    )


def enliven(model: Any) -> None:
    """Make random weights differ from frame to frame, with objects in sight."""
    generator = torch.Generator().manual_seed(3)
    for name, value in model.named_parameters():
        if (value.ndim > 1 and not name.startswith("vision_encoder")) or not value.any():
            value.data = torch.randn(value.shape, generator=generator) * 0.3
    for name, value in model.mask_decoder.pred_obj_score_head.named_parameters():
        if name.endswith("proj_out.bias"):
            value.data += 60.0


def save_tracker(config: Any, model_name: str, folder: Path) -> Path:
    """Save a checkpoint with random weights and return its folder."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = getattr(transformers, model_name)(config)
    enliven(model)
    return save_with_processor(model, folder)


def save_with_processor(model: Any, folder: Path) -> Path:
    """Save a tracker as a whole checkpoint, with the processor of its kind; returns the folder."""
    model.save_pretrained(folder)
    size = {"height": model.config.image_size, "width": model.config.image_size}
    is_sam3 = "Sam3" in type(model).__name__
    images = transformers.Sam3ImageProcessor if is_sam3 else transformers.Sam2ImageProcessor
    videos = transformers.Sam2VideoVideoProcessor
    processor = (
        transformers.Sam3TrackerVideoProcessor if is_sam3 else transformers.Sam2VideoProcessor
    )
    processor(images(size=size), videos(size=size)).save_pretrained(folder)
    return folder


def save_tiny(network: str, folder: Path) -> Path:
    """Save a tiny checkpoint of ``sam2``, ``edgetam`` (with SAM 2's image encoder) or ``sam3``."""
    if network == "edgetam":
        return save_tracker(edgetam_config(sam2_vision()), "EdgeTamVideoModel", folder)
    if network == "sam3":
        return save_tracker(sam3_config(), "Sam3TrackerVideoModel", folder)
    return save_tracker(sam2_config(), "Sam2VideoModel", folder)
