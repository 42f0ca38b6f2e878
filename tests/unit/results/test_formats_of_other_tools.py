"""Exports are loaded with the libraries that others use, or a separate reading of the format."""

import dataclasses
import json
from xml.etree import ElementTree

import numpy as np
import pytest
import supervision
from PIL import Image
from pycocotools.coco import COCO
from videoseg_synthetic import make_clip

from videoseg.errors import ConfigError, FrameNotFoundError, OutputError
from videoseg.masks import iou, joined_outline
from videoseg.results import export, load_result, prompts_from_supervision
from videoseg.results.exports.label_tools import encode_brush
from videoseg.types import MaskTrack, Rle
from videoseg.video import Video


@pytest.fixture(scope="module")
def labeled(result_of_all):
    """Three objects with two names, one of which leaves the picture for some frames."""
    names = ("ball", "box", "ball")
    tracks = [
        dataclasses.replace(track, label=name)
        for track, name in zip(result_of_all.tracks, names, strict=True)
    ]
    masks = list(tracks[0].masks)
    masks[4:7] = [None] * 3
    tracks[0] = dataclasses.replace(tracks[0], masks=tuple(masks))
    return dataclasses.replace(result_of_all, tracks=tuple(tracks))


@pytest.fixture(scope="module")
def second(make_result):
    clip = make_clip(seed=10, num_frames=5, size=(90, 120), num_objects=2)
    tracks = tuple(dataclasses.replace(track, label="cup") for track in clip.tracks)
    return make_result(clip, tracks=tracks)


def visible(result, frame):
    return [track for track in result.tracks if track.masks[frame] is not None]


# -- COCO ---------------------------------------------------------------------------------------


def test_pycocotools_reads_the_instances_of_several_videos(labeled, second, tmp_path):
    path = export(labeled, tmp_path, format="coco", sequence="one")
    assert export(second, tmp_path, format="coco", sequence="two") == path
    assert path == tmp_path / "annotations" / "instances_default.json"
    coco = COCO(str(path))
    videos = {video["id"]: video["name"] for video in coco.dataset["videos"]}
    results = {"one": labeled, "two": second}
    assert len(coco.imgs) == labeled.video.num_frames + second.video.num_frames
    tracks = set()
    for image in coco.loadImgs(coco.getImgIds()):
        sequence, frame = videos[image["video_id"]], image["frame_index"]
        assert image["file_name"] == f"{sequence}/{frame:05d}.jpg"
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        assert [one["object_id"] for one in annotations] == [
            track.object_id for track in visible(results[sequence], frame)
        ]
        for one in annotations:
            track = results[sequence].track(one["object_id"])
            mask = track.mask(frame)
            assert np.array_equal(coco.annToMask(one).astype(bool), mask)
            assert one["area"] == mask.sum()
            assert coco.cats[one["category_id"]]["name"] == track.label
            tracks.add((sequence, one["object_id"], one["track_id"]))
    # One track id for each object of each video, none twice.
    assert len(tracks) == len({track_id for _, _, track_id in tracks}) == 5


def test_supervision_reads_coco_with_frames(labeled, tmp_path):
    path = export(labeled, tmp_path, format="coco", sequence="one", frames=True)
    dataset = supervision.DetectionDataset.from_coco(
        str(tmp_path / "images"), str(path), force_masks=True
    )
    assert dataset.classes == ["ball", "box"] and len(dataset) == labeled.video.num_frames
    for frame, (_, picture, detections) in enumerate(
        sorted(dataset, key=lambda entry: str(entry[0]))
    ):
        shown = visible(labeled, frame)
        assert picture.shape[:2] == tuple(labeled.video.size)
        assert [dataset.classes[each] for each in detections.class_id] == [
            track.label for track in shown
        ]
        for mask, track in zip(detections.mask, shown, strict=True):
            assert np.array_equal(mask, track.mask(frame))


