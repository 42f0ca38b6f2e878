"""Plug-ins: components declared, found, checked and built; hooks and their events."""

from videoseg.plugins.command import Command, RegisteredCommand
from videoseg.plugins.component import KINDS, Component, RegisteredComponent
from videoseg.plugins.hooks import FrameDone, Grounded, StageFinished, StageStarted, hookimpl
from videoseg.plugins.loader import PluginFailure
from videoseg.plugins.options import Option, PositiveInt, checked_options
from videoseg.plugins.readiness import Readiness, WeightsState
from videoseg.plugins.registry import Registry, add, default_registry

__all__ = [
    "KINDS",
    "Command",
    "Component",
    "FrameDone",
    "Grounded",
    "Option",
    "PluginFailure",
    "PositiveInt",
    "Readiness",
    "RegisteredCommand",
    "RegisteredComponent",
    "Registry",
    "StageFinished",
    "StageStarted",
    "WeightsState",
    "add",
    "checked_options",
    "default_registry",
    "hookimpl",
]
