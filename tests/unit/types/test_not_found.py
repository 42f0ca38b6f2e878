import pickle

import pytest

from videoseg.errors import ConfigError, FrameNotFoundError, ObjectNotFoundError, VideosegError
from videoseg.results import Segmentation
from videoseg.types import Grounding, MaskTrack, Trace, VideoFacts


def test_what_a_result_does_not_have_is_refused_as_videoseg_and_as_python_do():
    track = MaskTrack(3, (4, 5), (None, None))
    facts = VideoFacts("clip", None, 2, (4, 5), 5.0, 0.4, "array")
    result = Segmentation("the red one", facts, Grounding(None), Trace(), (track,))
    for kind in (KeyError, VideosegError, ObjectNotFoundError):
        with pytest.raises(kind) as caught:
            result.track(7)
        assert str(caught.value) == "there is no object 7; the objects are [3]"
    for kind in (IndexError, VideosegError, FrameNotFoundError):
        for asked in (result.mask, track.mask):
            with pytest.raises(kind) as caught:
                asked(2)
            assert str(caught.value) == "there is no frame 2: the video has 2, from 0 to 1"
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert not result.mask(-2).any() and not track.mask(-1).any()


@pytest.mark.parametrize("index", ["1", None, 0.5, True])
def test_an_index_that_is_no_whole_number_is_refused(index):
    track = MaskTrack(3, (4, 5), (None, None))
    facts = VideoFacts("clip", None, 2, (4, 5), 5.0, 0.4, "array")
    result = Segmentation("the red one", facts, Grounding(None), Trace(), (track,))
    for asked in (result.mask, track.mask):
        with pytest.raises(ConfigError, match="the index of a frame must be a whole number"):
            asked(index)
        assert asked(1.0).shape == (4, 5)
