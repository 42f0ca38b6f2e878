"""Compare the propagators ``sam2`` and ``transformers-video`` on one network: where do they part?

Run from the repository root:

    python tests/benchmarks/trackers_against_sam2.py
    python tests/benchmarks/trackers_against_sam2.py --side 1024 --frames 8 --video clip.mp4

The network is SAM 2.1 tiny in its published form, with random weights under which objects are in
sight; ``--side`` says how large its input is (1024 as published). Its weights are saved as a
checkpoint of the package ``sam2`` and, renamed, as one of transformers. Both propagators see the
same frames and prompts, and each case is run several times: as they are; with the pixels of both
resized by the package; and, where masks are given, with their memory and then their pointers made
as in the package. What a step takes away is the cause. That the rest is rounding is shown by
``--float32-memory``, and by the last lines: how far memory attention alone, on random numbers, is
from itself in double precision. The propagator ``sam2`` itself is compared with the package's
predictor by ``sam2_parity.py``. Exits with 1 if something is left that has no cause.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from sam2_reference import save_random_weights
from videoseg_sam2 import Sam2Propagator
from videoseg_sam2.features import encode_frame
from videoseg_sam2.images import video_input
from videoseg_sam2.models import config_path
from videoseg_synthetic import make_clip
from videoseg_trackers import TransformersVideoPropagator

from videoseg.types import Box, Point, Prompt, Rle
from videoseg.video import Video

sys.path.append(str(Path(__file__).parents[2] / "tests/support"))

# Imported before transformers: it also declares what torchvision's builds may lack.
from tiny_trackers import save_with_processor

MODEL = "sam2.1-hiera-tiny"
# What is left after all steps is rounding: of memory to bfloat16, in which both keep it, and of
# memory attention, which the large input and the sharpened weights bring out.
TOLERANCE = 1e-3

Logits = dict[tuple[int, int], np.ndarray]

# Names of the package and, in transformers, of the same parameters; applied in this order.
RENAMED = [
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^obj_ptr_proj\.", "object_pointer_proj."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"\.pe_layer\.\w+$", ".shared_embedding.positional_embedding"),
    (r"^sam_prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"^sam_mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^sam_mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^sam_mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    (r"^sam_mask_decoder\.transformer\.norm_", "mask_decoder.transformer.layer_norm_"),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"^memory_attention\.norm\.", "memory_attention.layer_norm."),
    (r"^memory_encoder\.out_proj\.", "memory_encoder.projection."),
    (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
    (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
    (r"\.gamma$", ".scale"),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
    (r"^(memory_encoder\.memory_fuser\..*)\.norm\.", r"\1.layer_norm."),
    (r"\.encoder\.12\.", ".final_conv."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.out_proj\.", ".o_proj."),
]  # fmt: skip
# Perceptrons of three layers; those of two are found by their place.
_THREE_LAYERS = r"hypernetworks_mlps|iou_prediction_head|pred_obj_score_head|object_pointer_proj"


def renamed(name: str) -> str:
    """Return the name in transformers of a parameter of the package."""
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    if found := re.search(r"mask_downsampler\.encoder\.(\d+)\.", name):
        layer, part = divmod(int(found[1]), 3)
        kind = ("conv", "layer_norm")[part]
        return name.replace(found[0], f"mask_downsampler.layers.{layer}.{kind}.")
    if re.search(_THREE_LAYERS, name):
        places = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}
    else:
        places = {"0": "proj_in", "1": "proj_out"}
    if re.search(rf"(\.mlp|{_THREE_LAYERS})(\.\d)?\.layers\.\d\.\w+$", name):
        *front, place, kind = name.split(".")
        return ".".join([*front[:-1], places[place], kind])
    return name


def converted(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the parameters of the package under transformers' names."""
    points = [state[f"sam_prompt_encoder.point_embeddings.{place}.weight"] for place in range(4)]
    found = {
        renamed(name): value for name, value in state.items() if ".point_embeddings." not in name
    }
    found["prompt_encoder.point_embed.weight"] = torch.cat(points)
    shared = found["prompt_encoder.shared_embedding.positional_embedding"]
    found["shared_image_embedding.positional_embedding"] = shared.clone()
    return found


