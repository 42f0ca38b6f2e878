"""What the propagator ``sam2`` can do; imports nothing heavy."""

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
