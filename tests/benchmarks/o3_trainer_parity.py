"""Compare our GRPO loss with that of VideoSEG-O3's released trainer, on one tiny random batch.

    python tests/benchmarks/o3_trainer_parity.py --reference DIR

``--reference`` is a checkout of VideoSEG-O3. Its ``compute_loss`` runs as it is; what comes before
it (rollouts, the forward pass, rewards, decoding of masks) is given to both, so that loss and
gradient are those of one batch: one prompt, four rollouts of up to three turns, some with several
``[SEG]`` in a turn and some with none. Packages that its module imports but its loss does not use
are replaced by empty ones. Exits with status 1 if loss or gradients differ by more than 1e-4.

The released completion mask has the line break after each answer, too, which the template adds
and no policy says; here it has the sampled tokens in both.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4
GROUP, TURNS = 4, 3

# Imported by the released module, but not used by its loss.
UNUSED = (
    "datasets",
    "deepspeed",
    "projects.open_r1.arguments",
    "projects.open_r1.trainer.sa2va.modeling_sa2va_cot",
    "projects.open_r1.trainer.utils",
    "qwen_vl_utils",
    "trl",
    "trl.data_utils",
    "trl.models",
    "trl.trainer",
    "trl.trainer.grpo_config",
)


class Empty(ModuleType):
    """A module that has every name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock(name=name)


def load_released(checkout: Path) -> Any:
    """Return the released module of the trainer."""
    # The base class of theirs; it looks for packages that are then replaced.
    importlib.import_module("transformers.trainer")
    for name in UNUSED:
        sys.modules[name] = Empty(name)
    for name in ("projects", "projects.open_r1", "projects.open_r1.trainer"):
        package = Empty(name)
        package.__path__ = [str(checkout.joinpath(*name.split(".")))]
        sys.modules[name] = package
    return importlib.import_module("projects.open_r1.trainer.trainer_videorl_cot")


def make_policy(folder: Path) -> Any:
    """Return a tiny policy that says ``[SEG]`` now and then."""
    from tiny_seg_model import save_tiny_seg_model
    from videoseg_o3 import SegOptions, load_seg_model
    from videoseg_train import Policy

    checkpoint = save_tiny_seg_model(folder, num_shards=1)
    model = load_seg_model(SegOptions(str(checkpoint), device="cpu"))
    bias = torch.zeros(len(model.vlm.lm_head.weight))
    bias[model.seg_token] = 9.0
    model.vlm.lm_head.bias = torch.nn.Parameter(bias)
    return Policy(model, max_tokens=6, max_pixels=64 * 64)


def pad(rows: list[Tensor]) -> Tensor:
    """Return rows padded with zeros on the right."""
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


