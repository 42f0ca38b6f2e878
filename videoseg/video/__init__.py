"""Videos: opening, decoding, writing."""

from videoseg.video.sources import as_video
from videoseg.video.video import DEFAULT_CACHE_BYTES, DEFAULT_FPS, Video

__all__ = ["DEFAULT_CACHE_BYTES", "DEFAULT_FPS", "Video", "as_video"]
