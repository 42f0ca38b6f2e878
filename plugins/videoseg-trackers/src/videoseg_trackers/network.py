"""The networks of transformers: checked early, loaded late, one frame and one object at a time."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from videoseg.devices import is_out_of_memory, pick_device, torch_defaults
from videoseg.engines import Engine, Precision, check_engine, uses_bfloat16
from videoseg.errors import ConfigError, MissingDependencyError, MissingWeightsError, VideosegError
from videoseg.files import expand_path
from videoseg.types import BoolArray, Frame, Prompt, Size
from videoseg.weights import (
    HubModel,
    download_command,
    has_whole_weights,
    placeholder_problem,
    without_loading_bars,
)
from videoseg_trackers.published import DEFAULT_MODEL, PUBLISHED, looks_local

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["TrackerChoice", "TrackerNetwork"]

_logger = logging.getLogger(__name__)

_KINDS = ("cpu", "cuda", "mps")

# By the model type in a checkpoint's config.json: names of the library's model and processor. The
# whole checkpoint of SAM 3 has its tracker beside the detector.
_CLASSES = {
    "sam2_video": ("Sam2VideoModel", "Sam2VideoProcessor"),
    "edgetam_video": ("EdgeTamVideoModel", "Sam2VideoProcessor"),
    "sam3_tracker_video": ("Sam3TrackerVideoModel", "Sam3TrackerVideoProcessor"),
    "sam3_video": ("Sam3TrackerVideoModel", "Sam3TrackerVideoProcessor"),
}


@dataclass(frozen=True, slots=True)
class TrackerChoice:
    """The options that choose a network; see ``TransformersVideoPropagator``."""

    kind: Literal["segmenter", "propagator"]
    model: str
    revision: str | None
    device: str
    precision: Precision
    download: bool
    engine: Engine = "eager"

    def locate(self) -> TrackerNetwork:
        """Return the network, its checkpoint found but not yet read.

        Raises:
            ConfigError: If the device is not there, options do not go together, or a file is a
                placeholder.
            MissingDependencyError: If OpenVINO is asked for and not installed.
            MissingWeightsError: If the checkpoint is not on this machine.
        """
        check_engine(self.engine, self.precision, self.device, extra="videoseg-trackers[openvino]")
        device = pick_device("cpu" if self.engine == "openvino" else self.device, kinds=_KINDS)
        folder = self._folder()
        if folder is not None:
            _check_files(folder, self.model)
        bfloat16 = uses_bfloat16(self.precision, device, engine=self.engine)
        return TrackerNetwork(self, folder, device=str(device), bfloat16=bfloat16)

    @property
    def command(self) -> str:
        """The command that downloads the checkpoint."""
        model = None if self.model == DEFAULT_MODEL else self.model
        name = "transformers-video"
        return download_command(self.kind, name, model=model, revision=self.revision)

    def _folder(self) -> Path | None:
        """Return the checkpoint's folder; None if it is to be downloaded."""
        folder = expand_path(self.model) if self.model else None
        if folder is not None and folder.is_dir():
            if not (folder / "config.json").is_file() or not has_whole_weights(folder):
                raise MissingWeightsError(
                    f"the folder {self.model!r} holds no whole checkpoint: config.json or the "
                    "weights are missing; fetch it again"
                )
            return folder
        if looks_local(self.model):
            raise MissingWeightsError(
                f"there is no folder {self.model!r}; give the folder of a checkpoint (with a "
                f"config.json), or a name on the Hugging Face hub: {', '.join(PUBLISHED)}"
            )
        cached = HubModel(self.model, self.revision).folder()
        if cached is not None and (cached / "config.json").is_file() and has_whole_weights(cached):
            return cached
        terms = _terms_of(self.model)
        if not self.download:
            raise MissingWeightsError(
                f"model {self.model!r} is not wholly on this machine; fetch it with: "
                f"{self.command} (or set download=True). License: {terms}"
            )
        _logger.warning("fetching %s; license: %s", self.model, terms)
        return None


def _terms_of(model: str) -> str:
    known = PUBLISHED.get(model)
    return (known.terms or known.license) if known is not None else "on its page on the hub"


def _check_files(folder: Path, model: str) -> None:
    for file in sorted(folder.iterdir()):
        is_part = file.suffix in (".json", ".safetensors", ".bin") and file.is_file()
        if is_part and (problem := placeholder_problem(file)):
            raise ConfigError(f"in the checkpoint {model!r}, {file.name!r} {problem}")


