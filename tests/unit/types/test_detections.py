from __future__ import annotations

import json

import numpy as np
import pytest

from videoseg import ConfigError
from videoseg.types import Box, Detection, Rle, from_dict, to_dict

BOX = Box(1, 2, 5, 6)


def test_a_detection_is_the_same_after_a_round_trip_through_json():
    mask = Rle.encode(np.eye(4, dtype=bool))
    for detection in (Detection(BOX, "vehicle", 0.5, "car", mask), Detection(BOX, "dog", 1)):
        assert from_dict(Detection, json.loads(json.dumps(to_dict(detection)))) == detection


def test_scores_of_numpy_become_numbers_of_python():
    score = Detection(BOX, "dog", np.float32(0.5)).score
    assert type(score) is float and score == 0.5


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), "0.5", True, None])
def test_a_score_outside_0_to_1_is_refused(score):
    with pytest.raises(ConfigError, match="the score of a detection must be"):
        Detection(BOX, "dog", score)


def test_other_types_are_refused_by_name():
    with pytest.raises(ConfigError, match="the box of a detection must be a Box"):
        Detection((1, 2, 5, 6), "dog", 0.5)
    with pytest.raises(ConfigError, match=r"write Rle\.encode"):
        Detection(BOX, "dog", 0.5, mask=np.eye(4, dtype=bool))
    with pytest.raises(ConfigError, match="the label of a detection must be text"):
        Detection(BOX, 7, 0.5)
