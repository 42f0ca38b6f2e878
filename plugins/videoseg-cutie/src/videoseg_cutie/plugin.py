"""The hooks of the plug-in. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from videoseg_xmem.capabilities import CAPABILITIES

import videoseg as vs


@vs.hookimpl
def videoseg_components() -> Iterable[vs.Component]:
    """Declare the propagator."""
    yield vs.Component(
        "propagator",
        "cutie",
        "videoseg_cutie.propagator:CutiePropagator",
        summary="Cutie: propagation with memories of pixels and of objects; needs its weights.",
        capabilities=CAPABILITIES,
        requires=("torch",),
        install="videoseg-cutie",
        license="code Apache-2.0; published weights as released with Cutie (MIT)",
        weights="videoseg_cutie.checkpoint:published_weights",
        scores="videoseg_cutie.scores:published_scores",
    )
