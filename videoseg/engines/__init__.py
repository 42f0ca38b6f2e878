"""Ways to run networks of torch: as they are, compiled, or in OpenVINO with numbers of fewer bits.

For stages whose network has a part that sees one image of one size after another, such as an
encoder of images. torch is imported when a function needs it.
"""

from videoseg.engines.choices import (
    Engine,
    Precision,
    TorchPrecision,
    check_engine,
    compute_type,
    uses_bfloat16,
)
from videoseg.engines.eight_bits import with_eight_bits
from videoseg.engines.openvino_function import OpenVinoFunction
from videoseg.engines.running import join_convolutions, run_in

__all__ = [
    "Engine",
    "OpenVinoFunction",
    "Precision",
    "TorchPrecision",
    "check_engine",
    "compute_type",
    "join_convolutions",
    "run_in",
    "uses_bfloat16",
    "with_eight_bits",
]