def test_a_video_is_replaced_in_a_shared_file_when_asked(labeled, second, tmp_path):
    path = export(labeled, tmp_path, format="coco", sequence="one")
    export(second, tmp_path, format="coco", sequence="two")
    with pytest.raises(OutputError, match="already has the video one"):
        export(labeled, tmp_path, format="coco", sequence="one")
    shorter = dataclasses.replace(labeled, tracks=labeled.tracks[:1])
    export(shorter, tmp_path, format="coco", sequence="one", overwrite=True)
    data = json.loads(path.read_text())
    assert sorted(video["name"] for video in data["videos"]) == ["one", "two"]
    for entries in (data["images"], data["annotations"]):
        assert len({entry["id"] for entry in entries}) == len(entries)
    expected = sum(len(track.visible_frames) for track in (*second.tracks, labeled.tracks[0]))
    assert len(data["annotations"]) == expected


def test_a_foreign_file_of_instances_is_not_touched(labeled, tmp_path):
    path = tmp_path / "annotations" / "instances_default.json"
    path.parent.mkdir()
    path.write_text('{"mine": 1}')
    with pytest.raises(OutputError, match="not a file of COCO instances"):
        export(labeled, tmp_path, format="coco", overwrite=True)
    assert path.read_text() == '{"mine": 1}'


# -- YOLO ---------------------------------------------------------------------------------------


def test_supervision_reads_yolo_with_frames(labeled, tmp_path):
    assert export(labeled, tmp_path, format="yolo", sequence="one") == tmp_path / "data.yaml"
    dataset = supervision.DetectionDataset.from_yolo(
        str(tmp_path / "images" / "one"),
        str(tmp_path / "labels" / "one"),
        str(tmp_path / "data.yaml"),
        force_masks=True,
    )
    assert dataset.classes == ["ball", "box"] and len(dataset) == labeled.video.num_frames
    for frame, (_, _, detections) in enumerate(sorted(dataset, key=lambda entry: str(entry[0]))):
        shown = visible(labeled, frame)
        assert [dataset.classes[each] for each in detections.class_id] == [
            track.label for track in shown
        ]
        for mask, track in zip(detections.mask, shown, strict=True):
            assert iou(mask.astype(bool), track.mask(frame)) > 0.97


def test_classes_of_yolo_keep_their_numbers_when_a_video_is_added(labeled, second, tmp_path):
    export(labeled, tmp_path, format="yolo", sequence="one")
    export(second, tmp_path, format="yolo", sequence="two")
    lines = (tmp_path / "labels" / "two" / "00000.txt").read_text().splitlines()
    assert {line.split()[0] for line in lines} == {"2"}
    assert {line.split()[0] for line in (tmp_path / "labels/one/00000.txt").open()} == {"0", "1"}


def test_a_joined_outline_fills_to_parts_and_holes():
    import cv2

    mask = np.zeros((60, 80), bool)
    mask[5:40, 5:40] = True
    mask[15:30, 15:30] = False
    mask[20:25, 20:25] = True
    mask[45:55, 60:70] = True
    outline = joined_outline(mask)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(filled, [outline], 1)
    # Only the lines that join the outlines, one pixel wide, are too much.
    assert mask[filled == 0].sum() == 0
    assert (filled.astype(bool) & ~mask).sum() < 60
    dot = np.zeros((4, 4), bool)
    dot[2, 1] = True
    assert joined_outline(dot).tolist() == [[1, 2]] * 3
    with pytest.raises(ConfigError, match="empty mask"):
        joined_outline(np.zeros((4, 4), bool))


def test_a_large_outline_is_joined_in_pieces_at_the_same_points(monkeypatch):
    mask = np.random.default_rng(0).random((40, 50)) < 0.4
    whole = joined_outline(mask)
    monkeypatch.setattr("videoseg.masks.shape._MOST_PAIRS", 7)
    assert np.array_equal(joined_outline(mask), whole)


# -- labeling tools -----------------------------------------------------------------------------


