"""What an actor hands over is read as an error, whatever it is."""

from __future__ import annotations

import pytest
from videoseg_ray.job import read_error

from videoseg.errors import EvaluationError, OutputError


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "null", "7", '["VideoError"]'])
def test_what_an_actor_hands_over_is_an_error_whatever_it_is(text):
    assert isinstance(read_error(text), EvaluationError)
    assert isinstance(read_error('["OutputError", "gone"]'), OutputError)
