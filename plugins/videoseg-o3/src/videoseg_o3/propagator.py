"""The propagator ``o3``: SAM 2 with a language prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg_sam2 import Network, NetworkSource, Sam2Session, config_path

from videoseg import ConfigError
from videoseg.devices import pick_device
from videoseg.engines import TorchPrecision, uses_bfloat16
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import PropagatorCapabilities, VideoSource
from videoseg_o3.model.files import DEFAULT_MODEL, find_folder
from videoseg_o3.model.sam2 import (
    O3_SETTINGS,
    find_network,
    network_of,
    normalize_frame,
    read_sam2,
)
from videoseg_o3.plugin import O3_CAPABILITIES

if TYPE_CHECKING:
    from videoseg_o3.model.network import SegModel

__all__ = ["O3Propagator", "propagator_of"]


class O3Propagator:
    """Propagates what ``[SEG]`` stands for through a video, with SAM 2 as VideoSEG-O3 has it.

    The embedding segments the frame that it is given for and joins the prompts of every other
    frame. A run backward sees what a run forward before it has remembered. Masks are those of
    the official code; memory does not grow with the length of the video. Boxes, points and
    masks are prompts, too, as for the propagator ``sam2``. Source: the official code.

    Of the checkpoint only SAM 2 is read. Weights are looked for when the propagator is made and
    read when it is first used.

    Args:
        model: Folder of a checkpoint of VideoSEG-O3, or its name on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        random_weights: Instead of a checkpoint, the name of a network of SAM 2 to use with
            untrained weights, the same each time. For tests only.
        download: Fetch a checkpoint that is not on this machine from the Hugging Face hub.
            Otherwise nothing is fetched.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the processor is fast
            at it.
        max_objects_per_pass: How many objects one session holds; the pipeline makes passes of
            so many.
        guide_every_frame: Whether an object's embedding joins the prompts of every frame, as
            released, not of its own frame only.

    Raises:
        ConfigError: If an option is not allowed, the device is not there, or the checkpoint is
            damaged or of another kind.
        MissingWeightsError: If the weights are not on this machine.
    """

    @checked_options("propagator 'o3'")
    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        revision: str | None = None,
        random_weights: str | None = None,
        download: bool = False,
        device: str = "auto",
        precision: TorchPrecision = "auto",
        max_objects_per_pass: PositiveInt | None = None,
        guide_every_frame: bool = True,
    ) -> None:
        where = pick_device(device, kinds=("cpu", "cuda", "mps"))
        if random_weights is None:
            folder = find_folder(model, revision=revision, download=download)
            name = network_of(folder, model)
        else:
            folder, name = None, random_weights
        source = NetworkSource(config_path(name), folder, str(where), O3_SETTINGS, read_sam2)
        self._network = Network(source, name=name, bfloat16=uses_bfloat16(precision, where))
        self._max_objects = max_objects_per_pass
        self._guide_every_frame = guide_every_frame

    @property
    def capabilities(self) -> PropagatorCapabilities:
        """What this propagator takes and can do."""
        return replace(O3_CAPABILITIES, max_objects_per_pass=self._max_objects)

    def open(self, video: VideoSource, *, seed: int = 0) -> Sam2Session:  # noqa: ARG002
        """Begin a propagation over one video.

        Args:
            video: The video; its frames are read as they are needed.
            seed: Accepted for the contract; nothing here is random.

        Raises:
            ConfigError: If the checkpoint cannot be read.
        """
        return Sam2Session(
            video,
            self.capabilities,
            network=self._network,
            guide_every_frame=self._guide_every_frame,
            read_frame=normalize_frame,
            enlarge_twice=True,
        )

    def close(self) -> None:
        """Release the weights; they are read again when a session is next opened."""
        self._network.close()


class _OwnPropagator(O3Propagator):
    """The propagator with parameters that are given."""

    def __init__(
        self,
        network: Network,
        *,
        max_objects_per_pass: int | None = None,
        guide_every_frame: bool = True,
    ) -> None:
        self._network = network
        self._max_objects = max_objects_per_pass
        self._guide_every_frame = guide_every_frame


def propagator_of(
    model: SegModel, *, precision: TorchPrecision = "auto", **options: Any
) -> O3Propagator:
    """Return a propagator with a copy of the SAM 2 that a model has now, on the same device.

    Args:
        model: The model, with SAM 2 in it, such as one that is being trained.
        precision: See ``O3Propagator``.
        options: ``max_objects_per_pass`` and ``guide_every_frame``; see there.

    Raises:
        ConfigError: If the model has no SAM 2, or one of no known size.
    """
    import torch

    if model.sam2 is None:
        raise ConfigError("the model has no SAM 2 (masks=False); load it whole")
    # Not from state_dict, which gives parts where processes share out the parameters.
    values = [*model.sam2.named_parameters(), *model.sam2.named_buffers()]
    state = {name: value.detach().clone() for name, value in values}
    name = find_network(state, "in memory")
    device = torch.device(model.device)
    source = NetworkSource(
        config_path(name), Path(name), str(device), O3_SETTINGS, lambda _path, _name: state
    )
    network = Network(source, name=name, bfloat16=uses_bfloat16(precision, device))
    return _OwnPropagator(network, **options)
