"""Components: as a plug-in declares them, without an import, and as a registry knows them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from videoseg._interruption import describe_error, foreign_code
from videoseg.errors import ConfigError, PluginLoadError
from videoseg.text import shorten, shorten_text
from videoseg.types.prompts import PropagatorCapabilities
from videoseg.types.scores import PublishedScore
from videoseg.weights.published import PublishedWeights

__all__ = [
    "KINDS",
    "Component",
    "Kind",
    "NamedPart",
    "RegisteredComponent",
    "is_kebab_name",
    "is_target",
]

Kind: TypeAlias = Literal[
    "sampler",
    "grounder",
    "segmenter",
    "propagator",
    "detector",
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
    """A component that a plug-in offers. Declaring it imports nothing.

    Args:
        kind: Its kind, one of ``KINDS``.
        name: The name that users write, in short kebab case, such as ``every-tenth``.
        target: Its place in the code, as ``package.module:Name``: a class (or a function that
            returns an instance) whose keyword arguments are the component's options. For
            kind ``pipeline``, a function that returns the configuration as a mapping.
        summary: One line for ``videoseg plugins``.
        capabilities: For propagators: the prompts and directions they support.
        requires: Modules that must be importable, such as ``("torch", "sam2")``.
        install: The argument of ``pip install`` when one of them is missing.
        uses: Kinds of components the constructor takes by keyword, such as ``("chat",)``.
        license: License of code and weights, where users should know it.
        weights: A function, as ``package.module:function``, that says which published weights
            are needed: it is given the options, imports nothing heavy, and returns entries such
            as ``videoseg.weights.WeightsFile``, or none where the options name a file or folder.
        embeddings: For grounders that may answer with embeddings alone: a function, as
            ``package.module:function``, that is given the options and returns the model of the
            embeddings, such as ``videoseg-o3``, or nothing. It imports nothing heavy.
        capabilities_of: For propagators whose capabilities depend on their options, such as one
            that wraps another: a function, as ``package.module:function``, that is given the
            options and returns the capabilities, or None if only the built propagator knows them.
            It imports nothing heavy.
        answers_with_masks: For grounders that may answer with masks, so that a propagator that
            takes nothing else needs no segmenter.
        parts: For components that are made of others: a function, as ``package.module:function``,
            that is given the options and returns pairs of a kind and a component, given by name,
            as a mapping with name and options, or by ``videoseg.use``. Weights, missing modules
            and licenses of these count as its own. It imports nothing heavy. Options that are
            named as a kind, such as ``detector``, count without it.
        may_use: Kinds that the constructor takes by keyword if the pipeline has them, such as a
            grounder that wraps others, of which some use a segmenter.
        scores: A function, as ``package.module:function``, that is given the options and returns
            what has been published of the model that they choose, as
            ``videoseg.types.PublishedScore``. It imports nothing heavy.

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
    embeddings: str = ""
    capabilities_of: str = ""
    answers_with_masks: bool = False
    parts: str = ""
    may_use: tuple[str, ...] = ()
    scores: str = ""

    def __post_init__(self) -> None:
        problems = self._wrong_types()
        if problems:
            raise ConfigError([f"component {shorten(self.name)}: {p}" for p in problems])
        # Lists are accepted, but a frozen object holds tuples.
        object.__setattr__(self, "requires", tuple(self.requires))
        object.__setattr__(self, "uses", tuple(self.uses))
        object.__setattr__(self, "may_use", tuple(self.may_use))
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
        problems += [
            f"{field} {shorten(value)} must have the form 'package.module:name'"
            for field, value in (
                ("weights", self.weights),
                ("embeddings", self.embeddings),
                ("capabilities_of", self.capabilities_of),
                ("parts", self.parts),
                ("scores", self.scores),
            )
            if value and not is_target(value)
        ]
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
        texts = (
            "kind",
            "name",
            "target",
            "summary",
            "install",
            "license",
            "weights",
            "embeddings",
            "capabilities_of",
            "parts",
            "scores",
        )
        wrong = [
            f"{name} must be text, got {shorten(value)}"
            for name in texts
            if not isinstance(value := getattr(self, name), str)
        ]
        return wrong + [
            f"{name} must be a tuple of names, got {shorten(value)}"
            for name in ("requires", "uses", "may_use")
            if not isinstance(value := getattr(self, name), tuple | list)
            or not all(isinstance(part, str) and part for part in value)
        ]

    @property
    def taken_stages(self) -> tuple[str, ...]:
        """The kinds of components that the constructor takes, needed or not."""
        return (*self.uses, *self.may_use)

    def missing_modules(self) -> tuple[str, ...]:
        """Return the required modules that are not installed, without importing any."""
        return tuple(module for module in self.requires if not _is_installed(module))

    def published_weights(self, options: Mapping[str, Any]) -> tuple[PublishedWeights, ...]:
        """Return the published weights that are needed with some options.

        Raises:
            PluginLoadError: If what declares them fails, or returns something else.
        """
        if not self.weights:
            return ()
        try:
            # It may be a generator, which runs here.
            with foreign_code():
                declared = tuple(_call(self.weights, options))
        except Exception as error:
            raise PluginLoadError(
                f"{self.kind} {self.name!r} cannot say which weights it needs: "
                f"{describe_error(error)}"
            ) from error
        for one in declared:
            if not isinstance(one, PublishedWeights):
                raise PluginLoadError(
                    f"{self.kind} {self.name!r} declares weights as {type(one).__name__}; use "
                    "WeightsFile, HubModel or ModelScopeModel of videoseg.weights"
                )
        return declared

    def published_scores(self, options: Mapping[str, Any]) -> tuple[PublishedScore, ...]:
        """Return what has been published of the model that some options choose.

        Raises:
            PluginLoadError: If what declares it fails, or returns something else.
        """
        if not self.scores:
            return ()
        try:
            with foreign_code():
                declared = tuple(_call(self.scores, options))
        except Exception as error:
            raise PluginLoadError(
                f"{self.kind} {self.name!r} cannot say what has been published of it: "
                f"{describe_error(error)}"
            ) from error
        for one in declared:
            if not isinstance(one, PublishedScore):
                raise PluginLoadError(
                    f"{self.kind} {self.name!r} declares a published score as "
                    f"{type(one).__name__}; use PublishedScore of videoseg.types"
                )
        return declared

    def named_parts(self, options: Mapping[str, Any]) -> tuple[NamedPart, ...]:
        """Return the components that options name: the kind, the name and the options of each.

        Raises:
            PluginLoadError: If what declares them fails, or returns something else.
        """
        given: list[tuple[str, object]] = [
            (option, value) for option, value in options.items() if option in KINDS
        ]
        try:
            if self.parts:
                with foreign_code():
                    given += [(str(kind), value) for kind, value in _call(self.parts, options)]
        except Exception as error:
            raise PluginLoadError(
                f"{self.kind} {self.name!r} cannot say which components it is made of: "
                f"{describe_error(error)}"
            ) from error
        return tuple(
            NamedPart(kind, *used) for kind, value in given if (used := _used(value)) is not None
        )

    def embedding_model(self, options: Mapping[str, Any]) -> str:
        """Return the model of the embeddings that a grounder with these options answers with.

        Returns:
            Its name; empty if the answers are boxes and points.
        """
        return str(_call(self.embeddings, options) or "") if self.embeddings else ""

    def capabilities_with(self, options: Mapping[str, Any]) -> PropagatorCapabilities | None:
        """Return the capabilities of a propagator with these options; None if not known yet."""
        if not self.capabilities_of:
            return self.capabilities
        found = _call(self.capabilities_of, options)
        return found if isinstance(found, PropagatorCapabilities) else None


