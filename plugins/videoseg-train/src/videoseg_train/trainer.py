"""One step after another: supervised fine-tuning on demonstrations, and GRPO on rollouts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from videoseg import ConfigError
from videoseg.plugins import Registry
from videoseg_train.diagnostics import Diagnostics
from videoseg_train.episode_chat import StageName
from videoseg_train.losses import Batch, BatchTotals, GrpoLoss, SftLoss, make_batch
from videoseg_train.masks import FrameFeatureCache
from videoseg_train.network import sequence_log_probs
from videoseg_train.objective import group_advantages
from videoseg_train.optimization import Optimization, Reference
from videoseg_train.policy import Policy
from videoseg_train.processes import fail_together
from videoseg_train.randomness import mix_seed
from videoseg_train.rewards import RewardTerm, Score, score_rollouts
from videoseg_train.rollout import Rollout, Stages, run_rollouts
from videoseg_train.samples import TrainingSample
from videoseg_train.settings import BatchSettings, GrpoSettings, OptimizerSettings, SftSettings

__all__ = ["StepReport", "Trainer", "order_items"]


@dataclass(frozen=True, slots=True, eq=False)
class StepReport:
    """What happened in a step.

    Args:
        step: Its number, counted from 1.
        metrics: Means over all processes, by name.
        warnings: Why the run may not learn, judged over all processes.
        rollouts: This process's rollouts.
        scores: Their rewards.
        seconds: Time of this process by phase: ``rollout``, ``reward``, ``update``.
    """

    step: int
    metrics: dict[str, float]
    warnings: tuple[str, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    scores: tuple[Score, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)


class Trainer:
    """Trains a policy, on one process or several.

    Every process calls the same methods with the same arguments; each takes its share of the
    samples. All randomness comes from ``seed`` and the number of the step, so that a run that is
    resumed goes on as if it had not been interrupted.

    Args:
        policy: The policy; see ``set_trained`` and ``add_lora`` for what of it is trained.
        optimizer: The optimizer's settings.
        batch: How a step is cut into parts that fit into memory.
        accelerator: From ``make_accelerator``.
        reference: What the policy must not go far from in GRPO; by default the policy as it is
            when it is first needed. Where processes share out the parameters (FSDP, DeepSpeed),
            it must be made before the trainer.
        seed: Seed of the rollouts.

    Attributes:
        step: How many steps have been made.
        is_whole: Whether the parameters are as the last step has left them, not within a step.
        diagnostics: Watches the run.
    """

    def __init__(
        self,
        policy: Policy,
        optimizer: OptimizerSettings | None = None,
        *,
        batch: BatchSettings | None = None,
        accelerator: Accelerator | None = None,
        reference: Reference | None = None,
        seed: int = 0,
    ) -> None:
        self.policy = policy
        self.optimization = Optimization(
            policy, optimizer or OptimizerSettings(), batch=batch, accelerator=accelerator
        )
        # Rollouts in the precision of the updates.
        policy.autocast = self.accelerator.autocast
        self.reference = reference and reference.to(self.accelerator.device)
        self.seed = seed
        self.step = 0
        self.is_whole = True
        self.diagnostics = Diagnostics()
        model = policy.seg_model
        segments = model is not None and model.sam2 is not None
        self._features = FrameFeatureCache(model) if segments and model is not None else None

    @property
    def accelerator(self) -> Accelerator:
        """Accelerate's object."""
        return self.optimization.accelerator

    # -- state ---------------------------------------------------------------------------------

    def state_dict(self, *, keep: bool = True) -> dict[str, Any]:
        """Return what has changed since this was made; see ``Optimization.state_dict``.

        All else is made again: frozen parameters and the reference from the model that training
        began with, random numbers from the seed and the step.

        Args:
            keep: Whether this process needs the result.
        """
        return {
            "step": self.step,
            **self.optimization.state_dict(keep=keep),
            "diagnostics": self.diagnostics.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], shards: Path | None = None) -> None:
        """Put a new trainer, whose model is the one that training began with, into a saved state.

        Args:
            state: What ``state_dict`` returned.
            shards: What ``Optimization.save_shards`` wrote, if anything.

        Raises:
            CheckpointError: If other parameters are trained than were saved.
        """
        self.optimization.load_state_dict(state, shards)
        self.diagnostics.load_state_dict(state["diagnostics"])
        self.step = int(state["step"])

    # -- supervised fine-tuning ------------------------------------------------------------------

    def sft_step(
        self, demonstrations: Sequence[Rollout], settings: SftSettings | None = None
    ) -> StepReport:
        """Learn to say what a teacher has said.

        Args:
            demonstrations: Those of this step, for all processes; see ``record_demonstrations``.
                Those that failed are left out.
            settings: The settings.

        Raises:
            ConfigError: If no demonstration is left.
            NonFiniteError: If the gradient is not finite; nothing has been changed then.
        """
        settings = settings or SftSettings()
        kept = [rollout for rollout in demonstrations if rollout.error is None]
        if not kept:
            first = next((rollout.error for rollout in demonstrations), "there are none")
            raise ConfigError(f"no demonstration of this step can be learned from: {first}")
        begin = time.perf_counter()
        mine = [kept[number] for number in self.optimization.share(len(kept))]
        uses_masks = bool(settings.cross_entropy_weight or settings.dice_weight)
        batch = self._make_batch(mine, settings.trained, masks=uses_masks)
        loss = SftLoss(self.optimization.network, batch, settings)
        rate = self.optimization.learning_rate
        self._encode_frames(loss)
        norm = self.optimization.step(self.optimization.parts(batch.sequences), loss)
        self.is_whole = False
        self._forget_features()
        names = ("token_loss", "entropy", "mask_cross_entropy", "mask_dice", "tokens")
        sums = self.optimization.sum({name: loss.sums.get(name, 0.0) for name in names})
        metrics = {
            "loss": sums["token_loss"]
            + settings.cross_entropy_weight * sums["mask_cross_entropy"]
            + settings.dice_weight * sums["mask_dice"],
            "token_loss": sums["token_loss"],
            "entropy": sums["entropy"] / max(1.0, sums["tokens"]),
            "gradient_norm": norm,
            "learning_rate": rate,
            "tokens": sums["tokens"],
            "left_out": float(len(demonstrations) - len(kept)),
        }
        if self._features is not None:
            metrics |= {name: sums[name] for name in ("mask_cross_entropy", "mask_dice")}
        self._end_step()
        return StepReport(
            self.step,
            metrics,
            tuple(dict.fromkeys(self._gather(batch.problems))),
            seconds={"update": time.perf_counter() - begin},
        )

    # -- GRPO ------------------------------------------------------------------------------------

    def grpo_step(
        self,
        samples: Sequence[TrainingSample],
        stages: Stages,
        rewards: Sequence[RewardTerm],
        settings: GrpoSettings | None = None,
        *,
        registry: Registry | None = None,
    ) -> StepReport:
        """Try several times, and learn from what was better than the other tries.

        Args:
            samples: The P samples of this step, for all processes.
            stages: Where the policy acts.
            rewards: The terms of the reward.
            settings: The settings.
            registry: Where names of components are looked up.

        Raises:
            ConfigError: If the stages cannot be built.
            NonFiniteError: If the gradient is not finite; nothing has been changed then.
            TrainingError: If episodes fail for a reason that is not the policy's, or if another
                process has failed.
        """
        settings = settings or GrpoSettings()
        if settings.divergence_weight and self.reference is None:
            if self.optimization.is_sharded:
                raise ConfigError(
                    "processes share out the parameters, of which no copy can be made any more; "
                    "make Reference(policy) first and give it to the Trainer"
                )
            self.reference = Reference(self.policy)
        clock = _Clock()
        share = self.optimization.share(len(samples))
        with fail_together(self.accelerator.num_processes > 1):
            with clock.phase("rollout"), self.optimization.whole():
                rollouts = run_rollouts(
                    self.policy,
                    stages,
                    [samples[number] for number in share],
                    group_size=settings.group_size,
                    seed=mix_seed(self.seed, self.step),
                    first_group=share.start,
                    trained=settings.trained,
                    features=self._features,
                    registry=registry,
                )
            with clock.phase("reward"):
                scores = score_rollouts(rollouts, rewards)
                totals = torch.tensor([score.total for score in scores], dtype=torch.float64)
                advantages = group_advantages(
                    totals.reshape(-1, settings.group_size),
                    scale=settings.advantage_scale,
                    epsilon=settings.advantage_epsilon,
                )
        with clock.phase("update"):
            metrics, problems = self._update(rollouts, advantages.flatten().tolist(), settings)
        self._forget_features()
        metrics |= self._describe(rollouts, scores, [term.name for term in rewards])
        warnings = [
            *self.diagnostics.of_rollouts(rollouts, scores, gather=self._gather),
            *self.diagnostics.of_update(metrics, self._gather(problems)),
        ]
        self._end_step()
        return StepReport(
            self.step, metrics, tuple(warnings), tuple(rollouts), tuple(scores), clock.seconds
        )

    def _update(
        self, rollouts: Sequence[Rollout], advantages: Sequence[float], settings: GrpoSettings
    ) -> tuple[dict[str, float], list[str]]:
        """Make the step's updates; return metrics and ``[SEG]`` without masks."""
        uses_masks = settings.calibration is not None or settings.mask_weight > 0
        batch = self._make_batch(rollouts, settings.trained, masks=uses_masks)
        parts = self.optimization.parts(batch.sequences)
        reference, sampled = None, None
        if settings.divergence_weight and self.reference is not None:
            with self._autocast(), self.optimization.whole():
                reference = _by_part(batch, parts, self.reference.log_probs)
        if settings.num_updates > 1:
            self.policy.model.eval()
            with self._autocast(), self.optimization.whole():
                sampled = _by_part(
                    batch, parts, lambda some: sequence_log_probs(self.policy.vlm, some)
                )
        rate, norms = self.optimization.learning_rate, []
        for _ in range(settings.num_updates):
            loss = GrpoLoss(
                self.optimization.network,
                batch,
                settings,
                advantages=advantages,
                reference=reference,
                sampled=sampled,
            )
            self._encode_frames(loss)
            norms.append(self.optimization.step(parts, loss))
            self.is_whole = False
        names = ("policy_loss", "divergence", "entropy", "clipped", "drift", "tokens", "mask_loss")
        sums = self.optimization.sum({name: loss.sums.get(name, 0.0) for name in names})
        tokens = max(1.0, sums["tokens"])
        metrics = {
            **{
                name: sums[name] / tokens for name in ("divergence", "entropy", "clipped", "drift")
            },
            "policy_loss": sums["policy_loss"],
            "gradient_norm": float(np.mean(norms)),
            "learning_rate": rate,
            "tokens": sums["tokens"],
        }
        if uses_masks and self._features is not None:
            segs = 0 if batch.totals is None else batch.totals.segs
            metrics |= {"mask_loss": sums["mask_loss"], "seg_tokens": float(segs)}
        return metrics, batch.problems

    # -- both ------------------------------------------------------------------------------------

    def _end_step(self) -> None:
        self.step += 1
        self.is_whole = True

    def _make_batch(
        self, rollouts: Sequence[Rollout], stages: Sequence[StageName], *, masks: bool
    ) -> Batch:
        """Return what this process trains on, with the totals of all processes."""
        features = self._features if masks else None
        with fail_together(self.accelerator.num_processes > 1):
            batch = make_batch(self.policy, rollouts, stages=stages, features=features)
        totals = self.optimization.sum(asdict(batch.count()))
        batch.totals = BatchTotals(**{name: int(value) for name, value in totals.items()})
        return batch

    def _describe(
        self, rollouts: Sequence[Rollout], scores: Sequence[Score], names: Sequence[str]
    ) -> dict[str, float]:
        """Return means over the rollouts of all processes."""
        groups: dict[int, list[float]] = {}
        for rollout, score in zip(rollouts, scores, strict=True):
            groups.setdefault(rollout.group, []).append(score.total)
        spreads = [float(np.std(totals, ddof=1)) for totals in groups.values()]
        sums = self.optimization.sum(
            {
                "rollouts": len(rollouts),
                "groups": len(groups),
                "reward": sum(score.total for score in scores),
                "spread": sum(spreads),
                "equal": sum(spread < 1e-9 for spread in spreads),
                "errors": sum(rollout.error is not None for rollout in rollouts),
                "turns": sum(len(rollout.texts) for rollout in rollouts),
                "length": sum(rollout.num_tokens for rollout in rollouts),
                **{f"part {name}": sum(s.parts[name] for s in scores) for name in names},
            }
        )
        count, num_groups = max(1.0, sums["rollouts"]), max(1.0, sums["groups"])
        return {
            "reward": sums["reward"] / count,
            "reward_spread": sums["spread"] / num_groups,
            "equal_groups": sums["equal"] / num_groups,
            "errors": sums["errors"] / count,
            "turns": sums["turns"] / count,
            "answer_tokens": sums["length"] / count,
            **{f"rewards/{name}": sums[f"part {name}"] / count for name in names},
        }

    def _gather(self, items: list[Any]) -> list[Any]:
        """Return the items of all processes, in the order of the processes."""
        if self.accelerator.num_processes == 1:
            return items
        gathered: list[Any] = gather_object(items)
        return gathered

    def _autocast(self) -> AbstractContextManager[Any]:
        """Compute what accelerate does not wrap in the precision of training."""
        context: AbstractContextManager[Any] = self.accelerator.autocast()
        return context

    def _encode_frames(self, loss: GrpoLoss | SftLoss) -> None:
        """Encode frames while SAM 2 is whole, where processes share it out."""
        if self._features is not None and self.optimization.is_sharded:
            with self.optimization.whole():
                loss.encode_frames()

    def _forget_features(self) -> None:
        if self._features is not None:
            self._features.clear()


