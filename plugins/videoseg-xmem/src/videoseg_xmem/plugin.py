"""The hooks of the plug-in. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

import videoseg as vs
from videoseg_xmem.capabilities import CAPABILITIES


@vs.hookimpl
def videoseg_components() -> Iterable[vs.Component]:
    """Declare the propagator."""
    yield vs.Component(
        "propagator",
        "xmem",
        "videoseg_xmem.propagator:XMemPropagator",
        summary="XMem: propagation with a memory of keys and values; needs its weights.",
        capabilities=CAPABILITIES,
        requires=("torch",),
        install="videoseg-xmem",
        license="code Apache-2.0; published weights as released with XMem (MIT)",
        weights="videoseg_xmem.checkpoint:published_weights",
        scores="videoseg_xmem.scores:published_scores",
    )
