"""Editing sessions: corrections, undo, what is computed again, and what survives."""

from __future__ import annotations

import json
import threading

import pytest
from still_stages import SIZE, FindsOne, StandStill, make_stages, make_video
from videoseg_studio.editing import CancelledError, EditSession, make_result

import videoseg as vs
from videoseg.types import Box, Point, Prompt

NUM_FRAMES = 12


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "project"


@pytest.fixture
def session(folder):
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        yield session


def shown(session, object_id):
    return "".join(map(str, session.presence(object_id)))


def box_of(session, object_id, frame):
    rle = session.mask(object_id, frame)
    return None if rle is None or rle.box is None else rle.box.as_tuple()


def mark(session, stages, frame=5, x=30, y=20):
    object_id = session.add_object()
    session.correct(stages, object_id, frame, points=[Point(x, y)])
    return object_id


# -- corrections ---------------------------------------------------------------------------------


def test_the_first_click_makes_a_mask_on_its_frame_alone(session):
    stages, propagator = make_stages()
    object_id = mark(session, stages)
    assert box_of(session, object_id, 5) == (26, 16, 34, 24)
    assert shown(session, object_id) == "000002000000"
    assert not propagator.visited


def test_a_positive_click_adds_to_the_mask_and_a_negative_one_takes_a_part_away(session):
    stages, _ = make_stages()
    object_id = session.add_object()
    session.correct(stages, object_id, 3, box=Box(10, 10, 30, 30))
    session.propagate(stages)
    added = session.correct(stages, object_id, 7, points=[Point(33, 20)]).decode()
    assert added[12, 12]
    assert added[20, 34]
    taken = session.correct(
        stages, object_id, 7, points=[Point(33, 20)], negative_points=[Point(13, 13)]
    ).decode()
    assert not taken[13, 13]
    assert taken[25, 25]
    assert taken[20, 34]


@pytest.mark.parametrize("first", [{"box": Box(10, 10, 30, 30)}, {"points": [Point(30, 20)]}])
def test_the_segmenter_makes_the_first_mask_and_clicks_change_it_where_they_are(
    session, monkeypatch, first
):
    stages, _ = make_stages()
    asked, segment = [], stages.segment
    monkeypatch.setattr(
        stages, "segment", lambda video, prompt: asked.append(prompt) or segment(video, prompt)
    )
    object_id = session.add_object()
    begun = session.correct(stages, object_id, 3, **first).decode()
    clicked = {**first, "points": [*first.get("points", ()), Point(50, 8)]}
    more = session.correct(stages, object_id, 3, **clicked).decode()
    less = session.correct(
        stages, object_id, 3, **clicked, negative_points=[Point(28, 18)]
    ).decode()
    assert len(asked) == 1
    assert more[8, 50]
    assert (more[:, :40] == begun[:, :40]).all()
    assert not less[18, 28]
    assert (less[:, 40:] == more[:, 40:]).all()


