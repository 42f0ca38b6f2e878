"""Checkpoints: finding them, and reading them without running code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.errors import ConfigError, MissingWeightsError
from videoseg.files import expand_path
from videoseg.weights import (
    HubModel,
    RandomWeights,
    check_weights_file,
    download_command,
    fit_weights,
    read_weights,
)
from videoseg_sam2.models import DEFAULT_MODEL, MODELS

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "find_checkpoint",
    "load_into",
    "published_weights",
    "read_checkpoint",
    "recognize_network",
]


# By the width of their image encoder, its number of blocks, and whether they are as SAM 2.1.
_TOY_FORMS = {(8, 5, True): "toy", (8, 5, False): "toy-2.0", (12, 5, False): "mini-2.0"}


def published_weights(options: Mapping[str, Any]) -> list[HubModel | RandomWeights]:
    """Return the published file that some options need; none for a file of your own."""
    model = str(options.get("model", DEFAULT_MODEL)).removeprefix("facebook/")
    checkpoint = options.get("checkpoint")
    if options.get("random_weights") is True:
        return [RandomWeights()]
    if checkpoint is None:
        published = MODELS.get(model)
    elif _is_repository(checkpoint) and not expand_path(checkpoint).exists():
        published = MODELS.get(str(checkpoint).removeprefix("facebook/")) or MODELS.get(model)
    else:
        published = None
    if published is None:
        return []
    repository = published.repository if checkpoint is None else str(checkpoint)
    return [
        HubModel(
            repository,
            files=(published.file,),
            num_bytes=published.num_bytes,
            license="Apache-2.0 (Meta)" if repository == published.repository else "",
        )
    ]


def find_checkpoint(checkpoint: str | Path | None, model: str, *, download: bool) -> Path:
    """Return the file of a checkpoint.

    Args:
        checkpoint: A local file, or a repository on the Hugging Face hub such as
            ``facebook/sam2.1-hiera-large``; None for the published one of ``model``.
        model: Name of the network.
        download: Fetch it if it is not in the local cache. Otherwise nothing is fetched.

    Raises:
        ConfigError: If a quick look shows that the file holds no weights, such as a folder or
            a web page; or if it is not known which file of a repository has the weights.
        MissingWeightsError: If it is not on this machine; the message has the command that
            fetches it.
    """
    if checkpoint is not None:
        path = expand_path(checkpoint)
        if str(checkpoint) and path.exists():
            check_weights_file(path, published=_command(*_published_file(model)))
            return path.resolve()
        if not _is_repository(checkpoint):
            raise MissingWeightsError(
                f"there is no checkpoint {str(checkpoint)!r}; give a file (.pt, .safetensors) or "
                "a repository such as 'facebook/sam2.1-hiera-large', or leave it out and fetch "
                f"the published one: {_command(*_published_file(model))}"
            )
        repository = str(checkpoint)
        known = MODELS.get(repository.removeprefix("facebook/")) or MODELS.get(model)
        if known is None:
            raise ConfigError(
                f"which file of {repository!r} has the weights of model {model!r} is not known; "
                "fetch it and give the file as checkpoint=..."
            )
        file = known.file
    else:
        repository, file = _published_file(model)
    return _from_hub(repository, file, download=download)


def read_checkpoint(path: Path, model: str = DEFAULT_MODEL) -> dict[str, Tensor]:
    """Return the parameters in a checkpoint by name, on the CPU.

    Raises:
        ConfigError: If the file is damaged, holds code or holds no parameters; see
            ``videoseg.weights.read_weights``.
    """
    # SAM 2's checkpoints keep their parameters under this name.
    return read_weights(path, key="model", published=_command(*_published_file(model)))


def load_into(network: Any, state: Mapping[str, Tensor], *, path: Path, model: str) -> None:
    """Copy parameters into a network.

    Raises:
        ConfigError: If they are another network's (the message says whose, if it is known), or
            not finite.
    """
    expected = network.state_dict()
    missing = sorted(expected.keys() - state.keys())
    unknown = sorted(state.keys() - expected.keys())
    other_shape = sorted(
        name
        for name in expected.keys() & state.keys()
        if expected[name].shape != state[name].shape
    )
    if not (missing or unknown or other_shape):
        published = _command(*_published_file(model))
        network.load_state_dict(fit_weights(state, expected, path=path, published=published))
        return
    differences = [
        f"{len(names)} parameters {what} (such as {names[0]})"
        for what, names in (
            ("are missing", missing),
            ("are unknown", unknown),
            ("have another shape", other_shape),
        )
        if names
    ]
    raise ConfigError(
        f"checkpoint {path} is not of model {model!r}: {', '.join(differences)}; {_advice(state)}"
    )


def _advice(state: Mapping[str, Tensor]) -> str:
    if any(name.startswith("vision_encoder.") for name in state):
        return "it was converted for transformers: take the repository's .pt file instead"
    looks_like = recognize_network(state)
    if looks_like is not None:
        return f"it looks like {looks_like!r}: set model={looks_like!r}"
    return f"give a checkpoint of SAM 2; the models are {', '.join(MODELS)}"


def recognize_network(state: Mapping[str, Tensor]) -> str | None:
    """Return which published (or tiny) network has parameters of this form, if one has."""
    embedding = state.get("image_encoder.trunk.pos_embed")
    if embedding is None or embedding.ndim != 4:
        return None
    prefix = "image_encoder.trunk.blocks."
    blocks = {name[len(prefix) :].split(".")[0] for name in state if name.startswith(prefix)}
    sizes = {(96, 12): "tiny", (96, 16): "small", (112, 24): "base-plus", (144, 48): "large"}
    width, depth = int(embedding.shape[1]), len(blocks)
    # SAM 2.1 added the embedding of absent objects.
    is_newer = "no_obj_embed_spatial" in state
    size = sizes.get((width, depth))
    if size is None:
        return _TOY_FORMS.get((width, depth, is_newer))
    return f"{'sam2.1' if is_newer else 'sam2'}-hiera-{size}"


def _is_repository(checkpoint: str | Path) -> bool:
    if not isinstance(checkpoint, str):
        return False
    owner, _, name = checkpoint.partition("/")
    looks_like_file = name.endswith((".pt", ".pth", ".safetensors")) or "\\" in checkpoint
    return (
        bool(owner and name)
        and "/" not in name
        and owner not in (".", "..", "~")
        and not looks_like_file
    )


def _published_file(model: str) -> tuple[str, str]:
    published = MODELS.get(model, MODELS[DEFAULT_MODEL])
    return published.repository, published.file


def _command(repository: str, file: str) -> str:
    """Return the command that downloads a file of a repository, a published one by its model."""
    name = repository.removeprefix("facebook/")
    published = MODELS.get(name)
    if published is None or (published.repository, published.file) != (repository, file):
        return download_command("propagator", "sam2", checkpoint=repository)
    return download_command("propagator", "sam2", model=None if name == DEFAULT_MODEL else name)


def _from_hub(repository: str, file: str, *, download: bool) -> Path:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    command = _command(repository, file)
    try:
        cached = try_to_load_from_cache(repository, file)
        if isinstance(cached, str):
            return Path(cached)
        if download:
            return Path(hf_hub_download(repository, file))
    except Exception as error:
        raise MissingWeightsError(
            f"the weights {repository}/{file} could not be fetched "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}); "
            f"on a machine with access run: {command}, and give the file as checkpoint=..."
        ) from error
    raise MissingWeightsError(
        f"the weights {repository}/{file} are not on this machine; fetch them with: {command} "
        "(or set download=True)"
    )
