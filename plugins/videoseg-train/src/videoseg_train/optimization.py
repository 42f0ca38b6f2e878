"""One optimizer step on sequences, in parts that fit into memory, on any number of processes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, DistributedType
from torch import Tensor
from transformers import get_scheduler

from videoseg import ConfigError
from videoseg_train.errors import CheckpointError, NonFiniteError
from videoseg_train.network import PolicyNetwork, sequence_log_probs
from videoseg_train.parameters import has_adapters, without_adapters
from videoseg_train.policy import Policy
from videoseg_train.sequences import TrainingSequence, make_filler
from videoseg_train.settings import BatchSettings, OptimizerSettings
from videoseg_train.sharding import (
    ModelShape,
    check_sharding,
    gathered,
    plain_name,
    share_out,
    whole_tensors,
)
from videoseg_train.zero import check_shares, load_shards, save_shards, set_up_zero, touch

__all__ = ["Optimization", "Reference", "make_accelerator"]

_MOST_NAMES = 3


def make_accelerator(**options: Any) -> Accelerator:
    """Return accelerate's object for devices, precision and processes, set up for a policy.

    Parts of a policy may have no gradient in a step (the vision tower without images, the mask
    decoder without ``[SEG]``), which processes in parallel must expect.

    Args:
        options: Those of ``accelerate.Accelerator``.
    """
    handlers = [
        *options.pop("kwargs_handlers", []),
        DistributedDataParallelKwargs(find_unused_parameters=True),
    ]
    return Accelerator(**options, kwargs_handlers=handlers)


class Optimization:
    """The trained parameters, their optimizer and its schedule.

    Args:
        policy: The policy; parameters that require a gradient are trained.
        settings: The optimizer's.
        batch: How a step is cut into parts.
        accelerator: From ``make_accelerator``, by default with its defaults.

    Attributes:
        accelerator: The accelerator.
        network: The policy as accelerate has wrapped it.
        optimizer: The optimizer.
        scheduler: The schedule of its learning rate.

    Raises:
        ConfigError: If nothing is trained, or processes share out the model in a way that
            training does not know.
    """

    def __init__(
        self,
        policy: Policy,
        settings: OptimizerSettings,
        *,
        batch: BatchSettings | None = None,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.accelerator = accelerator or make_accelerator()
        self._settings = settings
        self._batch = batch or BatchSettings()
        self._filler = make_filler(policy.end_token)
        check_sharding(self.accelerator)
        if self.uses_deepspeed:
            set_up_zero(self.accelerator, policy, settings)
        self._policy = policy
        network = PolicyNetwork(policy)
        trained = [value for value in network.parameters() if value.requires_grad]
        if not trained:
            raise ConfigError(
                "no parameter of the policy is trained; see set_trained and add_lora"
            )
        optimizer = torch.optim.AdamW(
            trained,
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
        )
        self._shape = ModelShape(policy.model) if self.is_sharded else None
        self.network, self.optimizer = self.accelerator.prepare(network, optimizer)
        if self.is_sharded:
            # What a process has not used (the mask decoder without [SEG]) has a gradient of 0:
            # processes exchange the same gradients.
            self.network.set_reduce_scatter_unused_params(True)
        # Not prepared: accelerate would let it step once for each process.
        self.scheduler: Any = get_scheduler(
            "constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
            self.optimizer,
            num_warmup_steps=settings.warmup_steps,
            num_training_steps=settings.num_steps,
        )

    @property
    def is_sharded(self) -> bool:
        """Whether processes share out the parameters."""
        return bool(self.accelerator.distributed_type == DistributedType.FSDP)

    @property
    def uses_deepspeed(self) -> bool:
        """Whether DeepSpeed makes the steps."""
        return bool(self.accelerator.distributed_type == DistributedType.DEEPSPEED)

    def whole_model(self) -> Any:
        """Return the model with whole parameters, for saving it.

        Returns:
            The policy's own model; where processes share out the parameters, a copy on the CPU
            in the first process and None in the others. All processes must call it.
        """
        if self._shape is None:
            return self._policy.model
        return self._shape.filled(self.network, keep=self.accelerator.is_main_process)

    def whole(self) -> AbstractContextManager[None]:
        """Have whole parameters in this process; see ``gathered``."""
        plugin = getattr(self.accelerator.state, "fsdp_plugin", None)
        reshard = bool(getattr(plugin, "reshard_after_forward", True))
        return gathered(self.network, self._filler, reshard=reshard)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.scheduler.get_last_lr()[0])

    def share(self, count: int) -> range:
        """Return which of a number of items are this process's."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        return range(count * rank // world, count * (rank + 1) // world)

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the sums over all processes, which have the same names."""
        names = sorted(values)
        kind = torch.float32 if self.accelerator.device.type == "mps" else torch.float64
        mine = torch.tensor(
            [values[name] for name in names], dtype=kind, device=self.accelerator.device
        )
        summed: Tensor = self.accelerator.reduce(mine, "sum")
        return dict(zip(names, summed.tolist(), strict=True))

    def parts(self, sequences: Sequence[TrainingSequence]) -> list[list[int]]:
        """Return which sequences are computed together.

        Those that begin with the same question stand together, since its tokens are then computed
        once; else those of similar length.
        """
        groups: dict[object, list[int]] = {}
        for number, sequence in enumerate(sequences):
            groups.setdefault(_question(sequence), []).append(number)
        limit = self._batch.max_tokens
        made: list[list[int]] = []
        rows: dict[object, int] = {}
        for key in sorted(groups, key=lambda key: -max(len(sequences[n]) for n in groups[key])):
            for number in groups[key]:
                sequence = sequences[number]
                length = len(sequence)
                if made and key in rows:
                    length += rows[key] - sequence.turns[0].start
                larger = {**rows, key: length}
                fits = limit is None or len(larger) * max(larger.values()) <= limit
                if made and fits and len(made[-1]) < self._batch.max_sequences:
                    made[-1].append(number)
                    rows = larger
                else:
                    made.append([number])
                    rows = {key: len(sequence)}
        return made

    def step(
        self, parts: Sequence[Sequence[int]], loss_of: Callable[[Sequence[int], bool], Tensor]
    ) -> float:
        """Make one step of the optimizer.

        Args:
            parts: What this process computes, part by part.
            loss_of: Returns the loss of a part with gradient. The sum over all parts of all
                processes is what is minimized. Called with True for a part that does not count:
                processes that have fewer parts than others compute along, since they exchange
                gradients.

        Returns:
            The norm of the gradient before it was scaled down.

        Raises:
            NonFiniteError: If the gradient is not finite; nothing has been changed then.
        """
        accelerator = self.accelerator
        world = accelerator.num_processes
        most = torch.tensor([len(parts)], device=accelerator.device)
        counts = accelerator.gather(most)
        count = int(counts.max())
        if self.uses_deepspeed:
            check_shares(int(counts.min()), world)
        self.network.train()
        for number in range(count):
            spare = number >= len(parts)
            part = (parts[0] if parts else ()) if spare else parts[number]
            is_last = number == count - 1
            # Where gradients are shared out, whole ones are not kept from part to part.
            together = is_last or self.is_sharded
            with nullcontext() if together else accelerator.no_sync(self.network):
                loss = loss_of(part, spare)
                if self.uses_deepspeed:
                    # With this, the last part makes the step.
                    accelerator.sync_gradients = is_last
                    loss = loss + touch(self._trained().values())
                # Gradients are averaged over processes, where the sum is meant.
                accelerator.backward(loss * world)
        norm = self._clip()
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    # -- state -----------------------------------------------------------------------------------

    def state_dict(self, *, keep: bool = True) -> dict[str, Any]:
        """Return what has changed since this was made: trained parameters, optimizer, schedule.

        The same for any number of processes, whether or not they share out the parameters; all of
        them must call it.

        Args:
            keep: Whether this process needs the result. If not, it gets a part of it.
        """
        scaler = getattr(self.accelerator, "scaler", None)
        return {
            **self._parameters_and_optimizer(keep=keep),
            "scheduler": self.scheduler.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
        }

    def _parameters_and_optimizer(self, *, keep: bool) -> dict[str, Any]:
        if self.uses_deepspeed:
            return {"parameters": None, "optimizer": None}  # See save_shards.
        return {
            "parameters": whole_tensors(self._trained(), keep=keep),
            "optimizer": whole_tensors(self.optimizer.state_dict(), keep=keep),
        }

    def save_shards(self, folder: Path) -> bool:
        """Write what ``state_dict`` leaves out because each process has a part of it.

        All processes must call it, with a folder that all of them can write to.

        Returns:
            Whether anything was written; only with DeepSpeed.
        """
        if self.uses_deepspeed:
            save_shards(self.network, folder)
        return self.uses_deepspeed

    def load_state_dict(self, state: Mapping[str, Any], shards: Path | None = None) -> None:
        """Take over what ``state_dict`` returned.

        Args:
            state: The state.
            shards: Where ``save_shards`` has written to.

        Raises:
            CheckpointError: If other parameters are trained than were saved, or DeepSpeed was
                used before or is now, but not both.
        """
        if self.uses_deepspeed != (shards is not None):
            before, now = ("with", "without") if shards is not None else ("without", "with")
            raise CheckpointError(
                f"the checkpoint was made {before} DeepSpeed and cannot be resumed {now}; use the "
                "configuration of accelerate that the run began with"
            )
        if shards is not None:
            load_shards(self.network, shards)
        else:
            self._load_parameters(state)
        self.scheduler.load_state_dict(dict(state["scheduler"]))
        scaler = getattr(self.accelerator, "scaler", None)
        if state["scaler"] is not None and scaler is not None:
            scaler.load_state_dict(state["scaler"])

    def _load_parameters(self, state: Mapping[str, Any]) -> None:
        trained, saved = self._trained(), state["parameters"]
        other = sorted(trained.keys() ^ saved.keys())
        other += sorted(
            name
            for name in trained.keys() & saved.keys()
            if trained[name].shape != saved[name].shape
        )
        if other:
            raise CheckpointError(
                f"the checkpoint has other trained parameters than this run, such as {other[0]}; "
                "resume with the configuration that the run began with"
            )
        with torch.no_grad():
            for name, value in trained.items():
                value.copy_(share_out(saved[name], value))
        self.optimizer.load_state_dict(self._shared_out(state["optimizer"]))

    def _trained(self) -> dict[str, Tensor]:
        return {
            plain_name(name): value
            for name, value in self.network.named_parameters()
            if value.requires_grad
        }

    def _shared_out(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state of the optimizer with this process's parts of its tensors."""
        parameters = [value for group in self.optimizer.param_groups for value in group["params"]]

        def part(number: int, value: Any) -> Any:
            like = parameters[number]
            fits = isinstance(value, Tensor) and value.shape == like.shape
            return share_out(value, like) if fits else value

        states = {
            number: {name: part(number, value) for name, value in kept.items()}
            for number, kept in state["state"].items()
        }
        return {**state, "state": states}

    # -- a step ----------------------------------------------------------------------------------

    def _clip(self) -> float:
        bound = self._settings.max_gradient_norm
        if self.uses_deepspeed:
            return self._norm_of_deepspeed()
        trained = list(self._trained().items())
        # Taken before, since scaling spreads what is not finite to all of them.
        norms = [
            (name, torch.linalg.vector_norm(value.grad))
            for name, value in trained
            if value.grad is not None
        ]
        found = self.accelerator.clip_grad_norm_(
            [value for _, value in trained], float("inf") if bound is None else bound
        )
        norm = float(whole_tensors(found)) if found is not None else 0.0
        # With float16, the scaler of gradients leaves such steps out itself.
        if not norm < float("inf") and getattr(self.accelerator, "scaler", None) is None:
            names = [
                name.removeprefix("model.")
                for name, size in norms
                if not whole_tensors(size).isfinite()
            ]
            self.optimizer.zero_grad(set_to_none=True)
            shown = ", ".join(names[:_MOST_NAMES])
            raise NonFiniteError(
                f"the gradient is {norm}: that of {len(names)} of {len(trained)} parameters is "
                f"not finite, such as {shown or 'none of this process'}; nothing was changed in "
                "this step. Take bfloat16 or float32 instead of float16, lower the learning rate, "
                "or go back to a checkpoint"
            )
        return norm

    def _norm_of_deepspeed(self) -> float:
        """Return the norm of the gradient after DeepSpeed has made its step, or left it out."""
        norm = float(self.accelerator.clip_grad_norm_([], 0.0) or 0.0)
        scales = getattr(self.network, "fp16_enabled", bool)()
        if self.optimizer.step_was_skipped and not scales:
            raise NonFiniteError(
                "the gradient is not finite; nothing was changed in this step. Lower the learning "
                "rate, or go back to a checkpoint"
            )
        return norm