def test_clicks_of_one_frame_begin_from_the_mask_before_the_first_of_them(session):
    stages, _ = make_stages()
    object_id = session.add_object()
    session.correct(stages, object_id, 3, box=Box(10, 10, 30, 30))
    session.propagate(stages)
    session.correct(stages, object_id, 7, points=[Point(33, 20)])
    again = session.correct(stages, object_id, 7, points=[Point(20, 33)]).decode()
    assert again[34, 20]
    assert not again[20, 34]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"points": [Point(99, 1)]}, "outside the 60x40 frame"),
        ({"negative_points": [Point(9, 9)]}, "has no mask on frame 5 yet"),
        ({"box": Box(70, 50, 80, 60)}, "outside the 60x40 frame"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(session, arguments, said):
    stages, _ = make_stages()
    object_id = session.add_object()
    before = session.describe()
    with pytest.raises(vs.ConfigError, match=said):
        session.correct(stages, object_id, 5, **arguments)
    with pytest.raises(vs.ConfigError, match="there is no frame 12"):
        session.correct(stages, object_id, 12, points=[Point(1, 1)])
    with pytest.raises(vs.errors.ObjectNotFoundError, match="there is no object 9"):
        session.correct(stages, 9, 5, points=[Point(1, 1)])
    assert session.describe() == before


def test_hiding_and_forgetting(session):
    stages, _ = make_stages()
    object_id = mark(session, stages, frame=2)
    session.propagate(stages)
    session.hide(object_id, 8)
    session.propagate(stages, way="forward")
    assert shown(session, object_id) == "222222221111"
    session.hide(object_id, 4)
    session.forget(object_id, 4)
    assert shown(session, object_id) == "222222221111"
    with pytest.raises(vs.ConfigError, match="no correction on frame 4"):
        session.forget(object_id, 4)


# -- only what changed ---------------------------------------------------------------------------


def test_only_the_stretch_up_to_the_next_correction_is_computed_again(session):
    stages, propagator = make_stages()
    object_id = mark(session, stages, frame=2)
    session.propagate(stages)
    session.correct(stages, object_id, 9, box=Box(0, 0, 9, 9))
    session.propagate(stages, way="forward")
    propagator.visited.clear()
    session.correct(stages, object_id, 5, box=Box(40, 20, 50, 30))
    session.propagate(stages)
    assert sorted(propagator.visited) == [3, 4, 5, 5, 6, 7, 8]
    assert box_of(session, object_id, 2) == (26, 16, 34, 24)
    assert {box_of(session, object_id, frame) for frame in range(3, 9)} == {(40, 20, 50, 30)}
    assert box_of(session, object_id, 11) == (0, 0, 9, 9)


def test_other_objects_keep_their_masks(session):
    stages, _ = make_stages()
    first = mark(session, stages, frame=0, x=10, y=10)
    session.propagate(stages)
    before = [session.mask(first, frame) for frame in range(NUM_FRAMES)]
    second = mark(session, stages, frame=6, x=40, y=20)
    session.propagate(stages)
    assert [session.mask(first, frame) for frame in range(NUM_FRAMES)] == before
    assert shown(session, second) == "2" * NUM_FRAMES


def test_a_direction_is_kept_and_nothing_pending_is_said(session):
    stages, _ = make_stages()
    object_id = mark(session, stages, frame=5)
    session.propagate(stages, way="backward")
    assert shown(session, object_id) == "222222000000"
    with pytest.raises(vs.ConfigError, match="everything is propagated already"):
        session.propagate(stages)
    session.propagate(stages, way="forward", frame=5)
    assert shown(session, object_id) == "2" * NUM_FRAMES


def test_a_long_video_need_not_be_propagated_to_its_end(session):
    stages, propagator = make_stages()
    object_id = mark(session, stages, frame=5)
    session.propagate(stages, reach=2)
    assert shown(session, object_id) == "000222220000"
    assert max(propagator.visited) == 7
    session.propagate(stages, frame=5, objects=[object_id], reach=3, way="forward")
    assert shown(session, object_id) == "000222222000"


def test_cancelling_and_failing_keep_what_was_made_and_leave_it_pending(session):
    stages, propagator = make_stages()
    object_id = mark(session, stages, frame=0)
    cancel = threading.Event()
    with pytest.raises(CancelledError):
        session.propagate(
            stages, cancel=cancel, tell=lambda done, _: cancel.set() if done == 4 else None
        )
    assert shown(session, object_id) == "222200000000"
    assert session.describe()["pending"] == 1
    propagator.fails_at = 7
    with pytest.raises(vs.errors.PropagationError, match="lost"):
        session.propagate(stages)
    assert shown(session, object_id) == "222222200000"
    assert session.describe()["pending"] == 1


# -- undo ----------------------------------------------------------------------------------------


def test_undo_and_redo_bring_back_masks_objects_and_names(session):
    stages, _ = make_stages()
    object_id = mark(session, stages)
    session.propagate(stages)
    session.rename_object(object_id, " the  ball ")
    assert session.state.object(object_id).label == "the ball"
    session.remove_object(object_id)
    assert session.undo() == f"removing object {object_id}"
    session.undo()
    assert session.state.object(object_id).label == ""
    assert session.undo() == "the propagation"
    assert shown(session, object_id) == "000002000000"
    assert session.redo() == "the propagation"
    assert shown(session, object_id) == "2" * NUM_FRAMES
    while session.describe()["undo"]:
        session.undo()
    assert session.describe()["objects"] == []
    with pytest.raises(vs.ConfigError, match="nothing to undo"):
        session.undo()


def test_ids_are_not_used_twice_and_what_was_undone_cannot_come_back_later(session):
    stages, _ = make_stages()
    first = mark(session, stages)
    session.undo()
    session.undo()
    second = session.add_object()
    session.remove_object(second)
    assert session.add_object() == second + 1
    assert session.mask(second + 1, 5) is None
    assert first == second
    with pytest.raises(vs.ConfigError, match="nothing to redo"):
        session.redo()


# -- asking --------------------------------------------------------------------------------------


def test_an_answer_has_the_masks_that_the_pipeline_makes(session):
    stages, _ = make_stages()
    assert session.ask(stages, "the box") == 1
    expected = stages.pipeline(session.video, "the box")
    result = make_result(session)
    assert result.tracks == expected.tracks
    assert result.trace.turns[0].thought == expected.trace.turns[0].thought
    assert result.query == "the box"


def test_an_answer_without_objects_leaves_nothing_and_is_undone(session):
    stages, _ = make_stages()
    object_id = mark(session, stages)
    nothing, _ = make_stages(FindsOne(()))
    assert session.ask(nothing, "the ball") == 0
    assert session.describe()["objects"] == []
    session.undo()
    assert shown(session, object_id) == "000002000000"


def test_an_answer_is_one_step_to_undo_and_redo(session):
    stages, _ = make_stages()
    object_id = mark(session, stages)
    session.ask(stages, "the box")
    assert session.undo() == "the answer"
    assert shown(session, object_id) == "000002000000"
    assert box_of(session, object_id, 5) == (26, 16, 34, 24)
    assert session.redo() == "the answer"
    assert shown(session, 1) == "2" * NUM_FRAMES
    assert session.describe()["pending"] == 0


def test_masks_of_an_earlier_answer_are_not_those_of_a_new_object_with_its_id(session):
    stages, _ = make_stages()
    session.ask(stages, "the box")
    other, _ = make_stages(FindsOne((Prompt(1, 4, box=Box(30, 20, 40, 30)),)))
    cancel = threading.Event()
    with pytest.raises(CancelledError):
        session.ask(other, "another", cancel=cancel, tell=lambda *_: cancel.set())
    assert box_of(session, 1, 4) == (30, 20, 40, 30)
    assert shown(session, 1) == "000020000000"
    session.undo()
    assert box_of(session, 1, 11) == (10, 10, 20, 20)


def test_objects_are_propagated_in_the_passes_that_the_propagator_holds(session):
    class OneAtATime(StandStill):
        capabilities = vs.PropagatorCapabilities(max_objects_per_pass=1)

    prompts = [Prompt(k, 4, box=Box(9 * k, 9, 9 * k + 6, 20)) for k in (1, 2, 3)]
    stages, propagator = make_stages(FindsOne(prompts), OneAtATime())
    assert session.ask(stages, "the boxes") == 3
    assert all(shown(session, k) == "2" * NUM_FRAMES for k in (1, 2, 3))
    assert propagator.visited.count(11) == 3


# -- what survives -------------------------------------------------------------------------------


def test_everything_is_there_again_even_without_the_masks(folder):
    stages, _ = make_stages()
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        object_id = mark(session, stages)
        session.propagate(stages)
        session.undo()
        before = session.describe(), session.mask(object_id, 5)
    for path in folder.glob("masks.sqlite*"):
        path.unlink()
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        assert (session.describe(), session.mask(object_id, 5)) == before


def test_a_torn_line_costs_only_itself_and_damage_is_told(folder):
    stages, _ = make_stages()
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        object_id = mark(session, stages)
    journal = folder / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"seq": 3, "do": "remove", "obj')
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        assert shown(session, object_id) == "000002000000"
        session.rename_object(object_id, "kept")
    assert json.loads(journal.read_bytes().splitlines()[-1])["label"] == "kept"
    journal.write_bytes(whole.replace(b'"seq": 1', b'"seq": 7'))
    with pytest.raises(vs.errors.OutputError, match=r"line 1 of .* is damaged"):
        EditSession(folder, make_video(NUM_FRAMES))


def test_a_propagation_that_was_killed_is_pending_again(folder):
    stages, _ = make_stages()
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        mark(session, stages)
        session.propagate(stages)
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        assert session.describe()["pending"] == 1
        assert session.propagate(stages) > 0


def test_masks_that_were_deleted_can_be_propagated_again(folder):
    stages, _ = make_stages()
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        object_id = mark(session, stages)
        session.propagate(stages)
        assert session.describe()["pending"] == 0
    for path in folder.glob("masks.sqlite*"):
        path.unlink()
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        assert session.describe()["pending"] == 1
        session.propagate(stages)
        assert shown(session, object_id) == "2" * NUM_FRAMES


def test_a_damaged_file_of_masks_is_told_with_what_to_do(folder):
    stages, _ = make_stages()
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        object_id = mark(session, stages)
        for frame in range(NUM_FRAMES):
            session.hide(object_id, frame)
    path = folder / "masks.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\x55" * (len(data) - 4096)
    path.write_bytes(data)
    with (
        pytest.raises(vs.errors.OutputError, match="delete it, and propagate again"),
        EditSession(folder, make_video(NUM_FRAMES)) as session,
    ):
        session.mask(object_id, 3)


def test_what_does_not_fit_on_the_disk_does_not_count_and_tears_nothing(folder):
    resource = pytest.importorskip("resource", reason="limits of files are those of POSIX")
    stages, _ = make_stages()
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        object_id = mark(session, stages)
        before, whole = session.describe(), (folder / "journal.jsonl").read_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, hard))
        try:
            with pytest.raises(vs.errors.OutputError, match="free some space"):
                session.rename_object(object_id, "does not fit")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert session.describe() == before
        assert (folder / "journal.jsonl").read_bytes() == whole
        session.rename_object(object_id, "fits")
    with EditSession(folder, make_video(NUM_FRAMES)) as session:
        assert session.state.object(object_id).label == "fits"


