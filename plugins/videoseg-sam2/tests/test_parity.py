"""The same masks as the package's own predictor, for the same frames, prompts and weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from videoseg_sam2 import Sam2Propagator
from videoseg_synthetic import make_clip

from videoseg.types import Point, Prompt, Rle

NUM_FRAMES = 24
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def clip() -> Any:
    return make_clip(seed=3, num_frames=NUM_FRAMES, size=(72, 96), num_objects=2)


@pytest.fixture(scope="module")
def folder(clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames as the package reads them. It goes by the suffix; the content is lossless."""
    folder = tmp_path_factory.mktemp("frames")
    for index, frame in clip.video.iter_frames():
        Image.fromarray(frame).save(folder / f"{index:05d}.jpg", format="PNG")
    return folder


@pytest.fixture(scope="module")
def package(lively_checkpoint: Path) -> Iterator[Any]:
    """Return the package's own predictor, built by its own builder."""
    import videoseg_sam2
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from sam2.build_sam import build_sam2_video_predictor

    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    configs = Path(videoseg_sam2.__file__).parent / "configs"
    with initialize_config_dir(str(configs), version_base="1.2"):
        predictor = build_sam2_video_predictor("toy.yaml", str(lively_checkpoint), device="cpu")
    GlobalHydra.instance().hydra = before
    yield predictor


Logits = dict[tuple[int, int], np.ndarray]


class PackageRun:
    """One inference state of the package, driven with our prompts."""

    def __init__(self, predictor: Any, folder: Path) -> None:
        self.predictor = predictor
        self.state = predictor.init_state(str(folder))

    def prompt(self, prompt: Prompt) -> None:
        where = (self.state, prompt.frame, prompt.object_id)
        if prompt.mask is not None:
            self.predictor.add_new_mask(*where, prompt.mask.decode())
            return
        points = [(p.x, p.y) for p in (*prompt.points, *prompt.negative_points)]
        labels = [1] * len(prompt.points) + [0] * len(prompt.negative_points)
        self.predictor.add_new_points_or_box(
            *where,
            points=np.array(points, np.float32) if points else None,
            labels=np.array(labels, np.int32) if points else None,
            box=None if prompt.box is None else np.array(prompt.box.as_tuple(), np.float32),
        )

    def run(self, *, reverse: bool = False, start: int | None = None) -> Logits:
        logits: Logits = {}
        for frame, ids, masks in self.predictor.propagate_in_video(
            self.state, start_frame_idx=start, reverse=reverse
        ):
            for object_id, one in zip(ids, masks, strict=True):
                logits[frame, object_id] = one[0].numpy().copy()
        return logits


@pytest.fixture
def reference(package: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageRun]:
    import sam2.sam2_video_predictor as module
    import sam2.utils.misc as misc

    quiet = lambda sequence, **_: sequence  # noqa: E731
    monkeypatch.setattr(module, "tqdm", quiet)
    monkeypatch.setattr(misc, "tqdm", quiet)
    with warnings.catch_warnings():
        # Without its CUDA extension the package says on every frame that it fills no holes.
        warnings.simplefilter("ignore", UserWarning)
        yield PackageRun(package, folder)


def ours(session: Any, direction: str = "forward") -> Logits:
    return {
        (frame, object_id): one.numpy().copy()
        for frame, logits in session.run_logits(direction)
        for object_id, one in logits.items()
    }


def difference(mine: Logits, other: Logits) -> float:
    assert mine
    assert mine.keys() <= other.keys()
    return max(float(np.abs(mine[key] - other[key]).max()) for key in mine)


def box_and_points(clip: Any, object_id: int, frame: int) -> Prompt:
    box = Rle.encode(clip.masks(object_id)[frame]).box
    height, width = clip.video.size
    center = box.center
    corner = Point(1.0, 1.0) if center.x > width / 2 else Point(width - 2.0, height - 2.0)
    return Prompt(object_id, frame, box=box, points=(center,), negative_points=(corner,))


def propagator(lively_checkpoint: Path) -> Sam2Propagator:
    return Sam2Propagator(
        model="toy", checkpoint=lively_checkpoint, precision="float32", device="cpu"
    )


def test_two_objects_from_box_and_points_both_ways(
    clip: Any, lively_checkpoint: Path, reference: PackageRun
) -> None:
    middle = NUM_FRAMES // 2
    with propagator(lively_checkpoint).open(clip.video) as session:
        for object_id in (1, 2):
            prompt = box_and_points(clip, object_id, middle)
            session.prompt(prompt)
            reference.prompt(prompt)
        for direction in ("forward", "backward"):
            expected = reference.run(reverse=direction == "backward", start=middle)
            found = ours(session, direction)
            assert len(found) == len(expected)
            assert difference(found, expected) <= TOLERANCE
            masks = np.stack(list(found.values())) > 0
            assert masks.any() and not masks.all(), "these weights test nothing"


def test_memory_makes_a_difference_under_these_weights(clip: Any, lively_checkpoint: Path) -> None:
    changed = []
    for prompted in (0, 5):
        with propagator(lively_checkpoint).open(clip.video) as session:
            session.prompt(box_and_points(clip, 1, prompted))
            changed.append(ours(session))
    last = (NUM_FRAMES - 1, 1)
    assert np.abs(changed[0][last] - changed[1][last]).max() > 100 * TOLERANCE


