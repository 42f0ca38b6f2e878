"""Results: masks with the reasoning behind them; saved, exported and drawn."""

from videoseg.results.colors import choose_colors
from videoseg.results.exports import EXPORT_FORMATS, ExportFormat, check_format, export, export_all
from videoseg.results.folder import PARTS, load_result, save_result
from videoseg.results.overlay import draw_masks, draw_prompts, object_name
from videoseg.results.schema import result_schema
from videoseg.results.segmentation import Segmentation
from videoseg.results.supervision import prompts_from_supervision, to_supervision

__all__ = [
    "EXPORT_FORMATS",
    "PARTS",
    "ExportFormat",
    "Segmentation",
    "check_format",
    "choose_colors",
    "draw_masks",
    "draw_prompts",
    "export",
    "export_all",
    "load_result",
    "object_name",
    "prompts_from_supervision",
    "result_schema",
    "save_result",
    "to_supervision",
]
