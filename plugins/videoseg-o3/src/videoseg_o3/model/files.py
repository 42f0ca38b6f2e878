"""Folders of checkpoints: finding them, and reading parameters from them without running code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg import ConfigError, MissingWeightsError
from videoseg.devices import is_out_of_memory
from videoseg.files import expand_path, read_bytes
from videoseg.text import parse_json, printable, shorten_text
from videoseg.weights import (
    HubModel,
    ModelScopeModel,
    PublishedWeights,
    RandomWeights,
    download_command,
    placeholder_problem,
    read_weights,
    weights_problem,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "DEFAULT_MODEL",
    "PUBLISHED",
    "fetch_command",
    "find_folder",
    "published_weights",
    "read_config",
    "read_part",
    "read_shapes",
    "weight_files",
]

PUBLISHED = ("dmmm997/VideoSEG-O3-2B-RL", "dmmm997/VideoSEG-O3-4B-RL")
"""The released checkpoints, by their names on ModelScope."""

DEFAULT_MODEL = PUBLISHED[0]

# In the order in which transformers looks for them.
_FORMS = ("model.safetensors", "pytorch_model.bin")
_NEEDED = ("config.json", "tokenizer_config.json")


def find_folder(model: str, *, revision: str | None = None, download: bool = False) -> Path:
    """Return the folder of a checkpoint, with a quick look at its files.

    Args:
        model: A folder, a released checkpoint (``PUBLISHED``), which is looked for in
            ``weights_folder("o3")``, or a name on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        download: Fetch it if it is not on this machine. Otherwise nothing is fetched.

    Raises:
        MissingWeightsError: If it is not on this machine or not whole; the message has the
            command that fetches it.
        ConfigError: If one of its files is a web page, truncated or otherwise damaged.
    """
    folder = expand_path(model)
    if model in PUBLISHED and not folder.is_dir():
        folder = _published_folder(model)
    if model and folder.is_dir():
        folder = folder.resolve()
    elif model and folder.is_file():
        raise ConfigError(_file_given(folder))
    elif not _is_name(model):
        raise MissingWeightsError(
            f"there is no folder {model!r}; a checkpoint of VideoSEG-O3 is a folder with a "
            f"config.json. {_how_to_fetch(DEFAULT_MODEL)}"
        )
    else:
        folder = _from_hub(model, revision=revision, download=download)
    _check_folder(folder, model, revision)
    return folder


def fetch_command(model: str = DEFAULT_MODEL, *, revision: str | None = None) -> str:
    """Return the command that downloads a checkpoint; the default one if ``model`` is a folder.

    Args:
        model: The checkpoint.
        revision: Branch, tag or commit on the Hugging Face hub.
    """
    given = model if _is_name(model) and model != DEFAULT_MODEL else None
    return download_command("propagator", "o3", model=given, revision=revision)


def published_weights(options: Mapping[str, Any]) -> list[PublishedWeights]:
    """Return the checkpoint that some options need; none for a folder."""
    model, revision = options.get("model", DEFAULT_MODEL), options.get("revision")
    if options.get("random_weights"):
        return [RandomWeights()]
    if not isinstance(model, str) or not _is_name(model) or expand_path(model).exists():
        return []
    if model in PUBLISHED:
        return [ModelScopeModel(model, "o3", license="Apache-2.0")]
    return [HubModel(model, revision)]


def read_config(folder: Path) -> dict[str, Any]:
    """Return the content of a checkpoint's config.json.

    Raises:
        ConfigError: If it cannot be read.
    """
    path = folder / "config.json"
    try:
        config = parse_json(read_bytes(path))
    except (OSError, ValueError) as error:
        reason = shorten_text(printable(" ".join(str(error).split())), 200)
        raise ConfigError(f"{str(path)!r} cannot be read: {reason}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{str(path)!r} is no configuration: it must hold an object")
    return config


def read_part(folder: Path, prefixes: Sequence[str] = ("",)) -> dict[str, Tensor]:
    """Return the parameters whose names begin with one of some prefixes, on the CPU.

    Of files of safetensors, only these are read.

    Raises:
        ConfigError: If a file is damaged or holds more than tensors.
    """
    state: dict[str, Tensor] = {}
    wanted = tuple(prefixes)
    for file in weight_files(folder):
        if file.suffix != ".safetensors":
            given = read_weights(file)
            state |= {name: given[name] for name in given if name.startswith(wanted)}
            continue
        with _open_safetensors(file) as opened:
            names = [name for name in opened.keys() if name.startswith(wanted)]  # noqa: SIM118
            state |= {name: opened.get_tensor(name) for name in names}
    return state


def read_shapes(folder: Path) -> dict[str, Tensor]:
    """Return all parameters without their values (on the device ``meta``); for a quick look.

    Raises:
        ConfigError: If a file is damaged or holds more than tensors.
    """
    import torch

    shapes: dict[str, Tensor] = {}
    for file in weight_files(folder):
        if file.suffix != ".safetensors":
            shapes |= {name: tensor.to("meta") for name, tensor in read_weights(file).items()}
            continue
        with _open_safetensors(file) as opened:
            for name in opened.keys():  # noqa: SIM118
                shapes[name] = torch.empty(opened.get_slice(name).get_shape(), device="meta")
    return shapes


def weight_files(folder: Path) -> list[Path]:
    """Return the files of weights of a folder; empty if there are none."""
    for form in _FORMS:
        index = folder / f"{form}.index.json"
        if index.is_file():
            return [folder / part for part in _parts(index)]
        if (folder / form).is_file():
            return [folder / form]
    return []


@contextmanager
def _open_safetensors(file: Path) -> Iterator[Any]:
    from safetensors import safe_open

    if problem := weights_problem(file):
        raise ConfigError(f"checkpoint {str(file)!r} {problem}")
    try:
        with safe_open(file, framework="pt", device="cpu") as opened:
            yield opened
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = shorten_text(printable(" ".join(str(error).split())), 120)
        raise ConfigError(
            f"checkpoint {str(file)!r} is damaged or of an unsupported kind ({reason}); "
            "download it again"
        ) from error


def _parts(index: Path) -> list[str]:
    try:
        named: Any = parse_json(read_bytes(index))["weight_map"].values()
        return sorted({str(name) for name in named})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{str(index)!r} does not say which file has which parameter ('weight_map'); "
            "download it again"
        ) from error


def _check_folder(folder: Path, model: str, revision: str | None) -> None:
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    files = weight_files(folder) if not missing else []
    if not missing and not files:
        missing = list(_FORMS[:1])
    missing += [file.name for file in files if not file.is_file()]
    if missing:
        raise MissingWeightsError(
            f"the checkpoint {model!r} is not whole: it lacks {', '.join(missing)}; a checkpoint "
            "of VideoSEG-O3 has a configuration, weights, and the files of a processor. "
            f"{_how_to_fetch(model, revision)}"
        )
    for file in (folder / "config.json", *files):
        if problem := placeholder_problem(file):
            raise ConfigError(f"in the checkpoint {model!r}, {file.name!r} {problem}")
    for file in files:
        if problem := weights_problem(file):
            raise ConfigError(f"in the checkpoint {model!r}, {file.name!r} {problem}")


def _file_given(path: Path) -> str:
    if problem := weights_problem(path):
        return f"checkpoint {str(path)!r} {problem}"
    return (
        f"{str(path)!r} is a file; a checkpoint of VideoSEG-O3 is a folder with a config.json. "
        "A file with SAM 2 alone belongs to the propagator 'sam2', or to new_seg_model"
    )


def _how_to_fetch(model: str, revision: str | None = None) -> str:
    return f"Fetch it with: {fetch_command(model, revision=revision)}"


def _published_folder(model: str) -> Path:
    return ModelScopeModel(model, "o3").path


def _is_name(model: str) -> bool:
    owner, _, name = model.partition("/")
    return (
        bool(owner and name)
        and "/" not in name
        and "\\" not in model
        and owner not in (".", "..", "~")
    )


def _from_hub(model: str, *, revision: str | None, download: bool) -> Path:
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    try:
        if download:
            return Path(snapshot_download(model, revision=revision))
        found = try_to_load_from_cache(model, "config.json", revision=revision)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MissingWeightsError(
            f"the checkpoint {model!r} could not be fetched ({shorten_text(reason, 200)}); on a "
            f"machine with access run: {fetch_command(model, revision=revision)}"
        ) from error
    if not isinstance(found, str):
        raise MissingWeightsError(
            f"the checkpoint {model!r} is not on this machine. Give the folder of another as the "
            f"option 'model'. {_how_to_fetch(model, revision)}"
        )
    return Path(found).parent
