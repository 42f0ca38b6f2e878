"""Checkpoints of vision-language models: options, files, loading."""

from __future__ import annotations

import importlib
import importlib.util
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from videoseg import ConfigError, MissingWeightsError, VideosegError
from videoseg.devices import is_out_of_memory
from videoseg.errors import ChatError, MissingDependencyError
from videoseg.files import expand_path, read_bytes
from videoseg.text import parse_json
from videoseg.weights import (
    code_problem,
    placeholder_problem,
    weights_problem,
    without_loading_bars,
)
from videoseg_vlm.families import Family, family_of_type

__all__ = [
    "Checkpoint",
    "CheckpointOptions",
    "Quantization",
    "find_damage",
    "foreign_code",
    "has_weights",
    "load",
    "packed_types",
    "require_torchvision",
    "require_weights",
]

Quantization: TypeAlias = Literal["none", "int8", "int4"]


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """How a checkpoint is loaded; the fields are options of ``TransformersChat``."""

    model: str
    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    device_map: str | dict[str, Any] | None = None
    attention: str | None = None
    quantization: Quantization = "none"
    min_pixels: int | None = None
    max_pixels: int | None = None
    download: bool = False

    @property
    def download_command(self) -> str:
        """The command that downloads the checkpoint."""
        revision = f" --revision {shlex.quote(self.revision)}" if self.revision else ""
        return f"hf download {shlex.quote(self.model)}{revision}"

    @property
    def folder(self) -> Path | None:
        """The folder, if the checkpoint was given as one; None for a name."""
        folder = expand_path(self.model)
        return folder if folder.is_dir() else None

    @property
    def source(self) -> str:
        """The first argument of ``from_pretrained``."""
        return str(self.folder or self.model)


# In the order in which transformers looks for them.
_FORMS = (("model", "safetensors"), ("pytorch_model", "bin"))
# Types of one byte or less, which only the method that packed them can read.
_PACKED = ("I8", "U8", "F8_", "F6_", "F4", "I4", "U4")


def has_weights(folder: Path) -> bool:
    """Return whether a folder has weights, with every part that their index names."""
    for suffix in ("safetensors", "bin"):
        if any(file.is_file() for file in folder.glob(f"*.{suffix}")):
            indices = folder.glob(f"*.{suffix}.index.json")
            return all((folder / part).is_file() for index in indices for part in _parts(index))
    return False


def find_damage(folder: Path) -> str:
    """Return which file of a folder is damaged, and why; empty if none is known to be."""
    try:
        for suffix in ("json", "model", "safetensors", "bin"):
            for file in sorted(folder.glob(f"*.{suffix}")):
                if file.is_file() and (problem := placeholder_problem(file)):
                    return f"{file.name!r} {problem}"
    except OSError as error:
        return f"{Path(error.filename).name!r} cannot be read ({error.strerror})"
    for file in _weight_files(folder):
        if problem := weights_problem(file):
            return f"{file.name!r} {problem}"
    return ""


def foreign_code(folder: Path) -> str:
    """Return which file of weights contains more than tensors, and what; empty if none does.

    Nothing is loaded. Used after a failed load, since torch's own message advises to load the
    file in a way that runs the code in it.
    """
    for file in _weight_files(folder):
        if file.suffix == ".bin" and (problem := code_problem(file)):
            return f"{file.name!r} {problem}"
    return ""


def packed_types(folder: Path) -> list[str]:
    """Return the types of packed numbers in the safetensors files of a folder, such as ``I8``."""
    from safetensors import safe_open

    found: set[str] = set()
    for file in _weight_files(folder):
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                names = opened.keys()
                found.update(opened.get_slice(name).get_dtype() for name in names)
    return sorted(name for name in found if name.startswith(_PACKED))


def _weight_files(folder: Path) -> Iterator[Path]:
    for stem, suffix in _FORMS:
        index = folder / f"{stem}.{suffix}.index.json"
        names = [f"{stem}.{suffix}", *sorted(_parts(index))]
        files = [folder / name for name in names if (folder / name).is_file()]
        yield from files
        if files:
            return


