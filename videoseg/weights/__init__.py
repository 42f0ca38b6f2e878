"""Files of model weights: recognized, read without running code, and checked.

For stages that run on torch. Such files are untrusted, and downloads fail in many ways, so the
error for a file that cannot be used says what the file is.
"""

from videoseg.weights.checkpoints import (
    check_weights_file,
    code_problem,
    fit_weights,
    read_weights,
    weights_folder,
    without_loading_bars,
)
from videoseg.weights.formats import placeholder_problem, weights_problem

__all__ = [
    "check_weights_file",
    "code_problem",
    "fit_weights",
    "placeholder_problem",
    "read_weights",
    "weights_folder",
    "weights_problem",
    "without_loading_bars",
]
