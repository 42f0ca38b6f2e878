"""The propagator ``transformers-video``."""

from __future__ import annotations

from dataclasses import replace

from videoseg.engines import Engine, Precision
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import PropagatorCapabilities, VideoSource
from videoseg_trackers.network import TrackerChoice
from videoseg_trackers.published import DEFAULT_MODEL, TRACKER_CAPABILITIES
from videoseg_trackers.session import TrackerSession

__all__ = ["TransformersVideoPropagator"]


class TransformersVideoPropagator:
    """Propagates boxes, points and masks with a video tracker of transformers.

    The trackers are ``Sam2VideoModel``, ``EdgeTamVideoModel`` and ``Sam3TrackerVideoModel``. For
    one object, masks are those of the library's own ``propagate_in_video_iterator``; memory does
    not grow with the length of the video, and objects do not change each other.

    The checkpoint is looked for when the propagator is made and read when it is first used.

    Args:
        model: The folder of a checkpoint, or its name on the Hugging Face hub:
            ``facebook/sam2.1-hiera-tiny``, ``-small``, ``-base-plus``, ``-large``, the same of
            ``sam2-hiera``, ``yonigozlan/EdgeTAM-hf`` (needs timm), ``facebook/sam3`` (gated, and
            under a license that restricts the use).
        revision: Branch, tag or commit on the hub.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the processor is fast
            at it; ``int8``, with OpenVINO, for a vision encoder that multiplies 8-bit numbers,
            whose ranges are those of the first frame that it sees, also for later videos.
        max_objects_per_pass: How many objects one session holds; the pipeline makes passes of
            so many.
        download: Fetch a checkpoint that is not on this machine. Otherwise nothing is fetched.
        engine: ``eager`` for torch as the library runs it; ``compile`` to compile the vision
            encoder (``torch.compile``), which takes minutes; ``openvino`` to run it in OpenVINO
            on a CPU, in float32 or 8-bit numbers.

    Raises:
        ConfigError: If an option is not allowed, or the device is not there.
        MissingDependencyError: If OpenVINO is asked for and not installed.
        MissingWeightsError: If the checkpoint is not on this machine.
    """

    @checked_options("propagator 'transformers-video'")
    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        revision: str | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        max_objects_per_pass: PositiveInt | None = None,
        download: bool = False,
        engine: Engine = "eager",
    ) -> None:
        choice = TrackerChoice("propagator", model, revision, device, precision, download, engine)
        self._network = choice.locate()
        self._max_objects = max_objects_per_pass

    @property
    def capabilities(self) -> PropagatorCapabilities:
        """What this propagator takes and can do."""
        return replace(TRACKER_CAPABILITIES, max_objects_per_pass=self._max_objects)

    def open(self, video: VideoSource, *, seed: int = 0) -> TrackerSession:  # noqa: ARG002
        """Begin a propagation over one video.

        Args:
            video: The video; its frames are read as they are needed.
            seed: Accepted for the contract; nothing here is random.

        Raises:
            ConfigError: If the checkpoint is damaged, incomplete or of another kind.
        """
        return TrackerSession(video, self.capabilities, network=self._network)

    def close(self) -> None:
        """Release the weights; they are read again when a session is next opened."""
        self._network.close()
