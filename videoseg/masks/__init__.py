"""Small pure operations on masks: compare, clean, outline, merge, color."""

from videoseg.masks.cleanup import fill_holes, largest_component, remove_specks
from videoseg.masks.colors import (
    DAVIS_PALETTE,
    OBJECT_COLORS,
    Color,
    object_color,
    readable_text_color,
)
from videoseg.masks.compare import iou, rle_iou
from videoseg.masks.contours import contour_polygons, inner_boundary
from videoseg.masks.merge import index_map, union_of_rles
from videoseg.masks.points import inner_point

__all__ = [
    "DAVIS_PALETTE",
    "OBJECT_COLORS",
    "Color",
    "contour_polygons",
    "fill_holes",
    "index_map",
    "inner_boundary",
    "inner_point",
    "iou",
    "largest_component",
    "object_color",
    "readable_text_color",
    "remove_specks",
    "rle_iou",
    "union_of_rles",
]