def _parts(index: Path) -> set[str]:
    try:
        named: Any = parse_json(read_bytes(index))["weight_map"].values()
        return {str(name) for name in named}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Loading gives a better message.
        return set()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model with its properties.

    Args:
        model: The ``transformers`` model, ready to generate.
        processor: Its processor.
        family: Its family, if its conventions are known.
        max_context: Its longest conversation in tokens; None if its configuration has no bound.
    """

    model: Any
    processor: Any
    family: Family | None
    max_context: int | None

    @property
    def device(self) -> Any:
        """The ``torch.device`` on which inputs are expected."""
        return self.model.device

    @property
    def patch_size(self) -> int | None:
        """The side of a patch in pixels, if the processor gives it."""
        side = getattr(self.processor.image_processor, "patch_size", None)
        return side if isinstance(side, int) else None

    @property
    def pixel_bounds(self) -> tuple[int, int] | None:
        """The smallest and largest height x width to which the processor resizes an image.

        None if it has no bounds on pixels.
        """
        return _pixel_bounds(self.processor.image_processor)

    @contextmanager
    def showing_small(self, budgets: Iterable[int]) -> Iterator[None]:
        """Stop the processor from enlarging images beyond one of these budgets."""
        processor = self.processor.image_processor
        bounds = self.pixel_bounds
        if bounds is None or bounds[0] <= min(budgets, default=bounds[0]):
            yield
            return
        size = processor.size
        processor.size = type(size)(shortest_edge=1, longest_edge=bounds[1])
        try:
            yield
        finally:
            processor.size = size

    @property
    def size_factor(self) -> int:
        """The number of which image sides become multiples; 1 if the processor gives none."""
        merge = getattr(self.processor.image_processor, "merge_size", None)
        return (self.patch_size or 1) * merge if isinstance(merge, int) else 1


def load(options: CheckpointOptions) -> Checkpoint:
    """Load a checkpoint.

    Raises:
        MissingWeightsError: If it is not on this machine; the message has the command.
        MissingDependencyError: If a package is missing or broken.
        ConfigError: If it is not a vision-language model, or has no image processor.
        ChatError: If memory runs out.
    """
    _require_dependencies(options)
    require_weights(options)
    transformers: Any = importlib.import_module("transformers")
    where: dict[str, Any] = {
        "revision": options.revision,
        "local_files_only": not options.download,
    }
    with _explain_errors(options, "configuration"):
        config = transformers.AutoConfig.from_pretrained(options.source, **where)
    with _explain_errors(options, "processor"):
        processor = transformers.AutoProcessor.from_pretrained(options.source, **where)
    if getattr(processor, "image_processor", None) is None:
        raise ConfigError(
            f"model {options.model!r} ({config.model_type}) has no image processor, so it cannot "
            "be shown frames; give a vision-language model, such as "
            "'Qwen/Qwen2.5-VL-7B-Instruct', with its preprocessor_config.json"
        )
    _set_pixel_bounds(processor.image_processor, options)
    # Bars are for what is fetched.
    bars = nullcontext() if options.download else without_loading_bars()
    with bars, _explain_errors(options, "model"):
        _refuse_packed(options, config)
        model, report = transformers.AutoModelForImageTextToText.from_pretrained(
            options.source,
            dtype=options.dtype,
            output_loading_info=True,
            **where,
            **_placement(options),
        )
    _check_parameters(options, model, report)
    text_config = config.get_text_config()
    return Checkpoint(
        model.eval(),
        processor,
        family_of_type(config.model_type),
        getattr(text_config, "max_position_embeddings", None),
    )


def _refuse_packed(options: CheckpointOptions, config: Any) -> None:
    """Refuse packed numbers, which transformers would read as weights."""
    folder = options.folder or _snapshot(options)
    if folder is None or getattr(config, "quantization_config", None) is not None:
        return
    if types := packed_types(folder):
        raise ConfigError(
            f"the weights of {options.model!r} are quantized ({', '.join(types)}), but its "
            "config.json has no quantization_config that says how; take the original"
        )


def _check_parameters(options: CheckpointOptions, model: Any, report: Mapping[str, Any]) -> None:
    """Refuse a model that would answer with noise."""
    missing = sorted(report.get("missing_keys", ()))
    if missing:
        # transformers replaces missing weights by random numbers.
        raise ConfigError(
            f"the checkpoint {options.model!r} lacks {len(missing)} parameters of its model (such "
            f"as {missing[0]}); it is not whole, or of another architecture than its config.json "
            "says"
        )
    for name, parameter in model.named_parameters():
        is_plain = parameter.is_floating_point() and parameter.dtype.itemsize > 1
        if not is_plain or parameter.is_meta or not parameter.numel():
            continue
        # The extremes show non-finite numbers without a copy of the parameter.
        if not all(extreme.isfinite() for extreme in parameter.detach().aminmax()):
            raise ConfigError(
                f"the checkpoint {options.model!r} holds numbers that are not finite (in {name}), "
                "so that its answers are noise; fetch it again, or take an earlier one of the "
                "training"
            )


def _placement(options: CheckpointOptions) -> dict[str, Any]:
    import torch

    keywords: dict[str, Any] = {}
    if options.device_map is not None:
        keywords["device_map"] = options.device_map
    else:
        device = options.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError(
                f"device {device!r} was asked for, but torch {torch.__version__} sees no GPU; "
                "use device='cpu', or install a torch built for CUDA"
            )
        keywords["device_map"] = {"": device}
    if options.attention is not None:
        keywords["attn_implementation"] = options.attention
    if options.quantization != "none":
        transformers: Any = importlib.import_module("transformers")
        keywords["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_8bit=options.quantization == "int8",
            load_in_4bit=options.quantization == "int4",
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    return keywords


def _set_pixel_bounds(image_processor: Any, options: CheckpointOptions) -> None:
    if options.min_pixels is None and options.max_pixels is None:
        return
    bounds = _pixel_bounds(image_processor)
    if bounds is None:
        # Images are then resized beforehand.
        return
    smallest, largest = options.min_pixels or bounds[0], options.max_pixels or bounds[1]
    if smallest > largest:
        raise ConfigError(
            f"min_pixels must not be greater than max_pixels, got {smallest} and {largest}"
        )
    size = image_processor.size
    image_processor.size = type(size)(shortest_edge=smallest, longest_edge=largest)


def _pixel_bounds(image_processor: Any) -> tuple[int, int] | None:
    size = getattr(image_processor, "size", None)
    names = ("shortest_edge", "longest_edge")
    smallest, largest = (
        # Releases of transformers differ in where the bounds are.
        size.get(name) if isinstance(size, Mapping) else getattr(size, name, None)
        for name in names
    )
    # Processors that do not merge patches use these names for sides.
    merges = isinstance(getattr(image_processor, "merge_size", None), int)
    if not merges or smallest is None or largest is None:
        return None
    return int(smallest), int(largest)


def _require_dependencies(options: CheckpointOptions) -> None:
    require_torchvision()
    if options.quantization != "none" and importlib.util.find_spec("bitsandbytes") is None:
        raise MissingDependencyError(
            f"quantization={options.quantization!r} needs bitsandbytes, which is not installed: "
            "pip install 'videoseg-vlm[quantization]'"
        )


def require_weights(options: CheckpointOptions) -> None:
    """Check that a checkpoint is on this machine or may be downloaded, without loading it.

    Raises:
        MissingWeightsError: If it is not; the message has the command.
        ConfigError: If one of its files is a web page, truncated or otherwise damaged.
    """
    looks_local = options.model.startswith((".", "/", "~", "\\")) or options.model.count("/") > 1
    folder = options.folder
    if looks_local and folder is None:
        raise MissingWeightsError(
            f"there is no folder {options.model!r}; give the folder of a checkpoint (with a "
            "config.json), or a name on the Hugging Face hub such as "
            "'Qwen/Qwen2.5-VL-7B-Instruct'"
        )
    if folder is not None and not (folder / "config.json").is_file():
        raise MissingWeightsError(
            f"the folder {options.model!r} holds no checkpoint: it has no config.json"
        )
    if folder is None:
        if options.download:
            return
        folder = _snapshot(options)
        if folder is None:
            raise _explain_missing(options, "configuration", "")
        if not has_weights(folder):
            raise _explain_missing(options, "model", "")
    if problem := find_damage(folder):
        raise ConfigError(f"in the checkpoint {options.model!r}, {problem}")


def _snapshot(options: CheckpointOptions) -> Path | None:
    """Return the folder of a checkpoint in the hub's cache, which may be incomplete."""
    hub: Any = importlib.import_module("huggingface_hub")
    try:
        found = hub.try_to_load_from_cache(options.model, "config.json", revision=options.revision)
    except ValueError:
        # Not a valid name on the hub.
        return None
    return Path(found).parent if isinstance(found, str) else None


