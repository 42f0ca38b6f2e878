"""The propagator ``sam2``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from videoseg.engines import Engine, Precision
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import PropagatorCapabilities, VideoSource
from videoseg_sam2.capabilities import SAM2_CAPABILITIES
from videoseg_sam2.models import DEFAULT_MODEL
from videoseg_sam2.network import NetworkChoice
from videoseg_sam2.policies import FIFO, find_policy
from videoseg_sam2.policy import MemoryPolicy
from videoseg_sam2.session import Sam2Session

__all__ = ["Sam2Propagator", "find_capabilities"]


def find_capabilities(options: Mapping[str, Any]) -> PropagatorCapabilities:
    """Return what the propagator can do with these options; only its memory changes that.

    Args:
        options: Those of the propagator.

    Raises:
        ConfigError: If there is no such memory policy.
    """
    return _with_memory(find_policy(options.get("memory", FIFO), ""))


def _with_memory(make_policy: Callable[[], MemoryPolicy] | None) -> PropagatorCapabilities:
    answers_late = make_policy is not None and make_policy().bounds.delay != 0
    return replace(SAM2_CAPABILITIES, live=not answers_late)


class Sam2Propagator:
    """Propagates boxes, points and masks through a video with SAM 2 and its memory of frames.

    Masks are those of the package's own ``SAM2VideoPredictor``; memory does not grow with the
    length of the video. Source: "SAM 2: Segment Anything in Images and Videos", section 4.

    Weights are looked for when the propagator is made and read when it is first used.

    Args:
        model: A published network: ``sam2.1-hiera-tiny``, ``-small``, ``-base-plus`` or
            ``-large``, or the same of ``sam2-hiera-...``. ``toy`` is a tiny one for tests.
        checkpoint: A local file (.pt, .safetensors), or a repository on the Hugging Face hub
            (a published one says which network it is, so ``model`` can be left out); None for
            the published one of ``model``.
        config: A configuration file of your own in the package's form, for fine-tuned networks
            whose form was changed.
        random_weights: Use untrained weights, the same each time. For tests only.
        download: Fetch weights that are not on this machine. Otherwise nothing is fetched.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the processor is fast
            at it; ``int8``, with OpenVINO, for an image encoder that multiplies 8-bit numbers,
            whose ranges are those of the first frame that it sees, also for later videos.
        max_objects_per_pass: How many objects one session holds; the pipeline makes passes of
            so many.
        largest_hole: Holes of at most this many pixels in the network's own masks (a quarter
            of its input's side) are filled. The package fills 8 where its CUDA extension was
            built, else none.
        embeddings: Names of the models whose embeddings prompt this network, as a vector of the
            prompt encoder's width, or several one after another.
        guide_every_frame: Whether an object's embedding joins the prompts of every frame, not
            of its own frame only.
        memory: What is remembered of each object: ``fifo``, first in, first out, as published;
            ``samurai``, ``dam`` or ``sam3``, which remember good frames; ``sam2long``, which
            follows three hypotheses and answers late; or a policy of your own, as a class (or
            what makes one), or its path ``module:name``. Each object has a policy of its own in
            each run. See ``videoseg_sam2.MemoryPolicy``.
        engine: ``eager`` for torch, as published; ``compile`` to compile the image encoder
            (``torch.compile``), which takes minutes; ``openvino`` to run it in OpenVINO on a
            CPU, in float32 or 8-bit numbers.

    Raises:
        ConfigError: If an option is not allowed, or the device is not there.
        MissingDependencyError: If OpenVINO is asked for and not installed.
        MissingWeightsError: If the weights are not on this machine.
    """

    @checked_options("propagator 'sam2'")
    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        checkpoint: str | Path | None = None,
        config: str | Path | None = None,
        random_weights: bool = False,
        download: bool = False,
        device: str = "auto",
        precision: Precision = "auto",
        max_objects_per_pass: PositiveInt | None = None,
        largest_hole: Annotated[int, Ge(0)] = 0,
        embeddings: tuple[str, ...] = (),
        guide_every_frame: bool = True,
        memory: str | Callable[[], MemoryPolicy] = FIFO,
        engine: Engine = "eager",
    ) -> None:
        choice = NetworkChoice(
            model=model,
            checkpoint=checkpoint,
            config=config,
            random_weights=random_weights,
            download=download,
            device=device,
            precision=precision,
            engine=engine,
        )
        self._make_policy = find_policy(memory, choice.name)
        self._network = choice.locate()
        self._max_objects = max_objects_per_pass
        self._largest_hole = largest_hole
        self._embeddings = tuple(embeddings)
        self._guide_every_frame = guide_every_frame

    @property
    def capabilities(self) -> PropagatorCapabilities:
        """What this propagator takes and can do."""
        return replace(
            _with_memory(self._make_policy),
            embeddings=self._embeddings,
            max_objects_per_pass=self._max_objects,
        )

    def open(self, video: VideoSource, *, seed: int = 0) -> Sam2Session:  # noqa: ARG002
        """Begin a propagation over one video.

        Args:
            video: The video; its frames are read as they are needed.
            seed: Accepted for the contract; nothing here is random.

        Raises:
            ConfigError: If the checkpoint cannot be read or is another network's.
        """
        return Sam2Session(
            video,
            self.capabilities,
            network=self._network,
            guide_every_frame=self._guide_every_frame,
            largest_hole=self._largest_hole,
            make_policy=self._make_policy,
        )

    def close(self) -> None:
        """Release the weights; they are read again when a session is next opened."""
        self._network.close()
