import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from videoseg.errors import ConfigError, OutputError
from videoseg.masks import DAVIS_PALETTE
from videoseg.results.exports import EXPORT_FORMATS, export, frame_names_of
from videoseg.types import MaskTrack, Rle
from videoseg.video import Video

DATA = Path(os.environ.get("VIDEOSEG_TEST_DATA", Path(__file__).parents[4] / "shared/data"))


def test_png_export_holds_each_object_apart(result_of_all, tmp_path):
    folder = export(result_of_all, tmp_path, format="png")
    assert folder == tmp_path / result_of_all.video.name
    for track in result_of_all.tracks:
        for frame in range(len(track)):
            with Image.open(folder / str(track.object_id) / f"{frame:05d}.png") as picture:
                assert np.array_equal(np.asarray(picture), track.mask(frame) * np.uint8(255))


@pytest.mark.parametrize("kind", ["davis", "youtube-vos"])
def test_index_pictures_hold_the_object_ids_under_the_davis_palette(
    result_of_all, clip, tmp_path, kind
):
    folder = export(result_of_all, tmp_path, format=kind)
    assert folder == tmp_path / "Annotations" / clip.name
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"{k:05d}.png" for k in range(clip.num_frames)]
    for frame, file in enumerate(files):
        with Image.open(file) as picture:
            assert picture.mode == "P"
            colors = np.array(picture.getpalette()).reshape(-1, 3)
            assert np.array_equal(colors, np.array(DAVIS_PALETTE)[: len(colors)])
            expected = np.where(clip.labels[frame] == 255, 0, clip.labels[frame])
            assert np.array_equal(np.asarray(picture), expected)


def test_where_objects_overlap_the_smaller_one_is_on_top(result, tmp_path):
    large = np.zeros(result.video.size, bool)
    large[10:60, 10:60] = True
    small = np.zeros(result.video.size, bool)
    small[50:70, 50:70] = True
    count = result.video.num_frames
    tracks = tuple(
        MaskTrack(object_id, result.video.size, (Rle.encode(mask),) * count)
        for object_id, mask in ((1, small), (2, large))
    )
    folder = export(dataclasses.replace(result, tracks=tracks), tmp_path, format="davis")
    with Image.open(folder / "00000.png") as picture:
        pixels = np.asarray(picture)
    assert np.array_equal(pixels == 1, small)
    assert np.array_equal(pixels == 2, large & ~small)


def test_youtube_vos_meta_lists_categories_and_frames_of_every_video(result, tmp_path):
    named = dataclasses.replace(
        result, tracks=tuple(dataclasses.replace(track, label="ball") for track in result.tracks)
    )
    export(named, tmp_path, format="youtube-vos", sequence="one")
    export(result, tmp_path, format="youtube-vos", sequence="two")
    meta = json.loads((tmp_path / "meta.json").read_text(encoding="utf-8"))
    assert sorted(meta["videos"]) == ["one", "two"]
    for track in result.tracks:
        entry = meta["videos"]["one"]["objects"][str(track.object_id)]
        assert entry["category"] == "ball"
        assert entry["frames"] == [f"{frame:05d}" for frame in track.visible_frames]


def test_a_foreign_meta_json_stops_the_export_before_anything_is_written(result, tmp_path):
    (tmp_path / "meta.json").write_text('{"name": "my site"}')
    with pytest.raises(OutputError, match=r"not a meta\.json of YouTube-VOS"):
        export(result, tmp_path, format="youtube-vos")
    assert [path.name for path in tmp_path.iterdir()] == ["meta.json"]


def test_youtube_vis_export_decodes_to_the_same_masks(result_of_all, tmp_path):
    from pycocotools import mask as coco

    path = export(result_of_all, tmp_path, format="youtube-vis", sequence="clip")
    assert path == tmp_path / "clip.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    (video,) = data["videos"]
    assert video["length"] == len(video["file_names"]) == result_of_all.video.num_frames
    assert [item["id"] for item in data["annotations"]] == list(result_of_all.object_ids)
    categories = {item["id"] for item in data["categories"]}
    for item, track in zip(data["annotations"], result_of_all.tracks, strict=True):
        assert item["category_id"] in categories
        for frame in range(len(track)):
            encoded, box = item["segmentations"][frame], item["bboxes"][frame]
            mask = track.mask(frame)
            if track.masks[frame] is None:
                assert encoded is None and box is None and item["areas"][frame] is None
                continue
            assert np.array_equal(coco.decode(encoded).astype(bool), mask)
            assert item["areas"][frame] == mask.sum()
            rows, columns = np.nonzero(mask)
            assert box[:2] == [columns.min(), rows.min()]
            assert box[2:] == [np.ptp(columns) + 1, np.ptp(rows) + 1]


