"""Asks hubs which files a model has, and fetches models of the Hugging Face hub."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import urllib.request
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from videoseg.errors import ConfigError, DownloadError, MissingDependencyError
from videoseg.text import parse_json, printable, shorten_text
from videoseg.weights.hashes import file_sha256
from videoseg.weights.published import HubModel, ModelScopeModel, WeightsFile
from videoseg.weights.transfer import check_free_space, open_url

__all__ = ["ask_hub", "fetch_hub_model", "find_damage", "list_modelscope_files"]

_TIMEOUT = 20.0
_MAX_LISTING = 32 << 20
_MODELSCOPE = "https://modelscope.cn"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What addresses in messages of the library must not tell: passwords and signatures.
_LOGIN_OF_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s'\"@]*@", re.IGNORECASE)
_QUERY_OF_ADDRESS = re.compile(r"(\bhttps?://[^\s'\"?]+)\?[^\s'\"]*", re.IGNORECASE)
_LONGEST_LICENSE = 120

# What transformers loads; a repository may hold the same weights in other forms as well.
_SETTINGS = frozenset({".json", ".txt", ".model", ".jinja", ".yaml"})


def ask_hub(model: HubModel) -> HubModel:
    """Return a model as the hub describes it: its files, their size, its license.

    Raises:
        DownloadError: If the hub cannot be reached, or does not have it.
        MissingDependencyError: If the hub's library is not installed.
    """
    hub = _library()
    try:
        info = hub.HfApi(endpoint=_endpoint()).model_info(
            model.model, revision=model.revision, files_metadata=True, timeout=_TIMEOUT
        )
    except Exception as error:
        raise _explain(error, model) from error
    sizes = {
        str(sibling.rfilename): sibling.size if isinstance(sibling.size, int) else 0
        for sibling in info.siblings or ()
    }
    files = model.files or _needed_files(sizes)
    if unknown := [file for file in files if file not in sizes]:
        raise DownloadError(
            f"{model.source} has no file {unknown[0]!r}; it has {', '.join(sorted(sizes)[:20])}"
        )
    if not files:
        raise DownloadError(f"{model.source} has no weights that transformers could load")
    card = getattr(info, "card_data", None)
    stated = card.get("license") if card is not None else None
    said = ", ".join(map(str, stated)) if isinstance(stated, list) else str(stated or "")
    said = shorten_text(printable(said), _LONGEST_LICENSE) or "not stated"
    terms = model.terms
    if not terms and getattr(info, "gated", False):
        terms = f"they are gated: accept their terms on {model.source} and log in ({_LOGIN})"
    return replace(
        model,
        files=files,
        num_bytes=sum(sizes[file] for file in files),
        license=model.license or f"{said} (its page on the hub)",
        terms=terms,
    )


_LOGIN = "`hf auth login`, or the environment variable HF_TOKEN"


def _needed_files(names: dict[str, int]) -> tuple[str, ...]:
    """Return the files of a repository that transformers loads, of all that it has."""
    top = [name for name in names if "/" not in name and not name.startswith(".")]
    weights = [name for name in top if name.endswith(".safetensors")]
    if not weights:
        weights = [name for name in top if name.endswith(".bin")]
    form = ".safetensors" if weights and weights[0].endswith(".safetensors") else ".bin"
    settings = [
        name
        for name in top
        if PurePosixPath(name).suffix in _SETTINGS
        # The index of the other form would ask for its parts.
        and (not name.endswith(".index.json") or f"{form}.index" in name)
    ]
    return tuple(sorted({*weights, *settings})) if weights else ()


def fetch_hub_model(model: HubModel, *, root: Path | None = None, quiet: bool = False) -> Path:
    """Fetch a model to the cache of the hub, or go on with what is there of it.

    Args:
        model: As ``ask_hub`` returns it.
        root: A folder whose ``hub`` is used instead of the cache.
        quiet: Show no progress.

    Returns:
        Its folder.

    Raises:
        DownloadError: If it cannot be fetched or written, or is damaged.
        MissingDependencyError: If the hub's library is not installed.
    """
    hub = _library()
    cache = (
        root / "hub"
        if root is not None
        else Path(import_module("huggingface_hub.constants").HF_HUB_CACHE)
    )
    present = model.folder(root)
    here = [present / file for file in model.files] if present is not None else []
    have = sum(file.stat().st_size for file in here if file.is_file())
    setting = "HF_HUB_CACHE" if root is None else "--to"
    check_free_space(cache, max(0, model.num_bytes - have), setting=setting)
    folder = _fetch_snapshot(hub, model, cache, quiet=quiet)
    if _remove_damaged(folder, model):
        # It may have been here before.
        folder = _fetch_snapshot(hub, model, cache, quiet=quiet)
        if removed := _remove_damaged(folder, model):
            raise DownloadError(
                f"{removed} of {model.source} was damaged on the way (its SHA-256 is not the one "
                "that the hub gives) and was removed; try it again"
            )
    return folder


def _fetch_snapshot(hub: Any, model: HubModel, cache: Path, *, quiet: bool) -> Path:
    keywords: dict[str, Any] = {"tqdm_class": _silent_bars()} if quiet else {}
    try:
        folder = Path(
            hub.snapshot_download(
                model.model,
                revision=model.revision,
                cache_dir=cache,
                endpoint=_endpoint(),
                # Names, but the library takes patterns.
                allow_patterns=[glob.escape(file) for file in model.files],
                **keywords,
            )
        )
    except Exception as error:
        _remove_unfinished(error, cache, model)
        raise _explain(error, model) from error
    for name in model.files:
        if not (folder / name).is_file():
            raise DownloadError(f"{model.source} was fetched, but {name} is missing; try it again")
    return folder


def find_damage(model: HubModel, root: Path | None = None) -> str:
    """Return which file of a model in the cache is another one than the hub has; empty if none.

    Large files are compared with their SHA-256, by which the cache names them.

    Args:
        model: The model.
        root: A folder whose ``hub`` is used instead of the cache.

    Raises:
        OSError: If a file cannot be read.
    """
    folder = model.folder(root)
    if folder is None:
        return ""
    files = (folder / name for name in model.files) if model.files else sorted(folder.iterdir())
    return next((str(file) for file in files if _is_damaged(file)), "")


def _is_damaged(file: Path) -> bool:
    stored = file.resolve()
    # Elsewhere such a name may have another meaning.
    is_named_by_hash = stored.parent.name == "blobs" and _SHA256.fullmatch(stored.name) is not None
    return is_named_by_hash and stored.is_file() and file_sha256(stored) != stored.name


def _remove_damaged(folder: Path, model: HubModel) -> str:
    """Remove damaged files of a model, and return the names of these."""
    damaged = [name for name in model.files if _is_damaged(folder / name)]
    for name in damaged:
        stored = (folder / name).resolve()
        with contextlib.suppress(OSError):
            (folder / name).unlink()
            stored.unlink()
    return ", ".join(damaged)


def list_modelscope_files(model: ModelScopeModel) -> tuple[WeightsFile, ...]:
    """Return the files of a model on ModelScope, with their sizes and hashes.

    Raises:
        DownloadError: If ModelScope cannot be reached, or does not have it.
    """
    listing = "repo/files?Revision=master&Recursive=true"
    url = f"{_MODELSCOPE}/api/v1/models/{quote(model.model)}/{listing}"
    try:
        with open_url(urllib.request.Request(url), timeout=_TIMEOUT) as response:
            entries = parse_json(response.read(_MAX_LISTING))["Data"]["Files"]
        listed = {
            str(entry["Path"]): (int(entry["Size"]), str(entry.get("Sha256") or "").lower())
            for entry in entries
            if entry.get("Type") != "tree"
        }
    except Exception as error:
        reason = _reason(error, 200)
        raise DownloadError(
            f"ModelScope did not say which files {model.model!r} has ({reason}); check the "
            f"network, and behind a proxy HTTPS_PROXY. Or fetch {model.source} on a machine with "
            f"access and put its files into {model.path}"
        ) from error
    folder = f"{model.folder}/{model.model.rpartition('/')[2]}"
    needed = _needed_files({name: size for name, (size, _) in listed.items()})
    if not needed:
        raise DownloadError(f"{model.source} has no weights that transformers could load")
    # Weights last: what is there without them is no checkpoint.
    ordered = sorted(needed, key=lambda name: (listed[name][0], name))
    try:
        return tuple(
            WeightsFile(
                f"{_MODELSCOPE}/models/{quote(model.model)}/resolve/master/{quote(name)}",
                folder,
                num_bytes=listed[name][0],
                sha256=listed[name][1] if _SHA256.fullmatch(listed[name][1]) else "",
                license=model.license,
                terms=model.terms,
            )
            for name in ordered
        )
    except ConfigError as error:
        raise DownloadError(
            f"ModelScope lists a file of {model.model!r} that cannot be: {error}"
        ) from error


def _library() -> Any:
    if find_spec("huggingface_hub") is None:
        raise MissingDependencyError(
            "models of the Hugging Face hub are fetched with huggingface_hub, which is not "
            "installed: pip install huggingface_hub"
        )
    return import_module("huggingface_hub")


def _endpoint() -> str | None:
    # The library reads this when it is imported, which may have been earlier.
    return os.environ.get("HF_ENDPOINT") or None


def _silent_bars() -> Any:
    bars: Any = import_module("huggingface_hub.utils").tqdm

    class Silent(bars):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            super().__init__(*arguments, **{**keywords, "disable": True})

    return Silent


def _reason(error: Exception, limit: int) -> str:
    """Return a message in one line, without what addresses in it must not tell."""
    text = _LOGIN_OF_ADDRESS.sub(r"\1", " ".join(str(error).split()))
    text = _QUERY_OF_ADDRESS.sub(r"\1", text)
    return shorten_text(printable(text), limit) or type(error).__name__


def _system_error(error: BaseException | None) -> OSError | None:
    """Return the error of a full disk that another one wraps."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error
        error = error.__cause__ or error.__context__
    return None


