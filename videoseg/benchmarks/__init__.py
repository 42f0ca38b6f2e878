"""Read published benchmarks: samples, truth, scoring protocols, and submissions to servers."""

from videoseg.benchmarks.folder_benchmark import FolderBenchmark
from videoseg.benchmarks.prediction_folders import PREDICTION_LAYOUTS, PredictionFolder
from videoseg.benchmarks.split import LoadedSplit, build_benchmark, open_benchmark, split_named
from videoseg.benchmarks.submission import write_submission
from videoseg.benchmarks.types import (
    Benchmark,
    BenchmarkSplit,
    DrawnBenchmark,
    LeftOut,
    Sample,
    SubmissionFormat,
    Truth,
)
from videoseg.benchmarks.untrusted import is_plain_name
from videoseg.benchmarks.videos import SplitVideo

__all__ = [
    "PREDICTION_LAYOUTS",
    "Benchmark",
    "BenchmarkSplit",
    "DrawnBenchmark",
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
    "open_benchmark",
    "split_named",
    "write_submission",
]
