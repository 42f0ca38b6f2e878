# The names of the package: __init__.py loads each from here when it is first used.
from .doubt import Doubt as Doubt
from .doubt import ObjectWatch as ObjectWatch
from .doubt import Thresholds as Thresholds
from .existence import ExistenceWrapper as ExistenceWrapper
from .on_doubt import OnDoubtPropagator as OnDoubtPropagator
from .reflect import ReflectWrapper as ReflectWrapper
from .wearing import wrap as wrap
