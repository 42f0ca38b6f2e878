"""Checkpoints of transformers: finding them, and loading them with errors that say what to do."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from videoseg.devices import is_out_of_memory, pick_device, torch_defaults
from videoseg.errors import ConfigError, MissingDependencyError, MissingWeightsError, VideosegError
from videoseg.files import expand_path
from videoseg.weights import (
    HubModel,
    code_problem,
    download_command,
    has_whole_weights,
    placeholder_problem,
    without_loading_bars,
)

__all__ = [
    "DEVICE_KINDS",
    "OBJECT_DETECTION_MODEL",
    "SAM3_MODEL",
    "SAM3_TERMS",
    "ZERO_SHOT_MODEL",
    "CheckpointChoice",
    "LoadedModel",
    "load_config",
    "load_model",
    "load_processor",
    "object_detection_weights",
    "require_checkpoint",
    "sam3_weights",
    "zero_shot_weights",
]

ZERO_SHOT_MODEL = "IDEA-Research/grounding-dino-tiny"
OBJECT_DETECTION_MODEL = "PekingU/rtdetr_r50vd"
SAM3_MODEL = "facebook/sam3"
SAM3_TERMS = (
    "the SAM License of Meta, which restricts the use; the weights are gated: accept it on "
    "https://huggingface.co/facebook/sam3 and log in with `hf auth login`"
)
_DEFAULTS = {
    "zero-shot": ZERO_SHOT_MODEL,
    "object-detection": OBJECT_DETECTION_MODEL,
    "sam3": SAM3_MODEL,
}
DEVICE_KINDS = ("cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class CheckpointChoice:
    """Which checkpoint is loaded and where; the fields are options of the detectors.

    ``detector`` is the name of the component; ``terms`` is the license, where it is known.
    """

    model: str
    revision: str | None
    device: str
    download: bool
    detector: str
    terms: str = "on its page on the hub"

    @property
    def folder(self) -> Path | None:
        """The folder, if the checkpoint was given as one; None for a name on the hub."""
        folder = expand_path(self.model)
        return folder if self.model and folder.is_dir() else None

    @property
    def source(self) -> str:
        """The first argument of ``from_pretrained``."""
        return str(self.folder or self.model)

    @property
    def command(self) -> str:
        """The command that downloads it."""
        model = None if self.model == _DEFAULTS[self.detector] else self.model
        return download_command("detector", self.detector, model=model, revision=self.revision)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to use.

    Args:
        network: The model of transformers, in evaluation mode.
        processor: What makes its inputs and reads its outputs.
        device: The ``torch.device`` it is on.
    """

    network: Any
    processor: Any
    device: Any


def zero_shot_weights(options: Mapping[str, Any]) -> list[HubModel]:
    """Return the model that the detector ``zero-shot`` needs; none for a folder."""
    return _published(HubModel(ZERO_SHOT_MODEL, num_bytes=690_000_000), options)


def object_detection_weights(options: Mapping[str, Any]) -> list[HubModel]:
    """Return the model that the detector ``object-detection`` needs; none for a folder."""
    return _published(HubModel(OBJECT_DETECTION_MODEL, num_bytes=172_000_000), options)


def sam3_weights(options: Mapping[str, Any]) -> list[HubModel]:
    """Return the model that the detector ``sam3`` needs; none for a folder."""
    default = HubModel(
        SAM3_MODEL, num_bytes=3_440_000_000, license="SAM License (Meta)", terms=SAM3_TERMS
    )
    return _published(default, options)


def _published(default: HubModel, options: Mapping[str, Any]) -> list[HubModel]:
    """Return the model that the options name, with what is known of the default one."""
    model, revision = options.get("model", default.model), options.get("revision")
    if not isinstance(model, str) or _looks_local(model) or expand_path(model).is_dir():
        return []
    return [replace(default if model == default.model else HubModel(model), revision=revision)]


def _looks_local(model: str) -> bool:
    return not model or model.startswith((".", "/", "~", "\\")) or model.count("/") > 1


def require_checkpoint(choice: CheckpointChoice) -> None:
    """Check that a checkpoint is on this machine or may be downloaded, without loading it.

    Raises:
        MissingWeightsError: If it is not; the message has the command that downloads it.
        ConfigError: If one of its files is a placeholder, such as a web page.
    """
    folder = choice.folder
    if _looks_local(choice.model) and folder is None:
        raise MissingWeightsError(
            f"there is no folder {choice.model!r}; give the folder of a checkpoint (with a "
            "config.json), or a name on the Hugging Face hub"
        )
    if folder is None:
        if choice.download:
            return
        folder = _cached(choice)
    if folder is None or not (folder / "config.json").is_file() or not has_whole_weights(folder):
        raise _missing(choice)
    for file in sorted(folder.iterdir()):
        is_part = file.suffix in (".json", ".safetensors", ".bin") and file.is_file()
        if is_part and (problem := placeholder_problem(file)):
            raise ConfigError(f"in the checkpoint {choice.model!r}, {file.name!r} {problem}")


