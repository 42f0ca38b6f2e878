"""Which checkpoint to load, and how."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from videoseg.files import expand_path

__all__ = ["CheckpointOptions", "Quantization"]

Quantization: TypeAlias = Literal["none", "int8", "int4"]


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """What to load and how; the fields are the options of ``TransformersChat``."""

    model: str
    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    device_map: str | dict[str, Any] | None = None
    attention: str | None = None
    quantization: Quantization = "none"
    min_pixels: int | None = None
    max_pixels: int | None = None
    download: bool = False

    @property
    def download_command(self) -> str:
        """The command that puts the checkpoint on this machine."""
        revision = f" --revision {shlex.quote(self.revision)}" if self.revision else ""
        return f"hf download {shlex.quote(self.model)}{revision}"

    @property
    def folder(self) -> Path | None:
        """The folder of a checkpoint that was given by its folder; None for a name."""
        folder = expand_path(self.model)
        return folder if folder.is_dir() else None

    @property
    def source(self) -> str:
        """What ``from_pretrained`` is to be given."""
        return str(self.folder or self.model)
