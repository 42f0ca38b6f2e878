import numpy as np

from videoseg.results import Segmentation
from videoseg.types import Grounding, MaskTrack, Prompt, Rle, Trace, VideoFacts


def test_results_are_told_in_one_line_without_their_masks():
    mask = Rle.encode(np.ones((4, 5), bool))
    track = MaskTrack(1, (4, 5), (mask, None), label="red")
    facts = VideoFacts("clip", None, 2, (4, 5), 5.0, 0.4, "array")
    result = Segmentation("the red one", facts, Grounding(None), Trace(), (track,))
    assert repr(track) == "<MaskTrack 1 'red', visible on 1 of 2 frames>"
    assert repr(result) == "<Segmentation of 'clip' for 'the red one': 1 object>"
    nothing = Segmentation("a unicorn", facts, Grounding(None), Trace(), ())
    assert repr(nothing).endswith("not in this video>")


def test_a_guess_is_told_in_one_line():
    mask = Rle.encode(np.ones((4, 5), bool))
    facts = VideoFacts("clip", None, 1, (4, 5), 5.0, 0.4, "array")
    prompt = Prompt(1, 0, mask=mask)
    guess = Grounding(0, (prompt,), status="guessed")
    track = MaskTrack(1, (4, 5), (mask,))
    result = Segmentation("the dog", facts, guess, Trace(), (track,))
    assert repr(result).endswith(": 1 object, a guess>")
    nothing = Segmentation("asdf", facts, Grounding(None, status="guessed"), Trace(), ())
    assert repr(nothing).endswith(": nothing that fits was seen>")
    maskless = Segmentation("the dog", facts, Grounding(0, (prompt,)), Trace(), ())
    assert repr(maskless).endswith(": no masks were made>")
