"""SAM 2 for videoseg: a segmenter and a propagator whose memory is bounded."""

from videoseg_sam2.models import config_path
from videoseg_sam2.network import (
    Network,
    NetworkSettings,
    NetworkSource,
    build_network,
)
from videoseg_sam2.policies.dam import DistractorAware
from videoseg_sam2.policies.sam3 import Sam3Selection
from videoseg_sam2.policies.samurai import Samurai
from videoseg_sam2.policy import (
    Candidates,
    Extent,
    FrameRecord,
    Held,
    Keeping,
    MemoryBounds,
    MemoryPolicy,
    Recall,
    extent_of,
)
from videoseg_sam2.propagator import SAM2_CAPABILITIES, Sam2Propagator
from videoseg_sam2.segmenter import Sam2Segmenter
from videoseg_sam2.session import Sam2Session
from videoseg_sam2.weights import find_checkpoint, load_into, read_checkpoint, recognize_network

__all__ = [
    "SAM2_CAPABILITIES",
    "Candidates",
    "DistractorAware",
    "Extent",
    "FrameRecord",
    "Held",
    "Keeping",
    "MemoryBounds",
    "MemoryPolicy",
    "Network",
    "NetworkSettings",
    "NetworkSource",
    "Recall",
    "Sam2Propagator",
    "Sam2Segmenter",
    "Sam2Session",
    "Sam3Selection",
    "Samurai",
    "build_network",
    "config_path",
    "extent_of",
    "find_checkpoint",
    "load_into",
    "read_checkpoint",
    "recognize_network",
]