def test_cvat_tracks_hold_every_frame_and_end_where_the_object_leaves(labeled, tmp_path):
    import cv2

    path = export(labeled, tmp_path, format="cvat", sequence="one")
    document = ElementTree.parse(path).getroot()
    assert document.findtext("version") == "1.1"
    assert document.findtext("meta/task/size") == str(labeled.video.num_frames)
    names = [label.text for label in document.iterfind("meta/task/labels/label/name")]
    assert names == ["ball", "box"]
    for element, track in zip(document.iterfind("track"), labeled.tracks, strict=True):
        assert element.get("label") == track.label
        inside = [each for each in element if each.get("outside") == "0"]
        assert [int(each.get("frame")) for each in inside] == list(track.visible_frames)
        assert all(each.get("keyframe") == "1" for each in element)
        for polygon in inside:
            points = [pair.split(",") for pair in polygon.get("points").split(";")]
            filled = np.zeros(track.size, np.uint8)
            cv2.fillPoly(filled, [np.floor(np.array(points, float)).astype(np.int32)], 1)
            assert iou(filled.astype(bool), track.mask(int(polygon.get("frame")))) > 0.97
    left = [each for each in document.find("track") if each.get("outside") == "1"]
    assert [each.get("frame") for each in left] == ["4"]


def decode_brush(encoded):
    """Read the bytes of Label Studio's brush bit by bit, as its editor does."""
    bits = "".join(f"{byte:08b}" for byte in encoded)
    place = 0

    def take(count):
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    size, width = take(32), take(5) + 1
    counts = [take(4) + 1 for _ in range(4)]
    values = []
    while len(values) < size:
        is_run, length = take(1), take(counts[take(2)]) + 1
        if is_run:
            values += [take(width)] * length
        else:
            values += [take(width) for _ in range(length)]
    return np.array(values)