def test_frames_keep_the_names_of_the_pictures_they_came_from(clip, result, tmp_path):
    source = tmp_path / "pictures"
    source.mkdir()
    for index in range(clip.num_frames):
        Image.fromarray(clip.frames[index]).save(source / f"shot_{index * 5}.png")
    with Video.open(source) as video:
        facts = video.facts()
    expected = [f"shot_{index * 5}" for index in range(clip.num_frames)]
    assert frame_names_of(facts) == expected
    folder = export(dataclasses.replace(result, video=facts), tmp_path / "out", format="davis")
    assert sorted(path.stem for path in folder.iterdir()) == sorted(expected)
    # One picture less: the folder is not what it was, so its names may not fit.
    (source / "shot_0.png").unlink()
    assert frame_names_of(facts)[:2] == ["00000", "00001"]


@pytest.mark.parametrize("kind", EXPORT_FORMATS)
def test_an_export_is_only_replaced_when_asked(result, tmp_path, kind):
    first = export(result, tmp_path, format=kind)
    with pytest.raises(OutputError, match="overwrite=True"):
        export(result, tmp_path, format=kind)
    assert export(result, tmp_path, format=kind, overwrite=True) == first
    assert not list(tmp_path.rglob(".*"))


def test_a_folder_of_other_things_is_never_replaced(result, tmp_path):
    folder = tmp_path / "Annotations" / "clip"
    folder.mkdir(parents=True)
    (folder / "00000.jpg").write_text("a photograph")
    with pytest.raises(OutputError, match=r"not part of an export \(00000\.jpg\)"):
        export(result, tmp_path, format="davis", sequence="clip", overwrite=True)
    assert (folder / "00000.jpg").read_text() == "a photograph"


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "nul\0"])
def test_names_that_lead_out_of_the_folder_are_refused(result, tmp_path, name):
    with pytest.raises(ConfigError, match="slash"):
        export(result, tmp_path, sequence=name)
    names = [f"{frame:05d}" for frame in range(result.video.num_frames - 1)]
    with pytest.raises(ConfigError, match="slash"):
        export(result, tmp_path, frame_names=[name, *names])


@pytest.mark.parametrize("name", ["../../etc", "a/b\\c", "...", "", "x" * 400, "犬:1"])
def test_a_videos_own_name_always_makes_a_folder_inside(result, tmp_path, name):
    renamed = dataclasses.replace(result, video=dataclasses.replace(result.video, name=name))
    folder = export(renamed, tmp_path / "root")
    assert folder.resolve().parent == (tmp_path / "root").resolve()
    assert folder.is_dir()


def test_wrong_formats_ids_and_name_counts_are_explained(result, tmp_path):
    with pytest.raises(ConfigError, match=r"'gif'.*png, davis, youtube-vos, youtube-vis, coco"):
        export(result, tmp_path, format="gif")
    with pytest.raises(ConfigError, match="14 distinct names"):
        export(result, tmp_path, frame_names=["a", "b"])
    track = dataclasses.replace(result.tracks[0], object_id=256)
    with pytest.raises(ConfigError, match="256; export as png or coco"):
        export(dataclasses.replace(result, tracks=(track,)), tmp_path, format="davis")
    assert not list(tmp_path.iterdir())


def test_real_index_masks_come_back_as_they_were(make_result, clip, tmp_path):
    pictures = sorted((DATA / "davis/JPEGImages/480p/dogs-jump").glob("*"))
    truth = sorted((DATA / "davis/Annotations/480p/dogs-jump").glob("*.png"))
    if not truth:
        pytest.skip("the DAVIS clips are not here")
    labels = []
    for path in truth[:6]:
        with Image.open(path) as picture:
            labels.append(np.array(picture))
    with Video.open(pictures[0].parent) as video:
        facts = dataclasses.replace(video.facts(), num_frames=6, size=labels[0].shape)
    tracks = tuple(
        MaskTrack(k, facts.size, tuple(Rle.encode(label == k) for label in labels))
        for k in (1, 2, 3)
    )
    folder = export(make_result(clip, video=facts, tracks=tracks), tmp_path, format="davis")
    for label, path in zip(labels, sorted(folder.iterdir()), strict=True):
        with Image.open(path) as picture:
            assert np.array_equal(np.array(picture), label)


@pytest.mark.parametrize("path", ["9" * 5000, "a\0b", "/dev/null", "/nowhere/clip"])
def test_a_path_that_is_no_folder_here_gives_numbers_as_names(result, tmp_path, path):
    facts = dataclasses.replace(result.video, path=path)
    foreign = dataclasses.replace(result, video=facts)
    export(foreign, tmp_path, format="davis")
    assert (tmp_path / "Annotations" / result.video.name / "00000.png").exists()


def test_names_that_are_no_text_are_refused(result, tmp_path):
    with pytest.raises(ConfigError, match="frame name 0 is used as a file name: it must be text"):
        export(result, tmp_path, format="davis", frame_names=range(result.video.num_frames))
    with pytest.raises(ConfigError, match="sequence 3 is used as a folder name: it must be text"):
        export(result, tmp_path, format="davis", sequence=3)