def require_torchvision() -> None:
    """Check that torchvision, which processors of vision-language models need, can be imported.

    Raises:
        MissingDependencyError: If it is missing, or of another build than torch; the message has
            the command that mends it.
    """
    if importlib.util.find_spec("torchvision") is None:
        raise MissingDependencyError(
            "the processors of vision-language models need torchvision, which is not "
            "installed: pip install torchvision"
        )
    try:
        importlib.import_module("torchvision")
    except Exception as error:
        from importlib import metadata

        versions = ", ".join(
            f"{name} {metadata.version(name)}" for name in ("torch", "torchvision")
        )
        raise MissingDependencyError(
            f"torchvision is installed but cannot be imported ({' '.join(str(error).split())}); "
            f"the builds of {versions} do not match. Install both from one place: "
            "pip install --force-reinstall torch torchvision"
        ) from error


@contextmanager
def _explain_errors(options: CheckpointOptions, part: str) -> Iterator[None]:
    try:
        yield
    except VideosegError:
        raise
    except Exception as error:
        raise _explanation(options, part, error) from error


def _explanation(options: CheckpointOptions, part: str, error: Exception) -> VideosegError:
    reason = " ".join(str(error).split())
    if is_out_of_memory(error):
        return ChatError(
            f"loading {options.model!r} ran out of memory on "
            f"{options.device_map or options.device}; take a smaller model, dtype='bfloat16', "
            "quantization='int4', or device_map='auto' to spread it over all GPUs",
            component="transformers",
        )
    if isinstance(error, ImportError):
        advice = ""
        if (options.attention or "").startswith("flash_attention"):
            advice = "; pip install flash-attn, or leave attention out"
        return MissingDependencyError(
            f"loading the {part} of {options.model!r} failed: {reason}{advice}"
        )
    folder = options.folder or _snapshot(options)
    if folder is not None and (problem := find_damage(folder) or foreign_code(folder)):
        return ConfigError(f"in the checkpoint {options.model!r}, {problem}")
    if "weights_only" in reason:
        # torch's own message advises to load the file in a way that runs the code in it.
        reason = "its weights hold more than tensors"
    if "mismatched_sizes" in reason:
        reason = "its weights have other shapes than its config.json says"
    is_folder = options.folder is not None
    # The processor may be on the hub and not downloaded yet.
    if part == "processor" and (is_folder or not isinstance(error, OSError)):
        return ConfigError(
            f"model {options.model!r} has no processor that can be loaded: {reason[:300]}; a "
            "vision-language model needs preprocessor_config.json and tokenizer files beside "
            "its weights"
        )
    if isinstance(error, OSError):
        return _explain_missing(options, part, reason)
    if part == "model" and "Unrecognized configuration class" in reason:
        return ConfigError(
            f"model {options.model!r} is not one that turns images and text into text; give a "
            "vision-language model such as 'Qwen/Qwen2.5-VL-7B-Instruct'"
        )
    return ConfigError(f"the {part} of {options.model!r} cannot be loaded: {reason[:500]}")


def _explain_missing(options: CheckpointOptions, part: str, reason: str) -> MissingWeightsError:
    if options.folder is not None:
        return MissingWeightsError(
            f"the {part} is missing from the folder {options.model!r}: {reason[:300]}"
        )
    if options.download:
        return MissingWeightsError(
            f"model {options.model!r} could not be fetched: {reason[:300]}; check its name and "
            "the network, log in with `hf auth login` if it is gated, or on a machine with access "
            f"run: {options.download_command}"
        )
    wholly = "" if part == "configuration" else "wholly "
    return MissingWeightsError(
        f"model {options.model!r} is not {wholly}on this machine; fetch it with: "
        f"{options.download_command} (or set download=True)"
    )
