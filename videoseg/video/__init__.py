"""Videos: opening, decoding, writing."""

from videoseg.video.images import IMAGE_SUFFIXES, images_in, natural_order
from videoseg.video.opening import DEFAULT_FPS
from videoseg.video.sources import as_video
from videoseg.video.video import DEFAULT_CACHE_BYTES, Video
from videoseg.video.writer import VideoWriter, write_video

__all__ = [
    "DEFAULT_CACHE_BYTES",
    "DEFAULT_FPS",
    "IMAGE_SUFFIXES",
    "Video",
    "VideoWriter",
    "as_video",
    "images_in",
    "natural_order",
    "write_video",
]
