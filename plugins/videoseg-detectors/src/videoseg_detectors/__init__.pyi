# The names of the package: __init__.py loads each from here when it is first used.
from .coco import COCO_CLASSES as COCO_CLASSES
from .matching import NameMatch as NameMatch
from .matching import NameMatcher as NameMatcher
from .object_detection import ObjectDetector as ObjectDetector
from .sam3 import Sam3Detector as Sam3Detector
from .yolox import YoloxDetector as YoloxDetector
from .yolox_files import PUBLISHED_YOLOX as PUBLISHED_YOLOX
from .zero_shot import ZeroShotDetector as ZeroShotDetector
