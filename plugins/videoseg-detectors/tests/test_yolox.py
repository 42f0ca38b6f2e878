"""The detector ``yolox``: its contract on a tiny network, its files and its errors."""

from __future__ import annotations

import hashlib
import pickle
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tiny_yolox import save_tiny_yolox
from videoseg_detectors import PUBLISHED_YOLOX, YoloxDetector, yolox_files
from videoseg_detectors.onnx_header import input_shape
from videoseg_detectors.yolox_boxes import decode, letterbox

from videoseg import ConfigError, MissingWeightsError
from videoseg.errors import MissingDependencyError
from videoseg.testing import DetectorContract, moving_square

CLASSES = ("person", "car", "bird")
LOW = 0.15  # of random weights, whose scores are near a quarter


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Look for published weights in an empty folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "videoseg" / "yolox"


def tiny(path, **options):
    given = {"class_names": CLASSES, "min_score": LOW, "runtime": "opencv", **options}
    return YoloxDetector(checkpoint=path, **given)


class TestContract(DetectorContract):
    names = ("women", "vehicle")

    @pytest.fixture(autouse=True)
    def weights(self, tiny_yolox: Path) -> None:
        self.path = tiny_yolox

    def make(self) -> YoloxDetector:
        return tiny(self.path)


def test_boxes_are_in_pixels_of_the_frame(tiny_yolox):
    """One place of the network, followed by hand to the frame."""
    frame = moving_square(1, size=(128, 150)).video[0]
    import cv2

    network = cv2.dnn.readNetFromONNX(str(tiny_yolox))
    pixels, scale = letterbox(frame, (64, 96))
    network.setInput(pixels)
    raw = decode(network.forward()[0], (64, 96))
    best = int(np.where(raw.classes == 1, raw.scores, 0).argmax())
    [found] = tiny(tiny_yolox).detect([frame], ["car"])
    x1, y1, x2, y2 = raw.corners[best] / scale
    expected = (max(0, x1), max(0, y1), min(150, x2), min(128, y2))
    assert found[0].box.as_tuple() == pytest.approx(expected, abs=1e-3)
    assert found[0].score == pytest.approx(float(raw.scores[best]), abs=1e-6)
    assert (found[0].label, found[0].class_name) == ("car", "car")


def test_a_wider_name_finds_what_its_classes_find(tiny_yolox):
    detector = tiny(tiny_yolox, class_names=("cat", "car", "bus"), max_overlap=1.0)
    frames = [moving_square(1, size=(64, 96)).video[0]]
    [apart] = detector.detect(frames, ["car", "bus"])
    [together] = detector.detect(frames, ["vehicles"])
    assert {one.label for one in together} == {"vehicles"}
    assert [(one.box, one.class_name) for one in together] == [
        (one.box, one.class_name) for one in apart
    ]


def test_overlapping_boxes_of_one_name_are_removed(tiny_yolox):
    frames = [moving_square(1, size=(64, 96)).video[0]]
    [few] = tiny(tiny_yolox, max_overlap=0.2).detect(frames, ["car"])
    [many] = tiny(tiny_yolox, max_overlap=1.0).detect(frames, ["car"])
    assert 0 < len(few) < len(many)
    assert all(a.box.iou(b.box) <= 0.21 for a in few for b in few if a is not b)


