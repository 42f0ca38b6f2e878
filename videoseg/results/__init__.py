"""Results: the masks of a video and how they came about, on disk, in pages and on screen."""

from videoseg.results.folder import PARTS
from videoseg.results.segmentation import Segmentation

__all__ = ["PARTS", "Segmentation"]