class _Clock:
    """Measures the phases of a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begin


def _by_part(
    batch: Batch,
    parts: Sequence[Sequence[int]],
    compute: Callable[[Sequence[Any]], list[Tensor]],
) -> list[Tensor]:
    """Return what is computed for each sequence, part by part."""
    found: list[Tensor | None] = [None] * len(batch.sequences)
    for part in parts:
        for number, made in zip(
            part, compute([batch.sequences[number] for number in part]), strict=True
        ):
            found[number] = made
    return [made for made in found if made is not None]


def order_items(
    count: int, per_step: int, *, seed: int = 0, start: int = 0
) -> Iterator[list[int]]:
    """Yield which items each step takes, from one step on, without end.

    Every item once, in an order of its own, before any comes again. The order depends on the
    seed and the step alone, so that a resumed run takes the same items.

    Args:
        count: How many items there are.
        per_step: How many a step takes.
        seed: The seed.
        start: The first step that is wanted, counted from 0.

    Raises:
        ConfigError: If there are no items.
    """
    if count < 1 or per_step < 1:
        raise ConfigError(f"steps need items, got {count} items and {per_step} for each step")
    epoch, order = -1, np.arange(0)
    at = start * per_step
    while True:
        taken = []
        for _ in range(per_step):
            if at // count != epoch:
                epoch = at // count
                order = np.random.default_rng([seed % 2**64, epoch]).permutation(count)
            taken.append(int(order[at % count]))
            at += 1
        yield taken