class Batch:
    """One prompt's rollouts, and what the forward pass makes of them."""

    def __init__(self, policy: Any) -> None:
        from training_toys import FewFrames, LookingGrounder, toy_sample
        from videoseg_train import CalibrationSettings, GrpoSettings, Stages, run_rollouts
        from videoseg_train.losses import make_batch
        from videoseg_train.masks import FrameFeatureCache
        from videoseg_train.objective import RELEASED_THRESHOLD

        self.policy = policy
        self.sample = toy_sample(0)
        stages = Stages(FewFrames(), LookingGrounder(policy.chat), TURNS)
        self.features = FrameFeatureCache(policy.seg_model)
        self.rollouts = run_rollouts(policy, stages, [self.sample], group_size=GROUP, seed=2)
        self.batch = make_batch(
            policy, self.rollouts, stages=("grounder",), features=self.features
        )
        generator = torch.Generator().manual_seed(0)
        self.rewards = torch.randn(GROUP, generator=generator)
        self.reference = [
            one.log_probs + 0.1 * torch.randn(one.num_own, generator=generator)
            for one in self.batch.sequences
        ]
        self.settings = GrpoSettings(
            group_size=GROUP,
            divergence_weight=0.04,
            clip=None,
            calibration=CalibrationSettings(threshold=RELEASED_THRESHOLD),
            mask_weight=0.2,
        )

    def our_loss(self) -> Tensor:
        """Return our loss with gradient."""
        from videoseg_train.losses import GrpoLoss
        from videoseg_train.network import PolicyNetwork
        from videoseg_train.objective import group_advantages

        loss = GrpoLoss(
            PolicyNetwork(self.policy),
            self.batch,
            self.settings,
            advantages=group_advantages(self.rewards[None])[0].tolist(),
            reference=self.reference,
        )
        return loss(range(GROUP))

    def their_loss(self, module: Any) -> Tensor:
        """Return the released loss with gradient."""
        trainer = self._make_trainer(module)
        inputs = [
            {
                "prompt": "",
                "mask": self._truth(self.rollouts[0].masks[0].overview),
                "mask_full": self.sample,
                "image_size": self.sample.video.size,
                "total_frames": len(self.sample.video),
            }
            for _ in range(GROUP)
        ]
        loss: Tensor = trainer.compute_loss(None, inputs)
        return loss

    # -- what the released trainer is given ------------------------------------------------------

    def _truth(self, frames: Any) -> Tensor:
        from videoseg_train.masks import true_masks

        return true_masks(self.sample, frames).to(torch.uint8)

    def _make_trainer(self, module: Any) -> Any:
        kind = next(
            value
            for value in vars(module).values()
            if isinstance(value, type) and "_get_per_mask_logps_cot" in vars(value)
        )
        trainer = kind.__new__(kind)
        trainer.accelerator = SimpleNamespace(
            device=torch.device("cpu"),
            process_index=0,
            is_main_process=True,
            unwrap_model=lambda model: model,
            gather_for_metrics=lambda value: value,
        )
        trainer.processing_class = SimpleNamespace(tokenizer=self.policy.tokenizer)
        trainer.script_args = SimpleNamespace(
            use_mask_logps=True,
            kl_approximator="k3",
            use_kl=True,
            reward_scale=1.0,
            vis_interval=1,
        )
        trainer.state = SimpleNamespace(global_step=0)
        trainer.beta, trainer.num_generations = self.settings.divergence_weight, GROUP
        trainer.rec_loss_ratio, trainer.res_loss_ratio = 1.0, self.settings.mask_weight
        trainer.ref_model, trainer.vis, trainer.reward_funcs = "reference", False, [len]
        trainer._metrics = defaultdict(list)
        trainer._generate_completions_cot = lambda *_: self._completions()
        trainer._prepare_sam_inputs = lambda _: None
        trainer._get_per_token_logps = self._forward
        trainer._decode_single_frame = lambda _, frame, __: self._truth([frame])[0].numpy()
        trainer._compute_rewards = lambda *_: self.rewards[:, None]
        trainer._save_rollout_logs = lambda **_: None
        return trainer

    def _by_turn(self, values: dict[tuple[int, int, int], Tensor]) -> list[list[Tensor | None]]:
        """Return one tensor for each turn of each rollout: that of its ``[SEG]``; None without."""
        return [
            [
                torch.stack([values[number, step, index] for index in range(count)])
                if (count := len(rollout.steps[step].seg_places))
                else None
                for step in range(TURNS)
            ]
            for number, rollout in enumerate(self.rollouts)
        ]

    def _completions(self) -> tuple[Any, ...]:
        sequences = self.batch.sequences
        tokens = pad([torch.tensor(one.conversation.tokens) for one in sequences])
        mask = pad([one.own.long() for one in sequences])
        sampled = {
            (number, masks.step, masks.index): masks.logits
            for number, rollout in enumerate(self.rollouts)
            for masks in rollout.masks
        }
        keyframes = self._by_turn({key: value[-1] for key, value in sampled.items()})
        overview = [
            [value[:-1] for key, value in sorted(sampled.items()) if key[0] == number]
            for number in range(GROUP)
        ]
        counts = [[len(step.seg_places) for step in r.steps] for r in self.rollouts]
        from videoseg_train import pending_keyframe

        pending = [
            [pending_keyframe(rollout.episode, turn) for turn in range(TURNS)]
            for rollout in self.rollouts
        ]
        turns = [[{}] * TURNS for _ in range(GROUP)]
        return {}, tokens, None, mask[:, 1:], overview, turns, keyframes, counts, pending, None

    def _forward(self, model: Any, **_: Any) -> tuple[Any, ...]:
        """Return log-probabilities and masks on the overview and on keyframes."""
        from videoseg_train.losses import _MaskTerms
        from videoseg_train.network import PolicyNetwork

        sequences = self.batch.sequences
        length = max(map(len, sequences)) - 1
        if model == "reference":
            return self._spread(self.reference, length), None, None
        terms = _MaskTerms(self.batch, self.features, self.policy.seg_token)
        output = PolicyNetwork(self.policy)(sequences, terms.request(range(GROUP)))
        masks = iter(output.masks)
        made = {
            (number, step, index): next(masks)
            for number, rollout in enumerate(self.rollouts)
            for step in range(TURNS)
            for index in range(len(rollout.steps[step].seg_places))
        }
        overview = [
            [value[:-1] for key, value in sorted(made.items()) if key[0] == number]
            for number in range(GROUP)
        ]
        keyframes = self._by_turn({key: value[-1] for key, value in made.items()})
        return self._spread(output.log_probs, length), overview, keyframes

    def _spread(self, log_probs: list[Tensor], length: int) -> Tensor:
        """Put the policy's own tokens where they stand; what is elsewhere does not count."""
        rows = [
            torch.zeros(length).index_add(0, one.positions - 1, values)
            for one, values in zip(self.batch.sequences, log_probs, strict=True)
        ]
        return torch.stack(rows)


def gradients(policy: Any, loss: Tensor) -> dict[str, Tensor]:
    """Return the gradient of a loss, by parameter."""
    policy.model.zero_grad()
    loss.backward()
    return {
        name: value.grad.clone()
        for name, value in policy.model.named_parameters()
        if value.grad is not None
    }


def main() -> int:
    """Compare, print, and return the status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="checkout of VideoSEG-O3")
    checkout = parser.parse_args().reference
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from torchvision_builds import declare_missing_operators

    declare_missing_operators()
    with tempfile.TemporaryDirectory() as folder:
        policy = make_policy(Path(folder))
    batch = Batch(policy)
    mine, theirs = batch.our_loss(), batch.their_loss(load_released(checkout))
    ours, released = gradients(policy, mine), gradients(policy, theirs)
    largest = max(float(value.abs().max()) for value in released.values())
    worst = max(
        float((ours.get(name, torch.zeros_like(value)) - value).abs().max()) / largest
        for name, value in released.items()
    )
    extra = sorted(name for name in ours.keys() - released.keys() if ours[name].abs().max() > 0)
    counts = [[len(step.seg_places) for step in r.steps] for r in batch.rollouts]
    print(f"[SEG] in each turn of each rollout: {counts}")
    print(f"loss: ours {mine.item():.7f}, released {theirs.item():.7f}")
    print(f"gradient: largest difference {worst:.1e} of the largest value; only ours: {extra}")
    return int(abs(mine.item() - theirs.item()) > TOLERANCE or worst > TOLERANCE or bool(extra))


if __name__ == "__main__":
    sys.exit(main())
