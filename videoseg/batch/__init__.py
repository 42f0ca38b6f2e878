"""Questions about many videos: a folder, a manifest or a list, with a result folder for each."""

from videoseg.batch.items import (
    VIDEO_SUFFIXES,
    VideoItem,
    read_items,
    read_manifest,
    videos_in_folder,
)
from videoseg.batch.run import BatchJob, BatchOutcome, segment_videos

__all__ = [
    "VIDEO_SUFFIXES",
    "BatchJob",
    "BatchOutcome",
    "VideoItem",
    "read_items",
    "read_manifest",
    "segment_videos",
    "videos_in_folder",
]