def test_the_threshold_is_kept(tiny_yolox):
    frames = [moving_square(1, size=(64, 96)).video[0]]
    [found] = tiny(tiny_yolox).detect(frames, ["car"])
    middle = found[len(found) // 2].score
    [fewer] = tiny(tiny_yolox, min_score=middle).detect(frames, ["car"])
    assert 0 < len(fewer) < len(found) and all(one.score > middle for one in fewer)


def test_it_can_be_sent_to_another_process(tiny_yolox):
    detector = tiny(tiny_yolox)
    frames = [moving_square(1, size=(64, 96)).video[0]]
    before = detector.detect(frames, ["car"])
    assert pickle.loads(pickle.dumps(detector)).detect(frames, ["car"]) == before


@pytest.mark.skipif(find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_onnxruntime_finds_what_opencv_finds(tiny_yolox):
    frames = [moving_square(1, size=size).video[0] for size in ((64, 96), (33, 47))]
    one, other = (
        tiny(tiny_yolox, runtime=runtime).detect(frames, ["car", "person"])
        for runtime in ("opencv", "onnxruntime")
    )
    for first, second in zip(one, other, strict=True):
        assert [a.label for a in first] == [b.label for b in second]
        for a, b in zip(first, second, strict=True):
            assert a.box.as_tuple() == pytest.approx(b.box.as_tuple(), abs=1e-2)


def test_a_runtime_that_is_not_installed_is_named(tiny_yolox, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'videoseg-detectors\[onnx\]'"):
        tiny(tiny_yolox, runtime="onnxruntime").detect([moving_square(1).video[0]], ["car"])


# -- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED_YOLOX)
def test_missing_weights_say_how_to_get_them(name, cache):
    with pytest.raises(MissingWeightsError) as caught:
        YoloxDetector(checkpoint=name)
    message, published = str(caught.value), PUBLISHED_YOLOX[name]
    which = "" if name == "nano" else f" -O checkpoint={name}"
    assert f"videoseg download detector yolox{which} (or give another file" in message
    assert "Apache-2.0" in message and f"{published.num_bytes / 1e6:.1f} MB" in message


def test_the_default_weights_are_listed_as_missing_until_they_are_there(cache):
    [needed] = yolox_files.published_weights({})
    assert needed.problem() == "is not on this machine"
    cache.mkdir(parents=True)
    (cache / "yolox_nano.onnx").write_bytes(b"weights")
    assert "has 7 of 3,659,407 bytes" in needed.problem()
    with (cache / "yolox_nano.onnx").open("wb") as file:
        file.truncate(needed.num_bytes)
    assert needed.problem() == ""


def publish(monkeypatch, content: bytes) -> None:
    """Pretend that this is the content of the published file ``nano``."""
    published = replace(
        PUBLISHED_YOLOX["nano"],
        sha256=hashlib.sha256(content).hexdigest(),
        num_bytes=len(content),
    )
    monkeypatch.setattr(yolox_files, "PUBLISHED_YOLOX", {"nano": published})


def test_a_published_file_is_found_by_its_name(monkeypatch, tiny_yolox, cache):
    publish(monkeypatch, tiny_yolox.read_bytes())
    cache.mkdir(parents=True)
    (cache / "yolox_nano.onnx").write_bytes(tiny_yolox.read_bytes())
    frames = [moving_square(1, size=(64, 96)).video[0]]
    assert tiny("nano").detect(frames, ["car"]) == tiny(tiny_yolox).detect(frames, ["car"])


def test_half_a_download_is_refused_at_once(monkeypatch, tiny_yolox, cache):
    content = tiny_yolox.read_bytes()
    publish(monkeypatch, content)
    cache.mkdir(parents=True)
    (cache / "yolox_nano.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(ConfigError, match=r"has [\d,]+ of [\d,]+ bytes\); download it again"):
        tiny("nano")


def test_a_file_with_another_hash_is_refused(monkeypatch, tiny_yolox, cache):
    content = bytearray(tiny_yolox.read_bytes())
    publish(monkeypatch, bytes(content))
    content[len(content) // 2] ^= 1
    cache.mkdir(parents=True)
    (cache / "yolox_nano.onnx").write_bytes(content)
    with pytest.raises(ConfigError, match=r"its SHA-256 is [0-9a-f]{64} and not [0-9a-f]{64}"):
        tiny("nano").detect([moving_square(1).video[0]], ["car"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of git-lfs"),
        (b"hello world", "is no ONNX file, or is cut short or damaged"),
        (b"", "is no ONNX file, or is cut short or damaged"),
        (bytes(1000), "is no ONNX file, or is cut short or damaged"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content, message):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        YoloxDetector(checkpoint=path)


def test_a_file_cut_short_anywhere_is_refused(tmp_path, tiny_yolox):
    content, path = tiny_yolox.read_bytes(), tmp_path / "model.onnx"
    for share in (0.01, 0.3, 0.7, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ConfigError, match="cut short or damaged"):
            YoloxDetector(checkpoint=path)


def test_a_folder_and_a_missing_path_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        YoloxDetector(checkpoint=tmp_path)
    with pytest.raises(MissingWeightsError, match="there is no checkpoint 'nanoo'"):
        YoloxDetector(checkpoint="nanoo")


def test_another_number_of_classes_is_named(tiny_yolox):
    with pytest.raises(ConfigError, match="where a YOLOX of 80 classes gives"):
        YoloxDetector(checkpoint=tiny_yolox, runtime="opencv").detect(
            [moving_square(1).video[0]], ["dog"]
        )


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"batch": 4}, "takes 4 images at once"),
        ({"channels": 1}, r"takes an input of shape \(1, 1, 64, 64\)"),
        ({"size": (60, 64)}, "multiples of 32"),
    ],
)
def test_a_network_of_another_form_is_refused(tmp_path, form, message):
    path = save_tiny_yolox(tmp_path / "model.onnx", **form)
    with pytest.raises(ConfigError, match=message):
        tiny(path)


def test_the_shape_of_the_input_is_read_from_the_file(tmp_path):
    for size in ((64, 96), (416, 416)):
        path = save_tiny_yolox(tmp_path / "model.onnx", size=size)
        assert input_shape(path) == (1, 3, *size)
    path = save_tiny_yolox(tmp_path / "model.onnx", size=(None, None), batch=None)
    assert input_shape(path) == (None, 3, None, None)


@pytest.mark.parametrize(
    "options", [{"min_score": 1.5}, {"runtime": "tensorrt"}, {"class_names": ("car", "car")}]
)
def test_options_that_make_no_sense_are_refused(tiny_yolox, options):
    with pytest.raises(ConfigError):
        tiny(tiny_yolox, **options)


# -- published weights ------------------------------------------------------------------------


def test_yolox_nano_finds_what_is_on_real_frames(real_clips):
    weights = real_clips / "models" / "yolox_nano.onnx"
    if not weights.is_file():
        pytest.skip(f"no weights here: {weights}")
    from PIL import Image

    detector = YoloxDetector(checkpoint=weights)
    for clip, noun in (("blackswan", "swan"), ("car-shadow", "vehicle"), ("rollerblade", "girl")):
        picture = Image.open(real_clips / "davis" / "JPEGImages" / "480p" / clip / "00005.jpg")
        mask = Image.open(real_clips / "davis" / "Annotations" / "480p" / clip / "00005.png")
        [found] = detector.detect([np.asarray(picture)], [noun])
        left, top, right, bottom = mask.convert("L").getbbox()
        best = found[0].box
        shared = max(0, min(best.x2, right) - max(best.x1, left)) * max(
            0, min(best.y2, bottom) - max(best.y1, top)
        )
        union = best.area + (right - left) * (bottom - top) - shared
        assert shared / union > 0.65, clip
    assert detector.detect([np.asarray(picture)], ["elephant"]) == [[]]
