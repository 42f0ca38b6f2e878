"""Chat models: in this process, on a server, recorded and replayed."""

from videoseg_vlm.conversation import fitted_size
from videoseg_vlm.errors import ReplayError, ServerError
from videoseg_vlm.families import FAMILIES, Family, family_of_model, family_of_type
from videoseg_vlm.openai_chat import OpenAIChat
from videoseg_vlm.recording import RecordingChat, ReplayChat
from videoseg_vlm.transformers_chat import TransformersChat

__all__ = [
    "FAMILIES",
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
]