def save_both(side: int, folder: Path) -> tuple[Path, Path, Path]:
    """Save one network for both; returns configuration, checkpoint, and transformers' folder."""
    import transformers

    tree = OmegaConf.load(config_path(MODEL))
    tree.model.image_size = side
    config, checkpoint = folder / "config.yaml", folder / "random.pt"
    OmegaConf.save(tree, config)
    save_random_weights(MODEL, checkpoint, config)
    sides = [side // stride for stride in (4, 8, 16)]
    vision = transformers.Sam2VisionConfig(
        backbone_config=transformers.Sam2HieraDetConfig(image_size=[side, side]),
        backbone_feature_sizes=[[one, one] for one in sides],
    )
    model = transformers.Sam2VideoModel(
        transformers.Sam2VideoConfig(
            vision_config=vision,
            prompt_encoder_config={"image_size": side},
            image_size=side,
            memory_attention_rope_feat_sizes=[sides[-1]] * 2,
        )
    )
    model.load_state_dict(converted(torch.load(checkpoint)["model"]), strict=True)
    return config, checkpoint, save_with_processor(model, folder / "transformers")


# -- what is asked ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What both are asked.

    Args:
        name: What the table calls it.
        prompts: The prompts before the first run.
        directions: The runs.
        correction: A prompt after them; then the first run is repeated.
        sam2_at_once: Whether ``sam2`` gets the correction before the first run.
    """

    name: str
    prompts: Sequence[Prompt]
    directions: Sequence[str] = ("forward",)
    correction: Prompt | None = None
    sam2_at_once: bool = False

    @property
    def gives_masks(self) -> bool:
        """Whether a prompt is a mask."""
        return any(one.mask is not None for one in (*self.prompts, self.correction) if one)

    @property
    def prompted(self) -> set[tuple[int, int]]:
        """The frames on which objects are given."""
        return {(one.frame, one.object_id) for one in (*self.prompts, self.correction) if one}


def list_cases(video: Video) -> list[Case]:
    """Return the cases: two objects, left and right of the middle."""
    last, middle = len(video) - 1, len(video) // 2
    boxes = [boxed(video, object_id, 0) for object_id in (1, 2)]
    masks = [masked(video, object_id, 0) for object_id in (1, 2)]
    click = Prompt(1, middle, points=(Point(0.3 * video.size[1], 0.6 * video.size[0]),))
    return [
        Case("boxes", boxes),
        Case("points", [pointed(video, object_id, 0) for object_id in (1, 2)]),
        Case("box and points", [both(video, object_id, 0) for object_id in (1, 2)]),
        Case("masks", masks),
        Case("a late object, box", [boxes[0], boxed(video, 2, middle)]),
        Case("a late object, mask", [masks[0], masked(video, 2, middle)]),
        Case("backward, boxes", [boxed(video, one, last) for one in (1, 2)], ("backward",)),
        Case(
            "both directions, box and points",
            [both(video, one, middle) for one in (1, 2)],
            ("forward", "backward"),
        ),
        Case("corrected by a mask", boxes, correction=masked(video, 1, middle)),
        Case("corrected by a click", boxes, correction=click),
        Case("corrected by a click, in `sam2` at once", boxes, ("forward",), click, True),
    ]


def boxed(video: Video, object_id: int, frame: int) -> Prompt:
    height, width = video.size
    left = 0.15 if object_id == 1 else 0.55
    box = Box(left * width, 0.3 * height, (left + 0.3) * width, 0.7 * height)
    return Prompt(object_id, frame, box=box)


def both(video: Video, object_id: int, frame: int) -> Prompt:
    box = boxed(video, object_id, frame).box
    assert box is not None
    beside = Point(video.size[1] - box.center.x, 0.1 * video.size[0])
    return Prompt(object_id, frame, box=box, points=(box.center,), negative_points=(beside,))


def pointed(video: Video, object_id: int, frame: int) -> Prompt:
    return replace(both(video, object_id, frame), box=None)


def masked(video: Video, object_id: int, frame: int) -> Prompt:
    """Return an ellipse, whose edge differs after each kind of resizing."""
    box = boxed(video, object_id, frame).box
    assert box is not None
    y, x = np.mgrid[: video.size[0], : video.size[1]] + 0.5
    across, down = (box.x2 - box.x1) / 2, (box.y2 - box.y1) / 2
    inside = ((x - box.center.x) / across) ** 2 + ((y - box.center.y) / down) ** 2 < 1
    return Prompt(object_id, frame, mask=Rle.encode(inside))


# -- running both ----------------------------------------------------------------------------


def answers(propagator: Any, video: Video, case: Case, *, at_once: bool = False) -> Logits:
    """Return the logits of the last time that a frame and object were seen."""
    found: Logits = {}

    def run(session: Any, direction: str) -> None:
        if hasattr(session, "run_logits"):
            frames = session.run_logits(direction)
        else:
            frames = session._run_logits(session.frames(direction))
        for frame, logits in frames:
            found.update({(frame, key): one.float().numpy() for key, one in logits.items()})

    with propagator.open(video) as session:
        for prompt in case.prompts:
            session.prompt(prompt)
        if case.correction and at_once:
            session.prompt(case.correction)
        for direction in case.directions:
            run(session, direction)
        if case.correction and not at_once:
            session.prompt(case.correction)
            run(session, case.directions[0])
    return found


class PackageResizing:
    """Stands for transformers' preparation of frames: the package's."""

    def __init__(self, side: int) -> None:
        self._side = side

    def __call__(self, videos: list[torch.Tensor], **_: Any) -> SimpleNamespace:
        pixels = video_input(videos[0][0].permute(1, 2, 0).numpy(), self._side)
        return SimpleNamespace(pixel_values_videos=[pixels])


@contextlib.contextmanager
def package_pixels(network: Any, side: int) -> Iterator[None]:
    """Let the tracker see frames as the package resizes them."""
    processor = network.processor
    own = processor.video_processor
    processor.video_processor = PackageResizing(side)
    try:
        yield
    finally:
        processor.video_processor = own


@contextlib.contextmanager
def package_memory(network: Any) -> Iterator[None]:
    """Make the memory of a given mask of its quarter, as the package does."""
    model = network.model
    own = model._use_mask_as_output

    def use_mask(*inputs: Any, **named: Any) -> Any:
        outputs = own(*inputs, **named)
        outputs.high_res_masks = torch.nn.functional.interpolate(
            outputs.pred_masks, outputs.high_res_masks.shape[-2:], mode="bilinear"
        )
        return outputs

    model._use_mask_as_output = use_mask
    try:
        yield
    finally:
        del model._use_mask_as_output


@contextlib.contextmanager
def package_pointer(network: Any) -> Iterator[None]:
    """Make the pointer of a given mask of the token for a single mask, as the package does.

    transformers takes the token of that of three candidates whose estimate is highest.
    """
    model = network.model
    own = model._single_frame_forward

    def forward(*inputs: Any, **named: Any) -> Any:
        # Only for a given mask the library leaves the number of candidates to the default.
        return own(*inputs, **{"multimask_output": False, **named})

    model._single_frame_forward = forward
    try:
        yield
    finally:
        del model._single_frame_forward


@contextlib.contextmanager
def float32_memory() -> Iterator[None]:
    """Let both keep memory in float32; both convert it to the type of this name."""
    own = torch.bfloat16
    torch.bfloat16 = torch.float32
    try:
        yield
    finally:
        torch.bfloat16 = own


STEPS = ("as they are", "same pixels", "and memory of masks", "and pointers of masks")


@contextlib.contextmanager
def step_of(network: Any, side: int, step: str) -> Iterator[None]:
    """Take away the cause that a step names, and those before it."""
    with contextlib.ExitStack() as stack:
        causes = (package_pixels(network, side), package_memory(network), package_pointer(network))
        for cause in causes[: STEPS.index(step)]:
            stack.enter_context(cause)
        yield


# -- comparing -------------------------------------------------------------------------------


def compare(one: Logits, other: Logits, prompted: set[tuple[int, int]]) -> dict[str, float]:
    """Return how two runs differ.

    Returns:
        The largest difference of logits on prompted and on other frames, lowest and mean IoU of
        the masks on all frames, and the mean absolute logit of the second.
    """
    assert one.keys() == other.keys()
    differences = {key: float(np.abs(one[key] - other[key]).max()) for key in one}
    ious = []
    for key, logits in one.items():
        mine, yours = logits > 0, other[key] > 0
        union = int((mine | yours).sum())
        ious.append(int((mine & yours).sum()) / union if union else 1.0)
    return {
        "first": max(value for key, value in differences.items() if key in prompted),
        "later": max(value for key, value in differences.items() if key not in prompted),
        "lowest": min(ious),
        "mean": float(np.mean(ious)),
        "size": float(np.mean([np.abs(logits).mean() for logits in other.values()])),
    }


def print_embeddings(package: Any, tracker: Any, video: Video, side: int) -> None:
    """Print how far pixels and the image encoder's features are apart, on the first frame."""
    network = tracker._network
    with network.computing():
        pixels = video_input(video[0], side)
        theirs = encode_frame(package._network, pixels)
        own = network.processor.video_processor(
            videos=[torch.from_numpy(np.array(video[0])).permute(2, 0, 1)[None]],
            return_tensors="pt",
        ).pixel_values_videos[0][:1]
        away = (own - pixels).abs()
        print(f"normalized pixels: mean difference {away.mean():.3f}, largest {away.max():.2f}\n")
        print("| features, stride | mean value | as they are: mean, largest | same pixels |")
        print("|---|---|---|---|")
        found = []
        for step in STEPS[:2]:
            with step_of(network, side, step):
                found.append(network.encode(video[0])["vision_feats"])
    for level, expected in enumerate(theirs.maps):
        plain, same = ((one[level] - expected).abs() for one in found)
        print(
            f"| {4 * 2**level} | {expected.abs().mean():.3f} | {plain.mean():.1e}, "
            f"{plain.max():.1e} | {same.max():.1e} |"
        )
    print()


def print_rounding(package: Any, model: Any, side: int) -> None:
    """Print how memory attention rounds, by itself; leaves both in double precision."""
    grid, pointers = side // 16, 4
    generator = torch.Generator().manual_seed(0)
    shapes = {"curr": 256, "curr_pos": 256, "memory": 64, "memory_pos": 64}
    inputs = {
        name: torch.randn(
            grid**2 + pointers * name.startswith("memory"), 1, width, generator=generator
        )
        for name, width in shapes.items()
    }
    found = []
    for dtype in (torch.float32, torch.float64):
        given = {name: value.to(dtype) for name, value in inputs.items()}
        with torch.no_grad():
            found.append(package.memory_attention.to(dtype)(**given, num_obj_ptr_tokens=pointers))
            found.append(
                model.memory_attention.to(dtype)(
                    current_vision_features=given["curr"],
                    memory=given["memory"],
                    current_vision_position_embeddings=given["curr_pos"],
                    memory_posision_embeddings=given["memory_pos"],
                    num_object_pointer_tokens=pointers,
                )
            )
    one, two, exact, other = (value.double().flatten() for value in found)

    def away(first: torch.Tensor, second: torch.Tensor) -> str:
        return f"{float((first - second).abs().max()):.1e}"

    print(f"memory attention: the two differ by {away(one, two)} in float32,")
    print(f"from their own double precision by {away(one, exact)} and {away(two, other)},")
    print(f"and in double precision by {away(exact, other)} (rotations stay in float32)")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--side", type=int, default=256, help="of the network's input")
    options.add_argument("--frames", type=int, default=12)
    options.add_argument("--video", type=Path, help="a clip or a folder; a drawn one by default")
    options.add_argument("--cases", nargs="+", help="only these")
    options.add_argument(
        "--float32-memory", action="store_true", help="only the last step, without bfloat16"
    )
    arguments = options.parse_args()
    if arguments.video is None:
        video = make_clip(seed=3, num_frames=arguments.frames, size=(240, 426)).video
    else:
        whole = Video.open(arguments.video)
        video = Video.from_frames(np.stack(whole.read(range(arguments.frames))), fps=whole.fps)
    side, worst = arguments.side, 0.0
    with tempfile.TemporaryDirectory() as temporary:
        config, checkpoint, folder = save_both(side, Path(temporary))
        named = {"config": config, "checkpoint": checkpoint, "precision": "float32"}
        package = Sam2Propagator(**named, device="cpu")
        filled = Sam2Propagator(**named, device="cpu", largest_hole=8)
        tracker = TransformersVideoPropagator(model=str(folder), device="cpu", precision="float32")
        tracker._network.model  # noqa: B018  Loaded now, as its parts are replaced below.
        print(f"{video.size[1]}x{video.size[0]}, input {side}x{side}, {len(video)} frames")
        print_embeddings(package, tracker, video, side)
        print("| case | step | first frame | later frames | IoU, mean | lowest | mean logit |")
        print("|---|---|---|---|---|---|---|")
        with float32_memory() if arguments.float32_memory else contextlib.nullcontext():
            for case in list_cases(video):
                if arguments.cases and case.name not in arguments.cases:
                    continue
                expected = answers(package, video, case, at_once=case.sam2_at_once)
                steps = STEPS if case.gives_masks else STEPS[:2]
                if arguments.float32_memory:
                    steps = steps[-1:]
                elif case.name == "boxes":
                    row = compare(answers(filled, video, case), expected, case.prompted)
                    print_row(case.name, "`sam2` with holes filled", row)
                for step in steps:
                    with step_of(tracker._network, side, step):
                        row = compare(answers(tracker, video, case), expected, case.prompted)
                    print_row(case.name, step, row)
                if case.name != "corrected by a click":
                    worst = max(worst, row["first"], row["later"])
        print_rounding(package._network.modules, tracker._network.model, side)
    print(f"\nlargest difference after all steps but clicks: {worst:.1e}")
    return int(worst > TOLERANCE)


def print_row(name: str, step: str, row: dict[str, float]) -> None:
    print(
        f"| {name} | {step} | {row['first']:.1e} | {row['later']:.1e} | {row['mean']:.4f} | "
        f"{row['lowest']:.4f} | {row['size']:.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
