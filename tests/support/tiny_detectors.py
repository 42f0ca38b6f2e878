"""Tiny detectors of transformers with random weights, saved as real checkpoints.

The classes and the processors are the real ones; only the sizes are small and the tokenizer knows
few words. What they find is noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

from torchvision_builds import declare_missing_operators

Family: TypeAlias = Literal["grounding-dino", "owlv2", "yolos", "rt-detr", "sam3", "sam3-video"]

LABELS = {0: "N/A", 1: "person", 2: "car", 3: "bird"}
WORDS = ("square", "red", "thing", "woman", "car")
_SIDE = 64


def save_tiny_detector(folder: Path, family: Family, *, seed: int = 0) -> Path:
    """Build a model and its processor and save them.

    Args:
        folder: Where to; a folder named for the family is made in it.
        family: Which architecture.
        seed: Seed of the weights.

    Returns:
        The checkpoint's folder, for ``from_pretrained``.
    """
    declare_missing_operators()
    import torch

    target = folder / family
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, processor = _MODELS[family]()
        with torch.no_grad():
            # Some parameters begin as zeros, with which all boxes would be alike.
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn(parameter.shape)
            if family == "grounding-dino":
                # Scores of random features would all be 1.
                model.model.decoder.layer_norm.weight *= 0.1
            if family == "owlv2":
                # Boxes of random features would have no area.
                model.box_head.dense2.weight *= 0.02
            if family == "sam3-video":
                # Random trackers would lose everything on the second frame.
                model.tracker_model.mask_decoder.pred_obj_score_head.proj_out.bias += 20
    model.eval().save_pretrained(target)
    processor.save_pretrained(target)
    return target


def _grounding_dino() -> tuple[Any, Any]:
    import transformers

    config = transformers.GroundingDinoConfig(
        backbone_config=transformers.SwinConfig(
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            image_size=_SIDE,
            out_indices=[2, 3, 4],
        ),
        text_config=transformers.BertConfig(
            vocab_size=1100,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        ),
        d_model=32,
        num_queries=10,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        max_text_len=16,
        disable_custom_kernels=True,
    )
    # The network looks for these tokens by their numbers in BERT's vocabulary.
    numbers = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, ".": 1012}
    vocabulary = numbers | {word: 200 + place for place, word in enumerate(WORDS)}
    tokenizer = _tokenizer(vocabulary, unknown="[UNK]", begin="[CLS]", end="[SEP]", pad="[PAD]")
    images = transformers.GroundingDinoImageProcessor(
        size={"shortest_edge": _SIDE, "longest_edge": 2 * _SIDE}
    )
    processor = transformers.GroundingDinoProcessor(image_processor=images, tokenizer=tokenizer)
    return transformers.GroundingDinoForObjectDetection(config), processor


def _owlv2() -> tuple[Any, Any]:
    import transformers

    small = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[BEGIN]": 2}
    vocabulary |= {word: 3 + place for place, word in enumerate(WORDS)}
    # The network takes the features at the token with the highest number.
    vocabulary["[END]"] = len(vocabulary)
    config = transformers.Owlv2Config(
        text_config={
            **small,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 16,
            "bos_token_id": 2,
            "eos_token_id": vocabulary["[END]"],
        },
        vision_config={**small, "image_size": _SIDE, "patch_size": 16},
        projection_dim=32,
    )
    tokenizer = _tokenizer(vocabulary, unknown="[UNK]", begin="[BEGIN]", end="[END]", pad="[PAD]")
    images = transformers.Owlv2ImageProcessor(size={"height": _SIDE, "width": _SIDE})
    processor = transformers.Owlv2Processor(image_processor=images, tokenizer=tokenizer)
    return transformers.Owlv2ForObjectDetection(config), processor


def _yolos() -> tuple[Any, Any]:
    import transformers

    config = transformers.YolosConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=[_SIDE, _SIDE],
        num_detection_tokens=12,
        use_mid_position_embeddings=False,
        initializer_range=0.5,
        id2label=LABELS,
        label2id={name: number for number, name in LABELS.items()},
    )
    images = transformers.YolosImageProcessor(
        size={"shortest_edge": _SIDE, "longest_edge": 2 * _SIDE}
    )
    return transformers.YolosForObjectDetection(config), images


def _rt_detr() -> tuple[Any, Any]:
    import transformers

    config = transformers.RTDetrConfig(
        backbone_config=transformers.RTDetrResNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 8, 16, 16],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage2", "stage3", "stage4"],
        ),
        encoder_in_channels=[8, 16, 16],
        encoder_hidden_dim=32,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        d_model=32,
        num_queries=10,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=32,
        decoder_layers=1,
        decoder_attention_heads=2,
        initializer_bias_prior_prob=0.5,
        id2label=LABELS,
        label2id={name: number for number, name in LABELS.items()},
    )
    images = transformers.RTDetrImageProcessor(size={"height": _SIDE, "width": _SIDE})
    return transformers.RTDetrForObjectDetection(config), images


def _sam3(*, width: int = 32) -> tuple[Any, Any]:
    import transformers

    small = {"hidden_size": width, "num_attention_heads": 2, "intermediate_size": 32}
    side = 56  # four patches
    vision = transformers.Sam3VisionConfig(
        backbone_config=transformers.Sam3ViTConfig(
            **small,
            num_hidden_layers=1,
            image_size=side,
            pretrain_image_size=side // 2,
            window_size=2,
            global_attn_indexes=[0],
        ),
        fpn_hidden_size=width,
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
    )
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[BEGIN]": 2}
    vocabulary |= {word: 3 + place for place, word in enumerate(WORDS)}
    vocabulary["[END]"] = len(vocabulary)
    config = transformers.Sam3Config(
        vision_config=vision,
        text_config=transformers.CLIPTextConfig(
            **small,
            vocab_size=len(vocabulary),
            projection_dim=width,
            num_hidden_layers=1,
            max_position_embeddings=32,
            bos_token_id=2,
            eos_token_id=vocabulary["[END]"],
        ),
        geometry_encoder_config={**small, "num_layers": 1},
        detr_encoder_config={**small, "num_layers": 1},
        detr_decoder_config={**small, "num_layers": 1, "num_queries": 6},
        mask_decoder_config={"hidden_size": width, "num_attention_heads": 2},
    )
    tokenizer = _tokenizer(vocabulary, unknown="[UNK]", begin="[BEGIN]", end="[END]", pad="[PAD]")
    images = transformers.Sam3ImageProcessor(size={"height": side, "width": side})
    processor = transformers.Sam3Processor(image_processor=images, tokenizer=tokenizer)
    return transformers.Sam3Model(config), processor


def _sam3_video() -> tuple[Any, Any]:
    import transformers

    side = 56
    # The library's attention takes memories of 64 channels, and pointers that are longer.
    memory_width, width = 64, 128
    detector, processor = _sam3(width=width)
    tracker = transformers.Sam3TrackerVideoConfig(
        vision_config=detector.config.vision_config,
        prompt_encoder_config={
            "hidden_size": width,
            "image_size": side,
            "patch_size": 14,
            "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": width,
            "mlp_dim": 32,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
        },
        image_size=side,
        memory_attention_hidden_size=width,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_hidden_size=width,
        memory_encoder_output_channels=memory_width,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=32,
    )
    config = transformers.Sam3VideoConfig(
        detector_config=detector.config,
        tracker_config=tracker,
        low_res_mask_size=16,
        # With random weights nothing is sure, and what is found on one frame is not on the next.
        score_threshold_detection=0.2,
        new_det_thresh=0.25,
        high_conf_thresh=0.2,
        high_iou_thresh=0.1,
        recondition_every_nth_frame=3,
        hotstart_delay=4,
        # As large as the delay: nothing is taken back.
        hotstart_unmatch_thresh=4,
        hotstart_dup_thresh=4,
        max_num_objects=6,
    )
    videos = transformers.Sam3VideoProcessor(
        image_processor=processor.image_processor,
        video_processor=transformers.Sam2VideoVideoProcessor(size={"height": side, "width": side}),
        tokenizer=processor.tokenizer,
    )
    return transformers.Sam3VideoModel(config), videos


def _tokenizer(vocabulary: dict[str, int], *, unknown: str, begin: str, end: str, pad: str) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(begin, vocabulary[begin]), (end, vocabulary[end])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token=unknown,
        cls_token=begin,
        sep_token=end,
        pad_token=pad,
        model_max_length=16,
    )


_MODELS = {
    "grounding-dino": _grounding_dino,
    "owlv2": _owlv2,
    "yolos": _yolos,
    "rt-detr": _rt_detr,
    "sam3": _sam3,
    "sam3-video": _sam3_video,
}
