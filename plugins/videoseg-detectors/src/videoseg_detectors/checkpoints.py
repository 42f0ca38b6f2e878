"""Checkpoints of transformers: finding them, and loading them with errors that say what to do."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videoseg.devices import is_out_of_memory, pick_device, torch_defaults
from videoseg.errors import ConfigError, MissingDependencyError, MissingWeightsError, VideosegError
from videoseg.files import expand_path
from videoseg.weights import code_problem, placeholder_problem, without_loading_bars

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
    "object_detection_weights_command",
    "require_checkpoint",
    "sam3_weights_command",
    "zero_shot_weights_command",
]

ZERO_SHOT_MODEL = "IDEA-Research/grounding-dino-tiny"
OBJECT_DETECTION_MODEL = "PekingU/rtdetr_r50vd"
SAM3_MODEL = "facebook/sam3"
SAM3_TERMS = (
    "the SAM License of Meta, which restricts the use; the weights are gated: accept it on "
    "https://huggingface.co/facebook/sam3 and log in with `hf auth login`"
)
DEVICE_KINDS = ("cpu", "cuda", "mps")
_WEIGHTS = ("*.safetensors", "*.bin")


@dataclass(frozen=True, slots=True)
class CheckpointChoice:
    """Which checkpoint is loaded and where; the fields are options of the detectors.

    ``terms`` is the license, where it is known.
    """

    model: str
    revision: str | None
    device: str
    download: bool
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
        revision = f" --revision {shlex.quote(self.revision)}" if self.revision else ""
        return f"hf download {shlex.quote(self.model)}{revision}"


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


def zero_shot_weights_command() -> str:
    """Return the command that downloads the default model; empty if it is on this machine."""
    return _default_command(ZERO_SHOT_MODEL)


def object_detection_weights_command() -> str:
    """Return the command that downloads the default model; empty if it is on this machine."""
    return _default_command(OBJECT_DETECTION_MODEL)


def sam3_weights_command() -> str:
    """Return the command that downloads SAM 3; empty if it is on this machine."""
    return _default_command(SAM3_MODEL)


def _default_command(model: str) -> str:
    choice = CheckpointChoice(model, None, "auto", False)
    folder = _cached(choice)
    return "" if folder is not None and _has_weights(folder) else choice.command


def require_checkpoint(choice: CheckpointChoice) -> None:
    """Check that a checkpoint is on this machine or may be downloaded, without loading it.

    Raises:
        MissingWeightsError: If it is not; the message has the command that downloads it.
        ConfigError: If one of its files is a placeholder, such as a web page.
    """
    looks_local = choice.model.startswith((".", "/", "~", "\\")) or choice.model.count("/") > 1
    folder = choice.folder
    if looks_local and folder is None:
        raise MissingWeightsError(
            f"there is no folder {choice.model!r}; give the folder of a checkpoint (with a "
            "config.json), or a name on the Hugging Face hub"
        )
    if folder is None:
        if choice.download:
            return
        folder = _cached(choice)
    if folder is None or not (folder / "config.json").is_file() or not _has_weights(folder):
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
        f"(or set download=True). License: {choice.terms}"
    )


def _cached(choice: CheckpointChoice) -> Path | None:
    """Return the folder of a checkpoint in the hub's cache, which may be incomplete."""
    try:
        hub: Any = importlib.import_module("huggingface_hub")
        found = hub.try_to_load_from_cache(choice.model, "config.json", revision=choice.revision)
    # Not a valid name on the hub.
    except ValueError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _has_weights(folder: Path) -> bool:
    return any(file.is_file() for pattern in _WEIGHTS for file in folder.glob(pattern))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
