"""What ``videoseg bench`` measures, chooses and writes."""

from __future__ import annotations

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

import videoseg as vs
from videoseg.bench import (
    BenchClip,
    BenchReport,
    Measurement,
    Target,
    advise,
    bench_table,
    draw_clip,
    draw_speeds,
    find_targets,
    measure,
    write_bench,
)
from videoseg.cli.program import videoseg as program
from videoseg.errors import ComponentNotFoundError, ConfigError
from videoseg.testing import moving_square
from videoseg.types import PropagatorCapabilities, PublishedScore
from videoseg.video import Video, write_video

LIVE = PropagatorCapabilities(live=True)


def measured(label: str, fps: float = 10.0, **facts) -> Measurement:
    return Measurement(label, "propagator", frames_per_second=fps, **facts)


def choices(measurements, **scores):
    given = {
        label: [PublishedScore(label, "SA-V test", value, "somebody")]
        for label, value in scores.items()
    }
    known = {one.label: LIVE for one in measurements}
    return {one.purpose: one for one in advise(measurements, capabilities=known, scores=given)}


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    clip = moving_square(6)
    write_video(folder / "clip.mp4", clip.video, fps=12)
    return BenchClip(folder / "clip.mp4", query="the red object")


class TestTargets:
    def test_without_names_every_propagator_that_follows_masks_is_measured(self):
        names = {target.name for target in find_targets()}
        assert "flow" in names
        assert "given-masks" not in names

    def test_a_name_may_be_a_propagator_with_options_or_a_pipeline(self):
        flow, attributes = find_targets(["flow", "attributes"], {"flow": {"lookahead": 2}})
        assert flow == Target("propagator", "flow", {"lookahead": 2})
        assert flow.label == "flow (lookahead=2)"
        assert attributes == Target("pipeline", "attributes")

    def test_an_unknown_name_is_refused_with_the_nearest_one(self):
        with pytest.raises(ComponentNotFoundError, match="flow"):
            find_targets(["flwo"])

    def test_options_of_what_is_not_measured_are_refused(self):
        with pytest.raises(ConfigError, match="xmem"):
            find_targets(["flow"], {"xmem": {"size": 64}})


class TestMeasure:
    def test_a_propagator_that_follows_is_scored_against_the_true_masks(self, tmp_path):
        clip = draw_clip(tmp_path, num_frames=3)
        found = measure(Target("propagator", "flow"), clip, threads=1)
        assert found.problem == ""
        assert found.num_frames == 3
        assert found.frames_per_second > 0
        assert found.first_mask_seconds > 0
        assert found.j > 0.9
        assert found.f > 0.9

    def test_a_pipeline_is_asked(self, small_clip):
        found = measure(Target("pipeline", "attributes"), small_clip, threads=1)
        assert (found.state, found.j) == ("measured", None)
        assert found.frames_per_second > 0

    def test_random_weights_are_said_to_be_random_and_not_scored(self, small_clip):
        pytest.importorskip("videoseg_xmem")
        target = Target("propagator", "xmem", {"checkpoint": "random", "size": 64})
        found = measure(target, small_clip, max_frames=3, threads=1)
        assert found.problem == ""
        assert found.random_weights
        assert found.j is None

    def test_what_lacks_weights_says_how_to_get_them(self, small_clip, monkeypatch, tmp_path):
        pytest.importorskip("videoseg_xmem")
        monkeypatch.setenv("VIDEOSEG_WEIGHTS", str(tmp_path))
        found = measure(Target("propagator", "xmem"), small_clip)
        assert found.state == "cannot run"
        assert "videoseg download propagator xmem" in found.problem

    def test_a_target_that_fails_says_why(self, small_clip):
        found = measure(Target("propagator", "flow", {"lookahead": -1}), small_clip)
        assert found.state == "failed"
        assert "lookahead" in found.problem

    def test_masks_of_another_size_are_refused(self, tmp_path):
        clip = draw_clip(tmp_path, num_frames=2)
        other = moving_square(2)
        write_video(tmp_path / "other.mp4", other.video, fps=12)
        wrong = BenchClip(tmp_path / "other.mp4", clip.masks)
        with Video.open(wrong.video) as video, pytest.raises(ConfigError):
            wrong.prompts(video)


