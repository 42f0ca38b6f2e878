"""How components are declared, found, checked and built."""

from videoseg.plugins.component import KINDS, Component
from videoseg.plugins.events import FrameDone, Grounded, StageFinished, StageStarted
from videoseg.plugins.hookspecs import hookimpl
from videoseg.plugins.loader import PluginFailure
from videoseg.plugins.options import Option, PositiveInt, checked_options
from videoseg.plugins.registry import RegisteredComponent, Registry, add, default_registry

__all__ = [
    "KINDS",
    "Component",
    "FrameDone",
    "Grounded",
    "Option",
    "PluginFailure",
    "PositiveInt",
    "RegisteredComponent",
    "Registry",
    "StageFinished",
    "StageStarted",
    "add",
    "checked_options",
    "default_registry",
    "hookimpl",
]
