"""The losses of a batch of rollouts, part by part: GRPO and supervised fine-tuning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from videoseg_o3 import align_seg_tokens

from videoseg_train.episode_chat import StageName
from videoseg_train.masks import (
    FrameFeatureCache,
    SegMasks,
    overview_frames,
    pending_keyframe,
    true_masks,
)
from videoseg_train.network import MaskRequest, NetworkOutput
from videoseg_train.objective import (
    TokenWeighting,
    calibrate,
    calibration_target,
    clipped_policy_loss,
    dice_loss,
    k3_divergence,
    mask_cross_entropy,
    mask_log_likelihood,
    token_weights,
)
from videoseg_train.policy import Policy
from videoseg_train.rollout import Rollout
from videoseg_train.samples import TrainingSample
from videoseg_train.sequences import TrainingSequence, make_filler, make_sequences
from videoseg_train.settings import GrpoSettings, SftSettings

__all__ = ["Batch", "BatchTotals", "GrpoLoss", "SegUse", "SftLoss", "make_batch"]


@dataclass(frozen=True, slots=True)
class SegUse:
    """One ``[SEG]`` in training.

    Args:
        position: Its index in the sequence.
        place: Which of the sequence's own tokens it is.
        frames: On which frames it is decoded.
        num_overview: How many of them are those of the overview; the last one is the pending
            keyframe if there is one more.
        sampled: The masks as they were sampled; None in a demonstration.
        is_last: Whether it is the last of its answer, which stands for the keyframe.
    """

    position: int
    place: int
    frames: tuple[int, ...]
    num_overview: int
    sampled: SegMasks | None
    is_last: bool


@dataclass(frozen=True, slots=True)
class BatchTotals:
    """How much there is in a step, over which losses are means.

    Args:
        rollouts: Rollouts with tokens of the policy's own.
        tokens: These tokens.
        segs: ``[SEG]`` with masks.
        last: Answers that have one.
    """

    rollouts: int
    tokens: int
    segs: int
    last: int


@dataclass(slots=True)
class Batch:
    """The sequences of rollouts, and what belongs to each.

    Args:
        rollouts: The rollouts.
        filler: Stands where a process has no sequence.
        features: SAM 2's features of frames; None where masks are not trained.
        seg_token: The id of ``[SEG]``.
        totals: How much there is in all processes; by default in this batch.
        sequences: Their sequences.
        owners: The rollout of each sequence.
        segs: The ``[SEG]`` of each that are trained.
        problems: ``[SEG]`` without masks, in words.
    """

    rollouts: Sequence[Rollout]
    filler: TrainingSequence
    features: FrameFeatureCache | None = None
    seg_token: int | None = None
    totals: BatchTotals | None = None
    sequences: list[TrainingSequence] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    segs: list[tuple[SegUse, ...]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def counts(self) -> list[int]:
        """How many own tokens each rollout has."""
        counts = [0] * len(self.rollouts)
        for owner, sequence in zip(self.owners, self.sequences, strict=True):
            counts[owner] += sequence.num_own
        return counts

    def count(self) -> BatchTotals:
        """Return how much there is in this batch."""
        counts, segs = self.counts, [seg for segs in self.segs for seg in segs]
        return BatchTotals(
            sum(count > 0 for count in counts),
            sum(counts),
            len(segs),
            sum(seg.is_last for seg in segs),
        )

    def sample(self, number: int) -> TrainingSample:
        """Return the sample of a sequence."""
        return self.rollouts[self.owners[number]].sample


def make_batch(
    policy: Policy,
    rollouts: Sequence[Rollout],
    *,
    stages: Sequence[StageName],
    features: FrameFeatureCache | None = None,
) -> Batch:
    """Return what rollouts, or demonstrations, are trained on.

    Args:
        policy: The policy.
        rollouts: The rollouts.
        stages: Whose questions' answers are trained.
        features: SAM 2's features of frames, if the masks of ``[SEG]`` are trained.
    """
    batch = Batch(rollouts, make_filler(policy.end_token), features, policy.seg_token)
    for owner, rollout in enumerate(rollouts):
        for sequence in make_sequences(rollout, stages=stages):
            batch.sequences.append(sequence)
            batch.owners.append(owner)
            has_masks = features is not None
            uses = _find_segs(policy, rollout, sequence, batch.problems) if has_masks else ()
            batch.segs.append(uses)
    return batch


def _find_segs(
    policy: Policy, rollout: Rollout, sequence: TrainingSequence, problems: list[str]
) -> tuple[SegUse, ...]:
    seg_token, episode = policy.seg_token, rollout.episode
    if seg_token is None or episode is None:
        return ()
    alignment = align_seg_tokens(
        [sequence.conversation.tokens], [sequence.turns], seg_token=seg_token, strict=False
    )
    problems += (
        f"sample {rollout.sample.id!r}: {problem.replace(' of conversation 0', '')}"
        for problem in alignment.problems
    )
    tokens = alignment.with_masks().tokens
    last = {token.turn: token.position for token in tokens}
    own = {position: place for place, position in enumerate(sequence.positions.tolist())}
    numbers = {id(step): number for number, step in enumerate(rollout.steps)}
    sampled = {(masks.step, masks.index): masks for masks in rollout.masks}
    uses = []
    for token in tokens:
        step = sequence.steps[token.turn]
        masks = sampled.get((numbers[id(step)], token.mask or 0))
        if masks is not None:
            frames, num_overview = masks.frames, len(masks.overview)
        elif step.turn == 0:
            # A demonstration: the overview in the first turn, then the frame asked for (Figure 2
            # of the paper).
            frames = overview_frames(episode)
            num_overview = len(frames)
        else:
            frames, num_overview = (pending_keyframe(episode, step.turn),), 0
        uses.append(
            SegUse(
                token.position,
                own[token.position],
                frames,
                num_overview,
                masks,
                last[token.turn] == token.position,
            )
        )
    return tuple(uses)


class _MaskTerms:
    """What both losses need of masks: requests to the network, and the truth.

    Args:
        batch: The batch.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._truth: dict[tuple[int, int], Tensor] = {}

    def request(self, part: Sequence[int]) -> MaskRequest | None:
        """Return the masks that the network is to decode for a part."""
        batch = self._batch
        if batch.features is None or not any(batch.segs[number] for number in part):
            return None
        wanted: dict[tuple[int, int], tuple[int, TrainingSample]] = {}
        shown = []
        spans = [batch.sequences[number].turns for number in part]
        alignment = align_seg_tokens(
            [batch.sequences[number].conversation.tokens for number in part],
            spans,
            seg_token=batch.seg_token or 0,
            strict=False,
        ).with_masks()
        for number in part:
            sample = batch.sample(number)
            for seg in batch.segs[number]:
                for frame in seg.frames:
                    wanted.setdefault((id(sample), frame), (len(wanted), sample))
                shown.append(tuple(wanted[id(sample), frame][0] for frame in seg.frames))
        features = batch.features.of([(one[1], key[1]) for key, one in wanted.items()])
        return MaskRequest(alignment, features, tuple(shown))

    def truth(self, sample: TrainingSample, frames: Sequence[int], like: Tensor) -> Tensor:
        """Return the true masks on frames."""
        for frame in frames:
            key = (id(sample), frame)
            if key not in self._truth:
                self._truth[key] = true_masks(sample, [frame])[0]
        return torch.stack([self._truth[id(sample), frame] for frame in frames]).to(like.device)