class TrackerNetwork:
    """One of the networks, with its processor, on a device.

    Args:
        choice: The options.
        folder: The checkpoint's folder; None for one that is downloaded when it is needed.
        device: Name of the device.
        bfloat16: Whether to compute in bfloat16.
    """

    def __init__(
        self, choice: TrackerChoice, folder: Path | None, *, device: str, bfloat16: bool
    ) -> None:
        self.name = choice.model
        self._choice = choice
        self._folder = folder
        self._device = device
        self._bfloat16 = bfloat16
        self._loaded: tuple[Any, Any] | None = None

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        import torch

        return torch.device(self._device)

    @property
    def model(self) -> Any:
        """The library's model, loaded when first asked for and not to be changed.

        Raises:
            ConfigError: If the checkpoint is damaged, incomplete or of another kind.
            MissingDependencyError: If a package that it needs is not installed.
        """
        return self._load()[0]

    @property
    def processor(self) -> Any:
        """The library's processor."""
        return self._load()[1]

    def close(self) -> None:
        """Release the weights; they are loaded again when next needed."""
        self._loaded = None

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute in the network's own precision, whatever the calling program has set."""
        import torch

        kind = self.device.type
        with torch_defaults(), torch.autocast(kind, torch.bfloat16, enabled=self._bfloat16):
            yield

    def encode(self, frame: Frame) -> dict[str, Any]:
        """Return the image encoder's features of a frame, in the form that sessions cache.

        Args:
            frame: RGB, shape (H, W, 3), dtype uint8.
        """
        import torch

        # One frame is prepared as a video of one frame, so that it is prepared as in the library.
        # Channels come first, as it takes the first axis of a length of one or three for them.
        channels_first = torch.from_numpy(np.array(frame)).permute(2, 0, 1)
        made = self.processor.video_processor(
            videos=[channels_first[None]], device=self.device, return_tensors="pt"
        )
        pixels = made.pixel_values_videos[0][:1].to(self.device, torch.float32)
        with torch.inference_mode():
            outputs = self.model.get_image_features(pixels, return_dict=True)
        return {
            "vision_feats": outputs.fpn_hidden_states,
            "vision_pos_embeds": outputs.fpn_position_encoding,
        }

    def open_session(self, size: Size, num_frames: int) -> Any:
        """Return a session of the library for one object, which holds no frames.

        Args:
            size: (height, width) of the frames.
            num_frames: Length of the video; any large number for a live source.
        """
        session = self.processor.init_video_session(inference_device=self.device)
        session.video_height, session.video_width = size
        session.processed_frames = _Length(num_frames)
        return session

    def condition(self, session: Any, frame: int, prompt: Prompt) -> Tensor:
        """Segment a prompted frame, whose features the session caches, and remember it.

        Returns:
            Mask logits, shape (1, 1, h, w).
        """
        index = session.obj_id_to_idx(1)
        # As a frame that has been tracked it would not become a prompted one.
        session.frames_tracked_per_obj[index].clear()
        outputs = session.output_dict_per_obj[index]
        outputs["non_cond_frame_outputs"].pop(frame, None)
        outputs["cond_frame_outputs"].pop(frame, None)
        # A list of its own: the library empties the one that it is given.
        self.processor.add_inputs_to_inference_session(
            session, frame, [1], **self._inputs(session, prompt)
        )
        logits: Tensor = self.model(session, frame_idx=frame).pred_masks
        session.mask_inputs_per_obj[index].clear()
        conditioning = outputs["cond_frame_outputs"]
        outputs["cond_frame_outputs"] = dict(sorted(conditioning.items()))
        return logits

    def track(self, session: Any, frame: int, *, reverse: bool) -> Tensor:
        """Find the object on a frame whose features the session caches.

        Returns:
            Mask logits, shape (1, 1, h, w).
        """
        logits: Tensor = self.model(session, frame_idx=frame, reverse=reverse).pred_masks
        return logits

    def _inputs(self, session: Any, prompt: Prompt) -> dict[str, Any]:
        if prompt.mask is not None:
            return {"input_masks": self._mask(prompt.mask.decode())}
        inputs: dict[str, Any] = {"original_size": (session.video_height, session.video_width)}
        if prompt.box is not None:
            box = prompt.box.clipped((session.video_height, session.video_width))
            if box is not None:
                inputs["input_boxes"] = [[list(box.as_tuple())]]
        points = (*prompt.points, *prompt.negative_points)
        if points:
            inputs["input_points"] = [[[[float(one.x), float(one.y)] for one in points]]]
            inputs["input_labels"] = [
                [[1] * len(prompt.points) + [0] * len(prompt.negative_points)]
            ]
        return inputs

    def _mask(self, mask: BoolArray) -> Tensor:
        """Return a mask that keeps at least a pixel when the library resizes it."""
        import torch
        from torch.nn import functional

        full = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))[None, None]
        size = (self.processor.target_size,) * 2
        small = functional.interpolate(
            full, size=size, mode="bilinear", align_corners=False, antialias=True
        )
        if bool((small >= 0.5).any()):
            return full.bool()
        return functional.adaptive_max_pool2d(full, size).bool()

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            self._loaded = self._read()
        return self._loaded

    def _read(self) -> tuple[Any, Any]:
        transformers: Any = importlib.import_module("transformers")
        source = str(self._folder or self.name)
        where = {
            "revision": None if self._folder else self._choice.revision,
            "local_files_only": not self._choice.download,
        }
        bars = nullcontext() if self._choice.download else without_loading_bars()
        with torch_defaults(), bars, self._explained():
            config = transformers.AutoConfig.from_pretrained(source, **where)
            model_class, processor_class = _classes_for(config, self.name)
            processor = getattr(transformers, processor_class).from_pretrained(source, **where)
            network, report = getattr(transformers, model_class).from_pretrained(
                source, output_loading_info=True, dtype="float32", **where
            )
            network = network.to(self.device).eval().requires_grad_(False)
        if missing := sorted(report.get("missing_keys", ())):
            # transformers replaces missing weights by random numbers.
            raise ConfigError(
                f"the checkpoint {self.name!r} lacks {len(missing)} parameters of its model (such "
                f"as {missing[0]}); it is not whole, or of another architecture than its "
                "config.json says"
            )
        if self._choice.engine != "eager":
            from videoseg_trackers.encoder import run_encoder_in

            with torch_defaults():
                run_encoder_in(self._choice.engine, network, precision=self._choice.precision)
        return network, processor

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except VideosegError:
            raise
        except ImportError as error:
            raise MissingDependencyError(_missing_package(self.name, error)) from error
        # transformers raises nearly any error for damaged files.
        except Exception as error:
            if is_out_of_memory(error):
                raise VideosegError(
                    f"device {self._device!r} has no room for {self.name!r}; use a smaller model "
                    "or device='cpu'"
                ) from error
            if self._choice.download and isinstance(error, OSError):
                raise MissingWeightsError(
                    f"model {self.name!r} could not be fetched: {_one_line(error)}; check its "
                    "name and the network, log in with `hf auth login` if it is gated, or on a "
                    f"machine with access run: {self._choice.command}"
                ) from error
            raise ConfigError(f"{self.name!r} cannot be loaded: {_one_line(error)}") from error

    def __getstate__(self) -> dict[str, Any]:
        # Another process loads the weights for itself.
        return {**self.__dict__, "_loaded": None}


