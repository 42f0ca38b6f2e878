"""Benchmarks as they are published: samples, truth, protocol, and what their servers take."""

from videoseg.benchmarks.annotators import merge_annotators
from videoseg.benchmarks.folder_benchmark import FolderBenchmark
from videoseg.benchmarks.names import is_plain_name
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
    "is_plain_name",
    "merge_annotators",
    "open_benchmark",
    "write_submission",
]
