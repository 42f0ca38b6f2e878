"""The published ONNX files of YOLOX: where they are, and whether a file is one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videoseg.errors import ConfigError, MissingWeightsError
from videoseg.files import check_regular_file, expand_path
from videoseg.weights import WeightsFile, download_command, file_sha256, placeholder_problem

__all__ = [
    "DEFAULT",
    "PUBLISHED_YOLOX",
    "check_hash",
    "find_checkpoint",
    "published_weights",
]

DEFAULT = "nano"
_RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_LICENSE = "Apache-2.0, Copyright (c) 2021-2022 Megvii Inc."


def _published(name: str, num_bytes: int, sha256: str) -> WeightsFile:
    return WeightsFile(f"{_RELEASE}/{name}", "yolox", num_bytes, sha256, _LICENSE)


# The release lists no hashes, and this project had no access to the files when this was written:
# each hash and size is the one that other projects pin for this file; few do for x, and one its
# size.
PUBLISHED_YOLOX: Mapping[str, WeightsFile] = {
    "nano": _published(
        "yolox_nano.onnx",
        3_659_407,
        "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
    ),
    "tiny": _published(
        "yolox_tiny.onnx",
        20_219_662,
        "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
    ),
    "s": _published(
        "yolox_s.onnx",
        35_858_002,
        "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
    ),
    "m": _published(
        "yolox_m.onnx",
        101_259_744,
        "21ff6cfdeb53b013bac2249599e55f00bff3cfdfdab37ed7a4620818c1d15b3f",
    ),
    "l": _published(
        "yolox_l.onnx",
        216_746_733,
        "7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411",
    ),
    "x": _published(
        "yolox_x.onnx",
        396_142_663,
        "c892d7aaf1c4746d8a4d675bec669a4db4f434b4ee1efb654bc9b353379c7c55",
    ),
}
"""The published files by the name of the model."""


def published_weights(options: Mapping[str, Any]) -> list[WeightsFile]:
    """Return the published file that the detector needs; none for a file of your own."""
    published = PUBLISHED_YOLOX.get(str(options.get("checkpoint", DEFAULT)))
    return [] if published is None else [published]


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
        path = published.path
        if path.exists():
            _check_readable(path)
            if (size := path.stat().st_size) != published.num_bytes:
                raise _damaged(
                    path, checkpoint, f"it has {size:,} of {published.num_bytes:,} bytes"
                )
            return path
        raise MissingWeightsError(
            f"the weights {str(checkpoint)!r} of YOLOX are not on this machine; get them "
            f"({published.num_bytes / 1e6:.1f} MB, license {published.license}) with: "
            f"{_command(checkpoint)} (or give another file as the detector's option 'checkpoint')"
        )
    path = expand_path(checkpoint)
    if str(checkpoint) and path.exists():
        _check_readable(path)
        return path
    raise MissingWeightsError(
        f"there is no checkpoint {str(checkpoint)!r}; give an ONNX file of YOLOX or one of "
        f"{', '.join(PUBLISHED_YOLOX)}. The smallest published one comes with: "
        f"{_command(DEFAULT)}"
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
    if (found := file_sha256(path)) != published.sha256:
        raise _damaged(path, checkpoint, f"its SHA-256 is {found} and not {published.sha256}")


def _check_readable(path: Path) -> None:
    try:
        check_regular_file(path)
        problem = placeholder_problem(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"checkpoint {str(path)!r} cannot be read ({reason})") from error
    if problem:
        raise ConfigError(f"checkpoint {str(path)!r} {problem}")


def _damaged(path: Path, checkpoint: str | Path, reason: str) -> ConfigError:
    return ConfigError(
        f"checkpoint {str(path)!r} is not the published file ({reason}); download it again with: "
        f"{_command(checkpoint)}, or give a file of your own by its path"
    )


def _command(checkpoint: str | Path) -> str:
    name = None if str(checkpoint) == DEFAULT else checkpoint
    return download_command("detector", "yolox", checkpoint=name)
