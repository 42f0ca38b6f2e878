"""Imports the ``sam2`` package and leaves hydra as it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["import_base"]


def import_base() -> Any:
    """Return the class ``SAM2Base``.

    Importing ``sam2`` initialises hydra for the whole process, which breaks programs that
    initialise hydra themselves later. Here its state is put back: whoever wants to use the
    package's own builders in the same process must call
    ``hydra.initialize_config_module("sam2", version_base="1.2")`` first.
    """
    if "sam2" in sys.modules:
        return _base()
    with _hydra_untouched():
        return _base()


def _base() -> Any:
    from sam2.modeling.sam2_base import SAM2Base  # type: ignore[import-untyped]

    return SAM2Base


@contextmanager
def _hydra_untouched() -> Iterator[None]:
    from hydra.core.global_hydra import GlobalHydra
    from hydra.version import VersionBase
    from omegaconf import OmegaConf

    hydra_before = GlobalHydra.instance().hydra
    version_before = VersionBase.instance().version_base
    resolvers = ("now", "hydra", "python_version")
    present = [name for name in resolvers if OmegaConf.has_resolver(name)]
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra_before
        VersionBase.instance().version_base = version_before
        for name in resolvers:
            if name not in present:
                OmegaConf.clear_resolver(name)
