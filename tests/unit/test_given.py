"""Objects that are given: masks, boxes and points, from pictures, files and arrays."""

from __future__ import annotations

import json
import weakref

import numpy as np
import pytest

import videoseg as vs
from videoseg.errors import ConfigError
from videoseg.given import GivenGrounder, GivenSampler, prompts_of_pictures, read_prompts
from videoseg.results.mask_files import index_png
from videoseg.testing.clips import moving_square
from videoseg.types import Episode, PropagatorCapabilities, Rle, to_dict
from videoseg.video import Video

SIZE = (24, 32)


@pytest.fixture
def video():
    return Video.from_frames(np.zeros((8, *SIZE, 3), np.uint8), fps=8, name="clip")


def picture(*ids, at=0):
    ids_picture = np.zeros(SIZE, np.uint8)
    for number, object_id in enumerate(ids):
        ids_picture[4 + 6 * number : 9 + 6 * number, 3 + at : 11 + at] = object_id
    return ids_picture


def write(folder, frames, names="{:05d}"):
    folder.mkdir(parents=True, exist_ok=True)
    for frame, ids in frames.items():
        (folder / f"{names.format(frame)}.png").write_bytes(index_png(ids))
    return folder


def placed(answer):
    return [(prompt.object_id, prompt.frame) for prompt in answer.prompts]


def test_each_object_is_given_on_its_own_first_frame_and_keeps_its_id(video, tmp_path):
    frames = {0: picture(2, 9), 3: picture(2, 9, 7, at=2), 5: picture(2)}
    folder = write(tmp_path / "masks", frames)
    for masks in (folder, str(folder), frames):
        answer = GivenGrounder(masks=masks).step(Episode(video, "whatever"))
        assert placed(answer) == [(2, 0), (9, 0), (7, 3)]
        assert answer.keyframe == 0 and answer.appears_at_prompt
        assert answer.prompts[2].mask == Rle.encode(frames[3] == 7)
    every = GivenGrounder(masks=folder, every_mask=True).step(Episode(video, "whatever"))
    assert placed(every) == [(2, 0), (9, 0), (2, 3), (7, 3), (9, 3), (2, 5)]


def test_masks_are_found_by_the_name_of_the_video_and_of_its_frames(tmp_path):
    from PIL import Image

    frames = tmp_path / "frames" / "dog"
    frames.mkdir(parents=True)
    for name in ("00010", "00015", "00020"):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(frames / f"{name}.png")
    write(tmp_path / "masks" / "dog", {15: picture(1)})
    with Video.open(frames) as video:
        answer = GivenGrounder(masks=tmp_path / "masks").step(Episode(video, "it"))
        assert placed(answer) == [(1, 1)]


def test_void_is_no_object_and_a_black_and_white_mask_is_one(video):
    ids = picture(3)
    ids[0, :] = 255
    assert placed(GivenGrounder(masks={0: ids}).step(Episode(video, "it"))) == [(3, 0)]
    white = np.where(picture(1), np.uint8(255), np.uint8(0))
    assert placed(GivenGrounder(masks={0: white}).step(Episode(video, "it"))) == [(1, 0)]


def test_a_mask_can_be_given_as_its_box_or_a_point_inside_it(video):
    masks = {1: picture(4)}
    (box,) = GivenGrounder(masks=masks, give="boxes").step(Episode(video, "it")).prompts
    assert box.mask is None and box.box == vs.Box(3, 4, 11, 9)
    (point,) = GivenGrounder(masks=masks, give="points").step(Episode(video, "it")).prompts
    (inside,) = point.points
    assert masks[1][int(inside.y), int(inside.x)] == 4 and point.mask is None


def test_prompts_are_read_from_a_file_in_every_form(video, tmp_path):
    mask = Rle.encode(picture(1) > 0)
    entries = [
        {"object_id": 5, "frame": 2, "box": [1, 2, 9, 12], "label": "the cup"},
        {"object_id": 1, "frame": 0, "points": [[4, 5]], "negative_points": [[20, 3]]},
        {"object_id": 2, "frame": 0, "mask": mask.to_coco()},
    ]
    path = tmp_path / "prompts.json"
    wanted = None
    for document in (
        entries,
        {"prompts": entries},
        {"videos": {"clip": entries, "other": []}},
        {"grounding": {"keyframe": 0, "prompts": entries}},
    ):
        path.write_text(json.dumps(document))
        found = read_prompts(path, "clip")
        wanted = wanted or found
        assert found == wanted
        assert placed(GivenGrounder(prompts=path).step(Episode(video, "it"))) == [
            (5, 2),
            (1, 0),
            (2, 0),
        ]
    # What a result writes is read again.
    path.write_text(json.dumps({"prompts": to_dict(list(wanted))}))
    assert read_prompts(path) == wanted
    assert GivenGrounder(prompts=list(wanted)).step(Episode(video, "it")).prompts == wanted


def test_numbers_of_prompts_may_be_numpys(video):
    number = np.float32
    entry = {
        "object_id": np.int64(4),
        "frame": np.int64(2),
        "box": np.array([1, 2, 9, 12], number),
        "points": np.array([[4, 5], [6, 7]], number),
        "score": number(0.5),
    }
    answer = GivenGrounder(prompts=[entry]).step(Episode(video, "it"))
    assert placed(answer) == [(4, 2)] and answer.prompts[0].box == vs.Box(1, 2, 9, 12)
    assert json.loads(json.dumps(to_dict(answer.prompts[0])))["score"] == 0.5


