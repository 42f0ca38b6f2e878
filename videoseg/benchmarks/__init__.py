"""Benchmarks as they are published: samples, truth, protocol, and what their servers take."""

from videoseg.benchmarks.folder_benchmark import FolderBenchmark
from videoseg.benchmarks.opening import build_benchmark, open_benchmark
from videoseg.benchmarks.prediction_folders import PREDICTION_LAYOUTS, PredictionFolder
from videoseg.benchmarks.split import LoadedSplit, SplitVideo
from videoseg.benchmarks.submission import SubmissionFormat, write_submission
from videoseg.benchmarks.types import Benchmark, BenchmarkSplit, LeftOut, Sample, Truth

__all__ = [
    "PREDICTION_LAYOUTS",
    "Benchmark",
    "BenchmarkSplit",
    "FolderBenchmark",
    "LeftOut",
    "LoadedSplit",
    "PredictionFolder",
    "Sample",
    "SplitVideo",
    "SubmissionFormat",
    "Truth",
    "build_benchmark",
    "open_benchmark",
    "write_submission",
]
