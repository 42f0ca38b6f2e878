"""The entry point: declares the wrappers. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import videoseg as vs

__all__ = [
    "find_capabilities",
    "find_chat_models",
    "find_embedding_model",
    "videoseg_components",
]


@vs.hookimpl
def videoseg_components() -> Iterator[vs.Component]:
    """Declare the wrappers."""
    for name, target, summary in (
        (
            "existence",
            "existence:ExistenceWrapper",
            "Wraps a grounder: asks whether the video has what was asked for at all.",
        ),
        (
            "reflect",
            "reflect:ReflectWrapper",
            "Wraps a grounder: questions its answers, and sends it back to look again.",
        ),
    ):
        yield vs.Component(
            "grounder",
            name,
            f"videoseg_wrappers.{target}",
            summary,
            uses=("chat",),
            may_use=("segmenter",),
            embeddings="videoseg_wrappers.plugin:find_embedding_model",
            parts="videoseg_wrappers.plugin:find_chat_models",
        )
    yield vs.Component(
        "propagator",
        "on-doubt",
        "videoseg_wrappers.on_doubt:OnDoubtPropagator",
        "Wraps a propagator: has the query answered again where its masks are in doubt.",
        capabilities_of="videoseg_wrappers.plugin:find_capabilities",
    )


def find_embedding_model(options: Mapping[str, Any]) -> str:
    """Return the model of the embeddings that a wrapped grounder answers with.

    Args:
        options: Those of the wrapper.

    Returns:
        Its name; empty if it answers otherwise.
    """
    from videoseg.stages import AnswersWithEmbeddings
    from videoseg_wrappers.wrapped import parse_use

    given = options.get("grounder")
    if given is None:
        return ""
    used = parse_use("grounder", given, owner="a wrapper")
    if used is None:
        return (
            (given.answers_with_embeddings_of or "")
            if isinstance(given, AnswersWithEmbeddings)
            else ""
        )
    component = vs.default_registry().find("grounder", used.name).component
    return component.embedding_model(used.options)


def find_chat_models(options: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Return the chat models of a wrapper beside the pipeline's: auditors and responder.

    Args:
        options: Those of the wrapper, as they were written.

    Returns:
        The kind and what was given, for each.
    """
    auditors = options.get("auditors")
    given = auditors if isinstance(auditors, list | tuple) else ()
    return [("chat", one) for one in (*given, options.get("responder"))]


def find_capabilities(options: Mapping[str, Any]) -> vs.PropagatorCapabilities | None:
    """Return the capabilities of ``on-doubt``, which are those of the wrapped propagator.

    Args:
        options: Those of the wrapper.

    Returns:
        None if they are not known before it is built.
    """
    from videoseg_wrappers.wrapped import parse_use

    given = options.get("propagator")
    if given is None:
        return None
    used = parse_use("propagator", given, owner="on-doubt")
    if used is None:
        found = getattr(given, "capabilities", None)
    else:
        component = vs.default_registry().find("propagator", used.name).component
        found = component.capabilities_with(used.options)
    if not isinstance(found, vs.PropagatorCapabilities):
        return None
    return replace(found, live=False)
