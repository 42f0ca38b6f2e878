"""What became of the samples of which traces were to be made: ``report.json`` and a page."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from videoseg.files import write_file
from videoseg.text import format_count, shorten_text
from videoseg_train.trace_store import Made, Outcome

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["PAGE", "write_trace_report"]

PAGE = "report.html"

_EXAMPLES = 3
"""How many examples are shown of each reason, and of the traces."""
_LONGEST_QUERY = 300
_PICTURE_SIDE = 256


def write_trace_report(
    folder: Path, outcomes: Mapping[str, Outcome], read: Callable[[str], Made]
) -> Path:
    """Write the report of traces; return the page.

    Args:
        folder: Where the traces are.
        outcomes: What became of each sample, in short.
        read: Returns all that became of a sample.

    Raises:
        OutputError: If it cannot be written.
    """
    kept = {sample: one for sample, one in outcomes.items() if not one.dropped}
    dropped = {sample: one for sample, one in outcomes.items() if one.dropped}
    reasons = Counter(one.kind for one in dropped.values())
    rewritten = sum(one.rewritten for one in outcomes.values())

    def list_examples(samples: Iterator[str]) -> list[dict[str, Any]]:
        return [_example(sample, read(sample)) for sample in islice(samples, _EXAMPLES)]

    data = {
        "kept": len(kept),
        "rewritten": rewritten,
        "reasons": dict(reasons.most_common()),
        "dropped": {sample: one.dropped for sample, one in dropped.items()},
    }
    write_file(folder / "report.json", json.dumps(data, indent=2, ensure_ascii=False))
    page = _template().render(
        summary=f"{format_count(len(kept), 'trace')} of {format_count(len(outcomes), 'sample')}, "
        f"{format_count(rewritten, 'thought')} written again",
        groups=[
            {
                "kind": kind,
                "count": count,
                "share": f"{100 * count / len(outcomes):.0f} %",
                "examples": list_examples(
                    sample for sample, one in dropped.items() if one.kind == kind
                ),
            }
            for kind, count in reasons.most_common()
        ],
        mended=list_examples(sample for sample, one in kept.items() if one.has_faults),
        traces=[
            {**_example(sample, read(sample)), "turns": list(_turns(folder, read(sample)["item"]))}
            for sample in islice(kept, _EXAMPLES)
        ],
    )
    write_file(folder / PAGE, page)
    return folder / PAGE


def _example(sample: str, one: Made) -> dict[str, Any]:
    return {
        "sample": sample,
        "query": shorten_text(one.get("query", ""), _LONGEST_QUERY),
        "reason": one["dropped"],
        "faults": one["faults"],
    }


def _turns(folder: Path, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what is said in each turn, and the keyframe that it asks for."""
    texts: Sequence[str] = [one["value"] for one in item["conversations"] if one["from"] == "gpt"]
    for turn, text in enumerate(texts):
        keyframe = None
        if turn < len(item["cot_trace"]):
            keyframe = item["cot_trace"][turn]["key_frame"]
        picture = None
        if keyframe is not None:
            path = folder / "pictures" / item["video_name"] / f"{item['frames'][keyframe]}.png"
            picture = _small_picture(path)
        yield {"text": text, "keyframe": keyframe, "picture": picture}


def _small_picture(path: Path) -> str | None:
    """Return a picture for a page; None if it is gone."""
    if not path.is_file():
        return None
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Queries and replies may hold markup; autoescape keeps it from being run.
    environment = Environment(
        loader=PackageLoader("videoseg_train", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("traces.html")
