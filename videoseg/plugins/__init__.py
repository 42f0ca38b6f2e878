"""Plug-ins: how components and commands are declared, found, checked and built."""

from videoseg.plugins.command import Command, RegisteredCommand
from videoseg.plugins.component import KINDS, Component
from videoseg.plugins.events import FrameDone, Grounded, StageFinished, StageStarted
from videoseg.plugins.hookspecs import hookimpl
from videoseg.plugins.loader import PluginFailure
from videoseg.plugins.registry import RegisteredComponent, Registry, add, default_registry

__all__ = [
    "KINDS",
    "Command",
    "Component",
    "FrameDone",
    "Grounded",
    "PluginFailure",
    "RegisteredCommand",
    "RegisteredComponent",
    "Registry",
    "StageFinished",
    "StageStarted",
    "add",
    "default_registry",
    "hookimpl",
]