def _remove_unfinished(error: Exception, cache: Path, model: HubModel) -> None:
    """Free a full disk of what the library keeps of files that it did not finish."""
    if _system_error(error) is None:
        return
    blobs = cache / f"models--{model.model.replace('/', '--')}" / "blobs"
    for file in blobs.glob("*.incomplete"):
        with contextlib.suppress(OSError):
            file.unlink()


def _explain(error: Exception, model: HubModel) -> DownloadError:
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if full := _system_error(error):
        return DownloadError(
            f"{model.model!r} cannot be written to the cache of the hub: {full.strerror}; "
            "unfinished files were removed. Free some space, or name a folder on another disk "
            "with HF_HUB_CACHE"
        )
    if "GatedRepoError" in kinds:
        return DownloadError(
            f"{model.model!r} is gated: accept its terms on {model.source} with your account, "
            f"log in ({_LOGIN}), and run this command again"
        )
    if "RevisionNotFoundError" in kinds:
        return DownloadError(f"{model.source} has no revision {model.revision!r}")
    if "RepositoryNotFoundError" in kinds or "HFValidationError" in kinds:
        return DownloadError(
            f"there is no model {model.model!r} on the hub, or it is private; check its name, or "
            f"log in ({_LOGIN})"
        )
    reason = _reason(error, 300)
    if "OfflineModeIsEnabled" in kinds:
        return DownloadError(
            f"{model.model!r} cannot be fetched: HF_HUB_OFFLINE is set; unset it, or "
            f"{_by_hand(model)}"
        )
    if isinstance(error, PermissionError):
        return DownloadError(
            f"{model.model!r} cannot be written to the cache of the hub ({reason}); name another "
            "folder with HF_HUB_CACHE"
        )
    return DownloadError(
        f"{model.model!r} could not be fetched from the hub: {reason}. Whole files are kept, and "
        "the same command goes on from there. Check the network, and behind a proxy HTTPS_PROXY; "
        f"or {_by_hand(model)}"
    )


def _by_hand(model: HubModel) -> str:
    return (
        f"fetch it on a machine with access and copy its folder models--"
        f"{model.model.replace('/', '--')} to the cache of the hub here"
    )
