"""The words of the toolkit: what passes between stages."""

from videoseg.types.arrays import BoolArray, FloatArray, Frame, IntArray, Size
from videoseg.types.capabilities import PropagatorCapabilities
from videoseg.types.episode import Episode, Trace, TraceTurn
from videoseg.types.geometry import Box, Point, Window
from videoseg.types.grounding import Embedding, Grounding, Look, Move, Prompt, Thought
from videoseg.types.masks import FrameMasks, MaskTrack, ObjectMask
from videoseg.types.messages import ChatReply, ImagePart, Message, MessagePart, TextPart
from videoseg.types.rle import Rle
from videoseg.types.selection import FrameGroup, FrameRole, FrameSelection
from videoseg.types.serial import from_dict, to_dict
from videoseg.types.video import VideoFacts, VideoSource

__all__ = [
    "BoolArray",
    "Box",
    "ChatReply",
    "Embedding",
    "Episode",
    "FloatArray",
    "Frame",
    "FrameGroup",
    "FrameMasks",
    "FrameRole",
    "FrameSelection",
    "Grounding",
    "ImagePart",
    "IntArray",
    "Look",
    "MaskTrack",
    "Message",
    "MessagePart",
    "Move",
    "ObjectMask",
    "Point",
    "Prompt",
    "PropagatorCapabilities",
    "Rle",
    "Size",
    "TextPart",
    "Thought",
    "Trace",
    "TraceTurn",
    "VideoFacts",
    "VideoSource",
    "Window",
    "from_dict",
    "to_dict",
]