def load_config(choice: CheckpointChoice) -> Any:
    """Return the configuration of a checkpoint."""
    transformers: Any = importlib.import_module("transformers")
    with _explained(choice, "configuration"):
        return transformers.AutoConfig.from_pretrained(
            choice.source, revision=choice.revision, local_files_only=not choice.download
        )


def load_model(choice: CheckpointChoice, *, auto_model: str, auto_processor: str) -> LoadedModel:
    """Load a checkpoint.

    Args:
        choice: Which.
        auto_model: The class of transformers that loads it, such as
            ``AutoModelForObjectDetection``.
        auto_processor: The class that loads its processor, such as ``AutoImageProcessor``.

    Raises:
        MissingWeightsError: If it is not on this machine and may not be downloaded.
        MissingDependencyError: If a package that it needs is not installed.
        ConfigError: If it is damaged, incomplete or of another kind.
    """
    require_checkpoint(choice)
    transformers: Any = importlib.import_module("transformers")
    where = {"revision": choice.revision, "local_files_only": not choice.download}
    device = pick_device(choice.device, kinds=DEVICE_KINDS)
    processor = load_processor(choice, auto_processor)
    # Bars are for what is fetched.
    bars = nullcontext() if choice.download else without_loading_bars()
    with torch_defaults(), bars, _explained(choice, "model"):
        network, report = getattr(transformers, auto_model).from_pretrained(
            choice.source, output_loading_info=True, dtype="float32", **where
        )
        network = network.to(device).eval()
    if missing := sorted(report.get("missing_keys", ())):
        # transformers replaces missing weights by random numbers.
        raise ConfigError(
            f"the checkpoint {choice.model!r} lacks {len(missing)} parameters of its model (such "
            f"as {missing[0]}); it is not whole, or of another architecture than its config.json "
            "says"
        )
    return LoadedModel(network, processor, device)


def load_processor(choice: CheckpointChoice, auto_processor: str) -> Any:
    """Load the processor of a checkpoint with a class of transformers."""
    transformers: Any = importlib.import_module("transformers")
    with torch_defaults(), _explained(choice, "processor"):
        return getattr(transformers, auto_processor).from_pretrained(
            choice.source, revision=choice.revision, local_files_only=not choice.download
        )


@contextmanager
def _explained(choice: CheckpointChoice, part: str) -> Iterator[None]:
    try:
        yield
    except VideosegError:
        raise
    except ImportError as error:
        raise MissingDependencyError(
            f"loading the {part} of {choice.model!r} failed: {_one_line(error)}"
        ) from error
    # transformers raises nearly any error for damaged files and foreign architectures.
    except Exception as error:
        raise _explanation(choice, part, error) from error


def _explanation(choice: CheckpointChoice, part: str, error: Exception) -> VideosegError:
    if is_out_of_memory(error):
        return ConfigError(
            f"loading {choice.model!r} ran out of memory on {choice.device}; take a smaller model "
            "or device='cpu'"
        )
    folder = choice.folder or _cached(choice)
    for file in sorted(folder.glob("*.bin")) if folder is not None else ():
        # torch's own message advises to load the file in a way that runs the code in it.
        if problem := code_problem(file):
            return ConfigError(f"in the checkpoint {choice.model!r}, {file.name!r} {problem}")
    reason = _one_line(error)
    if "Unrecognized configuration class" in reason:
        return ConfigError(
            f"model {choice.model!r} is not one that this detector can use; zero-shot takes "
            "models such as 'IDEA-Research/grounding-dino-tiny' or "
            "'google/owlv2-base-patch16-ensemble', object-detection such as "
            "'PekingU/rtdetr_r50vd' or 'hustvl/yolos-tiny'"
        )
    if choice.download and isinstance(error, OSError):
        return MissingWeightsError(
            f"model {choice.model!r} could not be fetched: {reason}; check its name and the "
            "network, log in with `hf auth login` if it is gated, or on a machine with access "
            f"run: {choice.command}"
        )
    return ConfigError(f"the {part} of {choice.model!r} cannot be loaded: {reason}")


def _missing(choice: CheckpointChoice) -> MissingWeightsError:
    if choice.folder is not None:
        return MissingWeightsError(
            f"the folder {choice.model!r} holds no whole checkpoint: config.json or the weights "
            "are missing; fetch it again"
        )
    return MissingWeightsError(
        f"model {choice.model!r} is not wholly on this machine; fetch it with: {choice.command} "
        f"(or make the detector's option 'download' true). License: {choice.terms}"
    )


def _cached(choice: CheckpointChoice) -> Path | None:
    """Return the folder of a checkpoint in the hub's cache, which may be incomplete."""
    return HubModel(choice.model, choice.revision).folder()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