def _classes_for(config: Any, name: str) -> tuple[str, str]:
    kind = getattr(config, "model_type", "")
    if kind not in _CLASSES:
        raise ConfigError(
            f"model {name!r} is a {kind!r}; the video trackers are {', '.join(_CLASSES)}, such as "
            f"{', '.join(PUBLISHED)}"
        )
    encoder = getattr(getattr(config, "vision_config", None), "model_type", "")
    if kind == "edgetam_video" and encoder == "sam2_vision_model":
        # What EdgeTamVideoConfig() gives without arguments.
        raise ConfigError(
            f"the configuration of {name!r} says EdgeTAM but builds the image encoder of SAM 2; "
            "its vision_config must be an 'edgetam_vision_model'"
        )
    return _CLASSES[kind]


def _missing_package(name: str, error: ImportError) -> str:
    reason = _one_line(error)
    if "timm" in reason:
        return f"{name!r} needs timm, which is not installed: pip install timm"
    return (
        f"a package that {name!r} needs cannot be imported ({reason}). torch, torchvision and "
        "transformers must fit together; python -c 'import torchvision' says whether the first "
        "two do"
    )


class _Length:
    """Stands for the dictionary of all frames, of which the library asks the number only."""

    def __init__(self, num_frames: int) -> None:
        self._num_frames = num_frames

    def __len__(self) -> int:
        return self._num_frames

    def __getitem__(self, index: int) -> Any:
        raise KeyError(f"the features of frame {index} were not given to the session")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
