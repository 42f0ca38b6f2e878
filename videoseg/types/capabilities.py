"""What a propagator declares it can do, so that mistakes show before weights load."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PropagatorCapabilities"]


@dataclass(frozen=True, slots=True)
class PropagatorCapabilities:
    """What a propagator can do.

    Args:
        boxes: Takes boxes.
        points: Takes positive and negative points.
        masks: Takes masks.
        embeddings: Names of the models whose embeddings it takes.
        late_objects: Objects may be added after the first propagated frame.
        backward: Can run from later to earlier frames.
        corrections: One object may be prompted again on another frame.
        live: Can run on a source whose end is not known.
        max_objects_per_pass: How many objects one pass holds; None for no limit.
    """

    boxes: bool = False
    points: bool = False
    masks: bool = True
    embeddings: tuple[str, ...] = ()
    late_objects: bool = True
    backward: bool = True
    corrections: bool = False
    live: bool = False
    max_objects_per_pass: int | None = None
