"""The published ONNX files of YOLOX: where they are, and whether a file is one."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from videoseg.errors import ConfigError, MissingWeightsError
from videoseg.files import check_regular_file, expand_path
from videoseg.weights import placeholder_problem, weights_folder

__all__ = [
    "DEFAULT",
    "PUBLISHED_YOLOX",
    "PublishedFile",
    "check_hash",
    "default_weights_command",
    "find_checkpoint",
]

DEFAULT = "nano"
_RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file with weights, as its publisher offers it.

    Args:
        url: Where it is.
        sha256: Its SHA-256, in lower-case hexadecimal digits.
        num_bytes: Its size.
        license: The license of the weights.
    """

    url: str
    sha256: str
    num_bytes: int
    license: str = "Apache-2.0, Copyright (c) 2021-2022 Megvii Inc."

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]


# The release lists no hashes, and this project had no access to the files when this was written:
# each hash and size is the one that other projects pin for this file; few do for x, and one its
# size.
PUBLISHED_YOLOX: Mapping[str, PublishedFile] = {
    "nano": PublishedFile(
        f"{_RELEASE}/yolox_nano.onnx",
        "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
        3_659_407,
    ),
    "tiny": PublishedFile(
        f"{_RELEASE}/yolox_tiny.onnx",
        "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
        20_219_662,
    ),
    "s": PublishedFile(
        f"{_RELEASE}/yolox_s.onnx",
        "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
        35_858_002,
    ),
    "m": PublishedFile(
        f"{_RELEASE}/yolox_m.onnx",
        "21ff6cfdeb53b013bac2249599e55f00bff3cfdfdab37ed7a4620818c1d15b3f",
        101_259_744,
    ),
    "l": PublishedFile(
        f"{_RELEASE}/yolox_l.onnx",
        "7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411",
        216_746_733,
    ),
    "x": PublishedFile(
        f"{_RELEASE}/yolox_x.onnx",
        "c892d7aaf1c4746d8a4d675bec669a4db4f434b4ee1efb654bc9b353379c7c55",
        396_142_663,
    ),
}
"""The published files by the name of the model."""


def default_weights_command() -> str:
    """Return the command that downloads the default weights; empty if they are on this machine."""
    published = PUBLISHED_YOLOX[DEFAULT]
    path = weights_folder("yolox") / published.name
    return "" if path.is_file() else _command(path, published)


def find_checkpoint(checkpoint: str | Path) -> Path:
    """Return the file of a model, after a quick look at it.

    Args:
        checkpoint: ``nano``, ``tiny``, ``s``, ``m``, ``l``, ``x``, or a path.

    Raises:
        ConfigError: If the file is clearly no model: a folder, a web page, cut short.
        MissingWeightsError: If it is not on this machine; the message has the command that
            downloads it.
    """
    published = PUBLISHED_YOLOX.get(str(checkpoint))
    if published is not None:
        path = weights_folder("yolox") / published.name
        if path.exists():
            _check_readable(path)
            if (size := path.stat().st_size) != published.num_bytes:
                raise _damaged(
                    path, published, f"it has {size:,} of {published.num_bytes:,} bytes"
                )
            return path
        raise MissingWeightsError(
            f"the weights {str(checkpoint)!r} of YOLOX are not on this machine; get them "
            f"({published.num_bytes / 1e6:.1f} MB, license {published.license}) with: "
            f"{_command(path, published)} (or name another file with checkpoint=...)"
        )
    path = expand_path(checkpoint)
    if str(checkpoint) and path.exists():
        _check_readable(path)
        return path
    default = PUBLISHED_YOLOX[DEFAULT]
    raise MissingWeightsError(
        f"there is no checkpoint {str(checkpoint)!r}; give an ONNX file of YOLOX or one of "
        f"{', '.join(PUBLISHED_YOLOX)}. The smallest published one comes with: "
        f"{_command(weights_folder('yolox') / default.name, default)}"
    )


def check_hash(path: Path, checkpoint: str | Path) -> None:
    """Refuse a file that was asked for by a published name and is not the published one.

    Files given by their path are taken as they are.

    Raises:
        ConfigError: If the hash is another one.
    """
    published = PUBLISHED_YOLOX.get(str(checkpoint))
    if published is None:
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if (found := digest.hexdigest()) != published.sha256:
        raise _damaged(path, published, f"its SHA-256 is {found} and not {published.sha256}")


def _check_readable(path: Path) -> None:
    try:
        check_regular_file(path)
        problem = placeholder_problem(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"checkpoint {str(path)!r} cannot be read ({reason})") from error
    if problem:
        raise ConfigError(f"checkpoint {str(path)!r} {problem}")


def _damaged(path: Path, published: PublishedFile, reason: str) -> ConfigError:
    return ConfigError(
        f"checkpoint {str(path)!r} is not the published file {published.name} ({reason}); "
        f"delete it and download it again with: {_command(path, published)}, or give a file of "
        "your own by its path"
    )


def _command(target: Path, published: PublishedFile) -> str:
    folder, file = shlex.quote(str(target.parent)), shlex.quote(str(target))
    return f"mkdir -p {folder} && curl -fL -o {file} {published.url}"
