"""What a result records about the software and the machine it was made with."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable

__all__ = ["collect_versions", "device_of"]

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
    devices = dict.fromkeys(
        str(device) for stage in stages if (device := getattr(stage, "device", None)) is not None
    )
    return ", ".join(devices) or "cpu"
