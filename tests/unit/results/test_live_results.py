"""The result of a live source is written line by line, and readable at any time."""

from __future__ import annotations

import numpy as np
import pytest

from videoseg import Segmentation
from videoseg.errors import OutputError
from videoseg.results import export
from videoseg.results.live import LIVE_FILE, LiveFolder
from videoseg.types import Box, FrameMasks, Grounding, Prompt, Trace


def begin(folder):
    prompt = Prompt(2, 0, box=Box(0, 0, 4, 4), label="door")
    folder.begin(
        query="the door",
        source="camera 0",
        size=(8, 12),
        fps=10.0,
        grounding=Grounding(0, (prompt,)),
        trace=Trace(),
        pipeline={"name": "toy"},
        seed=3,
    )


def masks(frame, visible=True):
    mask = np.zeros((8, 12), bool)
    mask[2:4, frame] = visible
    return FrameMasks(frame, {2: mask}, (8, 12))


@pytest.fixture
def written(tmp_path):
    with LiveFolder(tmp_path / "out") as folder:
        begin(folder)
        for frame in range(5):
            folder.add(masks(frame, visible=frame != 3), seconds=0.1 * frame)
        folder.end(reason="interrupted", num_dropped=1, warnings=["a frame was left out"])
    return tmp_path / "out"


def test_it_is_loaded_and_exported_like_any_result(written, tmp_path):
    result = Segmentation.load(written)
    assert (result.query, result.seed, result.video.name) == ("the door", 3, "camera 0")
    assert result.video.num_frames == 5 and result.video.time_of(4) == pytest.approx(0.4)
    assert result.tracks[0].label == "door"
    assert result.tracks[0].visible_frames == (0, 1, 2, 4)
    assert result.warnings == ("a frame was left out",)
    assert export(result, tmp_path / "coco", format="coco").exists()


def test_every_frame_so_far_can_be_read_while_it_is_written(tmp_path):
    with LiveFolder(tmp_path / "out") as folder:
        begin(folder)
        for frame in range(3):
            folder.add(masks(frame), seconds=0.1 * frame)
            assert Segmentation.load(tmp_path / "out").video.num_frames == frame + 1


def test_a_line_that_was_cut_off_costs_its_frame_only(written):
    file = written / LIVE_FILE
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:5]) + lines[5][:20])
    result = Segmentation.load(written)
    assert result.video.num_frames == 4 and "cut off" in result.warnings[-1]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (0, '{"format": "other"}'),
        (2, "not JSON"),
        (2, '{"frame": 7, "time": 0, "masks": {}}'),
        (2, '{"frame": 1, "time": 0, "masks": {"2": {"size": [8, 12], "counts": "?"}}}'),
        (2, '{"frame": 1, "time": 0, "masks": {"2": {"size": [1, 1], "counts": "1"}}}'),
    ],
)
def test_damage_is_an_error_with_its_line(written, line, text):
    lines = (written / LIVE_FILE).read_text().splitlines()
    lines[line] = text
    (written / LIVE_FILE).write_text("\n".join(lines) + "\n")
    with pytest.raises(OutputError, match=r"damaged"):
        Segmentation.load(written)


def test_only_a_live_result_is_replaced_and_only_if_asked(written):
    with pytest.raises(OutputError, match="already exists"):
        LiveFolder(written)
    export(Segmentation.load(written), written / "exports" / "coco", format="coco")
    LiveFolder(written, overwrite=True).close()
    assert not written.exists()
    written.mkdir()
    (written / "thesis.txt").touch()
    with pytest.raises(OutputError, match="not part of a live result"):
        LiveFolder(written, overwrite=True)


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    with LiveFolder(tmp_path / "out") as first:
        with pytest.raises(OutputError, match="another run is still writing"):
            LiveFolder(tmp_path / "out", overwrite=True)
        begin(first)
        with pytest.raises(OutputError, match="another run is still writing"):
            LiveFolder(tmp_path / "out", overwrite=True)
        first.add(masks(0), seconds=0.0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [LIVE_FILE]
    assert Segmentation.load(tmp_path / "out").video.num_frames == 1
    LiveFolder(tmp_path / "out", overwrite=True).close()
