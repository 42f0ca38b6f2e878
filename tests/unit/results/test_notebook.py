import base64
import dataclasses
import re

import numpy as np
import pytest

from videoseg.errors import ConfigError
from videoseg.results import Segmentation, notebook
from videoseg.types import Trace
from videoseg.video import Video


def _clip_in(html, folder):
    data = re.search(r'src="data:video/mp4;base64,([^"]+)"', html)
    if data is None:
        return None
    (folder / "clip.mp4").write_bytes(base64.b64decode(data[1]))
    return folder / "clip.mp4"


def test_a_result_shows_itself_with_query_pictures_and_reasoning(result):
    html = result._repr_html_()
    assert result.query in html
    assert html.count("<figure>") == 6
    assert html.count("Turn ") == len(result.trace.turns)
    assert "<video" not in html
    assert len(html) < 400_000


def test_show_embeds_a_playable_clip_of_every_frame(result, clip, tmp_path):
    view = result.show(max_frames=3)
    assert view._repr_html_().count("<figure>") == 3
    with Video.open(_clip_in(view.html, tmp_path)) as video:
        assert len(video) == clip.num_frames
        assert video.size == clip.size


def test_clip_keeps_the_times_of_a_variable_rate(paused, tmp_path):
    with Video.open(_clip_in(paused.show(max_frames=3).html, tmp_path)) as video:
        np.testing.assert_allclose(video.timestamps, paused.source.timestamps, atol=1e-4)


def test_show_falls_back_to_pictures_when_the_clip_is_large(result, monkeypatch):
    monkeypatch.setattr(notebook, "_CLIP_BYTES", 1000)
    html = result.show(max_frames=4).html
    assert "<video" not in html
    assert html.count("<figure>") == 4


def test_without_the_video_masks_are_drawn_on_black_and_the_card_says_so(result, tmp_path):
    loaded = Segmentation.load(result.save(tmp_path / "out", parts=()))
    assert "drawn on black" in loaded._repr_html_()
    html = loaded.show().html
    with Video.open(_clip_in(html, tmp_path)) as video:
        frame = result.tracks[0].visible_frames[0]
        assert np.median(video[frame]) < 20
        assert video[frame][result.mask(frame)].max() > 100


def test_a_closed_video_does_not_spoil_the_card(result, clip):
    video = Video.from_frames(clip.frames, fps=clip.fps)
    video.close()
    html = dataclasses.replace(result, source=video)._repr_html_()
    assert "cannot be read any more" in html
    assert html.count("<figure>") == 6


def test_the_view_is_readable_in_a_console(result):
    text = repr(result.show(max_frames=1))
    assert result.query[:20] in text
    assert "object" in text and "<" not in text


def test_a_result_without_a_trace_still_shows_its_reasoning(result):
    bare = dataclasses.replace(result, trace=Trace())
    assert "Why" in bare._repr_html_()


def test_at_least_one_picture_is_needed(result):
    with pytest.raises(ConfigError, match="max_frames must be at least 1, got 0"):
        result.show(max_frames=0)
