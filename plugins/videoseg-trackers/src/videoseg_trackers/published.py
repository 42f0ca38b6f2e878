"""The published checkpoints, their licenses, and what all trackers can do; imports little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from videoseg.files import expand_path
from videoseg.types import PropagatorCapabilities
from videoseg.weights import HubModel

__all__ = [
    "DEFAULT_MODEL",
    "PUBLISHED",
    "TRACKER_CAPABILITIES",
    "looks_local",
    "published_weights",
]

DEFAULT_MODEL = "facebook/sam2.1-hiera-tiny"

TRACKER_CAPABILITIES = PropagatorCapabilities(
    boxes=True,
    points=True,
    masks=True,
    late_objects=True,
    backward=True,
    corrections=True,
    live=True,
)

_SAM3 = HubModel(
    "facebook/sam3",
    num_bytes=3_440_000_000,
    license="SAM License (Meta)",
    terms="the SAM License of Meta, which restricts the use; the weights are gated: accept it on "
    "https://huggingface.co/facebook/sam3 and log in with `hf auth login`",
)
# The account is a maintainer's of transformers, not Meta's, which publishes no EdgeTAM there.
_EDGETAM = HubModel("yonigozlan/EdgeTAM-hf", license="Apache-2.0")


def _list_published() -> Mapping[str, HubModel]:
    megabytes = {"tiny": 156, "small": 184, "base-plus": 323, "large": 898}
    models = [
        HubModel(f"facebook/{version}-hiera-{size}", num_bytes=mb * 10**6, license="Apache-2.0")
        for version in ("sam2.1", "sam2")
        for size, mb in megabytes.items()
    ]
    return {one.model: one for one in (*models, _EDGETAM, _SAM3)}


PUBLISHED: Mapping[str, HubModel] = _list_published()
"""Checkpoints that are known to work, by their name on the hub."""


def published_weights(options: Mapping[str, Any]) -> list[HubModel]:
    """Return the checkpoint that the options name, with its license; none for a folder."""
    model, revision = options.get("model", DEFAULT_MODEL), options.get("revision")
    if not isinstance(model, str) or looks_local(model) or expand_path(model).is_dir():
        return []
    return [replace(PUBLISHED.get(model, HubModel(model)), revision=revision)]


def looks_local(model: str) -> bool:
    """Return whether a model is a path rather than a name on the hub."""
    return not model or model.startswith((".", "/", "~", "\\")) or model.count("/") > 1
