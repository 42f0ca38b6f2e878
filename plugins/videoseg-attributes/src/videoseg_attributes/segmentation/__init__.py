"""The segmenter ``cut`` and the graph cut behind it."""
