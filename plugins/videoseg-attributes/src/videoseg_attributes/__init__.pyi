# The names of the package: __init__.py loads each from here when it is first used.
from .grounding.choosing import TrackChoice as TrackChoice
from .grounding.choosing import choose_tracks as choose_tracks
from .grounding.grounder import AttributesGrounder as AttributesGrounder
from .grounding.named_tracks import NamedTrack as NamedTrack
