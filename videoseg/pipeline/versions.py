"""What a result records about the software and the machine it was made with."""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Iterable

from videoseg._interruption import foreign_code
from videoseg.stages import HasDevice
from videoseg.text import shorten_text

__all__ = ["collect_versions", "device_of"]

_logger = logging.getLogger(__name__)

_PACKAGES = ("numpy", "cv2", "av", "decord", "torch", "transformers", "sam2")


def collect_versions(distributions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return versions of Python, videoseg, the stages' packages and the libraries in use.

    Args:
        distributions: (name, version) of the packages that provided the stages.
    """
    from videoseg._version import __version__

    versions = {"python": platform.python_version(), "videoseg": __version__}
    versions.update({name: version for name, version in distributions if version})
    for module_name in _PACKAGES:
        # Only what is loaded took part in the run; nothing is imported to be asked.
        version = getattr(sys.modules.get(module_name), "__version__", None)
        if isinstance(version, str):
            versions[module_name] = version
    return versions


def device_of(stages: Iterable[object]) -> str:
    """Return where the stages' models ran: ``cpu`` unless a stage says otherwise."""
    devices = dict.fromkeys(filter(None, map(_device, stages)))
    return ", ".join(devices) or "cpu"


def _device(stage: object) -> str:
    try:
        with foreign_code():
            device = stage.device if isinstance(stage, HasDevice) else None
            return "" if device is None else shorten_text(str(device))
    except Exception as error:
        # By now the masks are made, and where they were made is the least of them.
        _logger.warning("%s cannot tell its device: %s", type(stage).__name__, error)
        return ""
