"""Drives the ``sam2`` package's own predictor; used by the other ``sam2_...`` scripts."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import videoseg_sam2
from PIL import Image
from videoseg_sam2.network import NetworkChoice

from videoseg.types import Prompt
from videoseg.video import Video

_CONFIGS = {
    f"{version}-hiera-{size}": f"configs/{version}/{version}_hiera_{letter}.yaml"
    for version in ("sam2", "sam2.1")
    for size, letter in (("tiny", "t"), ("small", "s"), ("base-plus", "b+"), ("large", "l"))
}


def save_random_weights(model: str, path: Path, config: Path | None = None) -> None:
    """Save random weights under which objects are in sight and memory matters.

    With plain random weights attention is all but uniform and every object is absent on the
    same frames, so that a comparison would compare nothing.

    Args:
        model: A network's name.
        path: The checkpoint.
        config: The network's configuration, where it is another than the published one.
    """
    choice = NetworkChoice(model, None, config, True, False, "cpu", "float32")
    state = {key: value.clone() for key, value in choice.locate().modules.state_dict().items()}
    sharpen(state)
    torch.save({"model": state}, path)


def sharpen(state: dict[str, Any]) -> None:
    """Change random weights in place so that objects are in sight and memory matters."""
    for name in state:
        if "cross_attn_image" in name and name.endswith(("q_proj.weight", "k_proj.weight")):
            state[name] *= 5
        if "cross_attn_image" in name and name.endswith(("v_proj.weight", "out_proj.weight")):
            state[name] *= 4
        if "output_hypernetworks_mlps" in name and name.endswith("layers.2.weight"):
            state[name] *= 8
    bias = [name for name in state if "pred_obj_score_head" in name and name.endswith("bias")]
    state[sorted(bias)[-1]] += 1.0


def build_package_predictor(model: str, checkpoint: Path, device: str) -> Any:
    """Return ``SAM2VideoPredictor``, built by the package's own builder."""
    from hydra import initialize_config_dir, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from sam2.build_sam import build_sam2_video_predictor

    GlobalHydra.instance().clear()
    if model == "toy":
        folder = Path(videoseg_sam2.__file__).parent / "configs"
        with initialize_config_dir(str(folder), version_base="1.2"):
            return build_sam2_video_predictor("toy.yaml", str(checkpoint), device=device)
    with initialize_config_module("sam2", version_base="1.2"):
        return build_sam2_video_predictor(_CONFIGS[model], str(checkpoint), device=device)


def save_frames(video: Video, folder: Path) -> None:
    """Write the frames as the package reads them: it goes by the suffix, PNG loses nothing."""
    for index, frame in video.iter_frames():
        Image.fromarray(frame).save(folder / f"{index:05d}.jpg", format="PNG")


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Run without the package's progress bars and its warning, on every frame, about holes."""
    import sam2.sam2_video_predictor as predictor
    import sam2.utils.misc as misc

    bars = predictor.tqdm, misc.tqdm
    predictor.tqdm = misc.tqdm = lambda sequence, **_: sequence
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        predictor.tqdm, misc.tqdm = bars


class PackageRun:
    """One inference state of the package, driven with videoseg's prompts.

    Args:
        predictor: The package's predictor.
        folder: A folder that ``save_frames`` has filled.
    """

    def __init__(self, predictor: Any, folder: Path) -> None:
        self._predictor = predictor
        self._state = predictor.init_state(str(folder))

    def prompt(self, prompt: Prompt) -> None:
        """Add a box with points."""
        points = [(p.x, p.y) for p in (*prompt.points, *prompt.negative_points)]
        labels = [1] * len(prompt.points) + [0] * len(prompt.negative_points)
        self._predictor.add_new_points_or_box(
            self._state,
            prompt.frame,
            prompt.object_id,
            points=np.array(points, np.float32) if points else None,
            labels=np.array(labels, np.int32) if points else None,
            box=None if prompt.box is None else np.array(prompt.box.as_tuple(), np.float32),
        )

    def run(self, *, start: int, reverse: bool = False) -> Iterator[tuple[int, dict[int, Any]]]:
        """Yield (frame, {object id: logits of shape (H, W)})."""
        for frame, ids, masks in self._predictor.propagate_in_video(
            self._state, start_frame_idx=start, reverse=reverse
        ):
            yield frame, {key: one[0] for key, one in zip(ids, masks, strict=True)}
