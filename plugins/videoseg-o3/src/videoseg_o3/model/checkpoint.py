"""Checkpoints of the ``[SEG]`` model: loading, saving, and making new ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from videoseg_sam2 import build_network, config_path, find_checkpoint, load_into, read_checkpoint
from videoseg_vlm import require_torchvision

from videoseg import ConfigError, MissingWeightsError, VideosegError
from videoseg.devices import is_out_of_memory, pick_device, torch_defaults
from videoseg.errors import MissingDependencyError
from videoseg.files import expand_path
from videoseg.text import printable, shorten_text
from videoseg.weights import fit_weights, without_loading_bars
from videoseg_o3.model.files import (
    DEFAULT_MODEL,
    fetch_command,
    find_folder,
    read_config,
    read_part,
    read_shapes,
)
from videoseg_o3.model.keys import (
    PROJECTOR,
    SAM2,
    VLM,
    StateParts,
    describe_state,
    join_state,
    split_state,
)
from videoseg_o3.model.network import SPECIAL_TOKENS, SegModel, make_projector
from videoseg_o3.model.sam2 import O3_SETTINGS, find_network

__all__ = ["SegOptions", "load_seg_model", "new_seg_model", "save_seg_model"]

_CLASSES = {
    "qwen3_vl": ("Qwen3VLConfig", "Qwen3VLForConditionalGeneration", "Qwen3VLProcessor"),
    "qwen2_5_vl": (
        "Qwen2_5_VLConfig",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen2_5_VLProcessor",
    ),
}
_MODEL_TYPE = "sa2va_chat"
_FIRST_SAM2 = "sam2-hiera-large"  # with which the official training begins
_EMBEDDING = "model.language_model.embed_tokens.weight"
_HEAD = "lm_head.weight"
# Of SAM 2, a parameter as wide as a prompt.
_PROMPT = "sam_prompt_encoder.no_mask_embed.weight"
# Of a checkpoint's config.json, what is not the vision-language model's.
_OWN_FIELDS = (
    "architectures",
    "auto_map",
    "base_model_type",
    "model_type",
    "template",
    "transformers_version",
)


@dataclass(frozen=True, slots=True)
class SegOptions:
    """How a checkpoint is loaded.

    Args:
        model: Its folder, a released one (``dmmm997/VideoSEG-O3-2B-RL`` or ``-4B-RL``, fetched
            from ModelScope by the command that the error for a missing one prints), or its name
            on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        dtype: Precision of the language model; ``auto`` is that of the checkpoint. SAM 2 has
            parameters in float32 and computes in this precision.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        attention: ``sdpa``, ``flash_attention_2`` or ``eager``; by default the model's choice.
        masks: Whether to load SAM 2. Without it the model only chats and makes embeddings.
        download: Download the checkpoint from the Hugging Face hub if it is not on this machine.
    """

    model: str = DEFAULT_MODEL
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    attention: str | None = None
    masks: bool = True
    download: bool = False

    def find(self) -> Path:
        """Return the checkpoint's folder; see ``files.find_folder`` for the errors."""
        return find_folder(self.model, revision=self.revision, download=self.download)


def load_seg_model(options: SegOptions) -> SegModel:
    """Load a released checkpoint, or one that ``save_seg_model`` saved. No code in it is run.

    Raises:
        MissingWeightsError: If it is not on this machine; the message has the command.
        MissingDependencyError: If a package is missing.
        ConfigError: If it is damaged or another kind of model. The message names some of the
            parameters that are missing, unknown or of another shape.
        VideosegError: If memory runs out.
    """
    folder = options.find()
    require_torchvision()
    device = pick_device(options.device, kinds=("cpu", "cuda", "mps"))
    raw = read_config(folder)
    # What is built is filled afterwards, but draws random numbers first.
    quietly = torch.random.fork_rng(devices=[])
    with torch_defaults(), _explain_errors(options.model, options.device), quietly:
        if problem := describe_state(read_shapes(folder)):
            raise ConfigError(f"{options.model!r} is no [SEG] model: {problem}")
        state = read_part(folder, ("",) if options.masks else (VLM, PROJECTOR, SAM2 + _PROMPT))
        parts = split_state(state)
        num_vectors = _count_vectors(parts, options.model)
        config = _vlm_config(raw, parts, options.model)
        kind = _choose_dtype(options.dtype, parts.vlm)
        projector = _shape_projector(config, parts, num_vectors)
        sam2 = None
        if options.masks:
            name = find_network(parts.sam2, options.model)
            sam2 = build_network(config_path(name), O3_SETTINGS)
        _check_state(config, projector, sam2, parts, options.model)
        vlm = _load_vlm(config, parts.vlm, kind, options)
        _fill(projector, parts.projector, options.model)
        if sam2 is not None:
            _fill(sam2, parts.sam2, options.model)
        processor = _load_processor(folder, config, options.model)
        _set_generation(vlm, folder)
        _set_end(vlm, processor.tokenizer)
        model = SegModel(vlm, projector.to(kind), sam2, processor, num_vectors=num_vectors)
        return model.to(device).eval()


