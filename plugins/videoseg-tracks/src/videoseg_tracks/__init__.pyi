# The names of the package: __init__.py loads each from here when it is first used.
from .answering import make_answer as make_answer
from .attributes_grounder import TrackAttributesGrounder as TrackAttributesGrounder
from .concepts import parse_names as parse_names
from .finding import TrackFinder as TrackFinder
from .grounder import TrackThenChooseGrounder as TrackThenChooseGrounder
from .merging import merge_duplicates as merge_duplicates
from .pictures import draw_close_view as draw_close_view
from .pictures import draw_numbered as draw_numbered
from .propagator import GivenMasksPropagator as GivenMasksPropagator
from .tracks import Track as Track
from .tracks import TrackPool as TrackPool
from .verdicts import Verdicts as Verdicts
from .verdicts import parse_verdicts as parse_verdicts