def test_pictures_are_read_one_at_a_time():
    held = []

    def pictures():
        for frame in range(6):
            ids = picture(1, 2)
            held.append(weakref.ref(ids))
            yield frame, ids, f"frame {frame}"
            del ids
            # The reader may still hold the last one.
            assert sum(one() is not None for one in held[:-1]) == 0

    assert [prompt.frame for prompt in prompts_of_pictures(pictures())] == [0, 0]


def test_names_that_fit_only_in_part_are_not_taken_for_indices(tmp_path):
    from PIL import Image

    frames = tmp_path / "frames" / "dog"
    frames.mkdir(parents=True)
    for number in range(0, 60, 5):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(frames / f"{number:05d}.png")
    # 5 is the name of the frame 1, and the index of the frame 25.
    masks = write(tmp_path / "masks", {0: picture(1), 3: picture(3), 5: picture(2)})
    with Video.open(frames) as video:
        with pytest.raises(
            ConfigError, match=r"'00005'\.png.* index of another, and '00003'\.png"
        ):
            GivenGrounder(masks=masks).step(Episode(video, "it"))
        (masks / "00005.png").unlink()
        assert placed(GivenGrounder(masks=masks).step(Episode(video, "it"))) == [(1, 0), (3, 3)]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "cannot be read as JSON"),
        ('{"objects": 1}', "must hold a list of prompts"),
        ('{"videos": {"dog": []}}', "no prompts for the video 'clip'"),
        ('[{"object_id": 1, "bax": [0, 0, 1, 1]}]', "prompt 1 of .*unknown keys .*bax"),
        ('[{"object_id": 1, "box": [0, 0, 1]}]', "prompt 1 of"),
        ('[{"object_id": 1}]', "needs a box, points, a mask"),
        ('[{"object_id": 1, "frame": 8, "box": [0, 0, 1, 1]}]', "frames 0 to 7"),
    ],
)
def test_files_that_are_wrong_say_where(video, tmp_path, document, message):
    path = tmp_path / "prompts.json"
    path.write_text(document)
    with pytest.raises(ConfigError, match=message):
        GivenGrounder(prompts=path).step(Episode(video, "it"))


def test_what_cannot_be_meant_is_refused(video, tmp_path):
    folder = write(tmp_path / "masks", {0: picture(1)}, names="frame-{}")
    for options, message in (
        ({"masks": folder, "prompts": []}, "needs either masks"),
        ({"masks": tmp_path / "none"}, "must be a folder"),
        ({"masks": folder, "give": "circles"}, "give must be one of"),
        ({"masks": {"a": picture(1)}}, "indices of frames"),
        ({"masks": [picture(1)]}, "by the index of their frame"),
        ({"prompts": {"prompts": []}}, "a JSON file or a list"),
    ):
        with pytest.raises(ConfigError, match=message):
            GivenGrounder(**options)
    with pytest.raises(ConfigError, match="needs either masks"):
        GivenGrounder().step(Episode(video, "it"))
    for masks, message in (
        (folder, "neither the name nor the index of a frame"),
        (write(tmp_path / "late", {99: picture(1)}), "neither the name nor the index"),
        (tmp_path, "has no PNG"),
        (write(write(tmp_path / "twice", {1: picture(1)}), {1: picture(2)}, "{}"), "two pictures"),
        ({0: np.zeros((2, 2), np.uint8)}, "frame's size"),
    ):
        with pytest.raises(ConfigError, match=message):
            GivenGrounder(masks=masks).step(Episode(video, "it"))


def test_the_sampler_shows_the_frames_for_which_something_is_given(video):
    masks = {2: picture(1), 5: picture(2)}
    sampler = GivenSampler(masks=masks)
    selection = sampler.sample(video, "it", window=vs.Window(0, 8))
    assert selection.indices == (2, 5) and selection.keyframe == 2
    assert sampler.sample(video, "it", window=vs.Window(3, 8)).keyframe == 5
    assert GivenSampler().sample(video, "it", window=vs.Window(3, 8)).indices == (3,)


class Recorder:
    """Repeats the given masks, and records in which directions it ran."""

    def __init__(self):
        self.runs = []

    @property
    def capabilities(self):
        return PropagatorCapabilities()

    def open(self, video, *, seed=0):
        return Repeating(self, video)


class Repeating(vs.propagation.SessionBase):
    def __init__(self, owner, video):
        super().__init__(video, owner.capabilities)
        self._owner = owner

    def propagate(self, frames):
        self._owner.runs.append(frames.direction)
        held = {}
        for index, _ in frames:
            held.update(self.masks_on(index))
            yield index, dict(held)


def test_nothing_is_masked_before_it_is_given():
    video = moving_square(10).video
    masks = {0: np.zeros(video.size, np.uint8), 6: np.zeros(video.size, np.uint8)}
    masks[0][2:9, 2:9] = 3
    masks[6][20:30, 20:30] = 8
    recorder = Recorder()
    pipe = vs.Pipeline(sampler="given", grounder=GivenGrounder(masks=masks), propagator=recorder)
    result = pipe(video, "the given ones")
    assert recorder.runs == ["forward"]
    shown = {track.object_id: track.visible_frames for track in result.tracks}
    assert shown == {3: tuple(range(10)), 8: (6, 7, 8, 9)}
    saved = vs.types.from_dict(vs.Grounding, to_dict(result.grounding))
    assert saved.appears_at_prompt
