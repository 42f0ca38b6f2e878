"""SAM 3 as tracker: the library's own tracks, with bounded memory, and nothing fetched."""

from __future__ import annotations

import pickle
from itertools import islice

import numpy as np
import pytest
from videoseg_detectors import Sam3Detector, sam3_session
from videoseg_detectors.sam3_session import undisturbed_library

from videoseg import ConfigError, Window
from videoseg.stages import TracksNames
from videoseg.testing import passing_squares

NAMES = ["car", "woman"]
NUM_FRAMES = 24


@pytest.fixture(scope="module")
def video():
    return passing_squares(NUM_FRAMES).video


@pytest.fixture(scope="module")
def path(checkpoint_of):
    return checkpoint_of("sam3-video")


@pytest.fixture
def sessions(monkeypatch):
    """Collect the sessions that are opened."""
    opened, real = [], sam3_session.open_session

    def spy(*arguments):
        opened.append(real(*arguments))
        return opened[-1]

    monkeypatch.setattr("videoseg_detectors.sam3.open_session", spy)
    return opened


def num_bytes(value, seen=None):
    """Return the size of all tensors in nested containers, each storage counted once."""
    import torch

    seen = {} if seen is None else seen
    if isinstance(value, torch.Tensor):
        seen[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
    elif isinstance(value, dict):
        for one in value.values():
            num_bytes(one, seen)
    return sum(seen.values())


def test_tracks_are_those_of_the_library_with_all_frames_in_memory(path, video, sessions):
    import transformers

    network = transformers.Sam3VideoModel.from_pretrained(path).eval()
    processor = transformers.Sam3VideoProcessor.from_pretrained(path)
    whole = processor.init_video_session(video=np.stack(video.read(range(NUM_FRAMES))))
    processor.add_text_prompt(whole, NAMES)
    detector = Sam3Detector(model=path, device="cpu", max_tracks=6)
    assert isinstance(detector, TracksNames)
    mine = detector.track(video, NAMES)
    seen: dict[int, int] = {}
    compared = 0
    with undisturbed_library():
        for output in network.propagate_in_video_iterator(whole):
            answer = processor.postprocess_outputs(whole, output)
            index, found = next(mine)
            assert index == output.frame_idx
            names = {
                number: name
                for name, numbers in answer["prompt_to_obj_ids"].items()
                for number in numbers
            }
            shown = zip(
                answer["object_ids"].tolist(),
                answer["scores"].tolist(),
                answer["masks"].numpy(),
                strict=True,
            )
            theirs = {number + 1: (score, mask) for number, score, mask in shown if mask.any()}
            assert found.keys() == theirs.keys()
            for number, (score, mask) in theirs.items():
                assert np.array_equal(found[number].mask.decode(), mask)
                assert found[number].score == pytest.approx(score, abs=1e-6)
                assert found[number].label == names[number - 1]
                seen[number] = seen.get(number, 0) + 1
                compared += 1
    assert next(mine, None) is None
    # Something was followed for longer than the memory reaches.
    assert compared > NUM_FRAMES and max(seen.values()) > 16
    [bounded] = sessions
    assert num_bytes(bounded.output_dict_per_obj) < num_bytes(whole.output_dict_per_obj) / 2
    tracked = [out["non_cond_frame_outputs"] for out in bounded.output_dict_per_obj.values()]
    assert all(len(frames) <= 16 for frames in tracked)


def test_a_window_is_a_video_of_its_own(path, video):
    detector = Sam3Detector(model=path, device="cpu")
    part = list(detector.track(video, NAMES, window=Window(4, 9)))
    assert [index for index, _ in part] == [4, 5, 6, 7, 8]
    alone = list(detector.track(video[4:9], NAMES))
    assert [found for _, found in part] == [found for _, found in alone]
    assert list(detector.track(video, [], window=Window(2, 4))) == [(2, {}), (3, {})]


def test_frames_are_detected_with_the_same_weights_before_and_between_tracked_ones(path, video):
    detector = Sam3Detector(model=path, device="cpu", min_score=0.0)
    frames = video.read([0, 5])
    before = detector.detect(frames, NAMES)
    tracks = detector.track(video, NAMES, window=Window(0, 9))
    first = list(islice(tracks, 3))
    assert detector.detect(frames, NAMES) == before
    # The session goes on, even in a detector that was closed meanwhile.
    detector.close()
    rest = list(tracks)
    assert [index for index, _ in first + rest] == list(range(9))
    assert pickle.loads(pickle.dumps(detector)).detect(frames, NAMES) == before


def test_a_checkpoint_without_a_tracker_is_refused(checkpoint_of, video):
    detector = Sam3Detector(model=checkpoint_of("sam3"), device="cpu")
    with pytest.raises(
        ConfigError, match=r"to track, the whole checkpoint of SAM 3 is needed.*cannot be loaded"
    ):
        next(detector.track(video, NAMES))


def test_no_code_is_fetched_from_the_hub(path, video, monkeypatch):
    from transformers.models.sam3_video import modeling_sam3_video as module

    def fetch(*arguments, **options):
        raise AssertionError("fetched")

    monkeypatch.setattr(module, "cv_utils_kernel", None)
    monkeypatch.setattr(module, "is_kernels_available", lambda: True)
    monkeypatch.setattr(module, "get_kernel", fetch, raising=False)
    assert list(Sam3Detector(model=path, device="cpu").track(video[:2], ["car"]))
    # It is not switched off for others.
    assert module.cv_utils_kernel is None
