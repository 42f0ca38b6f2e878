"""Metadata can be opened where no picture and no video is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_benchmarks import FRAMES, LAYOUTS, SIZE

from videoseg.benchmarks import LoadedSplit, Truth
from videoseg.errors import EvaluationError, VideoError

Draw = Callable[[str], Path]
Opener = Callable[..., LoadedSplit]

PICTURES = {".jpg", ".png"}
# Without a query, DAVIS asks for what the first mask shows.
ASKED_BY_MASKS = {"davis-2016", "davis-2017"}
# Their masks are in JSON or pickles, with their sizes.
WITH_MASKS = {
    *("mevis", "mevis-second", "mevis-train", "revos", "ref-sav", "ref-davis17-pickle"),
    *("reasonvos-format", "refcoco", "refcoco-google", "refcoco-plus", "refcocog", "grefcoco"),
}
WITHOUT_TRUTH = {"mevis-valid", "mevis-second-valid", "ref-youtube-vos"}


def remove(root: Path, *suffixes: str) -> None:
    for path in list(root.rglob("*")):
        if path.suffix in suffixes:
            path.unlink()
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def truths(split: LoadedSplit) -> list[Truth | None]:
    return [split.truth(sample) for sample in split.samples]


@pytest.mark.parametrize("key", sorted(set(LAYOUTS) - ASKED_BY_MASKS))
def test_a_benchmark_opens_without_any_picture(key: str, draw: Draw, open_drawn: Opener) -> None:
    root = draw(key)
    whole = open_drawn(key, root)
    expected = truths(whole)
    remove(root, *PICTURES)
    with pytest.raises(EvaluationError):
        open_drawn(key, root)
    split = open_drawn(key, root, check_pictures=False)
    assert split.samples == whole.samples
    assert not split.left_out
    sample = split.samples[0]
    with pytest.raises(VideoError):
        split.video(sample.video_id)
    if key in WITH_MASKS:
        assert truths(split) == expected
        assert split.size(sample.video_id) == SIZE
    elif key not in WITHOUT_TRUTH:
        with pytest.raises(EvaluationError, match=r"give the folder of frames|annotations"):
            split.truth(sample)


@pytest.mark.parametrize("key", sorted(set(LAYOUTS) - {"reasonseg"}))
def test_masks_as_pictures_tell_their_size(key: str, draw: Draw, open_drawn: Opener) -> None:
    root = draw(key)
    whole = open_drawn(key, root)
    expected = truths(whole)
    remove(root, ".jpg")
    split = open_drawn(key, root, check_pictures=False)
    assert split.samples == whole.samples
    if key.startswith("groundmore"):
        # Masks may be there of some frames only, and do not tell how many there are.
        with pytest.raises(EvaluationError, match="nothing else says which frames"):
            split.truth(split.samples[0])
        return
    assert truths(split) == expected
    for sample in split.samples:
        assert split.frame_names(sample.video_id) == whole.frame_names(sample.video_id)


@pytest.mark.parametrize("key", sorted(LAYOUTS))
def test_pictures_that_are_there_are_used_all_the_same(
    key: str, draw: Draw, open_drawn: Opener
) -> None:
    root = draw(key)
    whole = open_drawn(key, root)
    split = open_drawn(key, root, check_pictures=False)
    assert split.samples == whole.samples
    for sample in split.samples:
        assert split.video(sample.video_id).size == SIZE
        assert split.size(sample.video_id) == whole.size(sample.video_id)
        assert split.truth(sample) == whole.truth(sample)


def test_a_size_that_nothing_tells_is_asked_for_when_it_is_needed(
    draw: Draw, open_drawn: Opener
) -> None:
    root = draw("mevis-valid")
    shutil.rmtree(root / "valid/JPEGImages")
    split = open_drawn("mevis-valid", root, check_pictures=False)
    assert split.frame_names("bear") == FRAMES
    with pytest.raises(VideoError, match=r"nothing says how large the frames .* give the folder"):
        split.size("bear")
