"""Published weights, as components declare them: where they are, how large, under which license.

A declaration imports nothing and fetches nothing. ``videoseg.weights.downloads`` fetches.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from videoseg.errors import ConfigError
from videoseg.files import expand_path, read_bytes
from videoseg.files.reading import is_plain_name
from videoseg.text import parse_json

__all__ = [
    "WEIGHTS_VARIABLE",
    "HubModel",
    "ModelScopeModel",
    "PublishedWeights",
    "RandomWeights",
    "WeightsFile",
    "download_command",
    "has_whole_weights",
    "weights_folder",
]

WEIGHTS_VARIABLE = "VIDEOSEG_WEIGHTS"
"""The environment variable that names another folder for weights than that in the cache."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_FORMS = ("safetensors", "bin")


def weights_folder(name: str, *, root: Path | None = None) -> Path:
    """Return the folder where published weights are looked for.

    It is in the folder that the environment variable ``VIDEOSEG_WEIGHTS`` names, or else in the
    user's cache (``$XDG_CACHE_HOME/videoseg``, ``~/.cache/videoseg``).

    Args:
        name: The network's, such as ``xmem``.
        root: Another folder than these.

    Raises:
        ConfigError: If the user's home folder is needed and not known.
    """
    if root is not None:
        return root / name
    if given := os.environ.get(WEIGHTS_VARIABLE):
        return expand_path(given) / name
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "videoseg" / name
    try:
        return Path.home() / ".cache" / "videoseg" / name
    except RuntimeError as error:
        raise ConfigError(
            "where weights are kept is not known, as the user's home folder is unknown; name a "
            f"folder with {WEIGHTS_VARIABLE}"
        ) from error


def download_command(kind: str, name: str, **options: object) -> str:
    """Return the command that downloads the weights of a component, for messages.

    Args:
        kind: Its kind.
        name: Its name.
        options: The options that decide which weights it needs; None is left out.

    Example:
        >>> download_command("detector", "yolox", checkpoint="tiny")
        'videoseg download detector yolox -O checkpoint=tiny'
    """
    import shlex

    given = [f"-O {shlex.quote(f'{o}={v}')}" for o, v in options.items() if v is not None]
    return " ".join([f"videoseg download {kind} {name}", *given])


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file with weights that anyone may fetch.

    Args:
        url: Where it is; the last part of its path names the file.
        folder: Where it belongs: the argument of ``weights_folder``.
        num_bytes: Its size, exact if there is a SHA-256, else about; 0 if unknown.
        sha256: Its SHA-256 in lower-case hexadecimal digits, if it is known.
        license: The license of the weights.
        terms: What has to be agreed to before it is fetched, if anything.
        md5: Its MD5 likewise, where the publisher states no SHA-256: it shows damage, but not
            that someone has made another file of the same sum.

    Raises:
        ConfigError: If the address or a hash has another form, or folder or name lead elsewhere.
    """

    url: str
    folder: str
    num_bytes: int = 0
    sha256: str = ""
    license: str = ""
    terms: str = ""
    md5: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if "@" in parts.netloc:
            raise ConfigError(
                f"the address of weights at {parts.hostname} has a user name or a password, which "
                "messages would tell; give one that anyone may fetch"
            )
        if (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or not self.url.isprintable()
            or not is_plain_name(self.name)
        ):
            raise ConfigError(
                f"weights need the address of a file (https://...), got {self.url!r}"
            )
        _check_folder(self.folder)
        if self.num_bytes < 0:
            raise ConfigError(f"num_bytes of {self.name} must be at least 0, got {self.num_bytes}")
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise ConfigError(
                f"sha256 of {self.name} must be 64 digits in lower-case hexadecimal, got "
                f"{self.sha256!r}"
            )
        if self.md5 and not _MD5.fullmatch(self.md5):
            raise ConfigError(
                f"md5 of {self.name} must be 32 digits in lower-case hexadecimal, got {self.md5!r}"
            )

    @property
    def name(self) -> str:
        """The name of the file."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2]

    @property
    def source(self) -> str:
        """Where it comes from."""
        return self.url

    @property
    def path(self) -> Path:
        """Where it is looked for on this machine."""
        return self.path_in(None)

    def path_in(self, root: Path | None) -> Path:
        """Return its place in another folder than that of ``weights_folder``."""
        return weights_folder(self.folder, root=root) / self.name

    def problem(self, root: Path | None = None) -> str:
        """Return what is wrong with it on this machine; empty if it is there.

        Sizes are compared, but not hashes, which takes too long for a list.
        """
        path = self.path_in(root)
        try:
            if not path.is_file():
                return "is not on this machine"
            size = path.stat().st_size
        except OSError as error:
            return _unreadable(error)
        if self.sha256 and self.num_bytes and size != self.num_bytes:
            return f"is damaged: {path} has {size:,} of {self.num_bytes:,} bytes"
        return "" if size else f"is damaged: {path} is empty"


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model on the Hugging Face hub, which goes to the cache that its libraries share.

    Args:
        model: Its name there, such as ``facebook/sam2.1-hiera-large``.
        revision: Branch, tag or commit.
        files: The files that are needed; by default those that transformers loads.
        num_bytes: About how large these are; 0 if unknown. The hub says it before a download.
        license: The license of the weights; if empty, that of the model card.
        terms: What has to be agreed to before they are fetched, if anything.
    """

    model: str
    revision: str | None = None
    files: tuple[str, ...] = ()
    num_bytes: int = 0
    license: str = ""
    terms: str = ""

    @property
    def name(self) -> str:
        """What messages call it."""
        at = f"@{self.revision}" if self.revision else ""
        return f"{self.model}{at}" if len(self.files) != 1 else f"{self.model}/{self.files[0]}{at}"

    @property
    def source(self) -> str:
        """Its page."""
        return f"https://huggingface.co/{self.model}"

    def folder(self, root: Path | None = None) -> Path | None:
        """Return its folder in the hub's cache, which may be incomplete; None if there is none."""
        # The library knows the settings of its cache.
        if find_spec("huggingface_hub") is None:
            return None
        from importlib import import_module

        hub = import_module("huggingface_hub")
        for file in (*self.files, "config.json"):
            try:
                found = hub.try_to_load_from_cache(
                    self.model, file, cache_dir=root and root / "hub", revision=self.revision
                )
            except ValueError:
                # No valid name on the hub.
                return None
            if isinstance(found, str):
                return Path(found.removesuffix(file).rstrip("/\\"))
        return None

    def problem(self, root: Path | None = None) -> str:
        """Return what is wrong with it on this machine; empty if it is there."""
        folder = self.folder(root)
        if folder is None:
            return "is not on this machine"
        if self.files:
            missing = [file for file in self.files if not (folder / file).is_file()]
            return f"lacks {', '.join(missing)}" if missing else ""
        return "" if has_whole_weights(folder) else "lacks files of its weights"


