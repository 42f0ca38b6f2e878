"""Runs the released implementation of Cutie from a checkout of it, for the other scripts.

A checkout of hkchengrex/Cutie is named with ``--reference DIR``. It is imported as it is, with
three things around it: its configuration comes as a plain dictionary, a module of the name
``omegaconf`` has the one class it imports from there, and the download of ImageNet weights, which
a checkpoint replaces anyway, is left out.
"""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from videoseg_cutie.checkpoint import random_network
from videoseg_cutie.network import SMALL, CutieNetwork, Dimensions
from videoseg_cutie.options import MemoryOptions

SIZES = {"base": Dimensions(), "small": SMALL}


def informative_network(dimensions: Dimensions, *, seed: int = 0) -> CutieNetwork:
    """Return a random network whose probabilities stay informative.

    With plain random weights masks change at random, since rounding errors grow from layer to
    layer as in any chaotic system; agreement on that says little. Filters are scaled down by 0.6
    and the last ones up by 3, which leaves rounding errors of about 1e-6, and probabilities that
    vary in space (the scripts print by how much). Not so the pixel encoder of the base model,
    whose many layers would leave nothing.
    """
    network = random_network(dimensions, seed=seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("pixel_encoder.res2") and name.endswith("bn3.weight"):
                # As the last norms of the blocks of other stages.
                parameter.fill_(0.3)
            elif parameter.ndim > 1 and not (
                dimensions.bottlenecks and name.startswith("pixel_encoder")
            ):
                parameter.mul_(0.6)
        network.mask_decoder.pred.weight.mul_(3)
    return network


class _Config(dict):
    """A dictionary whose entries are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _configuration(dimensions: Dimensions, options: MemoryOptions) -> _Config:
    attention = {"add_pe_to_qkv": [True, True, False]}
    model = {
        "pixel_mean": [0.485, 0.456, 0.406],
        "pixel_std": [0.229, 0.224, 0.225],
        "pixel_dim": dimensions.pixel,
        "key_dim": dimensions.key,
        "value_dim": dimensions.value,
        "sensory_dim": dimensions.sensory,
        "embed_dim": dimensions.embed,
        "pixel_encoder": {
            "type": "resnet50" if dimensions.bottlenecks else "resnet18",
            "ms_dims": list(dimensions.features),
        },
        "mask_encoder": {"type": "resnet18", "final_dim": 4 * dimensions.width},
        "pixel_pe_scale": 32,
        "pixel_pe_temperature": 128,
        "object_transformer": {
            "embed_dim": dimensions.embed,
            "ff_dim": dimensions.hidden,
            "num_heads": 8,
            "num_blocks": dimensions.num_layers,
            "num_queries": dimensions.num_queries,
            "read_from_pixel": {"input_norm": False, "input_add_pe": False, **attention},
            "read_from_past": attention,
            "read_from_memory": attention,
            "read_from_query": {**attention, "output_norm": False},
            "query_self_attention": attention,
            "pixel_self_attention": attention,
        },
        "object_summarizer": {
            "embed_dim": dimensions.embed,
            "num_summaries": dimensions.num_queries,
            "add_pe": True,
        },
        "aux_loss": {
            "sensory": {"enabled": True, "weight": 0.01},
            "query": {"enabled": True, "weight": 0.01},
        },
        "mask_decoder": {"up_dims": [dimensions.embed, dimensions.middle, dimensions.middle]},
    }
    return _nested(
        {
            "model": model,
            "mem_every": options.mem_every,
            "stagger_updates": options.sensory_updates,
            "chunk_size": options.chunk_size or -1,
            "top_k": options.top_k,
            "save_aux": False,
            "flip_aug": False,
            "max_internal_size": -1,
            "use_long_term": options.long_term_elements > 0,
            "max_mem_frames": options.max_working_frames,
            "long_term": {
                "count_usage": True,
                "max_mem_frames": options.max_working_frames,
                "min_mem_frames": options.min_working_frames,
                "num_prototypes": options.prototypes,
                "max_num_tokens": options.long_term_elements,
                "buffer_tokens": options.long_term_buffer,
            },
        }
    )


def _nested(values: Any) -> Any:
    if isinstance(values, dict):
        return _Config({name: _nested(value) for name, value in values.items()})
    return values


class Reference:
    """The released implementation on one video.

    Args:
        directory: The checkout.
        checkpoint: A checkpoint both implementations load.
        dimensions: Its numbers of channels.
        options: Sizes of the memories.
        closes_up: Whether the masks of the last frame are repaired after an object is removed.
            The released implementation leaves them as they were, so that later objects read
            the last mask of the object before them on the next frame.
    """

    def __init__(
        self,
        directory: Path,
        checkpoint: Path,
        dimensions: Dimensions,
        options: MemoryOptions,
        *,
        closes_up: bool = True,
    ) -> None:
        core, network = _modules(directory)
        config = _configuration(dimensions, options)
        self._permanent = options.permanent_prompts
        self._closes_up = closes_up
        self._network = network(config).eval()
        state = torch.load(checkpoint, weights_only=True)
        expected = self._network.state_dict()
        missing = [
            name
            for name in expected
            if name not in state and not name.startswith("aux_") and "inv_freq" not in name
        ]
        if missing or not set(state) <= set(expected):
            raise SystemExit(f"parameters differ: {missing}, {set(state) - set(expected)}")
        self._network.load_weights(dict(state))
        self._core = core(self._network, cfg=config)
        # Objects have other ids than their numbers, which change when one is removed.
        self._ids: list[int] = []
        self._next = 1

    @property
    def num_prototypes(self) -> list[int]:
        """How many prototypes each group has in the long-term memory."""
        memory = getattr(self._core.memory, "long_mem", None)
        return [] if memory is None else [key.shape[-1] for key in memory.key.values()]

    @property
    def parts(self) -> Mapping[str, list[tuple[Any, str]]]:
        """The methods that do each part; see ``propagator_speed``."""
        network, memory = self._network, self._core.memory
        return {
            "image": [(network, "encode_image"), (network, "transform_key")],
            "reading the memory": [(memory, "read")],
            "pixel fuser, object transformer": [
                (network, "pixel_fusion"),
                (network, "readout_query"),
            ],
            "decoder": [(network, "segment")],
            "masks to remember": [(network, "encode_mask")],
            "writing the memory": [(memory, "add_memory")],
        }

    @torch.inference_mode()
    def fill_long_term(self, count: int) -> None:
        """Give the long-term memory copies of places that are remembered, after one frame."""
        memory = self._core.memory
        work = memory.work_mem
        for bucket, objects in work.buckets.items():
            rows = torch.arange(count) % work.k[bucket].shape[-1]
            memory.long_mem.add(
                work.k[bucket][..., rows],
                {number: work.v[number][..., rows] for number in objects},
                work.s[bucket][..., rows],
                selection=None,
                supposed_bucket_id=bucket,
            )

    @torch.inference_mode()
    def step(
        self, image: torch.Tensor, given: Mapping[int, torch.Tensor], *, last: bool = False
    ) -> torch.Tensor:
        """Do what ``videoseg_cutie.tracker.Tracker.step`` does with an image in [0, 1], (3, H, W).

        Given masks must not overlap.
        """
        mask, objects = None, None
        if given:
            while len(self._ids) <= max(given):
                self._ids.append(self._next)
                self._next += 1
            mask = torch.zeros(image.shape[-2:], dtype=torch.long)
            for number, plane in given.items():
                mask[plane > 0.5] = self._ids[number]
            objects = [self._ids[number] for number in sorted(given)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._core.step(
                image,
                mask,
                objects,
                end=last,
                force_permanent=bool(given) and self._permanent,
            )

    def remove(self, numbers: list[int]) -> None:
        """Do what ``videoseg_cutie.tracker.Tracker.remove`` does."""
        kept = [number for number in range(len(self._ids)) if number not in numbers]
        self._core.delete_objects([self._ids[number] for number in numbers])
        self._ids = [self._ids[number] for number in kept]
        if self._closes_up and self._core.last_mask is not None:
            self._core.last_mask = self._core.last_mask[:, kept]


def _modules(directory: Path) -> tuple[Any, Any]:
    if not (directory / "cutie" / "inference" / "inference_core.py").is_file():
        raise SystemExit(f"{directory} is no checkout of hkchengrex/Cutie")
    if "omegaconf" not in sys.modules:
        stand_in = types.ModuleType("omegaconf")
        stand_in.DictConfig = _Config  # type: ignore[attr-defined]
        sys.modules["omegaconf"] = stand_in
    sys.path.insert(0, str(directory))
    try:
        from cutie.model.utils import resnet

        resnet.load_weights_add_extra_dim = lambda *_, **__: None
        resnet.model_zoo.load_url = lambda *_, **__: {}
        from cutie.inference.inference_core import InferenceCore
        from cutie.model.cutie import CUTIE
    finally:
        sys.path.remove(str(directory))
    return InferenceCore, CUTIE
