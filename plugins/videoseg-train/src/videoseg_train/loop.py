"""The loop of a training run: steps, evaluations in between, what is written down and saved."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from videoseg.errors import OutputError
from videoseg.plugins import Registry
from videoseg.progress import open_display
from videoseg.text import format_seconds, show_path
from videoseg_train.building import build_pipeline, stages_for
from videoseg_train.checkpoints import Checkpoints
from videoseg_train.config import TrainingConfig
from videoseg_train.errors import CheckpointError
from videoseg_train.evaluation import Evaluation, evaluate_policy
from videoseg_train.export import save_model
from videoseg_train.journal import EPISODES, METRICS, TIMINGS, Journal
from videoseg_train.processes import do_first, fail_together, is_foreseen
from videoseg_train.randomness import mix_seed, random_numbers
from videoseg_train.replay import ColdStartSet, TraceChat, TrainingTrace
from videoseg_train.report import write_report
from videoseg_train.rewards import RewardTerm
from videoseg_train.rollout import Stages, Teacher, record_demonstrations
from videoseg_train.run_folder import RunFolder
from videoseg_train.samples import TrainingSample
from videoseg_train.settings import GrpoSettings, SftSettings
from videoseg_train.trainer import StepReport, Trainer, order_items

__all__ = ["TrainingLoop"]


@dataclass(slots=True)
class TrainingLoop:
    """The loop of a run and what it needs.

    Args:
        config: The configuration.
        folder: Where the run is written.
        trainer: Makes the steps.
        stages: Where the policy acts.
        samples: What is trained on.
        held_out: What is evaluated on.
        teacher: Who demonstrates in SFT.
        rewards: The reward in GRPO.
        registry: Where names of components are looked up.
        total: How many steps there are.
        start: Digest of the model that the run began with.
        quiet: Show no progress.

    Attributes:
        saved: The last step that is saved; 0 if there is none.
        evaluated: Whether the evaluation after the last step, if there is one, has been made.
        metrics: Of the last evaluation; of the last step if there was none.
        warnings: Why the run may not have learned.
    """

    config: TrainingConfig
    folder: RunFolder
    trainer: Trainer
    stages: Stages
    samples: Sequence[TrainingSample]
    held_out: Sequence[TrainingSample]
    teacher: Teacher | None
    rewards: tuple[RewardTerm, ...]
    registry: Registry
    total: int
    start: str
    quiet: bool = False
    saved: int = 0
    evaluated: bool = True
    metrics: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    journal: Journal = field(init=False)
    checkpoints: Checkpoints = field(init=False)

    def __post_init__(self) -> None:
        is_first = self.trainer.accelerator.is_main_process
        self.journal = Journal(self.folder.path, enabled=is_first)
        self.checkpoints = Checkpoints(self.folder.checkpoints, keep=self.config.checkpoints.keep)

    def run(self, *, resume: bool) -> None:
        """Train to the end, from the newest checkpoint if the run is resumed; save the model.

        Raises:
            CheckpointError: If the checkpoint is damaged or does not fit.
            OutputError: If something cannot be written.
            TrainingError: If the run cannot go on; what was done until then is saved.
        """
        trainer, accelerator = self.trainer, self.trainer.accelerator
        if resume:
            self._resume()
        do_first(accelerator, self._begin)
        if self.config.report_to:
            accelerator.init_trackers("videoseg-train", config=_flat(self.config.given))
        display = None if self.quiet else open_display(sys.stderr)
        try:
            if display is not None:
                display.begin(f"training ({self.config.method})", self.total)
            if not self.saved or not self.evaluated:
                self._evaluate(trainer.step)
                self.evaluated = True
            self._loop(display)
        except BaseException:
            # What went wrong is the error, not that its report cannot be written, too.
            with suppress(OutputError):
                self._write_report()
            raise
        else:
            do_first(accelerator, self._write_report)
        finally:
            if display is not None:
                display.close()
            if self.config.report_to:
                accelerator.end_training()
        model = trainer.optimization.whole_model()
        processor = trainer.policy.processor
        do_first(accelerator, lambda: save_model(model, processor, self.folder.model))

    def _begin(self) -> None:
        self.journal.cut(self.trainer.step if self.saved else -1, evaluated=self.evaluated)
        self.folder.write_config(self.config)

    # -- the loop --------------------------------------------------------------------------------

    def _loop(self, display: Any) -> None:
        trainer, config = self.trainer, self.config
        order = order_items(
            len(self.samples),
            config.training.samples_per_step,
            seed=config.seed,
            start=trainer.step,
        )
        begin, first = time.monotonic(), trainer.step
        while trainer.step < self.total:
            with self._saving():
                report = self._step(*self._open(next(order)))
            with fail_together(self._several):
                self._note(report)
            step, is_last = report.step, report.step == self.total
            every = config.evaluation.every
            if every and (step % every == 0 or is_last):
                self.evaluated = False
                with self._saving():
                    self._evaluate(step)
                self.evaluated = True
            if step % config.checkpoints.every == 0 or is_last:
                self._save()
            if display is not None:
                done = step - first
                left = (time.monotonic() - begin) / done * (self.total - step)
                display.advance(step, self.total, self._describe(report, left))

    @property
    def _several(self) -> bool:
        return bool(self.trainer.accelerator.num_processes > 1)

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """Save the steps that have been made if something goes wrong that does not touch them."""
        try:
            yield
        except Exception as error:
            if is_foreseen(error) and self.trainer.is_whole:
                self._save()
            raise

    def _open(
        self, numbers: Sequence[int]
    ) -> tuple[list[TrainingSample], dict[str, TrainingTrace]]:
        """Return samples and, where they are those of traces, the traces by the samples' ids."""
        found = self.samples
        with fail_together(self._several):
            chosen = [found[number] for number in numbers]
            if isinstance(found, ColdStartSet):
                return chosen, {found[number].id: found.trace(number) for number in numbers}
        return chosen, {}

    def _step(
        self, samples: Sequence[TrainingSample], traces: Mapping[str, TrainingTrace]
    ) -> StepReport:
        trainer, settings = self.trainer, self.config.training.settings
        with random_numbers(self.config.seed, trainer.step):
            if isinstance(settings, GrpoSettings):
                with fail_together(self._several):
                    stages = stages_for(self.stages, samples)
                return trainer.grpo_step(
                    samples,
                    stages,
                    self._weighted_rewards(trainer.step),
                    settings,
                    registry=self.registry,
                )
            teacher = self.teacher
            if traces:
                teacher = lambda sample, _: TraceChat(traces[sample.id])  # noqa: E731
            assert teacher is not None
            begin = time.perf_counter()
            with fail_together(self._several):
                demonstrations = record_demonstrations(
                    trainer.policy,
                    stages_for(self.stages, samples, list(traces.values())),
                    samples,
                    teacher,
                    seed=mix_seed(self.config.seed, trainer.step),
                    registry=self.registry,
                )
            seconds = time.perf_counter() - begin
            assert isinstance(settings, SftSettings)
            report = trainer.sft_step(demonstrations, settings)
            return replace(report, seconds={"demonstration": seconds, **report.seconds})

    def _note(self, report: StepReport) -> None:
        """Write down a step."""
        self.metrics = dict(report.metrics)
        self.warnings += report.warnings
        self.journal.add(
            METRICS,
            {
                "kind": "step",
                "step": report.step,
                "metrics": report.metrics,
                "warnings": list(report.warnings),
            },
        )
        memory, where = _memory()
        self.journal.add(
            TIMINGS,
            {
                "step": report.step,
                "seconds": {name: round(value, 4) for name, value in report.seconds.items()},
                "tokens": report.metrics.get("tokens", 0.0),
                "memory_bytes": memory,
                "memory_of": where,
            },
        )
        if self.config.report_to:
            values = {f"train/{name}": value for name, value in report.metrics.items()}
            self.trainer.accelerator.log(values, step=report.step)

    def _evaluate(self, step: int) -> Evaluation | None:
        settings = self.config.evaluation
        if not self.held_out or not settings.every:
            return None
        trainer = self.trainer
        begin = time.perf_counter()
        with random_numbers(self.config.seed, step), trainer.optimization.whole():
            with fail_together(self._several):
                stages = stages_for(self._evaluation_stages(), self.held_out)
                pipeline = build_pipeline(self.config, trainer.policy, registry=self.registry)
            found = evaluate_policy(
                trainer.policy,
                stages,
                self.held_out,
                pipeline=pipeline,
                rewards=self.rewards,
                shown=settings.shown,
                seed=settings.seed,
                share=trainer.optimization.share(len(self.held_out)) if self._several else None,
                registry=self.registry,
            )
        with fail_together(self._several):
            self._note_evaluation(step, found, time.perf_counter() - begin)
        return found

    def _note_evaluation(self, step: int, found: Evaluation, seconds: float) -> None:
        """Write down an evaluation."""
        self.metrics = found.metrics
        for episode in found.episodes:
            self.journal.add(EPISODES, {"step": step, **asdict(episode)})
        self.journal.add(METRICS, {"kind": "evaluation", "step": step, "metrics": found.metrics})
        self.journal.add(
            TIMINGS,
            {"step": step, "seconds": {"evaluation": round(seconds, 4)}},
        )
        if self.config.report_to:
            values = {f"evaluation/{name}": value for name, value in found.metrics.items()}
            self.trainer.accelerator.log(values, step=step)
        if step:
            self._write_report()

    def _evaluation_stages(self) -> Stages:
        sampler = self.config.evaluation.sampler
        return self.stages if sampler is None else replace(self.stages, sampler=sampler)

    def _weighted_rewards(self, step: int) -> tuple[RewardTerm, ...]:
        """Return the terms with the weights of a step."""
        fading = {one.label or one.name: one.fade_steps for one in self.config.training.rewards}
        return tuple(
            replace(term, weight=term.weight * max(0.0, 1 - step / steps))
            if (steps := fading.get(term.name, 0))
            else term
            for term in self.rewards
        )

    def _describe(self, report: StepReport, left: float) -> str:
        name = "reward" if self.config.method == "grpo" else "loss"
        text = f"step {report.step} of {self.total}, {name} {report.metrics[name]:.4g}"
        return text if report.step == self.total else f"{text}, {format_seconds(left)} left"

    def _write_report(self) -> None:
        if self.trainer.accelerator.is_main_process:
            write_report(self.folder.path)

    # -- checkpoints -----------------------------------------------------------------------------

    def _save(self) -> None:
        trainer, reference = self.trainer, self.trainer.reference
        if trainer.step == self.saved:
            return
        state = trainer.state_dict(keep=trainer.accelerator.is_main_process)
        facts = {
            "method": self.config.method,
            "seed": self.config.seed,
            "total_steps": self.total,
            "num_samples": len(self.samples),
            "evaluated": self.evaluated,
            "start": self.start,
            # The reference is the start, or that without adapters; nothing to be saved.
            "reference": None
            if reference is None
            else ("copy" if reference.is_copy else "adapters"),
            "torch": torch.__version__,
        }
        unsaved = self.checkpoints.new_shards()
        do_first(trainer.accelerator, lambda: shutil.rmtree(unsaved, ignore_errors=True))
        shards = unsaved if trainer.optimization.save_shards(unsaved) else None
        trainer.accelerator.wait_for_everyone()
        do_first(
            trainer.accelerator,
            lambda: self.checkpoints.save(trainer.step, state, facts, shards=shards),
        )
        self.saved = trainer.step

    def _resume(self) -> None:
        found = self.checkpoints.load()
        if found is None:
            return
        facts = found.facts
        problems = []
        if facts["start"] != self.start:
            problems.append(
                f"the model {self.config.model.path!r} is another one than the run began with"
            )
        if facts["num_samples"] != len(self.samples):
            problems.append(
                f"there are {len(self.samples)} samples, but {facts['num_samples']} when it began"
            )
        if facts["total_steps"] != self.total:
            problems.append(
                f"the run has {self.total} steps now, but {facts['total_steps']} when it began"
            )
        if problems:
            raise CheckpointError(
                f"cannot resume the run in {show_path(self.folder.path)}: {'; '.join(problems)}; "
                "begin again in another folder, or put back what has changed"
            )
        self.trainer.load_state_dict(found.state, found.shards)
        self.saved = found.step
        self.evaluated = bool(facts.get("evaluated", True))


def _memory() -> tuple[int, str]:
    """Return the most bytes of memory that have been in use, and of what: a GPU or a process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated()), "the GPU"
    try:
        import resource
    except ImportError:  # Windows
        return 0, ""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most if sys.platform == "darwin" else most * 1024), "the process"


def _flat(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping as trackers take it."""
    flat: dict[str, Any] = {}
    for key, value in given.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value if isinstance(value, int | float | str | bool) else str(value)
    return flat