@dataclass(frozen=True, slots=True)
class ModelScopeModel:
    """A model on ModelScope, whose files go to a folder of their own.

    Args:
        model: Its name there, such as ``dmmm997/VideoSEG-O3-2B-RL``.
        folder: Where its folder belongs: the argument of ``weights_folder``.
        num_bytes: About how large it is; 0 if unknown. ModelScope says it before a download.
        license: The license of the weights.
        terms: What has to be agreed to before they are fetched, if anything.

    Raises:
        ConfigError: If the model or the folder has another form.
    """

    model: str
    folder: str
    num_bytes: int = 0
    license: str = ""
    terms: str = ""

    def __post_init__(self) -> None:
        if not all(map(is_plain_name, self.model.split("/"))):
            raise ConfigError(
                f"a model on ModelScope has a name such as 'owner/model', got {self.model!r}"
            )
        _check_folder(self.folder)

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.model

    @property
    def source(self) -> str:
        """Its page."""
        return f"https://modelscope.cn/models/{self.model}"

    @property
    def path(self) -> Path:
        """The folder where it is looked for on this machine."""
        return self.path_in(None)

    def path_in(self, root: Path | None) -> Path:
        """Return its place in another folder than that of ``weights_folder``."""
        return weights_folder(self.folder, root=root) / self.model.rpartition("/")[2]

    def problem(self, root: Path | None = None) -> str:
        """Return what is wrong with it on this machine; empty if it is there."""
        folder = self.path_in(root)
        try:
            if not (folder / "config.json").is_file():
                return "is not on this machine"
            return "" if has_whole_weights(folder) else "lacks files of its weights"
        except OSError as error:
            return _unreadable(error)


@dataclass(frozen=True, slots=True)
class RandomWeights:
    """No weights at all: with these options a network is made of random numbers, for tests."""

    num_bytes: int = 0
    license: str = ""
    terms: str = ""

    @property
    def name(self) -> str:
        """What messages call it."""
        return "random weights, which find nothing"

    @property
    def source(self) -> str:
        """Nothing."""
        return ""

    def problem(self, root: Path | None = None) -> str:  # noqa: ARG002
        """Return nothing: they need not be here."""
        return ""


PublishedWeights: TypeAlias = WeightsFile | HubModel | ModelScopeModel | RandomWeights
"""What a component declares: a file, a model on a hub, or that it works without weights."""


def _unreadable(error: OSError) -> str:
    return f"cannot be looked for ({error.strerror})"


def _check_folder(folder: str) -> None:
    if not all(map(is_plain_name, folder.split("/"))):
        raise ConfigError(
            "the folder of weights must be a name such as 'xmem', or names joined by '/', got "
            f"{folder!r}"
        )


def has_whole_weights(folder: Path) -> bool:
    """Return whether a folder of transformers has weights, with every part its index names."""
    for suffix in _FORMS:
        files = list(folder.glob(f"*.{suffix}"))
        # A link of the hub's cache may lead to what was removed.
        if files and all(file.is_file() for file in files):
            indices = folder.glob(f"*.{suffix}.index.json")
            return all((folder / part).is_file() for index in indices for part in _parts(index))
    return False


def _parts(index: Path) -> Sequence[str]:
    try:
        named = parse_json(read_bytes(index))["weight_map"].values()
        return sorted({str(name) for name in named})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Loading gives a better message.
        return []
