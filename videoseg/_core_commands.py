"""The commands of the core: a table that can be read without importing anything."""

from __future__ import annotations

__all__ = ["CORE_COMMANDS"]

CORE_COMMANDS = {
    "run": ("videoseg.cli.run:run", "Ask a video a question; save masks and reasoning."),
    "batch": ("videoseg.cli.batch:segment_batch", "Ask questions about many videos."),
    "eval": ("videoseg.cli.eval:evaluate_benchmark", "Run a pipeline over a benchmark."),
    "score": ("videoseg.cli.score:score", "Score predictions of any other system."),
    "compare": ("videoseg.cli.compare:compare", "Compare evaluations of the same samples."),
    "export": ("videoseg.cli.export:export_results", "Write saved masks in other formats."),
    "schema": ("videoseg.cli.schema:schema", "Print the JSON schema of result.json."),
    "plugins": ("videoseg.cli.plugins:plugins", "List what is installed and what is missing."),
    "pipelines": ("videoseg.cli.pipelines:pipelines", "List and explain ready-made pipelines."),
    "download": ("videoseg.cli.download:download", "Download the weights of a pipeline."),
    "config": ("videoseg.cli.pipelines:config", "Write, show and check pipeline files."),
    "doctor": ("videoseg.cli.doctor:doctor", "Check that everything works on this machine."),
}
"""For each command, in the order of the help, its target and its summary."""
