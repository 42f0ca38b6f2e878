"""Cutie's network. Importing this imports torch."""

from videoseg_cutie.network.dimensions import SMALL, Dimensions
from videoseg_cutie.network.network import CutieNetwork, EncodedFrame

__all__ = ["SMALL", "CutieNetwork", "Dimensions", "EncodedFrame"]