class TestAdvice:
    def test_accuracy_is_what_has_been_published(self):
        found = choices([measured("a", j=0.9, f=0.9), measured("b")], a=60.0, b=77.0)
        assert found["accuracy"].choice == "b"
        assert "77 on SA-V test (somebody)" in found["accuracy"].reason

    def test_without_publications_the_clip_decides(self):
        found = choices([measured("a", j=0.9, f=0.9), measured("b", j=0.5, f=0.5)])
        assert found["accuracy"].choice == "a"
        assert "90.0" in found["accuracy"].reason

    def test_live_video_needs_speed_first(self):
        found = choices([measured("slow", 2.0), measured("fast", 30.0)], slow=90.0, fast=50.0)
        assert found["live video"].choice == "fast"
        assert found["accuracy"].choice == "slow"

    def test_where_none_keeps_up_the_fastest_is_named_with_what_to_do(self):
        found = choices([measured("a", 2.0), measured("b", 3.0)])["live video"]
        assert found.choice == "b"
        assert "do not keep up" in found.reason

    def test_random_weights_are_never_chosen(self):
        found = choices([measured("a", random_weights=True)])
        assert {one.choice for one in found.values()} == {""}

    def test_the_only_one_with_weights_is_not_called_the_only_one(self):
        alone = choices([measured("a")])["accuracy"]
        assert alone.reason.endswith("measured")
        beside_random = choices([measured("a"), measured("b", random_weights=True)])["accuracy"]
        assert beside_random.reason.endswith("measured without random weights")

    def test_the_time_for_a_long_video_is_told(self):
        assert "2.4 hours" in choices([measured("a", 10.0)])["long videos"].reason


class TestReport:
    REPORT = BenchReport(
        "a clip",
        (48, 64),
        (
            measured("flow", 12.5, j=0.5, f=0.7, memory=200.0),
            measured("a|b <c>", 2.0, random_weights=True),
            Measurement("sam2", "propagator", "cannot run", "needs download"),
        ),
        (),
    )

    def test_the_table_has_no_column_without_a_value(self):
        header, _, flow, *_ = bench_table(self.REPORT.measurements).splitlines()
        assert "GPU" not in header
        assert flow == "| flow | 12.5 | 0.00 | 0.0 | 200 | 60.0 |"

    def test_the_picture_is_whole_whatever_names_hold(self):
        root = ElementTree.fromstring(draw_speeds(self.REPORT.measurements))
        texts = [element.text for element in root.iter() if element.text]
        assert "a|b <c>" in texts
        assert "sam2" not in texts
        assert "grey: random weights" in texts

    def test_files_hold_machine_versions_and_measurements(self, tmp_path):
        paths = write_bench(self.REPORT, tmp_path / "out")
        assert [path.name for path in paths] == ["bench.json", "bench.md", "bench.svg"]
        document = json.loads(paths[0].read_text())
        assert document["videoseg"] == vs.__version__
        assert document["machine"]["processor"]
        assert document["measurements"][0]["frames_per_second"] == 12.5
        assert "a\\|b <c> (random weights)" in paths[1].read_text()


class TestCommand:
    def run(self, *arguments):
        return CliRunner().invoke(program, ["bench", *map(str, arguments)])

    def test_it_prints_the_table_and_what_to_choose(self, small_clip):
        found = self.run("flow", "--video", small_clip.video, "--threads", 1, "-q", "--json")
        assert found.exit_code == 0, found.output
        document = json.loads(found.output)
        assert [one["label"] for one in document["measurements"]] == ["flow"]
        assert [one["choice"] for one in document["advice"]] == ["flow"] * 3

    def test_a_pipeline_needs_a_query(self, small_clip):
        found = self.run("attributes", "--video", small_clip.video)
        assert found.exit_code == 2
        assert "--query" in found.output

    @pytest.mark.parametrize("option", ["flow", "flow.lookahead", "lookahead=2"])
    def test_an_option_of_another_form_is_refused(self, option):
        found = self.run("flow", "-O", option)
        assert found.exit_code == 2
        assert "NAME.OPTION=VALUE" in found.output


def test_a_script_without_a_guard_is_told_to_have_one(small_clip, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from videoseg.bench import BenchClip, Target, measure\n"
        f"found = measure(Target('propagator', 'flow'), BenchClip({str(small_clip.video)!r}))\n"
        "print(found.state, found.problem)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert "failed" in done.stdout and 'if __name__ == "__main__":' in done.stdout
