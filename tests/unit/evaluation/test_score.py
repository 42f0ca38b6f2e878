"""Predictions of other systems, scored from where they wrote them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from drawn_benchmarks import FRAMES, SIZE, VIDEOS, ids_picture, object_mask, write_ids, write_mask
from PIL import Image

from videoseg.cli.main import main
from videoseg.errors import ConfigError, EvaluationError, OutputError
from videoseg.evaluation import load_report, read_annotations, records_of, score_predictions
from videoseg.masks import union_of_rles
from videoseg.metrics import protocol_named

DAVIS = protocol_named("davis-2017-semi-supervised")


@pytest.fixture
def truth(tmp_path):
    for video in VIDEOS:
        for index, name in enumerate(FRAMES):
            write_ids(tmp_path / "truth" / video / f"{name}.png", ids_picture(video, index))
    return tmp_path / "truth"


@pytest.fixture
def predicted(tmp_path, truth):
    shutil.copytree(truth, tmp_path / "predicted")
    return tmp_path / "predicted"


def test_perfect_pictures_score_exactly_one(truth, predicted):
    report = score_predictions(read_annotations(truth, DAVIS), predicted)
    assert report.overall["j_and_f"] == 1.0
    assert report.coverage.complete and report.pipeline == {}


def test_a_zip_of_them_scores_the_same(truth, predicted, tmp_path):
    shutil.make_archive(str(tmp_path / "predicted"), "zip", predicted)
    report = score_predictions(read_annotations(truth, DAVIS), tmp_path / "predicted.zip")
    assert report.overall["j"] == 1.0


def test_permuted_objects_are_wrong_by_id_and_right_by_the_best_match(truth, predicted):
    for file in predicted.rglob("*.png"):
        ids = np.asarray(Image.open(file))
        write_ids(file, np.array([0, 2, 1], np.uint8)[ids])
    by_id = score_predictions(read_annotations(truth, DAVIS), predicted)
    rules = protocol_named("davis-2017-unsupervised")
    matched = score_predictions(read_annotations(truth, rules), predicted)
    assert by_id.overall["j"] < 0.4
    assert matched.overall["j_and_f"] == 1.0


def test_a_missing_video_counts_as_zero_and_shows_in_the_coverage(truth, predicted, tmp_path):
    shutil.rmtree(predicted / "cart")
    split = read_annotations(truth, DAVIS)
    report = score_predictions(split, predicted, out=tmp_path / "out")
    assert report.overall["j"] == 0.5 and report.coverage.failed == 1
    assert report.failures[0].error.type == "MissingPrediction"
    assert load_report(tmp_path / "out", split).overall == report.overall


def test_a_missing_frame_is_an_empty_mask_and_is_told(truth, predicted):
    (predicted / "bear" / f"{FRAMES[2]}.png").unlink()
    report = score_predictions(read_annotations(truth, DAVIS), predicted)
    assert report.overall["j"] == pytest.approx(1 - 0.5 * 1 / 4)
    assert "1 mask not found" in report.problems[0] and FRAMES[2] in report.problems[0]


def test_what_cannot_be_used_ends_it_with_everything_that_is_wrong(truth, predicted, tmp_path):
    Image.new("P", (7, 5)).save(predicted / "bear" / f"{FRAMES[1]}.png")
    (predicted / "cart" / f"{FRAMES[1]}.png").write_bytes(b"no picture")
    split = read_annotations(truth, DAVIS)
    with pytest.raises(EvaluationError, match=r"2 of 2 .*bear/objects: .*5x7.*cart/objects"):
        score_predictions(split, predicted, out=tmp_path / "out")
    report = score_predictions(split, predicted, out=tmp_path / "out", on_error="zero")
    assert report.overall["j"] == 0.0 and report.coverage.failed == 2


def test_another_size_is_resized_only_by_a_protocol_that_says_so(truth, predicted, tmp_path):
    for file in predicted.rglob("*.png"):
        large = np.kron(np.asarray(Image.open(file)), np.ones((2, 2), np.uint8))
        write_ids(file, large)
    with pytest.raises(EvaluationError, match="48x64"):
        score_predictions(read_annotations(truth, DAVIS), predicted)
    rules = replace(DAVIS, resolution="nearest")
    split = read_annotations(truth, rules)
    assert score_predictions(split, predicted, out=tmp_path / "out").overall["j"] == 1.0
    pictures = (tmp_path / "out" / "report.html").read_text()
    assert "J 100.0" in pictures and "J 0.0" not in pictures


def test_a_protocol_can_be_named_and_predictions_resized(truth, predicted, tmp_path):
    for file in predicted.rglob("*.png"):
        write_ids(file, np.kron(np.asarray(Image.open(file)), np.ones((2, 2), np.uint8)))
    split = read_annotations(truth, DAVIS.name)
    assert split.protocol == DAVIS
    report = score_predictions(split, predicted, protocol=DAVIS.name, resize=True)
    assert report.overall["j"] == 1.0
    assert report.protocol == replace(DAVIS, resolution="nearest")
    command = ["score", "--pred", str(predicted), "--gt", str(truth), "--protocol", DAVIS.name]
    assert main([*command, "--resize", "-q", "-o", str(tmp_path / "out")]) == 0
    assert load_report(tmp_path / "out", split).overall == report.overall


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "davis-2017"}, "no protocol is named 'davis-2017'; did you mean"),
        ({"on_error": "skip"}, "on_error must be 'raise' or 'zero', got 'skip'"),
        ({"workers": -1}, "workers must not be negative, got -1"),
    ],
)
def test_arguments_that_are_out_of_range_are_named(truth, predicted, options, message):
    with pytest.raises(ConfigError, match=message):
        score_predictions(read_annotations(truth, DAVIS), predicted, **options)


def test_some_masks_of_another_size_are_resized_too(truth, predicted):
    file = predicted / "bear" / f"{FRAMES[1]}.png"
    write_ids(file, np.kron(np.asarray(Image.open(file)), np.ones((2, 2), np.uint8)))
    split = read_annotations(truth, replace(DAVIS, resolution="nearest"))
    assert score_predictions(split, predicted).overall["j"] == 1.0


def test_extra_objects_are_an_error_where_the_protocol_has_it(truth, predicted):
    ids = ids_picture("bear", 1).copy()
    ids[0, 0] = 9
    write_ids(predicted / "bear" / f"{FRAMES[1]}.png", ids)
    with pytest.raises(EvaluationError, match=r"predicted objects \[9\]"):
        score_predictions(read_annotations(truth, DAVIS), predicted)


def test_expressions_that_are_annotated_on_other_frames_count_on_all_of_theirs(tmp_path):
    mask = np.zeros(SIZE, bool)
    mask[2:9, 2:9] = True
    for expression, frames in (("0", FRAMES[:2]), ("1", FRAMES[1:])):
        for name in frames:
            write_mask(tmp_path / "truth" / "bear" / expression / f"{name}.png", mask)
            found = mask if name in FRAMES[:2] else np.roll(mask, 12, axis=1)
            write_mask(tmp_path / "predicted" / "bear" / expression / f"{name}.png", found)
    split = read_annotations(tmp_path / "truth", protocol_named("mevis"))
    scores = {
        record.sample: record.values["j"]
        for record in score_predictions(split, tmp_path / "predicted").samples
    }
    assert scores["bear/0"] == 1.0
    assert scores["bear/1"] == pytest.approx(1 / (len(FRAMES) - 1))


def test_folders_of_expressions_are_read_on_both_sides(tmp_path):
    for side in ("truth", "predicted"):
        for index, name in enumerate(FRAMES):
            write_mask(
                tmp_path / side / "bear" / "0" / f"{name}.png", object_mask("bear", 1, index)
            )
            write_mask(
                tmp_path / side / "bear" / "1" / f"{name}.png", object_mask("bear", 2, index)
            )
    split = read_annotations(tmp_path / "truth", protocol_named("mevis"))
    assert [sample.id for sample in split.samples] == ["bear/0", "bear/1"]
    assert score_predictions(split, tmp_path / "predicted").overall["j_and_f"] == 1.0


def test_rles_are_scored_against_a_benchmark(drawn, run, tmp_path):
    out = run("out", shift=1)
    document: dict[str, dict[str, object]] = {}
    for record in records_of(out):
        masks = [_union(record, frame) for frame in range(6)]
        document.setdefault(record.video_id, {})[record.expression_id] = masks
    (tmp_path / "theirs.json").write_text(json.dumps(document))
    report = score_predictions(drawn(), tmp_path / "theirs.json")
    assert report.overall == pytest.approx(dict(load_report(out).overall))


def _union(record, frame):
    return union_of_rles([track.masks[frame] for track in record.tracks], size=SIZE).to_coco()


def test_an_earlier_run_is_scored_again_by_other_rules(drawn, run):
    out = run("out", shift=1, fails_on="expression 1")
    same = score_predictions(drawn(), out)
    assert same.overall == pytest.approx(dict(load_report(out).overall))
    inner = score_predictions(drawn(), out, protocol=protocol_named("davis-2016"))
    assert "j_recall" in inner.measures and inner.protocol.name == "davis-2016"


def test_the_official_protocol_of_ref_davis17_merges_the_objects_of_each_annotator(
    drawn, pipeline, tmp_path
):
    split = drawn("ref-davis17")
    masks = tmp_path / "theirs"
    for sample in split.samples:
        truth = split.truth(sample)
        for place, frame in enumerate(truth.frames):
            rle = next(iter(truth.objects.values()))[place]
            mask = np.zeros(truth.size, bool) if rle is None else rle.decode()
            name = split.frame_names(sample.video_id)[frame]
            write_mask(masks / sample.video_id / sample.expression_id / f"{name}.png", mask)
    rules = protocol_named("ref-davis17-official")
    report = score_predictions(split, masks, protocol=rules, out=tmp_path / "out")
    assert report.overall["j_and_f"] == 1.0
    assert [row.label for row in report.groups.rows] == [f"annotator-{i}" for i in range(4)]


def test_missing_predictions_are_summed_up_once_and_all_listed_in_the_report(
    run, tmp_path, capsys
):
    pred, out = run("few", limit=2), tmp_path / "scored"
    root = tmp_path / "benchmarks" / "mevis"
    given = ["score", "--pred", str(pred), "--benchmark", "mevis", "--root", str(root)]
    assert main([*given, "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert "there is none" not in said.err
    assert said.out.count("there is none") == 5
    assert "and 1 more failed; the report lists them" in said.out
    assert (out / "report.md").read_text().count("there is none") == 6
    assert main([*given, "-q"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("there is none") == 5
    assert said.err.endswith("and 1 more failed\n")


def test_processes_give_the_same_numbers(truth, predicted):
    (predicted / "bear" / f"{FRAMES[2]}.png").unlink()
    split = read_annotations(truth, DAVIS)
    alone = score_predictions(split, predicted)
    shared = score_predictions(split, predicted, workers=2)
    assert alone.to_dict()["results"] == shared.to_dict()["results"]
    assert alone.problems == shared.problems


def test_the_truth_of_a_server_cannot_be_scored_against(drawn, predicted):
    with pytest.raises(EvaluationError, match="is not public"):
        score_predictions(drawn("mevis-valid"), predicted)


def test_a_folder_with_a_run_is_left_alone(truth, predicted, run):
    with pytest.raises(OutputError, match="already holds a run"):
        score_predictions(read_annotations(truth, DAVIS), predicted, out=run("out"))


def test_only_the_named_videos_count(truth, predicted):
    report = score_predictions(read_annotations(truth, DAVIS, videos=["cart"]), predicted)
    assert [row.sample for row in report.samples] == ["cart/objects"]
    with pytest.raises(EvaluationError, match="no video 'cow'"):
        read_annotations(truth, DAVIS, videos=["cow"])


def test_a_folder_without_masks_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="no folder of masks"):
        read_annotations(tmp_path, DAVIS)
    with pytest.raises(EvaluationError, match="cannot be listed"):
        read_annotations(tmp_path / "nowhere", DAVIS)


def test_published_results_score_what_the_official_code_says(real_clips):
    """OSVOS on DAVIS, against values of the unmodified davis2017-evaluation package."""
    if not (real_clips / "results" / "reference_metrics.json").is_file():
        pytest.skip("no published results here")
    reference = json.loads((real_clips / "results" / "reference_metrics.json").read_text())
    rules = protocol_named("davis-2017-semi-supervised")
    split = read_annotations(
        real_clips / "davis" / "Annotations" / "480p", rules, videos=["dog", "car-shadow"]
    )
    out = score_predictions(split, real_clips / "results" / "osvos")
    for row in out.samples:
        wanted = reference["sequences"][row.video_id]["semi-supervised/osvos"]["objects"][0]
        assert row.values["j"] == pytest.approx(wanted["J_mean"], abs=1e-5)
        assert row.values["f"] == pytest.approx(wanted["F_mean"], abs=1e-5)
        assert row.values["j_recall"] == pytest.approx(wanted["J_recall"], abs=1e-5)


def test_objects_of_which_none_has_the_id_of_a_true_one_are_told(truth, predicted):
    rules = protocol_named("vos-benchmark")
    split = read_annotations(truth, rules)
    assert score_predictions(split, predicted).problems == ()
    for file in (predicted / "bear").glob("*.png"):
        write_ids(file, np.asarray(Image.open(file)) * 100)
    (told,) = score_predictions(split, predicted).problems
    assert told.startswith("in 1 sample, such as bear/objects, no predicted object has the id")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("temporal-grounding", "there is no overall score: by the protocol temporal-grounding"),
        ("ref-sav", "needs a sample of the groups long, short with a value"),
    ],
)
def test_a_protocol_that_gives_no_overall_score_is_told(name, told, truth, predicted):
    report = score_predictions(read_annotations(truth, protocol_named(name)), predicted)
    assert report.overall == {}
    assert told in report.problems[0]


def test_an_overall_score_of_fewer_groups_than_the_protocol_has_is_told(truth, predicted):
    rules = replace(protocol_named("revos"), groups=("", "reasoning"))
    report = score_predictions(read_annotations(truth, rules), predicted)
    assert report.overall["j"] == 1.0
    assert report.problems[0].endswith("no sample belongs to reasoning")


def test_nothing_stays_of_scoring_that_was_interrupted(truth, predicted, tmp_path):
    def interrupt(progress):
        if progress.done:
            raise KeyboardInterrupt

    split = read_annotations(truth, DAVIS)
    with pytest.raises(KeyboardInterrupt):
        score_predictions(split, predicted, out=tmp_path / "out", on_progress=interrupt)
    report = score_predictions(split, predicted, out=tmp_path / "out")
    assert report.coverage.complete


def test_a_video_of_which_no_frame_counts_is_left_out(truth, predicted):
    for name in FRAMES[2:]:
        (truth / "cart" / f"{name}.png").unlink()
    report = score_predictions(read_annotations(truth, DAVIS), predicted)
    assert report.overall["j"] == 1.0
    assert [entry.place for entry in report.left_out] == ["cart/objects"]
    assert "of 2 annotated frames none counts" in report.left_out[0].reason
