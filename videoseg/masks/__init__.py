"""Operations on masks: overlap and union, parts, boxes, points, outlines, colors."""

from videoseg.masks.colors import (
    DAVIS_PALETTE,
    OBJECT_COLORS,
    Color,
    object_color,
    readable_text_color,
)
from videoseg.masks.overlap import index_map, iou, union_of_rles
from videoseg.masks.shape import (
    bounding_box,
    bounding_slices,
    contour_polygons,
    inner_points,
    joined_outline,
    remove_specks,
)

__all__ = [
    "DAVIS_PALETTE",
    "OBJECT_COLORS",
    "Color",
    "bounding_box",
    "bounding_slices",
    "contour_polygons",
    "index_map",
    "inner_points",
    "iou",
    "joined_outline",
    "object_color",
    "readable_text_color",
    "remove_specks",
    "union_of_rles",
]
