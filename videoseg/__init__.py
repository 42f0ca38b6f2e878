"""Ask a video a question and get masks back, with the reasons.

>>> import videoseg as vs
>>> pipe = vs.Pipeline.from_name("attributes")

Nothing heavy is imported here: every name below is loaded when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from videoseg._version import __version__

if TYPE_CHECKING:
    from videoseg.benchmarks import open_benchmark
    from videoseg.errors import (
        ComponentNotFoundError,
        ConfigError,
        EvaluationError,
        FrameNotFoundError,
        GroundingParseError,
        IncompatibleStagesError,
        MissingDependencyError,
        MissingWeightsError,
        ObjectNotFoundError,
        OutputError,
        PluginConflictError,
        PluginLoadError,
        PropagationError,
        QueryError,
        ShapeError,
        StageError,
        VideoError,
        VideosegError,
    )
    from videoseg.evaluation import evaluate
    from videoseg.pipeline import (
        Explanation,
        MaskStream,
        Pipeline,
        PipelineConfig,
        Use,
        run_episode,
        use,
    )
    from videoseg.plugins import Command, Component, Registry, add, default_registry, hookimpl
    from videoseg.results import Segmentation
    from videoseg.stages import (
        ChatModel,
        FrameSampler,
        Grounder,
        Propagator,
        PropagatorSession,
        Segmenter,
        VideoReader,
    )
    from videoseg.types import (
        Box,
        ChatReply,
        Embedding,
        Episode,
        FrameGroup,
        FrameMasks,
        FrameSelection,
        Grounding,
        ImagePart,
        Look,
        MaskTrack,
        Message,
        ObjectMask,
        Point,
        Prompt,
        PropagatorCapabilities,
        Rle,
        TextPart,
        Thought,
        Trace,
        TraceTurn,
        VideoFacts,
        VideoSource,
        Window,
        from_dict,
        to_dict,
    )
    from videoseg.video import Video

_MODULE_OF = {
    **dict.fromkeys(
        (
            "ComponentNotFoundError",
            "ConfigError",
            "EvaluationError",
            "FrameNotFoundError",
            "GroundingParseError",
            "IncompatibleStagesError",
            "MissingDependencyError",
            "MissingWeightsError",
            "ObjectNotFoundError",
            "OutputError",
            "PluginConflictError",
            "PluginLoadError",
            "PropagationError",
            "QueryError",
            "ShapeError",
            "StageError",
            "VideoError",
            "VideosegError",
        ),
        "videoseg.errors",
    ),
    **dict.fromkeys(
        (
            "Explanation",
            "MaskStream",
            "Pipeline",
            "PipelineConfig",
            "Use",
            "run_episode",
            "use",
        ),
        "videoseg.pipeline",
    ),
    **dict.fromkeys(
        ("Command", "Component", "Registry", "add", "default_registry", "hookimpl"),
        "videoseg.plugins",
    ),
    **dict.fromkeys(
        (
            "ChatModel",
            "FrameSampler",
            "Grounder",
            "Propagator",
            "PropagatorSession",
            "Segmenter",
            "VideoReader",
        ),
        "videoseg.stages",
    ),
    **dict.fromkeys(
        (
            "Box",
            "ChatReply",
            "Embedding",
            "Episode",
            "FrameGroup",
            "FrameMasks",
            "FrameSelection",
            "Grounding",
            "ImagePart",
            "Look",
            "MaskTrack",
            "Message",
            "ObjectMask",
            "Point",
            "Prompt",
            "PropagatorCapabilities",
            "Rle",
            "TextPart",
            "Thought",
            "Trace",
            "TraceTurn",
            "VideoFacts",
            "VideoSource",
            "Window",
            "from_dict",
            "to_dict",
        ),
        "videoseg.types",
    ),
    "Segmentation": "videoseg.results",
    "Video": "videoseg.video",
    "evaluate": "videoseg.evaluation",
    "open_benchmark": "videoseg.benchmarks",
}

__all__ = [  # noqa: RUF022 - sorted, then the version
    "Box",
    "ChatModel",
    "ChatReply",
    "Command",
    "Component",
    "ComponentNotFoundError",
    "ConfigError",
    "Embedding",
    "Episode",
    "EvaluationError",
    "Explanation",
    "FrameGroup",
    "FrameMasks",
    "FrameSampler",
    "FrameSelection",
    "Grounder",
    "Grounding",
    "FrameNotFoundError",
    "GroundingParseError",
    "ImagePart",
    "IncompatibleStagesError",
    "Look",
    "MaskStream",
    "MaskTrack",
    "Message",
    "MissingDependencyError",
    "MissingWeightsError",
    "ObjectNotFoundError",
    "ObjectMask",
    "OutputError",
    "Pipeline",
    "PipelineConfig",
    "PluginConflictError",
    "PluginLoadError",
    "Point",
    "Prompt",
    "PropagationError",
    "Propagator",
    "PropagatorCapabilities",
    "PropagatorSession",
    "QueryError",
    "Registry",
    "Rle",
    "Segmentation",
    "Segmenter",
    "ShapeError",
    "StageError",
    "TextPart",
    "Thought",
    "Trace",
    "TraceTurn",
    "Use",
    "Video",
    "VideoError",
    "VideoFacts",
    "VideoReader",
    "VideoSource",
    "VideosegError",
    "Window",
    "add",
    "default_registry",
    "evaluate",
    "from_dict",
    "hookimpl",
    "open_benchmark",
    "run_episode",
    "to_dict",
    "use",
    "__version__",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        # With name and object, Python adds "Did you mean" to a traceback.
        raise AttributeError(
            f"module 'videoseg' has no attribute {name!r}",
            name=name,
            obj=sys.modules[__name__],
        )
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
