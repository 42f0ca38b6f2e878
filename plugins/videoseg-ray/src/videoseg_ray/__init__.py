"""Evaluations and batches of videos on Ray Data."""

from videoseg_ray.actors import Actors
from videoseg_ray.batch import BatchOutcome, segment_videos
from videoseg_ray.evaluation import RayExecutor, evaluate
from videoseg_ray.items import VideoItem, read_manifest, videos_in_folder

__all__ = [
    "Actors",
    "BatchOutcome",
    "RayExecutor",
    "VideoItem",
    "evaluate",
    "read_manifest",
    "segment_videos",
    "videos_in_folder",
]
