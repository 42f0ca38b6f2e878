"""The data that passes between stages: prompts, selections, moves, masks, videos."""

from videoseg.types.arrays import (
    BoolArray,
    FloatArray,
    Frame,
    IntArray,
    Size,
    as_bool,
    as_mask,
    as_masks,
)
from videoseg.types.comparison import Candidate, Comparison, Judgement
from videoseg.types.detections import Detection
from videoseg.types.episode import (
    AnswerStatus,
    Episode,
    Grounding,
    Look,
    Move,
    Thought,
    Trace,
    TraceTurn,
)
from videoseg.types.geometry import Box, Point, Window
from videoseg.types.masks import FrameMasks, MaskTrack, ObjectMask
from videoseg.types.messages import (
    ChatReply,
    ImagePart,
    Message,
    MessagePart,
    TextPart,
    time_label,
)
from videoseg.types.prompts import Embedding, Prompt, PropagatorCapabilities, RoughPlace
from videoseg.types.rle import Rle
from videoseg.types.runs import RunChecker
from videoseg.types.scores import PublishedScore
from videoseg.types.selection import FrameGroup, FrameRole, FrameSelection
from videoseg.types.serial import from_dict, to_dict
from videoseg.types.video import VideoFacts, VideoPart, VideoSource

__all__ = [
    "AnswerStatus",
    "BoolArray",
    "Box",
    "Candidate",
    "ChatReply",
    "Comparison",
    "Detection",
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
    "Judgement",
    "Look",
    "MaskTrack",
    "Message",
    "MessagePart",
    "Move",
    "ObjectMask",
    "Point",
    "Prompt",
    "PropagatorCapabilities",
    "PublishedScore",
    "Rle",
    "RoughPlace",
    "RunChecker",
    "Size",
    "TextPart",
    "Thought",
    "Trace",
    "TraceTurn",
    "VideoFacts",
    "VideoPart",
    "VideoSource",
    "Window",
    "as_bool",
    "as_mask",
    "as_masks",
    "from_dict",
    "time_label",
    "to_dict",
]