def save_seg_model(model: SegModel, folder: str | Path) -> Path:
    """Save a model, with SAM 2, so that ``load_seg_model`` loads it.

    Files and names are those of the released checkpoints; config.json says besides which
    architecture the language model has.

    Args:
        model: The model; SAM 2 must be in it.
        folder: Where to; made if it is not there.

    Returns:
        The folder.

    Raises:
        ConfigError: If the model has no SAM 2.
    """
    from huggingface_hub import save_torch_state_dict

    if model.sam2 is None:
        raise ConfigError("a model without SAM 2 (masks=False) cannot be saved; load it whole")
    target = expand_path(folder)
    target.mkdir(parents=True, exist_ok=True)
    kind = model.projector[0].weight.dtype
    parts = StateParts(
        dict(model.vlm.state_dict()),
        dict(model.projector.state_dict()),
        dict(model.sam2.state_dict()),
        {},
    )
    state = {name: tensor.detach().cpu() for name, tensor in join_state(parts).items()}
    if model.vlm.config.tie_word_embeddings:
        del state[VLM + _HEAD]
    save_torch_state_dict(state, target, metadata={"format": "pt"})
    config = model.vlm.config.to_dict()
    config |= {
        "base_model_type": config["model_type"],
        "model_type": _MODEL_TYPE,
        "dtype": str(kind).removeprefix("torch."),
        # The folder of the model it began as, which is another on each computer.
        "_name_or_path": "",
    }
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    model.vlm.generation_config.save_pretrained(target)
    model.processor.save_pretrained(target)
    return target


def new_seg_model(
    vlm: str | Path,
    sam2: str | Path | None = None,
    *,
    num_vectors: int = 1,
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    device: str = "auto",
    attention: str | None = None,
    seed: int = 0,
) -> SegModel:
    """Make a model to train: a vision-language model, a new projector and SAM 2.

    The tokens ``[SEG] <p> </p> <vp> </vp>`` are added, the embeddings resized for them, and
    input and output embeddings untied, as the official training does.

    Args:
        vlm: Folder of a checkpoint of Qwen3-VL or Qwen2.5-VL.
        sam2: File of a checkpoint of SAM 2, or its repository on the Hugging Face hub; by
            default the published one that the released models began with.
        num_vectors: How many prompts each ``[SEG]`` makes.
        dtype: See ``SegOptions``.
        device: See ``SegOptions``.
        attention: See ``SegOptions``.
        seed: Seed of the projector and of the new tokens.

    Raises:
        MissingWeightsError: If a checkpoint is not on this machine; the message has the command.
        ConfigError: If one is damaged or of another kind.
    """
    import transformers

    if num_vectors < 1:
        raise ConfigError(f"num_vectors must be at least 1, got {num_vectors}")
    folder, where = expand_path(vlm), pick_device(device, kinds=("cpu", "cuda", "mps"))
    if not (folder / "config.json").is_file():
        raise MissingWeightsError(
            f"{str(vlm)!r} is no folder of a checkpoint: it has no config.json; fetch one with: "
            "hf download Qwen/Qwen3-VL-2B-Instruct --local-dir Qwen3-VL-2B-Instruct, and give "
            "that folder"
        )
    path = find_checkpoint(sam2, _FIRST_SAM2, download=False)
    raw = read_config(folder)
    classes = _CLASSES.get(str(raw.get("model_type")))
    if classes is None:
        raise ConfigError(
            f"{str(vlm)!r} is a model of type {raw.get('model_type')!r}; a [SEG] model is made "
            f"of one of {', '.join(_CLASSES)}"
        )
    require_torchvision()
    with torch_defaults(), _explain_errors(str(vlm), device), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        keywords = {} if attention is None else {"attn_implementation": attention}
        with without_loading_bars():
            made = getattr(transformers, classes[1])
            inner = made.from_pretrained(folder, dtype=dtype, **keywords)
        processor = _load_processor(folder, inner.config, str(vlm))
        _set_end(inner, processor.tokenizer)
        _untie(inner)
        processor.tokenizer.add_tokens(list(SPECIAL_TOKENS), special_tokens=True)
        if len(processor.tokenizer) > inner.get_input_embeddings().num_embeddings:
            inner.resize_token_embeddings(len(processor.tokenizer))
        state = read_checkpoint(path, _FIRST_SAM2)
        name = find_network(state, str(path))
        network = build_network(config_path(name), O3_SETTINGS)
        load_into(network, state, path=path, model=name)
        hidden = inner.config.get_text_config().hidden_size
        projector = make_projector(hidden, network.hidden_dim, num_vectors).to(inner.dtype)
        model = SegModel(inner, projector, network, processor, num_vectors=num_vectors)
        return model.to(where).eval()


