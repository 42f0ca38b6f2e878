"""Two steps of a tiny ``[SEG]`` policy, as one of several processes or alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torchvision_builds import declare_missing_operators


def train(checkpoint: Path, num_samples: int, *, fsdp: bool = False) -> dict[str, Any]:
    """Make a step of GRPO and one of supervised fine-tuning.

    Args:
        checkpoint: The model.
        num_samples: Samples of the first step.
        fsdp: Whether processes share out the parameters.

    Returns:
        The reports' metrics and warnings, the gradient of the first step before it was scaled, and
        the parameters.
    """
    declare_missing_operators()
    import torch
    from fsdp_on_cpu import share_parameters
    from training_toys import FewFrames, LookingGrounder, toy_sample
    from videoseg_o3 import SegOptions, load_seg_model
    from videoseg_train import (
        BatchSettings,
        CalibrationSettings,
        GrpoSettings,
        OptimizerSettings,
        Policy,
        Reference,
        RewardTerm,
        Stages,
        Trainer,
        make_accelerator,
        run_rollouts,
        set_trained,
    )
    from videoseg_train.sharding import whole_tensors

    model = load_seg_model(SegOptions(str(checkpoint), device="cpu"))
    bias = torch.zeros(len(model.vlm.lm_head.weight))
    bias[model.seg_token] = 9.0
    model.vlm.lm_head.bias = torch.nn.Parameter(bias)
    policy = Policy(model, max_tokens=6, max_pixels=64 * 64)
    set_trained(policy, ("language", "embeddings", "vision", "projector", "mask-decoder"))
    accelerator = make_accelerator(cpu=True)
    if fsdp:
        accelerator = share_parameters(accelerator)
    trainer = Trainer(
        policy,
        OptimizerSettings(learning_rate=1e-4),
        batch=BatchSettings(max_sequences=2),
        accelerator=accelerator,
        reference=Reference(policy),
    )
    gradients: dict[str, Any] = {}
    clip = trainer.optimization._clip

    def keep() -> float:
        for name, value in model.named_parameters():
            if value.grad is not None:
                gradients.setdefault(name, whole_tensors(value.grad).clone())
        return clip()

    trainer.optimization._clip = keep
    stages = Stages(FewFrames(), LookingGrounder(policy.chat), 2)
    samples = [toy_sample(number) for number in range(num_samples)]
    terms = [RewardTerm("last", lambda rollout, _: rollout.steps[-1].tokens[-1] % 7)]
    settings = GrpoSettings(
        group_size=3, divergence_weight=0.1, calibration=CalibrationSettings(), mask_weight=0.2
    )
    first = trainer.grpo_step(samples, stages, terms, settings)
    with trainer.optimization.whole():
        shown = run_rollouts(policy, stages, samples[:3], seed=1)
    second = trainer.sft_step(shown)
    trainer.accelerator.wait_for_everyone()
    parameters = {name: whole_tensors(value).clone() for name, value in model.named_parameters()}
    return {
        "metrics": (first.metrics, second.metrics),
        "warnings": (first.warnings, second.warnings),
        "gradients": gradients,
        "parameters": parameters,
    }


def roll_sharded(checkpoint: Path) -> bool:
    """Return whether rollouts of parameters that processes share out are those of whole ones."""
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from training_toys import FewFrames, LookingGrounder, toy_sample
    from videoseg_o3 import SegOptions, load_seg_model
    from videoseg_train import Policy, Stages, run_rollouts
    from videoseg_train.network import PolicyNetwork
    from videoseg_train.sequences import make_filler
    from videoseg_train.sharding import gathered

    policy = Policy(load_seg_model(SegOptions(str(checkpoint), device="cpu")), max_tokens=6)
    stages = Stages(FewFrames(), LookingGrounder(policy.chat), 2)
    # Other numbers of episodes in other processes.
    count = 1 + torch.distributed.get_rank()
    samples = [toy_sample(0)]
    whole = run_rollouts(policy, stages, samples, group_size=count)
    mesh = init_device_mesh("cpu", (torch.distributed.get_world_size(),))
    for layer in policy.vlm.model.language_model.layers:
        fully_shard(layer, mesh=mesh)
    network = fully_shard(PolicyNetwork(policy), mesh=mesh)
    with gathered(network, make_filler(policy.end_token)):
        shared = run_rollouts(policy, stages, samples, group_size=count)
    return [one.texts for one in shared] == [one.texts for one in whole]
