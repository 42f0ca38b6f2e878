import numpy as np

from videoseg.results import Segmentation
from videoseg.types import Grounding, MaskTrack, Rle, Trace, VideoFacts


def test_results_are_told_in_one_line_without_their_masks():
    mask = Rle.encode(np.ones((4, 5), bool))
    track = MaskTrack(1, (4, 5), (mask, None), label="red")
    facts = VideoFacts("clip", None, 2, (4, 5), 5.0, 0.4, "array")
    result = Segmentation("the red one", facts, Grounding(None), Trace(), (track,))
    assert repr(track) == "<MaskTrack 1 'red', visible on 1 of 2 frames>"
    assert repr(result) == "<Segmentation of 'clip' for 'the red one': 1 object>"
    nothing = Segmentation("a unicorn", facts, Grounding(None), Trace(), ())
    assert repr(nothing).endswith("not in this video>")
