"""Files of model weights: recognized, read without running what they may hold, and checked.

For stages that run on torch. Anybody may have made such a file, and downloads go wrong in many
ways, so the error for a file that cannot be used says what the file is.
"""

from videoseg.weights.reading import (
    check_weights_file,
    code_problem,
    fit_weights,
    read_weights,
)
from videoseg.weights.recognition import placeholder_problem, weights_problem

__all__ = [
    "check_weights_file",
    "code_problem",
    "fit_weights",
    "placeholder_problem",
    "read_weights",
    "weights_problem",
]
