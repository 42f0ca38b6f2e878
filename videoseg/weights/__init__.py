"""Weights of models: declared, downloaded, recognized, read without running code, and checked.

For stages that have weights. Files of weights are untrusted, and downloads fail in many ways, so
the error for a file that cannot be used says what the file is.
"""

from videoseg.weights.checkpoints import (
    check_weights_file,
    code_problem,
    fit_weights,
    read_weights,
    without_loading_bars,
)
from videoseg.weights.downloads import Download, download_weights, plan_downloads
from videoseg.weights.formats import placeholder_problem, weights_problem
from videoseg.weights.hashes import file_sha256
from videoseg.weights.published import (
    HubModel,
    ModelScopeModel,
    PublishedWeights,
    RandomWeights,
    WeightsFile,
    download_command,
    has_whole_weights,
    weights_folder,
)

__all__ = [
    "Download",
    "HubModel",
    "ModelScopeModel",
    "PublishedWeights",
    "RandomWeights",
    "WeightsFile",
    "check_weights_file",
    "code_problem",
    "download_command",
    "download_weights",
    "file_sha256",
    "fit_weights",
    "has_whole_weights",
    "placeholder_problem",
    "plan_downloads",
    "read_weights",
    "weights_folder",
    "weights_problem",
    "without_loading_bars",
]