Network = Callable[..., NetworkOutput]


class _Loss:
    """The loss of a batch, part by part.

    Args:
        network: The policy's network.
        batch: The batch.
        weighting: See ``token_weights``.
        max_tokens: The constant of the weighting ``constant``.

    Attributes:
        sums: What reports need, summed over the parts so far, by name.
    """

    def __init__(
        self,
        network: Network,
        batch: Batch,
        *,
        weighting: TokenWeighting,
        max_tokens: int | None = None,
    ) -> None:
        self._network, self._batch = network, batch
        self._totals = batch.totals or batch.count()
        self._weights = token_weights(
            batch.counts,
            weighting,
            num_rollouts=self._totals.rollouts,
            num_tokens=self._totals.tokens,
            max_tokens=max_tokens,
        )
        self._masks = _MaskTerms(batch)
        self.sums: dict[str, float] = defaultdict(float)

    def encode_frames(self) -> None:
        """Encode all frames that masks are decoded on now, instead of part by part."""
        for number in range(len(self._batch.sequences)):
            self._masks.request([number])

    def __call__(self, part: Sequence[int], spare: bool = False) -> Tensor:
        """Return the loss of some sequences with gradient, or 0 with gradient for a spare part."""
        batch = self._batch
        request = self._masks.request(part)
        sequences = [batch.sequences[number] for number in part]
        output = self._network(sequences or [batch.filler], request)
        # Processes in parallel expect all that was computed to be in the loss.
        loss = torch.stack([value.sum() for value in output.log_probs]).sum() * 0.0
        for logits in output.masks:
            loss = loss + logits.sum() * 0.0
        if spare:
            return loss
        at = 0
        for number, log_probs, entropies in zip(
            part, output.log_probs, output.entropies, strict=True
        ):
            segs = batch.segs[number] if request is not None else ()
            masks = output.masks[at : at + len(segs)]
            at += len(segs)
            self.sums["tokens"] += len(log_probs)
            loss = loss + self._of_sequence(number, log_probs, entropies, segs, masks)
        return loss

    def _of_sequence(
        self,
        number: int,
        log_probs: Tensor,
        entropies: Tensor,
        segs: Sequence[SegUse],
        masks: Sequence[Tensor],
    ) -> Tensor:
        raise NotImplementedError


