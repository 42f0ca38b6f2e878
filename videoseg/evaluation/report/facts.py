"""Protocol, cost, machine and configuration in words, for every format of the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from videoseg.metrics.protocol import MEASURES, EvalProtocol, measure_name
from videoseg.text import format_count, format_seconds, shorten_text

if TYPE_CHECKING:
    from videoseg.benchmarks.types import LeftOut
    from videoseg.evaluation.report.data import EvaluationReport

__all__ = ["cost_facts", "left_out_line", "pipeline_yaml", "protocol_facts", "run_facts"]

_MOST_LEFT_OUT = 3

_RULES = {
    "frames": {"all": "all annotated frames", "inner": "all but the first and the last"},
    "start": {
        "first-frame": "from the first frame on",
        "first-appearance": "from where ground truth or prediction first show the object",
    },
    "objects": {"union": "the union of all", "per-object": "per object"},
    "true_objects": {
        "all": "every annotated one",
        "first-frame": "ids up to the highest of the first annotated frame",
    },
    "overlaps": {
        "once": "their union",
        "dropped": "pixels in several outlines of one target do not belong to it",
        "added": "A and R are computed from 8-bit sums",
    },
    "predicted_overlaps": {
        "kept": "are kept",
        "lower-id": "a pixel belongs to the object with the lowest id",
    },
    "void": {"ignored": "do not count", "background": "are background"},
    "matching": {"id": "by id", "best": "the assignment with the highest mean"},
    "extra_objects": {"ignore": "are ignored", "error": "are an error"},
    "missing": {
        "zero": "0 in every measure",
        "empty": "scored as an empty answer",
        "left-out": "left out of every mean",
        "error": "an error",
    },
    "resolution": {"error": "another size is an error", "nearest": "resized by nearest neighbor"},
    "overall": {
        "samples": "the mean over samples",
        "objects": "the mean over all objects of all samples",
        "groups": "the mean of the group means",
        "object-groups": "the mean of the group means, each over the objects of the group",
    },
}
_IF_PER_OBJECT = {"true_objects", "matching", "extra_objects", "predicted_overlaps"}
_IF_UNION = {"overlaps"}
_TITLES = {
    "frames": "Frames that count",
    "start": "An object counts",
    "objects": "Objects",
    "true_objects": "Objects that count",
    "overlaps": "Annotations that overlap",
    "predicted_overlaps": "Predicted objects that overlap",
    "void": "Void pixels",
    "matching": "Matching of objects",
    "extra_objects": "Extra objects",
    "missing": "A missing prediction",
    "resolution": "Resolution",
    "overall": "Overall",
}


def protocol_facts(protocol: EvalProtocol) -> dict[str, str]:
    """Return the rules of a protocol in words."""
    facts = {"Name": protocol.name, "Source": protocol.source}
    without = _IF_UNION if protocol.objects == "per-object" else _IF_PER_OBJECT
    for name, words in _RULES.items():
        if name not in without:
            value = getattr(protocol, name)
            facts[_TITLES[name]] = words.get(value, str(value))
    if protocol.groups:
        facts["Groups in the mean"] = ", ".join(protocol.groups)
    facts["Boundary tolerance"] = (
        "by the size of the object, as in MOSEv2"
        if protocol.boundary == "object"
        else f"{protocol.tolerance:g} of the diagonal"
    )
    if protocol.smoothing:
        facts["Smoothing of J"] = f"{protocol.smoothing} added to intersection and union"
    facts["A sample that failed"] = "0 in every measure, whatever the target"
    for name in protocol.measures:
        facts[measure_name(name)] = MEASURES[name]
    return facts


def left_out_line(left_out: Sequence[LeftOut]) -> list[str]:
    """Return a line about left-out entries; empty if there are none."""
    if not left_out:
        return []
    num_samples = sum(entry.num_samples for entry in left_out)
    counted_entries = [entry for entry in left_out if entry.num_samples]
    shown = "; ".join(
        f"{shorten_text(str(entry), 160)} ({format_count(entry.num_samples, 'sample')})"
        for entry in counted_entries[:_MOST_LEFT_OUT]
    )
    more = len(counted_entries) - _MOST_LEFT_OUT
    rest = f"; and {more} more, all in report.json" if more > 0 else ""
    return [f"{format_count(num_samples, 'sample')} left out of the benchmark: {shown}{rest}"]


def cost_facts(report: EvaluationReport) -> dict[str, str]:
    """Return time and memory in words; empty if nothing was run."""
    costs = report.costs
    if not costs.seconds:
        return {}
    facts = {
        "Seconds a sample": (
            f"median {format_seconds(costs.seconds['median'])}, "
            f"90th percentile {format_seconds(costs.seconds['p90'])}, "
            f"sum {format_seconds(costs.seconds['sum'])}"
        ),
        "By stage, on average": ", ".join(
            f"{name} {format_seconds(value)}"
            for name, value in costs.stages.items()
            if name != "total"
        ),
    }
    if costs.frames_per_second is not None:
        facts["Frames a second"] = f"{costs.frames_per_second:.1f}"
    if costs.peak_memory_bytes is not None:
        facts["Peak memory"] = f"{costs.peak_memory_bytes / 2**20:.0f} MiB in one process"
    if costs.peak_device_memory_bytes is not None:
        facts["Peak GPU memory"] = f"{costs.peak_device_memory_bytes / 2**20:.0f} MiB"
    return facts


def run_facts(report: EvaluationReport) -> dict[str, str]:
    """Return commands, machine and times in words."""
    sessions = [session for run in report.runs for session in run.sessions]
    facts: dict[str, str] = {}
    commands = list(dict.fromkeys(session.command for session in sessions if session.command))
    for number, command in enumerate(commands[:4], start=1):
        facts["Command" if len(commands) == 1 else f"Command {number}"] = command
    if sessions:
        times = len(sessions)
        facts["Started"] = sessions[0].started + (
            f", and {times - 1} more time{'s' * (times > 2)}" if times > 1 else ""
        )
        workers = sorted({session.workers for session in sessions if session.workers})
        facts["Worker processes"] = ", ".join(map(str, workers))
        for name in sessions[-1].machine:
            values = dict.fromkeys(session.machine.get(name, "") for session in sessions)
            facts["GPUs" if name == "gpus" else name.capitalize()] = "; ".join(
                value for value in values if value
            )
        versions = dict.fromkeys(
            f"videoseg {session.versions.get('videoseg', '?')}, "
            f"Python {session.versions.get('python', '?')}"
            for session in sessions
        )
        facts["Software"] = "; ".join(versions)
    if report.devices:
        facts["Device"] = ", ".join(report.devices)
    roots = dict.fromkeys(run.root for run in report.runs if run.root)
    facts["Data"] = "; ".join(roots)
    return facts


def pipeline_yaml(report: EvaluationReport) -> str:
    """Return the pipeline's configuration as YAML; empty if there is none."""
    import yaml

    if not report.pipeline:
        return ""
    plain = json.loads(json.dumps(dict(report.pipeline), default=str))
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
