"""The weights that chat models need, and where they are published. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videoseg.files import expand_path
from videoseg.weights import HubModel

__all__ = ["DEFAULT_MODEL", "recorded_model", "transformers_weights"]

DEFAULT_MODEL = "Qwen/Qwen2.5-VL-7B-Instruct"

_APACHE = "Apache-2.0"
_RESEARCH = "Qwen Research License: no commercial use"
# About how large the weights of the models of ready-made pipelines are, in gigabytes, and their
# licenses: those of 3B are not those of the others.
_KNOWN = {
    DEFAULT_MODEL: (16.6, _APACHE),
    "Qwen/Qwen2.5-VL-3B-Instruct": (7.5, _RESEARCH),
    "Qwen/Qwen3-VL-2B-Instruct": (4.3, _APACHE),
    "Qwen/Qwen3-VL-4B-Instruct": (8.9, _APACHE),
    "Qwen/Qwen3-VL-8B-Instruct": (17.5, _APACHE),
}


def transformers_weights(options: Mapping[str, Any]) -> list[HubModel]:
    """Return the model that the chat model ``transformers`` needs; none for a folder."""
    model, revision = options.get("model", DEFAULT_MODEL), options.get("revision")
    if not isinstance(model, str) or model.count("/") > 1 or not model:
        return []
    if model.startswith((".", "/", "~", "\\")) or expand_path(model).is_dir():
        return []
    gigabytes, terms = _KNOWN.get(model, (0.0, ""))
    return [HubModel(model, revision, num_bytes=round(gigabytes * 1e9), license=terms)]


def recorded_model(options: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Return the chat model that ``record`` passes questions on to, as a part of it."""
    return [("chat", options.get("model"))]