class GrpoLoss(_Loss):
    """The loss of GRPO on a batch, part by part; remembers what reports need.

    Args:
        network: The policy's network.
        batch: The batch.
        settings: The settings.
        advantages: Of each rollout.
        reference: The reference's log-probabilities of each sequence; None without divergence.
        sampled: The policy's when the rollouts were made; None where they are those of now.
    """

    def __init__(
        self,
        network: Network,
        batch: Batch,
        settings: GrpoSettings,
        *,
        advantages: Sequence[float],
        reference: Sequence[Tensor] | None = None,
        sampled: Sequence[Tensor] | None = None,
    ) -> None:
        super().__init__(
            network, batch, weighting=settings.weighting, max_tokens=settings.max_tokens
        )
        self._settings, self._advantages = settings, advantages
        self._reference, self._sampled = reference, sampled

    def _of_sequence(
        self,
        number: int,
        log_probs: Tensor,
        entropies: Tensor,
        segs: Sequence[SegUse],
        masks: Sequence[Tensor],
    ) -> Tensor:
        settings, owner = self._settings, self._batch.owners[number]
        weight, advantage = self._weights[owner], self._advantages[owner]
        sums = self.sums
        sampled = log_probs if self._sampled is None else self._sampled[number]
        sampled = sampled.detach().to(log_probs)
        loss = log_probs.new_zeros(())
        if self._reference is not None:
            divergence = k3_divergence(
                log_probs,
                self._reference[number].to(log_probs),
                limit=settings.divergence_limit,
            )
            sums["divergence"] += float(divergence.detach().sum())
            if settings.correct_divergence:
                divergence = divergence * (log_probs - sampled).exp()
            loss = loss + settings.divergence_weight * weight * divergence.sum()
        calibrated = self._calibrated(number, log_probs, segs, masks)
        policy_loss, is_clipped = clipped_policy_loss(
            calibrated,
            sampled,
            torch.full_like(log_probs, advantage),
            clip=settings.clip,
        )
        loss = loss + weight * policy_loss.sum()
        if settings.entropy_weight:
            loss = loss - settings.entropy_weight * weight * entropies.sum()
        recorded = self._batch.sequences[number].log_probs.to(log_probs)
        sums["policy_loss"] += float(weight * policy_loss.detach().sum())
        sums["entropy"] += float(entropies.detach().sum())
        sums["clipped"] += float(is_clipped.sum())
        sums["drift"] += float((log_probs.detach() - recorded).abs().sum())
        if settings.mask_weight and segs:
            against_truth = self._against_truth(number, segs, masks)
            loss = loss + settings.mask_weight * against_truth
            sums["mask_loss"] += float(against_truth.detach())
        return loss

    def _calibrated(
        self,
        number: int,
        log_probs: Tensor,
        segs: Sequence[SegUse],
        masks: Sequence[Tensor],
    ) -> Tensor:
        calibration = self._settings.calibration
        used = [
            (seg, seg.sampled, logits)
            for seg, logits in zip(segs, masks, strict=True)
            if seg.sampled is not None
        ]
        if calibration is None or not used:
            return log_probs
        logits = torch.stack([logits[-1] for _, _, logits in used])
        if calibration.target == "own":
            sampled = torch.stack([masks.logits[-1] for _, masks, _ in used]).to(logits)
            target = calibration_target(sampled, threshold=calibration.threshold)
        else:
            sample = self._batch.sample(number)
            truth = self._masks.truth(sample, [masks.keyframe for _, masks, _ in used], logits)
            target = calibration_target(truth.float() * 2 - 1)
        likelihoods = mask_log_likelihood(logits, target)
        self.sums["mask_log_likelihood"] += float(likelihoods.detach().sum())
        places = torch.tensor([seg.place for seg, _, _ in used])
        return calibrate(log_probs, places, likelihoods, weight=calibration.weight)

    def _against_truth(
        self, number: int, segs: Sequence[SegUse], masks: Sequence[Tensor]
    ) -> Tensor:
        """Return this sequence's part of the mean losses on overviews and on keyframes."""
        sample = self._batch.sample(number)
        total = masks[0].new_zeros(())
        for seg, logits in zip(segs, masks, strict=True):
            truth = self._masks.truth(sample, seg.frames, logits)
            loss = mask_cross_entropy(logits, truth) + dice_loss(logits, truth)
            if seg.num_overview:
                total = total + loss[: seg.num_overview].mean() / self._totals.segs
            if seg.is_last and len(seg.frames) > seg.num_overview:
                total = total + loss[-1] / self._totals.last
        return total


