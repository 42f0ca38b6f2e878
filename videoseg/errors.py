"""The errors that videoseg raises.

Each message says, in one line, what was given, what is allowed and what to do. The command line
prints that line only, or one line for each of several problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "ChatError",
    "ComponentNotFoundError",
    "ConfigError",
    "ContextLengthError",
    "DownloadError",
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
    "UnknownNameError",
    "VideoError",
    "VideosegError",
]

CORE_PACKAGES = {
    "PIL": "pillow",
    "annotated_types": "annotated-types",
    "av": "av",
    "click": "click",
    "cv2": "opencv-python-headless",
    "filelock": "filelock",
    "jinja2": "jinja2",
    "lazy_loader": "lazy-loader",
    "numpy": "numpy",
    "pluggy": "pluggy",
    "pycocotools": "pycocotools",
    "pydantic": "pydantic",
    "rich": "rich",
    "scipy": "scipy",
    "yaml": "pyyaml",
}
"""The packages that the core depends on, by the names of their modules."""


class VideosegError(Exception):
    """The base class of all errors of videoseg.

    Attributes:
        partial: If a pipeline failed after its grounding, a ``videoseg.Segmentation`` with what
            had been computed until then; otherwise None.
    """

    partial: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is rebuilt by calling its class with ``args``, which fails for
        # constructors that take keywords.
        return _rebuild, (type(self), self.args, self.__dict__)


class ComponentNotFoundError(VideosegError):
    """No component of this kind, or no command, has this name."""


class PluginLoadError(VideosegError):
    """A plug-in, or a component or command of it, could not be loaded."""


class PluginConflictError(VideosegError):
    """Two plug-ins declare a component of the same kind and name, or the same command."""


class MissingDependencyError(VideosegError):
    """A required package is not installed; the message has the command that installs it."""

    @classmethod
    def of(cls, error: BaseException) -> MissingDependencyError | None:
        """Return the error for a failed import of a package that the core depends on.

        Returns:
            The error; None if something else failed.

        Example:
            >>> MissingDependencyError.of(ModuleNotFoundError("No module", name="yaml"))
            MissingDependencyError('videoseg needs pyyaml, which is not installed: pip install ...
        """
        if not isinstance(error, ImportError) or not error.name:
            return None
        package = CORE_PACKAGES.get(error.name.partition(".")[0])
        if package is None:
            return None
        if isinstance(error, ModuleNotFoundError) and "." not in error.name:
            return cls(f"videoseg needs {package}, which is not installed: pip install {package}")
        return cls(
            f"videoseg needs {package}, which cannot be imported ({error}): "
            f"pip install --upgrade --force-reinstall {package}"
        )


class MissingWeightsError(VideosegError):
    """Model weights are not on this machine; the message has the command that downloads them.

    Args:
        problems: One sentence for each model; a single string is one model.
        stages: For each model the stages that need it, such as ``("segmenter",
            "propagator")``; set by the pipeline.
    """

    def __init__(
        self, problems: str | Sequence[str], *, stages: Sequence[tuple[str, ...]] = ()
    ) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        self.stages = tuple(stages)
        super().__init__("; ".join(self.problems))


class DownloadError(VideosegError):
    """Weights could not be downloaded; the message says why and what to do."""


class ConfigError(VideosegError):
    """A configuration is wrong. All problems are reported together.

    Args:
        problems: One sentence for each problem; a single string is one problem.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("; ".join(self.problems))


class IncompatibleStagesError(VideosegError):
    """Two stages of a pipeline cannot work together, found before anything heavy loads."""


class QueryError(VideosegError):
    """The query is empty or too long to be a question about a video."""


class UnknownNameError(VideosegError):
    """A detector was asked for names that it does not know.

    Args:
        message: What is not known and what is.
        names: The names that are not known.
    """

    def __init__(self, message: str, *, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(message)


class VideoError(VideosegError):
    """A video cannot be opened or decoded.

    Args:
        message: What is wrong and what to do.
        path: The file or folder concerned, if there is one.
        frame: The index of the frame concerned, if there is one.
        reader: The name of the reader that failed, if one was in use.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        frame: int | None = None,
        reader: str | None = None,
    ) -> None:
        self.path = path
        self.frame = frame
        self.reader = reader
        super().__init__(message)


class GroundingParseError(VideosegError):
    """A model's answer could not be read as a grounding.

    Args:
        message: What was expected.
        raw_text: The answer as the model gave it.
    """

    def __init__(self, message: str, *, raw_text: str) -> None:
        self.raw_text = raw_text
        super().__init__(message)


class PropagationError(VideosegError):
    """A propagator session was used wrongly or could not continue."""


class EvaluationError(VideosegError):
    """A benchmark or a set of predictions cannot be scored."""


class StageError(VideosegError):
    """A stage failed with an error of its own, or broke its contract.

    Args:
        message: What happened.
        stage: The stage, such as ``grounder``.
        component: The component that filled it.
    """

    def __init__(self, message: str, *, stage: str, component: str) -> None:
        self.stage = stage
        self.component = component
        super().__init__(message)


class ChatError(StageError):
    """A chat model could not answer; the message says why and what to do.

    Args:
        message: What happened.
        component: The name of the chat model's component.
    """

    def __init__(self, message: str, *, component: str) -> None:
        super().__init__(message, stage="chat", component=component)


class ContextLengthError(ChatError):
    """A conversation has more tokens than the model accepts."""


class ObjectNotFoundError(VideosegError, KeyError):
    """There is no object of this id; the message lists the ids. Also a ``KeyError``."""

    def __str__(self) -> str:
        # KeyError would quote the message.
        return str(self.args[0]) if self.args else ""


class FrameNotFoundError(VideosegError, IndexError):
    """The video does not have the frame whose masks were requested. Also an ``IndexError``.

    Args:
        frame: The index that was given.
        num_frames: The number of frames of the video.
    """

    def __init__(self, frame: int, num_frames: int) -> None:
        self.frame = frame
        self.num_frames = num_frames
        super().__init__(frame, num_frames)

    def __str__(self) -> str:
        return (
            f"there is no frame {self.frame}: the video has {self.num_frames}, from 0 to "
            f"{self.num_frames - 1}"
        )


class OutputError(VideosegError):
    """Output cannot be written, or existing output cannot be read or replaced."""


class ShapeError(VideosegError):
    """An array does not have the expected shape.

    Args:
        name: What the array is, for the message.
        actual: Its shape.
        expected: The expected shape, in words or letters such as ``(T, H, W)``.
    """

    def __init__(self, name: str, *, actual: tuple[int, ...], expected: str) -> None:
        self.actual = actual
        self.expected = expected
        super().__init__(f"{name} must have shape {expected}, got {actual}")


def _rebuild(
    kind: type[VideosegError], arguments: tuple[Any, ...], attributes: dict[str, Any]
) -> VideosegError:
    """Return an error that was pickled or copied."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error
