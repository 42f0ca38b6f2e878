"""Benchmarks as they are published: samples, truth, protocol, and what their servers take."""

from videoseg.benchmarks.types import Benchmark, BenchmarkSplit, Sample, Truth

__all__ = ["Benchmark", "BenchmarkSplit", "Sample", "Truth"]
