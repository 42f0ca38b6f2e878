"""Benchmarks as they are published: samples, truth, protocol, and what their servers take."""

from videoseg.benchmarks.opening import build_benchmark, open_benchmark
from videoseg.benchmarks.split import LoadedSplit, SplitVideo
from videoseg.benchmarks.submission import SubmissionFormat
from videoseg.benchmarks.types import Benchmark, BenchmarkSplit, Sample, Truth

__all__ = [
    "Benchmark",
    "BenchmarkSplit",
    "LoadedSplit",
    "Sample",
    "SplitVideo",
    "SubmissionFormat",
    "Truth",
    "build_benchmark",
    "open_benchmark",
]