def test_a_project_is_of_one_video_and_open_once(folder):
    with (
        EditSession(folder, make_video(NUM_FRAMES)),
        pytest.raises(vs.errors.OutputError, match="is open in another studio"),
    ):
        EditSession(folder, make_video(NUM_FRAMES))
    with pytest.raises(vs.errors.OutputError, match="another video"):
        EditSession(folder, make_video(NUM_FRAMES + 1))


# -- results -------------------------------------------------------------------------------------


def test_a_result_says_what_was_corrected_and_can_be_saved_and_propagated(session, tmp_path):
    stages, _ = make_stages()
    session.ask(stages, "the box")
    session.correct(stages, 1, 8, points=[Point(20, 15)])
    result = make_result(session)
    assert "masks were corrected by hand" in result.warnings
    assert "corrections that were not propagated: 1" in result.warnings
    result.save(tmp_path / "out", parts=["masks"])
    assert vs.Segmentation.load(tmp_path / "out") == result
    again = stages.pipeline.propagate(session.video, result.grounding)
    assert again.tracks[0].masks[8] == session.mask(1, 8)


def test_models_are_in_use_between_the_frames_of_a_propagation(session):
    stages, _ = make_stages()
    mark(session, stages, frame=0)
    used = []
    session.propagate(stages, tell=lambda *_: used.append(stages.is_used))
    assert used == [True] * (NUM_FRAMES)
    assert not stages.is_used


def test_closing_does_not_wait_for_a_model_that_works(session, monkeypatch):
    monkeypatch.setattr("videoseg_studio.editing.stages._CLOSE_SECONDS", 0.01)
    stages, _ = make_stages()
    at_work, may_end = threading.Event(), threading.Event()

    def work():
        with stages.lock:
            at_work.set()
            may_end.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    at_work.wait(20)
    try:
        assert stages.is_used
        stages.close()
        assert thread.is_alive()
    finally:
        may_end.set()
        thread.join(20)


def test_looking_goes_on_while_a_propagation_runs(session):
    stages, propagator = make_stages()
    object_id = mark(session, stages, frame=0)
    propagator.may_go_on.clear()
    thread = threading.Thread(target=session.propagate, args=(stages,))
    thread.start()
    try:
        assert session.mask(object_id, 0) is not None
        assert session.describe()["pending"] == 1
        assert len(session.presence(object_id)) == NUM_FRAMES
    finally:
        propagator.may_go_on.set()
        thread.join(20)
    assert shown(session, object_id) == "2" * NUM_FRAMES
    assert session.video.size == SIZE
