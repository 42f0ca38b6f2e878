"""How a plug-in declares a component, without importing it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from videoseg._interruption import foreign_code
from videoseg.errors import ConfigError
from videoseg.text import shorten, shorten_text
from videoseg.types.capabilities import PropagatorCapabilities

__all__ = ["KINDS", "Component", "Kind", "is_kebab_name", "is_target"]

Kind: TypeAlias = Literal[
    "sampler",
    "grounder",
    "segmenter",
    "propagator",
    "chat",
    "reader",
    "reward",
    "benchmark",
    "pipeline",
]

KINDS: tuple[str, ...] = get_args(Kind)

_LONGEST_NAME = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9.]*(-[a-z0-9.]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_kebab_name(name: str) -> bool:
    """Return whether a name is lower-case kebab, such as ``every-tenth``, and not too long."""
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def is_target(text: str) -> bool:
    """Return whether a text has the form ``package.module:name``."""
    return _TARGET.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Component:
    """One thing a plug-in offers. Declaring it imports nothing; building it does.

    Args:
        kind: What it is; one of ``KINDS``.
        name: What users write, in short kebab case, such as ``every-tenth``.
        target: Where it lives, as ``package.module:Name``: a class (or a function that
            returns an instance) whose keyword arguments are the component's options. For
            kind ``pipeline``, a function that returns the configuration as a mapping.
        summary: One line for ``videoseg plugins``.
        capabilities: For propagators: what they can do, known before anything loads.
        requires: Modules that must be importable, such as ``("torch", "sam2")``.
        install: What to give to ``pip install`` when one of them is missing.
        uses: Kinds of components the constructor takes by keyword, such as ``("chat",)``.
        license: Licence of code and weights, where users should know it.
        weights: Where to ask for the weights that the component needs as it is, as
            ``package.module:function``: a function that takes nothing, imports nothing heavy
            and returns the command that fetches them, or nothing if they are here.

    Raises:
        ConfigError: If kind, name, target or capabilities have the wrong form.
    """

    kind: str
    name: str
    target: str
    summary: str = ""
    capabilities: PropagatorCapabilities | None = None
    requires: tuple[str, ...] = ()
    install: str = ""
    uses: tuple[str, ...] = ()
    license: str = ""
    weights: str = ""

    def __post_init__(self) -> None:
        problems = self._wrong_types()
        if problems:
            raise ConfigError([f"component {shorten(self.name)}: {p}" for p in problems])
        # A list is a usual way to write several names; what is frozen holds no list.
        object.__setattr__(self, "requires", tuple(self.requires))
        object.__setattr__(self, "uses", tuple(self.uses))
        if self.kind not in KINDS:
            problems.append(f"kind {shorten(self.kind)} is not one of {', '.join(KINDS)}")
        if not is_kebab_name(self.name):
            problems.append(
                f"name {shorten(self.name)} must be lower-case kebab, such as 'every-tenth', of "
                f"at most {_LONGEST_NAME} characters"
            )
        if not is_target(self.target):
            problems.append(
                f"target {shorten(self.target)} must have the form 'package.module:Name'"
            )
        if self.weights and not is_target(self.weights):
            problems.append(
                f"weights {shorten(self.weights)} must have the form 'package.module:name'"
            )
        if not isinstance(self.capabilities, PropagatorCapabilities | None):
            problems.append(
                "capabilities must be a PropagatorCapabilities, such as "
                "PropagatorCapabilities(boxes=True), got a value of type "
                f"{type(self.capabilities).__name__}"
            )
        if problems:
            label = f"{shorten_text(self.kind)}/{shorten_text(self.name)}"
            raise ConfigError([f"component {label}: {problem}" for problem in problems])

    def _wrong_types(self) -> list[str]:
        texts = ("kind", "name", "target", "summary", "install", "license", "weights")
        wrong = [
            f"{name} must be text, got {shorten(value)}"
            for name in texts
            if not isinstance(value := getattr(self, name), str)
        ]
        return wrong + [
            f"{name} must be a tuple of names, got {shorten(value)}"
            for name in ("requires", "uses")
            if not isinstance(value := getattr(self, name), tuple | list)
            or not all(isinstance(part, str) and part for part in value)
        ]

    def missing_modules(self) -> tuple[str, ...]:
        """Return the required modules that are not installed, without importing any."""
        return tuple(module for module in self.requires if not _is_installed(module))

    def weights_command(self) -> str:
        """Return the command that fetches the weights; empty if they are here or not needed."""
        if not self.weights or self.missing_modules():
            return ""
        from importlib import import_module

        module, _, name = self.weights.partition(":")
        with foreign_code():
            return str(getattr(import_module(module), name)() or "")


def _is_installed(module: str) -> bool:
    import sys
    from importlib.machinery import PathFinder
    from importlib.util import find_spec

    if module in sys.modules:
        return True
    top, *inner = module.split(".")
    try:
        spec = find_spec(top)
    except ValueError:
        # A module that was made up in this process has no spec.
        return top in sys.modules and not inner
    name = top
    for part in inner:
        if spec is None or spec.submodule_search_locations is None:
            return False
        name = f"{name}.{part}"
        # importlib's find_spec would import the packages above, which may be heavy.
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec is not None