class NamedPart(NamedTuple):
    """A component that an option of another one names."""

    kind: str
    name: str
    options: Mapping[str, Any]


def _used(value: object) -> tuple[str, Mapping[str, Any]] | None:
    """Return the name and the options of a component that is given as an option."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, Mapping):
        name, options = value.get("name"), value.get("options") or {}
    else:
        name, options = getattr(value, "name", None), getattr(value, "options", None)
    return (name, options) if isinstance(name, str) and isinstance(options, Mapping) else None


def _call(target: str, *arguments: object) -> Any:
    """Call a function, given as ``package.module:name``, of a plug-in."""
    from importlib import import_module

    module, _, name = target.partition(":")
    with foreign_code():
        return getattr(import_module(module), name)(*arguments)


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
        # A module that was created in this process has no spec.
        return top in sys.modules and not inner
    name = top
    for part in inner:
        if spec is None or spec.submodule_search_locations is None:
            return False
        name = f"{name}.{part}"
        # importlib's find_spec would import the packages above, which may be heavy.
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec is not None


@dataclass(frozen=True, slots=True)
class RegisteredComponent:
    """A component and where it comes from.

    Args:
        component: What was declared.
        plugin: The plug-in that declared it.
        distribution: The installed package, or ``this session`` for ``videoseg.add``.
        version: The package's version.
        factory: The class itself, for components added in the session.
    """

    component: Component
    plugin: str
    distribution: str
    version: str = ""
    factory: Callable[..., Any] | None = None

    @property
    def label(self) -> str:
        """What messages call it, such as ``sampler 'every'``."""
        return f"{self.component.kind} {self.component.name!r}"

    @property
    def missing_modules(self) -> tuple[str, ...]:
        """Required modules that are not installed."""
        return self.component.missing_modules()

    @property
    def remedy(self) -> str:
        """The command that installs what is missing; empty if nothing is."""
        missing = self.missing_modules
        if not missing:
            return ""
        return f"pip install {self.component.install or ' '.join(missing)}"
