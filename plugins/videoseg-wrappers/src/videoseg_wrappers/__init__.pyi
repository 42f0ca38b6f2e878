# The names of the package: __init__.py loads each from here when it is first used.
from .existence import ExistenceWrapper as ExistenceWrapper
from .reflect import ReflectWrapper as ReflectWrapper
