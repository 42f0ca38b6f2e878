"""What the propagators ``xmem`` and ``cutie`` can do; imports nothing heavy."""

from __future__ import annotations

from videoseg.types import PropagatorCapabilities

__all__ = ["CAPABILITIES"]

CAPABILITIES = PropagatorCapabilities(
    masks=True, late_objects=True, backward=True, corrections=True, live=True
)
"""What propagators with a ``TrackerSession`` can do."""