# -- configuration -----------------------------------------------------------------------------


def _count_vectors(parts: StateParts, model: str) -> int:
    """Return how many prompts of SAM 2 the projector makes."""
    prompt, last = parts.sam2.get(_PROMPT), parts.projector.get("2.weight")
    if prompt is None or last is None or prompt.ndim != 2:
        return 1
    made, width = last.shape[0], prompt.shape[1]
    if not made or made % width:
        raise ConfigError(
            f"the projector of {model!r} gives {made} values, which is no multiple of the "
            f"{width} of a prompt of SAM 2"
        )
    return int(made // width)


def _vlm_config(raw: Mapping[str, Any], parts: StateParts, model: str) -> Any:
    """Return the configuration of the language model, which a checkpoint's own one contains."""
    import transformers

    text = raw.get("text_config")
    text_type = str(text.get("model_type", "")) if isinstance(text, dict) else ""
    base = str(raw.get("base_model_type") or text_type.removesuffix("_text"))
    if base not in _CLASSES:
        raise ConfigError(
            f"the language model of {model!r} is of type {base or raw.get('model_type')!r}; a "
            f"[SEG] model has one of {', '.join(_CLASSES)}"
        )
    fields = {name: value for name, value in raw.items() if name not in _OWN_FIELDS}
    config = getattr(transformers, _CLASSES[base][0])(**fields)
    embedded = parts.vlm.get(_EMBEDDING)
    if embedded is not None and embedded.ndim == 2:
        # Resized for the new tokens, which not every release of transformers wrote down.
        config.text_config.vocab_size = embedded.shape[0]
    # A head of its own is one whatever the configuration, which was the base model's, says.
    _set_tied(config, tied=_HEAD not in parts.vlm and _says_tied(raw))
    return config


def _says_tied(raw: Mapping[str, Any]) -> bool:
    text = raw.get("text_config")
    inner = isinstance(text, dict) and bool(text.get("tie_word_embeddings"))
    return bool(raw.get("tie_word_embeddings", inner)) or inner


def _choose_dtype(name: str, state: Mapping[str, Tensor]) -> torch.dtype:
    if name != "auto":
        kind: torch.dtype = getattr(torch, name)
        return kind
    embedding = state.get(_EMBEDDING)
    return torch.float32 if embedding is None else embedding.dtype


# -- parts -------------------------------------------------------------------------------------


def _load_vlm(
    config: Any, state: dict[str, Tensor], kind: torch.dtype, options: SegOptions
) -> Any:
    import transformers

    keywords: dict[str, Any] = {}
    if options.attention is not None:
        keywords["attn_implementation"] = options.attention
    made = getattr(transformers, _CLASSES[config.model_type][1])
    fitted = fit_weights(state, state, path=options.model)
    with without_loading_bars():
        return made.from_pretrained(None, config=config, state_dict=fitted, dtype=kind, **keywords)


def _expected_vlm(config: Any) -> dict[str, Tensor]:
    """Return what parameters a language model has, without values."""
    import transformers

    with torch.device("meta"):
        model = getattr(transformers, _CLASSES[config.model_type][1])(config)
    expected = dict(model.state_dict())
    if config.tie_word_embeddings:
        expected.pop(_HEAD, None)
    return expected


def _shape_projector(config: Any, parts: StateParts, num_vectors: int) -> nn.Sequential:
    last = parts.projector.get("2.weight")
    width = 256 if last is None else last.shape[0] // num_vectors
    return make_projector(config.text_config.hidden_size, width, num_vectors)


def _fill(module: nn.Module, state: Mapping[str, Tensor], model: str) -> None:
    module.load_state_dict(fit_weights(state, module.state_dict(), path=model))


def _load_processor(folder: Path, config: Any, model: str) -> Any:
    import transformers

    # Neither AutoProcessor nor without a configuration: both look at config.json, where released
    # checkpoints name code.
    made = getattr(transformers, _CLASSES[config.model_type][2])
    try:
        processor = made.from_pretrained(
            folder, config=config, local_files_only=True, trust_remote_code=False
        )
    except ImportError as error:
        raise MissingDependencyError(
            f"the processor of {model!r} cannot be loaded: {error}"
        ) from error
    except Exception as error:
        processor, reason = None, _shorten(error)
    if processor is None or getattr(processor, "image_processor", None) is None:
        reason = reason if processor is None else "it has no image processor"
        raise ConfigError(
            f"model {model!r} has no processor that can be loaded: {reason}; it needs "
            "preprocessor_config.json (or processor_config.json) and tokenizer files beside its "
            "weights"
        )
    return processor


def _set_generation(vlm: Any, folder: Path) -> None:
    import transformers

    if (folder / "generation_config.json").is_file():
        vlm.generation_config = transformers.GenerationConfig.from_pretrained(folder)


def _set_end(vlm: Any, tokenizer: Any) -> None:
    """Let answers end where the tokenizer says, if no configuration says so.

    A model around a language model, as the released one is, may have saved a configuration of
    generation without it; answers would then go on until ``max_tokens``.
    """
    if vlm.generation_config.eos_token_id is None:
        text = vlm.config.get_text_config()
        vlm.generation_config.eos_token_id = (
            tokenizer.eos_token_id if text.eos_token_id is None else text.eos_token_id
        )


def _untie(vlm: Any) -> None:
    head, embedding = vlm.get_output_embeddings(), vlm.get_input_embeddings()
    if head.weight is embedding.weight:
        head.weight = nn.Parameter(embedding.weight.detach().clone())
    _set_tied(vlm.config, tied=False)


def _set_tied(config: Any, *, tied: bool) -> None:
    # Releases of transformers differ in where it stands.
    for part in (config, config.text_config):
        if part is config or hasattr(part, "tie_word_embeddings"):
            part.tie_word_embeddings = tied


# -- refusing ----------------------------------------------------------------------------------


def _check_state(
    config: Any, projector: nn.Module, sam2: nn.Module | None, parts: StateParts, model: str
) -> None:
    differences = [
        _compare(VLM, _expected_vlm(config), parts.vlm),
        _compare(PROJECTOR, projector.state_dict(), parts.projector),
    ]
    if sam2 is not None:
        differences.append(_compare(SAM2, sam2.state_dict(), parts.sam2))
    differences.append(([], sorted(parts.others), []))
    joined = tuple([name for part in differences for name in part[number]] for number in range(3))
    _require_same(joined, model, join_state(parts))


def _compare(
    prefix: str, expected: Mapping[str, Tensor], given: Mapping[str, Tensor]
) -> tuple[list[str], list[str], list[str]]:
    """Return the names that are missing, unknown and of another shape."""
    both = expected.keys() & given.keys()
    return (
        sorted(prefix + name for name in expected.keys() - given.keys()),
        sorted(prefix + name for name in given.keys() - expected.keys()),
        sorted(
            f"{prefix}{name}: {tuple(given[name].shape)} instead of {tuple(expected[name].shape)}"
            for name in both
            if expected[name].shape != given[name].shape
        ),
    )


def _require_same(
    differences: tuple[list[str], ...], model: str, state: Mapping[str, Tensor]
) -> None:
    if not any(differences):
        return
    kinds = ("are missing", "are unknown", "have another shape")
    listed = ", ".join(
        f"{len(names)} parameters {what} (such as {', '.join(names[:2])})"
        for names, what in zip(differences, kinds, strict=True)
        if names
    )
    advice = describe_state(state) or (
        "it is not whole, or of another size than its config.json says; fetch it again with: "
        f"{fetch_command(model)}"
    )
    raise ConfigError(f"the checkpoint {model!r} does not fit its network: {listed}; {advice}")


@contextmanager
def _explain_errors(model: str, device: str) -> Iterator[None]:
    try:
        yield
    except VideosegError:
        raise
    except ImportError as error:
        raise MissingDependencyError(f"loading {model!r} failed: {_shorten(error)}") from error
    except Exception as error:
        if is_out_of_memory(error):
            raise VideosegError(
                f"loading {model!r} ran out of memory on {device}; end other programs that use "
                "its memory, take the smaller model, or dtype='bfloat16'"
            ) from error
        raise ConfigError(
            f"the checkpoint {model!r} cannot be loaded: {_shorten(error)}"
        ) from error


def _shorten(error: Exception) -> str:
    return shorten_text(printable(" ".join(str(error).split())), 300)
