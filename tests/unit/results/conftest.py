import numpy as np
import pytest
from videoseg_synthetic import make_clip

from videoseg.results import Segmentation
from videoseg.video import Video, VideoWriter


@pytest.fixture(scope="session")
def clip():
    return make_clip(seed=3, num_frames=14, size=(112, 160), num_objects=3)


@pytest.fixture(scope="session")
def make_result():
    """Turn a query of a synthetic clip into the result a perfect pipeline would give."""

    def make(clip, query=None, **changes):
        if query is None:
            query = next(item for item in clip.queries if len(item.object_ids) >= 1)
        fields = {
            "query": query.text,
            "video": clip.video.facts(),
            "grounding": query.grounding,
            "trace": query.trace,
            "tracks": tuple(t for t in clip.tracks if t.object_id in query.object_ids),
            "pipeline": {"sampler": {"name": "uniform", "num_frames": 8}},
            "timings": {"sampler": 0.1, "grounder": 0.5, "total": 1.0},
            "versions": {"python": "3.11", "videoseg": "0.1.0"},
            "seed": 5,
            "source": clip.video,
        }
        return Segmentation(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def result(clip, make_result):
    return make_result(clip)


@pytest.fixture(scope="session")
def result_of_all(clip, make_result):
    """A result with every object of the clip."""
    return make_result(clip, tracks=clip.tracks)


@pytest.fixture(scope="session")
def paused(clip, make_result, tmp_path_factory):
    """A result of a clip with a pause of nine seconds after its fifth frame."""
    times = np.arange(14) / 25 + 9 * (np.arange(14) > 4)
    path = tmp_path_factory.mktemp("paused") / "clip.mp4"
    with VideoWriter(path, fps=13 / times[-1], timestamps=times) as writer:
        for frame in clip.frames:
            writer.write(frame)
    video = Video.open(path)
    np.testing.assert_allclose(video.timestamps, times, atol=1e-4)
    return make_result(clip, video=video.facts(), source=video)
