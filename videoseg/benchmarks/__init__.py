"""Benchmarks: samples, truth and scoring protocols; predictions, and submissions to servers.

``open_benchmark`` opens a split of any benchmark that a plug-in registers, and
``FolderBenchmark`` reads one of your own. ``SplitReader`` and the functions beside it are for
readers of other layouts: they read untrusted files and collect all problems of a folder.
"""

from videoseg.benchmarks.encoded_masks import rle_of, rle_problem, stated_size
from videoseg.benchmarks.expressions import (
    Expression,
    ExpressionVideo,
    expressions_of,
    samples_of,
    videos_of,
)
from videoseg.benchmarks.folder_benchmark import FolderBenchmark
from videoseg.benchmarks.mask_pictures import (
    ANNOTATIONS_AGAIN,
    IdPictureTruths,
    IdTracks,
    MaskFolderTruths,
    read_ids,
)
from videoseg.benchmarks.prediction_folders import PREDICTION_LAYOUTS, PredictionFolder
from videoseg.benchmarks.split import (
    LoadedSplit,
    SplitReader,
    TruthSource,
    build_benchmark,
    make_split,
    open_benchmark,
    split_named,
)
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
from videoseg.benchmarks.untrusted import (
    DO_NOT_TRUST,
    FILE_AGAIN,
    FirstProblem,
    ProblemList,
    Problems,
    is_plain_name,
    is_safe_id,
    read_content,
    read_json,
    read_mapping,
)
from videoseg.benchmarks.videos import (
    SplitVideo,
    VideoPlace,
    picture_size,
    pictures_by_name,
    sorted_names,
    video_of_pictures,
)

__all__ = [
    "ANNOTATIONS_AGAIN",
    "DO_NOT_TRUST",
    "FILE_AGAIN",
    "PREDICTION_LAYOUTS",
    "Benchmark",
    "BenchmarkSplit",
    "DrawnBenchmark",
    "Expression",
    "ExpressionVideo",
    "FirstProblem",
    "FolderBenchmark",
    "IdPictureTruths",
    "IdTracks",
    "LeftOut",
    "LoadedSplit",
    "MaskFolderTruths",
    "PredictionFolder",
    "ProblemList",
    "Problems",
    "Sample",
    "SplitReader",
    "SplitVideo",
    "SubmissionFormat",
    "Truth",
    "TruthSource",
    "VideoPlace",
    "build_benchmark",
    "expressions_of",
    "is_plain_name",
    "is_safe_id",
    "make_split",
    "open_benchmark",
    "picture_size",
    "pictures_by_name",
    "read_content",
    "read_ids",
    "read_json",
    "read_mapping",
    "rle_of",
    "rle_problem",
    "samples_of",
    "sorted_names",
    "split_named",
    "stated_size",
    "video_of_pictures",
    "videos_of",
    "write_submission",
]
