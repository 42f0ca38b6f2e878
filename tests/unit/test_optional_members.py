"""What the core asks a stage, a reader or a video for stands in a protocol of videoseg.stages."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from videoseg import stages
from videoseg.types import VideoSource

ROOT = Path(__file__).resolve().parents[2]

PROTOCOLS = [
    value
    for name in stages.__all__
    if inspect.isclass(value := getattr(stages, name)) and Protocol in value.__mro__
]
REQUIRED = {
    *("ChatModel", "Detector", "FrameSampler", "Grounder", "Propagator", "PropagatorSession"),
    # The last is a function that a pipeline passes on.
    *("Segmenter", "VideoReader", "Reanswer"),
}
OPTIONAL = [protocol for protocol in PROTOCOLS if protocol.__name__ not in REQUIRED]

# Attributes of other objects than stages: errors, arrays, modules, objects of other libraries.
FOREIGN = {
    *("errno", "partial", "problem_mark", "strerror"),
    *("__array__", "__array_interface__", "asnumpy", "bitwise_count", "dtype", "shape"),
    *("O_BINARY", "O_NONBLOCK", "pread", "sched_getaffinity"),
    *("__module__", "__name__", "__version__", "config", "cuda", "encoding", "get_capabilities"),
    *("codec_context", "default_image", "n_frames", "tag_v2", "tile"),
    *("metadata", "__is_annotated_types_grouped_metadata__"),
    # Of errors of urllib, of what the hub says of a model, and of Use, which is a layer above.
    *("code", "reason", "card_data", "gated", "options"),
    # Of open files, of an iterator of our own, and of the splits of benchmarks.
    *("readline", "_child", "left_out", "notes", "submitted_frames"),
    # Of torch and of Pillow.
    *("mps", "Image"),
}


def members_of(protocol: type) -> set[str]:
    return {name for name in vars(protocol) if not name.startswith("_")}


def questions() -> Iterator[tuple[str, int, str]]:
    """Yield (file, line, name) for each getattr or hasattr of the core with a literal name."""
    for path in sorted((ROOT / "videoseg").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("getattr", "hasattr")
                and isinstance(node.args[1], ast.Constant)
            ):
                yield path.relative_to(ROOT).as_posix(), node.lineno, str(node.args[1].value)


def test_every_member_that_is_asked_for_stands_in_a_protocol() -> None:
    known = {name for protocol in (*PROTOCOLS, VideoSource) for name in members_of(protocol)}
    unknown = [asked for asked in questions() if asked[2] not in known | FOREIGN]
    assert not unknown, "put these into a protocol of videoseg.stages, or into FOREIGN"


def test_optional_members_are_asked_for_by_their_protocol() -> None:
    optional = {name for protocol in OPTIONAL for name in members_of(protocol)} - {"name"}
    bare = [asked for asked in questions() if asked[2] in optional]
    assert not bare, "ask with isinstance and the protocol of videoseg.stages"


@pytest.mark.parametrize("protocol", OPTIONAL, ids=lambda protocol: protocol.__name__)
def test_an_optional_protocol_is_documented(protocol: type) -> None:
    guide = (ROOT / "docs" / "plugin-authors.md").read_text(encoding="utf-8")
    [member] = members_of(protocol)
    assert inspect.getdoc(protocol) and inspect.getdoc(getattr(protocol, member))
    rows = [line for line in guide.splitlines() if f"| `{protocol.__name__}` |" in line]
    assert [row for row in rows if row.startswith(f"| `{member}")], "name it in the guide"


def test_a_class_with_the_member_is_an_instance() -> None:
    class Closing:
        def close(self) -> None: ...

    assert isinstance(Closing(), stages.Closable)
    assert not isinstance(object(), stages.Closable)
