"""Benchmarks: samples, truth and scoring protocols; predictions, and submissions to servers.

``open_benchmark`` opens a split of any benchmark that a plug-in registers, and
``FolderBenchmark`` reads one of your own. ``SplitReader`` and the functions beside it are for
readers of other layouts: they read untrusted files and collect all problems of a folder.
"""

from videoseg.benchmarks.encoded_masks import find_rle_problem, parse_rle, read_stated_size
from videoseg.benchmarks.expressions import (
    Expression,
    ExpressionVideo,
    make_samples,
    parse_expressions,
    read_video_entries,
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
from videoseg.benchmarks.submission_check import check_submission
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
    list_pictures,
    locate_video,
    read_picture_size,
    sort_frame_names,
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
    "check_submission",
    "find_rle_problem",
    "is_plain_name",
    "is_safe_id",
    "list_pictures",
    "locate_video",
    "make_samples",
    "make_split",
    "open_benchmark",
    "parse_expressions",
    "parse_rle",
    "read_content",
    "read_ids",
    "read_json",
    "read_mapping",
    "read_picture_size",
    "read_stated_size",
    "read_video_entries",
    "sort_frame_names",
    "split_named",
    "write_submission",
]
