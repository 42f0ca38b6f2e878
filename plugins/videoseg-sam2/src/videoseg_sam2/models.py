"""The published networks by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from videoseg.errors import ConfigError

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "TOY",
    "TOYS",
    "PublishedModel",
    "config_path",
    "published_model",
]

DEFAULT_MODEL = "sam2.1-hiera-large"

TOY = "toy"
"""Name of the tiny network for tests; it has no trained weights."""

TOYS = (TOY, "toy-2.0", "mini-2.0")
"""The tiny networks: one in the form of SAM 2.1 and one in that of SAM 2, with next to no
parameters; and a larger one in the form of SAM 2, for models that are trained from nothing."""


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """One published network.

    Args:
        name: Its name here and, after ``facebook/``, on the Hugging Face hub.
        config: Path of its configuration inside the ``sam2`` package.
        file: File name of its checkpoint in its repository on the hub.
        num_bytes: About how large this file is.
    """

    name: str
    config: str
    file: str
    num_bytes: int

    @property
    def repository(self) -> str:
        """The repository on the Hugging Face hub."""
        return f"facebook/{self.name}"


def _list_published() -> Mapping[str, PublishedModel]:
    sizes = {"tiny": "t", "small": "s", "base-plus": "b+", "large": "l"}
    megabytes = {"tiny": 156, "small": 184, "base-plus": 324, "large": 898}
    models = {}
    for version in ("sam2", "sam2.1"):
        for size, letter in sizes.items():
            name = f"{version}-hiera-{size}"
            config = f"configs/{version}/{version}_hiera_{letter}.yaml"
            file = f"{version}_hiera_{size.replace('-', '_')}.pt"
            models[name] = PublishedModel(name, config, file, megabytes[size] * 10**6)
    return MappingProxyType(models)


MODELS: Mapping[str, PublishedModel] = _list_published()
"""Every published size of SAM 2 and SAM 2.1."""


def published_model(name: str) -> PublishedModel:
    """Return a published network.

    Raises:
        ConfigError: If no model has this name.
    """
    try:
        return MODELS[name.removeprefix("facebook/")]
    except KeyError:
        toys = ", ".join(map(repr, TOYS))
        raise ConfigError(
            f"model must be one of {', '.join(MODELS)}, or {toys} for tests; got {name!r}"
        ) from None


def config_path(name: str) -> Path:
    """Return where a network's configuration lies, without importing ``sam2``."""
    from importlib.util import find_spec

    if name in TOYS:
        return Path(__file__).parent / "configs" / f"{name}.yaml"
    spec = find_spec("sam2")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("the package sam2 is not installed: pip install sam2")
    return Path(next(iter(spec.submodule_search_locations))) / published_model(name).config