def _question(sequence: TrainingSequence) -> object:
    """Return what is the same for sequences that begin with the same question."""
    conversation, step = sequence.conversation, sequence.steps[0]
    count = len(step.conversation.images)
    digests = tuple(image.digest for image in conversation.images[:count])
    return conversation.tokens[: sequence.turns[0].start], digests


class Reference:
    """The policy before training, which it must not go far from.

    If adapters are all that is trained of the language model, it is the model without them; else a
    copy.

    Args:
        policy: The policy before the first step.
    """

    def __init__(self, policy: Policy) -> None:
        self._vlm = policy.vlm
        adapters_alone = all(
            "lora_" in name for name, value in policy.vlm.named_parameters() if value.requires_grad
        )
        self.is_copy = not (has_adapters(policy.vlm) and adapters_alone)
        if self.is_copy:
            self._vlm = copy.deepcopy(policy.vlm).requires_grad_(False).eval()

    def to(self, device: torch.device) -> Reference:
        """Move a copy to a device; returns itself."""
        if self.is_copy:
            self._vlm.to(device)
        return self

    def log_probs(self, sequences: Sequence[TrainingSequence]) -> list[Tensor]:
        """Return the log-probabilities of the policy's own tokens, without gradient."""
        if self.is_copy:
            return sequence_log_probs(self._vlm, sequences)
        with without_adapters(self._vlm):
            return sequence_log_probs(self._vlm, sequences)
