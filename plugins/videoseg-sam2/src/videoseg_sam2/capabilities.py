"""What the propagator declares, known before anything heavy is imported."""

from __future__ import annotations

from videoseg.types import PropagatorCapabilities

__all__ = ["SAM2_CAPABILITIES"]

SAM2_CAPABILITIES = PropagatorCapabilities(
    boxes=True,
    points=True,
    masks=True,
    late_objects=True,
    backward=True,
    corrections=True,
    live=True,
)