@pytest.mark.parametrize("seed", range(4))
def test_a_brush_decodes_to_its_mask(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((37, 61)) < (0.02, 0.5, 0.98, 0.0)[seed]
    decoded = decode_brush(encode_brush(mask)).reshape(37, 61, 4)
    assert np.array_equal(decoded, np.repeat(mask[..., None] * 255, 4, axis=2))


def test_label_studio_gets_a_task_with_a_picture_for_each_frame(labeled, tmp_path):
    path = export(labeled, tmp_path, format="label-studio", sequence="one")
    tasks = json.loads(path.read_text())
    assert [task["data"]["frame"] for task in tasks] == list(range(labeled.video.num_frames))
    for task in tasks:
        frame = task["data"]["frame"]
        address = task["data"]["image"]
        assert address == f"/data/local-files/?d=images/one/{frame:05d}.jpg"
        with Image.open(tmp_path / address.partition("?d=")[2]) as picture:
            assert picture.size == tuple(labeled.video.size)[::-1]
        (prediction,) = task["predictions"]
        for region, track in zip(prediction["result"], visible(labeled, frame), strict=True):
            assert region["value"]["brushlabels"] == [track.label]
            decoded = decode_brush(region["value"]["rle"]).reshape(*track.size, 4)
            assert np.array_equal(decoded[..., 3] > 0, track.mask(frame))
    labels = ElementTree.parse(tmp_path / "labeling.xml").iterfind("BrushLabels/Label")
    assert [label.get("value") for label in labels] == ["ball", "box"]


# -- mattes -------------------------------------------------------------------------------------


def detail(picture):
    import cv2

    return np.abs(cv2.Laplacian(picture.astype(np.float32), cv2.CV_32F)).mean(axis=2)


def test_mattes_are_videos_of_the_masks(labeled, tmp_path):
    folder = export(labeled, tmp_path, format="matte", sequence="one")
    frame = 2
    mask = labeled.mask(frame)
    with Video.open(folder / "alpha.mp4") as alpha, Video.open(folder / "cutout.mp4") as cutout:
        assert alpha.num_frames == cutout.num_frames == labeled.video.num_frames
        assert iou(alpha[frame][..., 1] > 127, mask) > 0.95
        outside = cutout[frame][~mask].astype(int)
        assert np.abs(np.median(outside, axis=0) - (0, 177, 64)).max() < 12
    with Video.open(folder / "blur.mp4") as blur:
        before, after = labeled.source[frame], blur[frame]
        assert np.abs(after.astype(int) - before)[mask].mean() < 6
        assert detail(after)[~mask].mean() < 0.5 * detail(before)[~mask].mean()


# -- frames -------------------------------------------------------------------------------------


def test_a_loaded_result_finds_its_video_again(labeled, tmp_path):
    path = tmp_path / "clip.mp4"
    from videoseg.video import write_video

    write_video(path, labeled.source, fps=25)
    with Video.open(path) as video:
        saved = dataclasses.replace(labeled, video=video.facts(), source=video)
        saved.save(tmp_path / "out", parts=())
    loaded = load_result(tmp_path / "out")
    assert export(loaded, tmp_path / "yolo", format="yolo").exists()
    path.unlink()
    with pytest.raises(OutputError, match=r"needs the frames of clip.*give the video"):
        export(loaded, tmp_path / "again", format="yolo")
    assert export(loaded, tmp_path / "given", format="yolo", video=labeled.source).exists()
    assert export(loaded, tmp_path / "masks", format="coco").exists()


def test_frames_are_only_offered_where_a_format_has_them(labeled, tmp_path):
    with pytest.raises(ConfigError, match="davis has no frames"):
        export(labeled, tmp_path, format="davis", frames=True)


# -- supervision --------------------------------------------------------------------------------


def test_a_frame_becomes_detections_of_supervision(labeled):
    for frame, detections in enumerate(labeled.iter_supervision()):
        shown = visible(labeled, frame)
        assert detections.tracker_id.tolist() == [track.object_id for track in shown]
        assert detections["class_name"].tolist() == [track.label for track in shown]
        for box, mask, track in zip(detections.xyxy, detections.mask, shown, strict=True):
            assert np.array_equal(mask, track.mask(frame))
            expected = track.masks[frame].box
            assert box.tolist() == [expected.x1, expected.y1, expected.x2, expected.y2]
    picture = supervision.MaskAnnotator().annotate(labeled.source[0].copy(), detections)
    assert picture.shape == labeled.source[0].shape
    with pytest.raises(FrameNotFoundError):
        labeled.to_supervision(labeled.video.num_frames)


def test_a_frame_without_objects_becomes_no_detections(labeled):
    nothing = MaskTrack(1, labeled.video.size, (None,) * labeled.video.num_frames)
    empty = dataclasses.replace(labeled, tracks=(nothing,)).to_supervision(0)
    assert len(empty) == 0


def test_detections_of_supervision_become_prompts(labeled):
    detections = labeled.to_supervision(1)
    prompts = prompts_from_supervision(detections, 1)
    assert [prompt.object_id for prompt in prompts] == detections.tracker_id.tolist()
    assert [prompt.label for prompt in prompts] == ["ball", "box", "ball"]
    assert prompts[0].mask == labeled.tracks[0].masks[1]
    boxes = supervision.Detections(xyxy=np.array([[1.0, 2, 30, 40]]), confidence=np.array([0.5]))
    (prompt,) = prompts_from_supervision(boxes, 3)
    assert (prompt.object_id, prompt.frame, prompt.score) == (1, 3, 0.5)
    assert (prompt.box.x1, prompt.box.y2, prompt.mask) == (1.0, 40.0, None)
    for ids in ([1, 1, 2], [1, -1, 2]):
        wrong = dataclasses.replace(detections, tracker_id=np.array(ids))
        with pytest.raises(ConfigError, match=r"must differ and be at least 1.*leave out"):
            prompts_from_supervision(wrong, 1)
    unnamed = dataclasses.replace(boxes, data={"class_name": np.array([None])})
    assert prompts_from_supervision(unnamed, 3)[0].label == ""


def test_an_rle_of_no_pixel_is_not_an_annotation(labeled, tmp_path):
    masks = (Rle.empty(labeled.video.size), *labeled.tracks[1].masks[1:])
    track = dataclasses.replace(labeled.tracks[1], masks=masks)
    odd = dataclasses.replace(labeled, tracks=(track,))
    for name in ("coco", "yolo", "cvat", "label-studio"):
        assert export(odd, tmp_path / name, format=name).exists()
    data = json.loads((tmp_path / "coco/annotations/instances_default.json").read_text())
    assert all(annotation["area"] for annotation in data["annotations"])
