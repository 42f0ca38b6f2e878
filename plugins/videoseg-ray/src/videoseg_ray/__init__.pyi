from .actors import Actors as Actors
from .batch import BatchOutcome as BatchOutcome
from .batch import segment_videos as segment_videos
from .evaluation import RayExecutor as RayExecutor
from .evaluation import evaluate as evaluate
from .items import VideoItem as VideoItem
from .items import read_manifest as read_manifest
from .items import videos_in_folder as videos_in_folder
