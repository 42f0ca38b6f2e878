from .actors import Actors as Actors
from .batch import segment_videos as segment_videos
from .evaluation import evaluate as evaluate
from .executor import RayExecutor as RayExecutor
