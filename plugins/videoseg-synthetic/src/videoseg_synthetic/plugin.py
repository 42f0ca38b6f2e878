"""Registers the benchmark ``synthetic``."""

from __future__ import annotations

from collections.abc import Iterable

from videoseg.plugins import Command, Component, hookimpl

__all__ = ["videoseg_commands", "videoseg_components"]


@hookimpl
def videoseg_components() -> Iterable[Component]:
    """Yield the benchmark of synthetic clips."""
    yield Component(
        "benchmark",
        "synthetic",
        "videoseg_synthetic.benchmark:SyntheticBenchmark",
        summary="Synthetic clips with exact masks, drawn when asked for; needs no data.",
        license="Apache-2.0",
    )


@hookimpl
def videoseg_commands() -> Iterable[Command]:
    """Declare ``videoseg demo``."""
    yield Command("demo", "videoseg_synthetic.demo_command:demo", "Try it on a synthetic clip.")
