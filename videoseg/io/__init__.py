"""Results on disk and on screen: folders, exports, overlays, reports, notebooks, progress.

Nothing is imported here: ``videoseg.io.result_folder`` and ``videoseg.io.exporters`` write,
``videoseg.io.report`` and ``videoseg.io.notebook`` show, ``videoseg.io.overlay`` draws.
"""

__all__: list[str] = []
