"""Chat models for videoseg, and what is known of the coordinates they write."""

from videoseg_vlm.conversation import time_label
from videoseg_vlm.coordinates import COORDINATE_SPACES, CoordinateSpace
from videoseg_vlm.errors import ChatError, ContextLengthError, ReplayError, ServerError
from videoseg_vlm.families import FAMILIES, Family, family_of_model, family_of_type
from videoseg_vlm.images import fitted_size
from videoseg_vlm.openai_chat import OpenAIChat
from videoseg_vlm.recording import RecordingChat
from videoseg_vlm.replaying import ReplayChat
from videoseg_vlm.transformers_chat import TransformersChat

__all__ = [
    "COORDINATE_SPACES",
    "FAMILIES",
    "ChatError",
    "ContextLengthError",
    "CoordinateSpace",
    "Family",
    "OpenAIChat",
    "RecordingChat",
    "ReplayChat",
    "ReplayError",
    "ServerError",
    "TransformersChat",
    "family_of_model",
    "family_of_type",
    "fitted_size",
    "time_label",
]
