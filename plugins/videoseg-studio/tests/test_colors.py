"""Colors of objects on the page: seen on what is there, and always the same."""

from __future__ import annotations

import numpy as np
import pytest
from still_stages import make_stages
from videoseg_studio.editing import EditSession

import videoseg as vs
from videoseg.masks import OBJECT_COLORS, object_color
from videoseg.types import Point

ORANGE = object_color(1)


@pytest.fixture
def video():
    """Return a black video with a square in the usual color of the first object."""
    frames = np.zeros((6, 900, 1200, 3), np.uint8)
    frames[:, 100:500, 100:500] = ORANGE
    with vs.Video.from_frames(frames, fps=10, name="orange") as video:
        yield video


def colors_of(session):
    return {one["id"]: tuple(one["color"]) for one in session.describe()["objects"]}


def mark(session, x, y, frame=0):
    object_id = session.add_object()
    session.correct(make_stages()[0], object_id, frame, points=[Point(x, y)])
    return object_id


def test_an_object_in_its_usual_color_gets_another(tmp_path, video):
    with EditSession(tmp_path / "project", video) as session:
        assert colors_of(session) == {}
        first = session.add_object()
        assert colors_of(session) == {first: ORANGE}
        session.correct(make_stages()[0], first, 0, points=[Point(300, 300)])
        assert colors_of(session)[first] in set(OBJECT_COLORS) - {ORANGE}
        # On black, the usual color of an object is kept.
        second = mark(session, 900, 700)
        assert colors_of(session)[second] == object_color(2)


def test_colors_stay_while_objects_are_corrected_come_and_go(tmp_path, video):
    with EditSession(tmp_path / "project", video) as session:
        first, second = session.add_object(), mark(session, 300, 300, frame=2)
        before = colors_of(session)[second]
        session.correct(make_stages()[0], first, 1, points=[Point(300, 300)])
        session.correct(make_stages()[0], second, 0, points=[Point(900, 700)])
        chosen = colors_of(session)
        assert chosen[second] == before
        session.remove_object(first)
        third = mark(session, 300, 300)
        session.undo()
        session.undo()
        session.undo()
        assert colors_of(session) == chosen
        assert len({*chosen.values(), *colors_of(session).values()}) == 2
        assert third not in colors_of(session)


def test_a_new_answer_has_colors_of_its_own(tmp_path, video):
    with EditSession(tmp_path / "project", video) as session:
        first = mark(session, 300, 300)
        before = colors_of(session)[first]
        session.ask(make_stages()[0], "the one in the dark")
        assert set(colors_of(session).values()) <= set(OBJECT_COLORS)
        session.undo()
        assert colors_of(session)[first] == before


def test_many_objects_have_distinct_colors_as_long_as_there_are_any(tmp_path, video):
    with EditSession(tmp_path / "project", video) as session:
        for place in range(len(OBJECT_COLORS) + 1):
            mark(session, 60 + 80 * place, 700)
        colors = list(colors_of(session).values())
        assert len(set(colors[: len(OBJECT_COLORS)])) == len(OBJECT_COLORS)
        assert colors[-1] == object_color(len(colors))
