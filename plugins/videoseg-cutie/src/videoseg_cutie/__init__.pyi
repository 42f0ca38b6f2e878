# The names of the package: __init__.py loads each from here when it is first used.
from .options import MemoryOptions as MemoryOptions
from .propagator import CutiePropagator as CutiePropagator