def test_a_given_mask(clip: Any, lively_checkpoint: Path, reference: PackageRun) -> None:
    prompt = Prompt(1, 2, mask=Rle.encode(clip.masks(1)[2]))
    reference.prompt(prompt)
    expected = reference.run()
    with propagator(lively_checkpoint).open(clip.video) as session:
        session.prompt(prompt)
        assert difference(ours(session), expected) <= TOLERANCE
        masks = {masks.frame: masks.masks[1] for masks in session.run()}
    assert np.array_equal(masks[2], prompt.mask.decode())


def test_one_object_prompted_on_several_frames(
    clip: Any, lively_checkpoint: Path, reference: PackageRun
) -> None:
    prompts = [
        box_and_points(clip, 1, 3),
        Prompt(1, 9, mask=Rle.encode(clip.masks(1)[9])),
        Prompt(1, 15, points=(Point(40.0, 30.0),)),
    ]
    for prompt in prompts:
        reference.prompt(prompt)
    with propagator(lively_checkpoint).open(clip.video) as session:
        for prompt in prompts:
            session.prompt(prompt)
        assert difference(ours(session), reference.run()) <= TOLERANCE
        backward = reference.run(reverse=True, start=15)
        assert difference(ours(session, "backward"), backward) <= TOLERANCE


def test_a_late_object_is_what_it_is_alone(
    clip: Any, lively_checkpoint: Path, reference: PackageRun
) -> None:
    late = box_and_points(clip, 2, 10)
    reference.prompt(late)
    expected = reference.run()
    with propagator(lively_checkpoint).open(clip.video) as session:
        session.prompt(box_and_points(clip, 1, 0))
        session.prompt(late)
        found = {key: value for key, value in ours(session).items() if key[1] == 2}
    assert min(frame for frame, _ in found) == 10
    assert difference(found, expected) <= TOLERANCE


def test_clicks_after_a_run_refine_what_was_found(
    clip: Any, lively_checkpoint: Path, reference: PackageRun
) -> None:
    first = box_and_points(clip, 1, 0)
    click = Prompt(1, 8, points=(Point(20.0, 50.0),), negative_points=(Point(70.0, 10.0),))
    reference.predictor.add_all_frames_to_correct_as_cond = True
    try:
        reference.prompt(first)
        before = reference.run()
        reference.prompt(click)
        expected = reference.run(start=8)
    finally:
        reference.predictor.add_all_frames_to_correct_as_cond = False
    with propagator(lively_checkpoint).open(clip.video) as session:
        session.prompt(first)
        ours(session)
        session.prompt(click)
        found = ours(session)
    assert difference({k: v for k, v in found.items() if k[0] < 8}, before) <= TOLERANCE
    assert difference({k: v for k, v in found.items() if k[0] >= 8}, expected) <= TOLERANCE
    assert np.abs(found[8, 1] - before[8, 1]).max() > 100 * TOLERANCE


def test_the_segmenter_is_the_package_s_image_predictor(
    clip: Any, lively_checkpoint: Path
) -> None:
    # The package's image predictor needs torchvision; what it computes is put together here
    # from the modules of the package alone.
    from videoseg_sam2 import Sam2Segmenter

    segmenter = Sam2Segmenter(
        model="toy", checkpoint=lively_checkpoint, low_score=0.0, precision="float32", device="cpu"
    )
    prompt = box_and_points(clip, 1, 4)
    [answer] = segmenter.segment(clip.video, [prompt])
    modules = segmenter._network.modules
    height, width = clip.video.size
    frame = torch.from_numpy(clip.video[4].transpose(2, 0, 1).copy()).float()[None] / 255
    side = (modules.image_size, modules.image_size)
    image = torch.nn.functional.interpolate(frame, side, mode="bilinear", antialias=True)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.no_grad():
        encoded = modules.forward_image((image - mean) / std)
        x1, y1, x2, y2 = prompt.box.as_tuple()
        places = [(x1, y1), (x2, y2), *((p.x, p.y) for p in prompt.points)]
        places += [(p.x, p.y) for p in prompt.negative_points]
        scale = torch.tensor([side[1] / width, side[0] / height])
        coordinates = torch.tensor(places)[None].float() * scale
        sparse, dense = modules.sam_prompt_encoder(
            (coordinates, torch.tensor([[2, 3, 1, 0]])), None, None
        )
        coarse = encoded["backbone_fpn"][-1] + modules.no_mem_embed.reshape(1, -1, 1, 1)
        masks, scores, _, _ = modules.sam_mask_decoder(
            coarse,
            modules.sam_prompt_encoder.get_dense_pe(),
            sparse,
            dense,
            multimask_output=True,
            repeat_image=False,
            high_res_features=encoded["backbone_fpn"][:-1],
        )
    best = int(scores.argmax())
    full = torch.nn.functional.interpolate(masks, (height, width), mode="bilinear")[0, best]
    assert answer.score == pytest.approx(float(scores[0, best]), abs=1e-5)
    assert np.mean(answer.mask == (full > 0).numpy()) > 0.999
    assert answer.mask.any() and not answer.mask.all()
