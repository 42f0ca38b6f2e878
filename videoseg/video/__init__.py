"""Videos: opening, decoding, writing."""

from videoseg.video.opening import DEFAULT_FPS
from videoseg.video.sources import as_video
from videoseg.video.video import DEFAULT_CACHE_BYTES, Video
from videoseg.video.writer import VideoWriter, write_video

__all__ = ["DEFAULT_CACHE_BYTES", "DEFAULT_FPS", "Video", "VideoWriter", "as_video", "write_video"]