class SftLoss(_Loss):
    """The loss of supervised fine-tuning on a batch of demonstrations, part by part.

    Args:
        network: The policy's network.
        batch: The batch.
        settings: The settings.
    """

    def __init__(self, network: Network, batch: Batch, settings: SftSettings) -> None:
        super().__init__(network, batch, weighting=settings.weighting)
        self._settings = settings

    def _of_sequence(
        self,
        number: int,
        log_probs: Tensor,
        entropies: Tensor,
        segs: Sequence[SegUse],
        masks: Sequence[Tensor],
    ) -> Tensor:
        weight = self._weights[self._batch.owners[number]]
        loss = -weight * log_probs.sum()
        self.sums["token_loss"] += float(loss.detach())
        self.sums["entropy"] += float(entropies.detach().sum())
        for seg, logits in zip(segs, masks, strict=True):
            loss = loss + self._of_mask(number, seg, logits)
        return loss

    def _of_mask(self, number: int, seg: SegUse, logits: Tensor) -> Tensor:
        truth = self._masks.truth(self._batch.sample(number), seg.frames, logits)
        cross, dice = mask_cross_entropy(logits, truth).mean(), dice_loss(logits, truth).mean()
        self.sums["mask_cross_entropy"] += float(cross.detach()) / self._totals.segs
        self.sums["mask_dice"] += float(dice.detach()) / self._totals.segs
        weighted = self._settings.cross_entropy_weight * cross + self._settings.dice_weight * dice
        return weighted / self._totals.segs
