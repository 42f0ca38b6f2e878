"""Networks that show the masks of objects which they predict to be absent."""

from __future__ import annotations

from typing import Any

from sam2.modeling.sam2_base import SAM2Base  # type: ignore[import-untyped]

__all__ = ["show_absent"]


class _UngatedSam2(SAM2Base):  # type: ignore[misc]
    """``SAM2Base`` that does not empty the masks of absent objects.

    The package empties masks and marks pointers under one switch, which is off here; pointers
    are marked afterwards.
    """

    def _forward_sam_heads(self, *arguments: Any, **keywords: Any) -> Any:
        *outputs, pointer, score = super()._forward_sam_heads(*arguments, **keywords)
        visible = score.sigmoid() if self.soft_no_obj_ptr else (score > 0).float()
        return (*outputs, self._mark_pointer(pointer, visible), score)

    def _use_mask_as_output(self, *arguments: Any, **keywords: Any) -> Any:
        *outputs, pointer, score = super()._use_mask_as_output(*arguments, **keywords)
        return (*outputs, self._mark_pointer(pointer, (score > 0).float()), score)

    def _mark_pointer(self, pointer: Any, visible: Any) -> Any:
        if not self.marks_absent:
            return pointer
        if self.fixed_no_obj_ptr:
            pointer = visible * pointer
        return pointer + (1 - visible) * self.no_obj_ptr


def show_absent(modules: SAM2Base) -> None:
    """Make a network show the masks of absent objects; it is changed in place."""
    modules.__class__ = _UngatedSam2
    modules.marks_absent = modules.pred_obj_scores and modules.use_obj_ptrs_in_encoder
    modules.pred_obj_scores = False
