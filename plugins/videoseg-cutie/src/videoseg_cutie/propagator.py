"""The propagator ``cutie``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge
from videoseg_xmem.loading import NetworkPropagator

from videoseg.devices import pick_device, torch_defaults
from videoseg.engines import Engine, Precision, check_engine, compute_type
from videoseg.errors import ConfigError
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import VideoSource
from videoseg_cutie.checkpoint import DEFAULT, RANDOM, find_checkpoint
from videoseg_cutie.options import MemoryOptions

if TYPE_CHECKING:
    from videoseg_cutie.network import CutieNetwork
    from videoseg_cutie.session import CutieSession

__all__ = ["CutiePropagator"]


class CutiePropagator(NetworkPropagator["CutieNetwork"]):
    """Propagates masks through a video with Cutie (Cheng et al., CVPR 2024).

    Besides the memories that it has from XMem (a sensory memory, a working memory of recent
    frames, a long-term memory of the most used places of others), it remembers each object as a
    whole, and a transformer looks at the reading of the memory with that in mind. All are
    bounded, so memory does not grow with the video. Objects of one pass compete for every pixel.

    Nothing is downloaded: without the weights, ``MissingWeightsError`` has the command that
    fetches them.

    Args:
        checkpoint: ``base`` or ``small`` for the published weights, a path, or ``random`` for
            random weights, which find nothing (for tests).
        max_internal_size: Greatest length of the frames' shorter side as the network sees them;
            larger frames are shrunk, smaller ones are not enlarged. -1 for no limit.
        mem_every: Number of frames from one that is added to the working memory to the next.
        top_k: Number of places in memory that each place of a new frame reads from; None for
            all.
        min_working_frames: Frames that stay in the working memory when it is consolidated.
        max_working_frames: Frames at which it is consolidated; without long-term memory, frames
            that it holds.
        prototypes: Places that move to the long-term memory at each consolidation.
        long_term_elements: Places the long-term memory holds; 0 for none.
        long_term_buffer: Places that are emptied besides those needed when it is full.
        sensory_updates: On how many of the ``mem_every`` frames after one that was remembered
            the sensory memory is updated, spread evenly.
        permanent_prompts: Whether every frame with a prompt stays in memory until the end, which
            then grows with the prompts, or only the first frame of each object.
        chunk_size: Number of objects that are read and decoded at a time, to save memory; None
            for all. Objects of different chunks meet only where they compete for pixels.
        precision: ``float32``, ``bfloat16``, or ``auto`` for the faster of the two on the
            device; ``int8``, with OpenVINO, multiplies 8-bit numbers, whose ranges are those of
            the first frames of a size.
        device: ``cpu``, ``cuda``, ``cuda:1``, ..., or ``auto`` for a GPU if there is one.
        max_objects_per_pass: Number of objects that compete in one pass; None for all.
        engine: ``eager`` for torch, ``compile`` to compile the network (``torch.compile``), which
            takes a minute and is worth it for long videos, ``openvino`` to run the encoder of
            images in OpenVINO on a CPU, and with ``int8`` the whole network.

    Raises:
        ConfigError: If options are out of range or do not go together, or the device is not
            there.
        MissingDependencyError: If OpenVINO is asked for and not installed.
        MissingWeightsError: If the weights are not on this machine.
    """

    @checked_options("propagator 'cutie'")
    def __init__(
        self,
        *,
        checkpoint: str | Path = DEFAULT,
        max_internal_size: Literal[-1] | Annotated[int, Ge(16)] = 480,
        mem_every: PositiveInt = 5,
        top_k: PositiveInt | None = 30,
        min_working_frames: PositiveInt = 5,
        max_working_frames: PositiveInt = 10,
        prototypes: PositiveInt = 128,
        long_term_elements: Annotated[int, Ge(0)] = 10_000,
        long_term_buffer: Annotated[int, Ge(0)] = 2_000,
        sensory_updates: PositiveInt = 5,
        permanent_prompts: bool = False,
        chunk_size: PositiveInt | None = None,
        precision: Precision = "auto",
        device: str = "auto",
        max_objects_per_pass: PositiveInt | None = None,
        engine: Engine = "eager",
    ) -> None:
        super().__init__(device=device, max_objects_per_pass=max_objects_per_pass)
        self._memory = MemoryOptions(
            mem_every=mem_every,
            top_k=top_k,
            min_working_frames=min_working_frames,
            max_working_frames=max_working_frames,
            prototypes=prototypes,
            long_term_elements=long_term_elements,
            long_term_buffer=long_term_buffer,
            sensory_updates=sensory_updates,
            permanent_prompts=permanent_prompts,
            chunk_size=chunk_size,
        )
        if problems := self._memory.problems():
            raise ConfigError(problems)
        self._max_internal_size = max_internal_size
        self._engine: Engine = engine
        self._precision: Precision = precision
        check_engine(engine, precision, device, extra="videoseg-cutie[openvino]")
        self._checkpoint = None if str(checkpoint) == RANDOM else find_checkpoint(checkpoint)

    def open(self, video: VideoSource, *, seed: int = 0) -> CutieSession:  # noqa: ARG002
        """Begin a propagation over one video; the first call loads the network.

        Args:
            video: The video.
            seed: Accepted for the contract; nothing here is random.

        Raises:
            ConfigError: If the checkpoint is damaged or another model's.
            PropagationError: If there is no room for the network on the device.
        """
        from videoseg_cutie.session import CutieSession

        return CutieSession(
            video,
            self.capabilities,
            network=self._loaded(),
            memory=self._memory,
            max_internal_size=self._max_internal_size,
        )

    def _load(self) -> CutieNetwork:
        from videoseg_cutie.checkpoint import load_network, random_network
        from videoseg_cutie.network import Dimensions
        from videoseg_cutie.network.preparation import compile_network, prepare

        device = pick_device("cpu" if self._engine == "openvino" else self._device)
        with torch_defaults():
            if self._checkpoint is None:
                network = random_network(Dimensions())
            else:
                network = load_network(self._checkpoint)
            network = prepare(
                network,
                device=device,
                dtype=compute_type(self._precision, device, engine=self._engine),
                openvino=self._engine == "openvino",
                eight_bit=self._precision == "int8",
            )
            return compile_network(network) if self._engine == "compile" else network
