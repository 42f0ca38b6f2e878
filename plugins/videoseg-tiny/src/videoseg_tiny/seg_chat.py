"""The chat model ``tiny-seg``: the shipped ``[SEG]`` model behind the chat model ``o3``."""

from __future__ import annotations

from videoseg_o3 import SegChat

from videoseg.plugins import checked_options
from videoseg_tiny.chat import FewWords
from videoseg_tiny.plugin import SEG_MODEL

__all__ = ["TinySegChat"]


class TinySegChat(FewWords, SegChat):
    """The tiny model with ``[SEG]``, trained on drawn clips alone; comes with its weights.

    It answers the questions of grounder ``o3`` in the pipeline ``videoseg-o3-tiny-seg``; its
    embeddings are prompts for the propagator ``o3`` with the same folder. It knows the same
    queries as the chat model ``tiny``, and says likewise which words it does not know.

    Args:
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        model: Another folder with a model of this kind, such as one that was trained further; give
            it to the propagator, too.

    Raises:
        ConfigError: If an option is invalid.
        MissingWeightsError: If there is no such folder.
    """

    @checked_options("chat 'tiny-seg'")
    def __init__(self, *, device: str = "auto", model: str | None = None) -> None:
        super().__init__(
            model=model or SEG_MODEL,
            # The weights are kept in half of the precision that they are used in.
            dtype="float32",
            device=device,
            preprocessing="direct",
        )
