"""The registry of components by kind and name, which also builds them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pluggy

from videoseg._interruption import foreign_code
from videoseg.errors import (
    ComponentNotFoundError,
    ConfigError,
    MissingDependencyError,
    PluginConflictError,
    PluginLoadError,
)
from videoseg.plugins.building import call_factory, try_options
from videoseg.plugins.command import Command, RegisteredCommand
from videoseg.plugins.component import (
    KINDS,
    Component,
    NamedPart,
    RegisteredComponent,
    is_target,
)
from videoseg.plugins.hooks import HookSpecs
from videoseg.plugins.loader import (
    PluginFailure,
    allowed_plugins,
    describe_failures,
    distribution_of,
    import_target,
    installed_entry_points,
    read_declared,
)
from videoseg.plugins.options import Option, check_options, list_options
from videoseg.plugins.packages import describe_source, describe_unknown
from videoseg.text import shorten
from videoseg.types.prompts import PropagatorCapabilities
from videoseg.weights.published import PublishedWeights

__all__ = ["RegisteredComponent", "Registry", "add", "default_registry"]

_logger = logging.getLogger(__name__)

_IN_SESSION = "this session"

_DEEPEST = 20
"""How deeply components may be nested; wrappers that hold themselves would never end."""


class Registry:
    """All components, by kind and name. Nothing loads before it is first asked.

    Args:
        allow: Names of the plug-ins to let in; by default those in ``VIDEOSEG_PLUGINS``, or
            all. ``()`` leaves only the built-in components.

    Example:
        >>> registry = Registry(allow=())
        >>> "uniform" in registry.names("sampler")
        True
    """

    def __init__(self, *, allow: Sequence[str] | None = None) -> None:
        self._allow = None if allow is None else frozenset(allow)
        self._manager = pluggy.PluginManager("videoseg")
        self._manager.add_hookspecs(HookSpecs)
        self._is_loading = self._is_loaded = False
        # Reentrant, since a plug-in may ask for something while it is loaded.
        self._loading = threading.RLock()
        self._components: dict[tuple[str, str], list[RegisteredComponent]] = {}
        self._commands: dict[str, list[RegisteredCommand]] = {}
        self._failures: list[PluginFailure] = []

    # -- looking up --------------------------------------------------------------------

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        """The plug-ins that could not be loaded, and why."""
        self._load()
        return tuple(self._failures)

    @property
    def conflicts(self) -> tuple[str, ...]:
        """One sentence for each component and each command that several plug-ins declare."""
        self._load()
        declared: list[Sequence[RegisteredComponent | RegisteredCommand]] = [
            *self._components.values(),
            *self._commands.values(),
        ]
        return tuple(_describe_conflict(entries) for entries in declared if len(entries) > 1)

    def components(self, kind: str | None = None) -> tuple[RegisteredComponent, ...]:
        """Return everything registered, sorted by kind and name."""
        self._load()
        return tuple(
            entry
            for key in sorted(self._components, key=lambda key: (KINDS.index(key[0]), key[1]))
            if kind is None or key[0] == kind
            for entry in self._components[key]
        )

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of one kind, sorted."""
        return tuple(dict.fromkeys(entry.component.name for entry in self.components(kind)))

    def find(self, kind: str, name: str) -> RegisteredComponent:
        """Return one component.

        Raises:
            ComponentNotFoundError: If it does not exist; names similar ones and the plug-ins
                that failed to load.
            PluginConflictError: If two plug-ins declare it; names both packages.
        """
        self._load()
        entries = self._components.get((kind, name), [])
        if not entries:
            raise self._not_found(describe_unknown(kind, name, self.components()))
        if len(entries) > 1:
            raise PluginConflictError(_describe_conflict(entries))
        return entries[0]

    def commands(self) -> tuple[RegisteredCommand, ...]:
        """Return the commands of the command line, those of videoseg itself first."""
        self._load()
        return tuple(entry for entries in self._commands.values() for entry in entries)

    def load_command(self, name: str) -> Any:
        """Import a command and return the object that was declared.

        Raises:
            ComponentNotFoundError: If no plug-in declares it.
            PluginConflictError: If several plug-ins declare it; names their packages.
            PluginLoadError: If it cannot be imported; names the package it is from.
        """
        self._load()
        entries = self._commands.get(name, [])
        if not entries:
            unknown = f"no plug-in declares a command {shorten(name)}"
            raise self._not_found(describe_source("command", name) or unknown)
        if len(entries) > 1:
            raise PluginConflictError(_describe_conflict(entries))
        entry = entries[0]
        return import_target(
            entry.command.target, entry.label, f"{entry.distribution} {entry.version}"
        )

    def _not_found(self, text: str) -> ComponentNotFoundError:
        text += describe_failures(self._failures)
        if self._allow is None and allowed_plugins() is not None:
            text += ". VIDEOSEG_PLUGINS is set: only the plug-ins that it lists are loaded"
        return ComponentNotFoundError(text)

    # -- adding ------------------------------------------------------------------------

    def add(
        self,
        kind: str,
        name: str,
        factory: Callable[..., Any],
        *,
        summary: str = "",
        capabilities: PropagatorCapabilities | None = None,
        uses: tuple[str, ...] = (),
        may_use: tuple[str, ...] = (),
        replace: bool = False,
    ) -> None:
        """Register a class or function without packaging it.

        Adding the same name again replaces what was added before (so a notebook cell can be
        run twice); a plug-in's component is only replaced if asked.

        Raises:
            ConfigError: If kind or name have the wrong form, or the factory is not callable.
            PluginConflictError: If an installed plug-in has this name and ``replace`` is false.
        """
        if not callable(factory):
            raise ConfigError(
                f"{kind} {name!r} must be a class or a function that builds one, "
                f"got an instance of {type(factory).__name__}; pass instances to Pipeline directly"
            )
        module = getattr(factory, "__module__", "__main__")
        target = f"{module}:{getattr(factory, '__name__', type(factory).__name__)}"
        if not is_target(target):
            # Lambdas, and modules loaded from files whose names are no identifiers.
            target = "__main__:factory"
        if capabilities is None and kind == "propagator":
            declared = getattr(factory, "capabilities", None)
            capabilities = declared if isinstance(declared, PropagatorCapabilities) else None
        component = Component(
            kind,
            name,
            target,
            summary=summary,
            capabilities=capabilities,
            uses=uses,
            may_use=may_use,
        )
        self._load()
        entry = RegisteredComponent(component, _IN_SESSION, _IN_SESSION, factory=factory)
        others = [
            other
            for other in self._components.get((kind, name), [])
            if other.distribution != _IN_SESSION
        ]
        if others and not replace:
            raise PluginConflictError(
                f"{kind} {name!r} is already provided by {others[0].distribution}; "
                "choose another name or pass replace=True"
            )
        self._components[(kind, name)] = [entry]

    def register(self, plugin: object, *, name: str) -> None:
        """Register a plug-in object (a module or instance with hook implementations).

        Raises:
            PluginLoadError: If a hook is misspelt, has wrong arguments or fails.
        """
        self._load()
        before = len(self._failures)
        self._register(plugin, name, _IN_SESSION, "")
        if len(self._failures) > before:
            failure = self._failures.pop()
            raise PluginLoadError(f"plug-in {name!r}: {failure.error}")

    # -- building ----------------------------------------------------------------------

    def factory(self, entry: RegisteredComponent) -> Callable[..., Any]:
        """Import what builds a component.

        Raises:
            MissingDependencyError: If a required module is not installed.
            PluginLoadError: If the import fails.
        """
        component = entry.component
        if entry.factory is not None:
            return entry.factory
        label = entry.label
        if missing := entry.missing_modules:
            raise MissingDependencyError(
                f"{label} needs {', '.join(missing)}, which is not installed: {entry.remedy}"
            )
        target = import_target(component.target, label, entry.distribution)
        if not callable(target):
            raise PluginLoadError(f"{label}: {component.target} is not a class or function")
        result: Callable[..., Any] = target
        return result

    def options(self, kind: str, name: str) -> dict[str, Option]:
        """Return the options of a component by name: type, default and meaning as text."""
        entry = self.find(kind, name)
        return list_options(self.factory(entry), given=entry.component.taken_stages)

    def weights(
        self, kind: str, name: str, options: Mapping[str, Any] | None = None
    ) -> tuple[PublishedWeights, ...]:
        """Return the published weights that a component needs, whether they are here or not.

        Those of components that its options name are included; see ``parts``.

        Args:
            kind: Its kind; a pipeline is asked itself, see ``Pipeline.weights``.
            name: Its name.
            options: Its options.

        Raises:
            ComponentNotFoundError: If there is no such component.
            ConfigError: If components are nested too deeply.
            PluginLoadError: If it cannot say which weights it needs.
        """
        found = [
            weights
            for entry, given in self.parts(kind, name, options)
            for weights in entry.component.published_weights(given)
        ]
        return tuple(dict.fromkeys(found))

    def parts(
        self, kind: str, name: str, options: Mapping[str, Any] | None = None
    ) -> tuple[tuple[RegisteredComponent, Mapping[str, Any]], ...]:
        """Return a component and all those that its options name, and theirs, with their options.

        An option names a component if it is named as a kind, such as ``detector``, and holds a
        name, a mapping with name and options, or ``videoseg.use(...)``; or if ``parts`` of the
        ``Component`` says so.

        Raises:
            ComponentNotFoundError: If there is no such component.
            ConfigError: If they are nested too deeply.
            PluginLoadError: If one cannot say which components it is made of.
        """
        return tuple(self._walk(NamedPart(kind, name, options or {}), 1))

    def _walk(
        self, part: NamedPart, depth: int
    ) -> Iterator[tuple[RegisteredComponent, Mapping[str, Any]]]:
        if depth > _DEEPEST:
            raise ConfigError(
                f"{part.kind} {part.name!r} is nested in more than {_DEEPEST} other components"
            )
        entry = self.find(part.kind, part.name)
        yield entry, part.options
        for inner in entry.component.named_parts(part.options):
            yield from self._walk(inner, depth + 1)

    def check(self, kind: str, name: str, options: Mapping[str, Any]) -> list[str]:
        """Return every problem with the options, those that the constructor finds included.

        The constructor is called as ``build`` calls it, with ``download=False`` where there is
        such an option, and its result is discarded. A class whose constructor does more
        than check and remember its options has a static method ``check_options`` with the same
        arguments, which is called instead. Missing weights are not a problem of the options; see
        ``examine``.
        """
        return self.examine(kind, name, options)[0]

    def examine(self, kind: str, name: str, options: Mapping[str, Any]) -> tuple[list[str], str]:
        """Return the problems that ``check`` returns, and what is said about missing weights.

        Returns:
            The problems; and the message of the constructor if weights, or a file or folder that
            an option names, are not on this machine, else an empty text.
        """
        entry = self.find(kind, name)
        converted, problems = self._checked(entry, options)
        return (problems, "") if problems else try_options(entry, self.factory(entry), converted)

    def build(
        self,
        kind: str,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        given: Mapping[str, object] | None = None,
    ) -> Any:
        """Build one component.

        Args:
            kind: Its kind.
            name: Its name.
            options: Keyword arguments of its constructor, converted to the annotated types.
            given: Other components by kind; those named in its ``uses`` and ``may_use`` are passed
                on.

        Raises:
            ComponentNotFoundError: If there is no such component.
            ConfigError: If an option is unknown, missing, of the wrong type, or refused by the
                constructor.
            MissingDependencyError: If a required module is not installed.
            PluginLoadError: If the constructor fails otherwise.
        """
        entry = self.find(kind, name)
        converted, problems = self._checked(entry, options or {})
        supplied = {}
        for needed in entry.component.uses:
            value = (given or {}).get(needed)
            if value is None:
                problems.append(f"{kind} {name!r} needs a {needed}; give the pipeline one")
            supplied[needed] = value
        for other in entry.component.may_use:
            if (value := (given or {}).get(other)) is not None:
                supplied[other] = value
        if problems:
            raise ConfigError(problems)
        # Options may hold a key; their names are enough to see what was set.
        _logger.debug("building %s with the options %s", entry.label, sorted(converted))
        return call_factory(entry.label, self.factory(entry), {**converted, **supplied})

    def _checked(
        self, entry: RegisteredComponent, options: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        stages = entry.component.taken_stages
        return check_options(entry.label, self.factory(entry), options, stages)

    # -- observers ----------------------------------------------------------------------

    def observers(self, hook: str) -> Iterable[tuple[str, Callable[..., Any]]]:
        """Yield (plug-in name, function taking the event) for one observer hook."""
        self._load()
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            function, takes_event = implementation.function, bool(implementation.argnames)
            yield (
                implementation.plugin_name,
                function if takes_event else lambda _event, call=function: call(),
            )

    # -- loading ------------------------------------------------------------------------

    def _load(self) -> None:
        if self._is_loaded:
            return
        with self._loading:
            if not self._is_loading:
                self._is_loading = True
                self._load_plugins()
                self._is_loaded = True

    def _load_plugins(self) -> None:
        allow = allowed_plugins() if self._allow is None else self._allow
        for entry in installed_entry_points(allow):
            distribution, version = distribution_of(entry)
            try:
                # A plug-in may do anything on import, even leave the interpreter.
                with foreign_code():
                    plugin = entry.load()
            except Exception as error:
                self._fail(entry.name, distribution, version, error)
                continue
            self._register(plugin, entry.name, distribution, version)

    def _register(self, plugin: object, name: str, distribution: str, version: str) -> None:
        manager = self._manager
        try:
            with foreign_code():
                manager.register(plugin, name=name)
                # Without this a misspelt hook name would silently never be called.
                manager.check_pending()
                components = read_declared(manager, name, "videoseg_components", Component)
                commands = read_declared(manager, name, "videoseg_commands", Command)
        except Exception as error:
            if manager.has_plugin(name):
                manager.unregister(name=name)
            self._fail(name, distribution, version, error)
            return
        for component in components:
            key = (component.kind, component.name)
            self._components.setdefault(key, []).append(
                RegisteredComponent(component, name, distribution, version)
            )
        for command in commands:
            self._commands.setdefault(command.name, []).append(
                RegisteredCommand(command, name, distribution, version)
            )

    def _fail(self, name: str, distribution: str, version: str, error: BaseException) -> None:
        failure = PluginFailure.of(name, f"{distribution} {version}".strip(), error)
        _logger.debug("plug-in %s failed to load:\n%s", name, failure.details)
        self._failures.append(failure)


def _describe_conflict(entries: Sequence[RegisteredComponent | RegisteredCommand]) -> str:
    """Return the message for a component or a command that several plug-ins declare."""
    owners = " and ".join(sorted({f"{e.distribution} {e.version}".strip() for e in entries}))
    return (
        f"{entries[0].label} is declared by {owners}; "
        "uninstall one, or list the plug-ins to load in VIDEOSEG_PLUGINS"
    )


@lru_cache(maxsize=1)
def default_registry() -> Registry:
    """Return the registry that names are looked up in unless another is given."""
    return Registry()


def add(
    kind: str,
    name: str,
    factory: Callable[..., Any],
    *,
    summary: str = "",
    capabilities: PropagatorCapabilities | None = None,
    uses: tuple[str, ...] = (),
    may_use: tuple[str, ...] = (),
    replace: bool = False,
) -> None:
    """Register a stage of your own under a name, for this session. See ``Registry.add``.

    Example:
        >>> import videoseg as vs
        >>> class FirstTwo:
        ...     def sample(self, video, query, *, window, keyframe=None, seed=0):
        ...         return vs.FrameSelection.of(list(window)[:2], window=window)
        >>> vs.add("sampler", "first-two", FirstTwo)
    """
    default_registry().add(
        kind,
        name,
        factory,
        summary=summary,
        capabilities=capabilities,
        uses=uses,
        may_use=may_use,
        replace=replace,
    )
