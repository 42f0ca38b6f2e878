"""Run SAMURAI's own code on one object; called by ``sam2_policies.py``, in a process of its own.

    python sam2_policies_reference.py CONFIG CHECKPOINT FRAMES OUTPUT x1 y1 x2 y2

with the folder ``sam2`` of a checkout of yangchris11/samurai as the first on ``PYTHONPATH``.
Writes the mask logits of each frame, shape (T, H, W), and its object scores.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

# What the released configurations of the smaller networks set.
SETTINGS = {
    "samurai_mode": True,
    "stable_frames_threshold": 15,
    "stable_ious_threshold": 0.3,
    "min_obj_score_logits": -1,
    "kf_score_weight": 0.25,
    "memory_bank_iou_threshold": 0.5,
    "memory_bank_obj_score_threshold": 0.0,
    "memory_bank_kf_score_threshold": 0.0,
}

# As the package's own builder sets them for its video predictor.
DECODER = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}


def main() -> int:
    config, checkpoint, frames, output = sys.argv[1:5]
    box = np.array([float(value) for value in sys.argv[5:9]], np.float32)
    model = OmegaConf.to_container(OmegaConf.load(config), resolve=True)["model"]
    model["_target_"] = "sam2.sam2_video_predictor.SAM2VideoPredictor"
    model["sam_mask_decoder_extra_args"] = DECODER
    model["binarize_mask_from_pts_for_mem_enc"] = True
    predictor = instantiate({**model, **SETTINGS}, _convert_="all").eval()
    predictor.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])
    logits, scores = [], []
    with torch.inference_mode():
        state = predictor.init_state(frames)
        predictor.add_new_points_or_box(state, 0, 1, box=box)
        for frame, _, masks in predictor.propagate_in_video(state):
            kept = state["output_dict"]
            kind = "cond_frame_outputs" if frame == 0 else "non_cond_frame_outputs"
            scores.append(float(kept[kind][frame]["object_score_logits"]))
            logits.append(masks[0, 0].float().numpy())
    np.savez(Path(output), logits=np.stack(logits), scores=np.array(scores))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
