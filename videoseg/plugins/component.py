"""How a plug-in declares a component, without importing it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from videoseg.errors import ConfigError
from videoseg.types.capabilities import PropagatorCapabilities

__all__ = ["KINDS", "Component", "Kind"]

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

_NAME = re.compile(r"[a-z0-9][a-z0-9.]*(-[a-z0-9.]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


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
        problems = []
        if self.kind not in KINDS:
            problems.append(f"kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if not _NAME.fullmatch(self.name):
            problems.append(f"name {self.name!r} must be lower-case kebab, such as 'every-tenth'")
        if not _TARGET.fullmatch(self.target):
            problems.append(f"target {self.target!r} must have the form 'package.module:Name'")
        if self.weights and not _TARGET.fullmatch(self.weights):
            problems.append(f"weights {self.weights!r} must have the form 'package.module:name'")
        if not isinstance(self.capabilities, PropagatorCapabilities | None):
            problems.append(
                "capabilities must be a PropagatorCapabilities, such as "
                "PropagatorCapabilities(boxes=True), got a value of type "
                f"{type(self.capabilities).__name__}"
            )
        if problems:
            raise ConfigError([f"component {self.kind}/{self.name}: {p}" for p in problems])

    def missing_modules(self) -> tuple[str, ...]:
        """Return the required modules that are not installed, without importing any."""
        return tuple(module for module in self.requires if not _is_installed(module))

    def weights_command(self) -> str:
        """Return the command that fetches the weights; empty if they are here or not needed."""
        if not self.weights or self.missing_modules():
            return ""
        from importlib import import_module

        module, _, name = self.weights.partition(":")
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
