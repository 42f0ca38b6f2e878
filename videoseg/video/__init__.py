"""Videos: opened from files, pictures, arrays and iterators, read frame by frame, and written.

``Video`` is what every stage reads; ``as_video`` makes one of anything that holds frames.
``LiveFrames`` reads cameras and streams.
``write_video`` and ``VideoWriter`` write MP4 files. ``images_in`` and ``natural_order`` list
the pictures of a folder in the order in which they become frames.
"""

from videoseg.video.conversion import as_video
from videoseg.video.frame_files import IMAGE_SUFFIXES, images_in, natural_order
from videoseg.video.live import LiveFrames
from videoseg.video.part import Place
from videoseg.video.video import DEFAULT_CACHE_BYTES, DEFAULT_FPS, Video
from videoseg.video.writer import VideoWriter, write_video

__all__ = [
    "DEFAULT_CACHE_BYTES",
    "DEFAULT_FPS",
    "IMAGE_SUFFIXES",
    "LiveFrames",
    "Place",
    "Video",
    "VideoWriter",
    "as_video",
    "images_in",
    "natural_order",
    "write_video",
]
