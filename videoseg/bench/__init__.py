"""Speed and memory of pipelines and propagators on this machine, and which to choose."""

from videoseg.bench.advice import Advice, advise
from videoseg.bench.measure import Measurement, measure
from videoseg.bench.targets import BenchClip, Target, draw_clip, find_targets
from videoseg.bench.write import BenchReport, bench_rows, bench_table, draw_speeds, write_bench

__all__ = [
    "Advice",
    "BenchClip",
    "BenchReport",
    "Measurement",
    "Target",
    "advise",
    "bench_rows",
    "bench_table",
    "draw_clip",
    "draw_speeds",
    "find_targets",
    "measure",
    "write_bench",
]
