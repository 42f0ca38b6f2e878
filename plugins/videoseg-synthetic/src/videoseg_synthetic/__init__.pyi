# The names of the package: __init__.py loads each from here when it is first used.
from .benchmark import SPLIT_SEEDS as SPLIT_SEEDS
from .benchmark import SyntheticBenchmark as SyntheticBenchmark
from .clip import SyntheticClip as SyntheticClip
from .clip import make_clip as make_clip
from .demo import demo_clip as demo_clip
from .facts import ObjectFacts as ObjectFacts
from .questions import DIFFICULTIES as DIFFICULTIES
from .questions import Difficulty as Difficulty
from .reference import SyntheticQuery as SyntheticQuery
from .stream import SyntheticStream as SyntheticStream
from .stream import stream_clip as stream_clip
