"""Strict YAML: plain values, no duplicate keys, bounded before it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from videoseg.text import shorten, shorten_text, well_formed

if TYPE_CHECKING:
    import yaml

__all__ = ["MAX_CHARACTERS", "parse_yaml"]

MAX_CHARACTERS = 50_000
"""Longer documents are refused, aliases counted as written out."""

_DEEPEST = 20
_LONGEST_NUMBER = 100
_KINDS = ("null", "bool", "int", "float", "str", "seq", "map", "merge")
_PREFIX = "tag:yaml.org,2002:"
_MEANT_AS_TEXT = (f"{_PREFIX}timestamp", f"{_PREFIX}value")
_TOO_DEEP = f"it is nested more than {_DEEPEST} levels deep"
_TOO_LONG = f"it has more than {MAX_CHARACTERS:,} characters with its aliases written out"


def parse_yaml(text: str) -> Any:
    """Read text, numbers, true, false, null, lists and mappings from YAML.

    Dates are text. Anchors and aliases may be used, but count as if they were written out.

    Args:
        text: One document.

    Raises:
        ValueError: If it is not YAML, holds a key twice, a value of another kind, or is longer
            or deeper than any configuration; one short line that says where.

    Example:
        >>> parse_yaml("{num_frames: 8, since: 2025-11-20}")
        {'num_frames': 8, 'since': '2025-11-20'}
    """
    import yaml

    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read")
    try:
        loader = _loader_class()(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ValueError(_problem(error)) from error
    except (ArithmeticError, LookupError, TypeError) as error:
        # Raised by constructors of the package for an explicit tag such as `!!int ""`.
        raise ValueError("it holds a value that does not fit its tag") from error
    except ValueError as error:
        raise ValueError(shorten_text(" ".join(str(error).split()), 200)) from error


def _loader_class() -> Any:
    """Return the loader class, made on demand since importing the package takes time."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Measures a document while its nodes are composed."""

        def __init__(self, text: str) -> None:
            super().__init__(text)
            self._depth = 0
            self._extents: dict[int, _Extent] = {}

        def compose_node(self, parent: Any, index: Any) -> Any:
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            meant = self.anchors.get(event.anchor) if isinstance(event, yaml.AliasEvent) else None
            if meant is not None and id(meant) not in self._extents:
                raise _make_error("the alias refers to the node that contains it", event)
            self._depth += 1
            if self._depth > _DEEPEST:
                raise _make_error(_TOO_DEEP, event)
            node: Any = super().compose_node(parent, index)
            self._depth -= 1
            extent = self._extents.get(id(node)) or self._measure(node)
            if extent.characters > MAX_CHARACTERS:
                raise _make_error(_TOO_LONG, event)
            if self._depth + extent.levels > _DEEPEST:
                raise _make_error(_TOO_DEEP, event)
            return node

        def _measure(self, node: yaml.Node) -> _Extent:
            _check_kind(node)
            if isinstance(node, yaml.ScalarNode):
                extent = _Extent(1 + len(node.value), 1)
            else:
                parts = node.value
                if isinstance(node, yaml.MappingNode):
                    self._check_keys(node)
                    parts = [part for pair in node.value for part in pair]
                inner = [self._extents[id(part)] for part in parts]
                extent = _Extent(
                    1 + sum(one.characters for one in inner),
                    1 + max((one.levels for one in inner), default=0),
                )
            self._extents[id(node)] = extent
            return extent

        def _check_keys(self, node: yaml.MappingNode) -> None:
            lines: dict[Any, int] = {}
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise _make_error("a key must be text or a number", key)
                is_merge = key.tag == f"{_PREFIX}merge"
                value = key.value if is_merge else self.construct_object(key)
                if value in lines:
                    raise _make_error(
                        f"the key {shorten(value)} is in line {lines[value]} and again here; "
                        "leave one out",
                        key,
                    )
                lines[value] = key.start_mark.line + 1

        def construct_yaml_str(self, node: yaml.ScalarNode) -> str:
            return well_formed(super().construct_yaml_str(node))

    # A date among the options of a stage may be the version of a model, so it stays text.
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _MEANT_AS_TEXT]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_constructor(f"{_PREFIX}str", Loader.construct_yaml_str)
    return Loader


class _Extent(NamedTuple):
    """The size of a node with its aliases written out."""

    characters: int
    levels: int


def _check_kind(node: yaml.Node) -> None:
    kind = node.tag.removeprefix(_PREFIX)
    if kind not in _KINDS:
        raise _make_error(
            f"the tag {shorten(node.tag)} is not allowed: only text, numbers, true, false, null, "
            "lists and mappings are",
            node,
        )
    if kind in ("int", "float") and len(node.value) > _LONGEST_NUMBER:
        raise _make_error(f"a number has {len(node.value):,} characters", node)


def _make_error(problem: str, where: Any) -> Exception:
    """Return an error at a node or an event."""
    import yaml

    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def _problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    # Some errors give the problem in the first part, some in the second.
    parts = [getattr(error, name, None) for name in ("context", "problem")]
    problem = ", ".join(filter(None, parts)) or " ".join(str(error).split())
    problem = shorten_text(problem, 300)
    return f"{problem}, line {mark.line + 1}, column {mark.column + 1}" if mark else problem
