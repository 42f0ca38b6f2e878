"""The entry point: declares the wrappers. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import videoseg as vs

__all__ = ["find_embedding_model", "videoseg_components"]


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
            embeddings="videoseg_wrappers.plugin:find_embedding_model",
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
