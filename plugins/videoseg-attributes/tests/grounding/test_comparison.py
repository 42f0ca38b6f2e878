"""The candidates of an answer, as reports get them."""

from dataclasses import replace

import pytest
from videoseg_attributes import AttributesGrounder
from videoseg_attributes.regions.survey import survey_window
from videoseg_synthetic import demo_clip

import videoseg as vs


@pytest.fixture(scope="module")
def clip():
    return demo_clip(size=(120, 214), num_frames=24)


def run(clip, query, grounder):
    sampler = vs.default_registry().build("sampler", "uniform")
    return vs.pipeline.run_episode(
        clip.video, query, sampler=sampler, grounder=grounder, max_turns=1
    ).grounding


@pytest.fixture(scope="module")
def ask(clip):
    grounder = AttributesGrounder(num_frames=12)
    return lambda query: run(clip, query, grounder)


def test_each_candidate_is_judged_by_each_word(clip, ask):
    answer = ask("the small yellow object")
    compared = answer.comparison
    assert len(compared.candidates) >= 3 and compared.words == ("small", "yellow")
    [taken] = compared.taken
    assert taken.object_id == answer.prompts[0].object_id == 1
    assert all(item.score >= 0.5 and item.measured for item in taken.judgements)
    assert taken.box.iou(answer.prompts[0].box) > 0.3 or taken.frame != answer.keyframe
    for other in compared.candidates:
        if other is not taken:
            assert other.verdict.startswith(("does not fit", "treated as background"))
    assert set(compared.frames) <= set(range(clip.num_frames)) and len(compared.frames) == 12
    assert compared.decision == ""


def test_a_tie_is_explained(ask):
    compared = ask("the object that moves").comparison
    fitting = [one for one in compared.candidates if one.verdict == "fits, but less likely meant"]
    assert len(compared.taken) == 1 and fitting
    for one in (*compared.taken, *fitting):
        assert f"candidate {one.number} " in compared.decision


def test_a_whole_of_several_parts_is_a_candidate_where_what_moves_is_asked_for(clip, ask):
    [part] = ask("the object that moves").comparison.taken

    def survey_with_whole(video, **options):
        survey = survey_window(video, **options)
        whole = next(one for one in survey.candidates if one.candidate_id == part.number)
        return replace(survey, wholes=(replace(whole, candidate_id=77),))

    grounder = AttributesGrounder(num_frames=12, survey=survey_with_whole)
    answer = run(clip, "the object that moves", grounder)
    [taken] = answer.comparison.taken
    assert (taken.number, taken.object_id) == (77, 1)
    assert part.number not in {one.number for one in answer.comparison.candidates}


def test_places_stand_for_superlatives(ask):
    compared = ask("the largest object").comparison
    [taken] = compared.taken
    assert [(item.words, item.score, item.measured) for item in taken.judgements] == [
        ("largest", None, "place 1")
    ]
    others = {one.judgements[0].measured for one in compared.candidates if one is not taken}
    assert "place 2" in others and "place 1" not in others


def test_nothing_in_the_query_tells_them_apart(ask):
    compared = ask("the dog").comparison
    assert compared.words == () and "stands out most" in compared.decision


def test_an_absence_shows_what_was_seen(ask):
    answer = ask("the purple object")
    assert answer.status == "absent" and not answer.comparison.taken
    assert all("purple" in one.verdict for one in answer.comparison.candidates)
