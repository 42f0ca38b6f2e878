"""Ways to run networks of torch: as they are, compiled, or in OpenVINO with numbers of fewer bits.

For stages whose network has a part that sees one image of one size after another, such as an
encoder of images. torch is imported when a function needs it.
"""

from videoseg.engines.choices import Engine, Precision, check_engine, compute_type
from videoseg.engines.eight_bits import with_eight_bits
from videoseg.engines.openvino_function import OpenVinoFunction

__all__ = [
    "Engine",
    "OpenVinoFunction",
    "Precision",
    "check_engine",
    "compute_type",
    "with_eight_bits",
]
