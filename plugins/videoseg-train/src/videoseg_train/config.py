"""The configuration of a training run; ``config_reader`` reads it from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from videoseg import Use
from videoseg.types import to_dict
from videoseg_train.parameters import LoraSettings, Part
from videoseg_train.rollout import Stages
from videoseg_train.settings import (
    BatchSettings,
    GrpoSettings,
    OptimizerSettings,
    SftSettings,
)

__all__ = [
    "CheckpointSettings",
    "DataSettings",
    "DifficultySettings",
    "EvaluationSettings",
    "Method",
    "MethodSettings",
    "ModelSettings",
    "PolicySettings",
    "RewardUse",
    "TeacherSettings",
    "Tracker",
    "TrainingConfig",
]

Method: TypeAlias = Literal["sft", "grpo"]
Tracker: TypeAlias = Literal["tensorboard", "wandb", "trackio"]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Where training begins.

    Args:
        path: Folder of a checkpoint, or its name on the Hugging Face hub.
        kind: ``vlm``: a Qwen-VL model of transformers. ``seg``: a ``[SEG]`` model with SAM 2, as
            ``videoseg_o3.load_seg_model`` reads it.
        revision: Branch, tag or commit on the hub.
        dtype: Precision of the parameters. ``auto`` is the checkpoint's.
        device: ``auto`` leaves the choice to accelerate; ``cpu`` trains on the CPU.
        attention: ``sdpa``, ``flash_attention_2`` or ``eager``; by default the model's choice.
        download: Download the checkpoint from the hub if it is not on this machine.
        precision: In which training computes, see ``accelerate.Accelerator``; by default what
            accelerate's own configuration says.
    """

    path: str
    kind: Literal["vlm", "seg"] = "vlm"
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: Literal["auto", "cpu"] = "auto"
    attention: str | None = None
    download: bool = False
    precision: Literal["no", "bf16", "fp16"] | None = None


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """How answers are sampled in training; see ``Policy``.

    Args:
        temperature: Divides the logits that are sampled from: 1 in VisionReasoner, 0.9 in
            VideoSEG-O3.
        top_p: Cumulative probability of the tokens that are sampled from: 1 in VisionReasoner, 0.9
            in VideoSEG-O3.
        max_tokens: Upper bound on the tokens of an answer, besides the stage's own: 2,000 in
            VisionReasoner, 512 a turn in VideoSEG-O3.
        max_batch: How many answers are generated at once; fewer take less memory.
        preprocessing: How images are resized: ``direct``, once, to the size that the model sees;
            ``released``, in the steps of the released code of VideoSEG-O3.
        max_pixels: Upper bound on height x width at which the model sees an image.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int | None = None
    max_batch: int = 64
    preprocessing: Literal["released", "direct"] = "direct"
    max_pixels: int | None = None


@dataclass(frozen=True, slots=True)
class DifficultySettings:
    """Who says how hard each sample is; see ``DifficultyRatings``.

    Args:
        chat: The chat model that rates samples without a rating; none to use what the file has.
        file: Where ratings are kept, a line for each, so that each sample is rated once.
    """

    chat: Use | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class DataSettings:
    """The samples: of a benchmark, or of a file of VideoSEG-O3.

    Args:
        benchmark: The benchmark, by name with options.
        root: Folder of the benchmark; none for one that is drawn.
        split: Split of the benchmark.
        file: Instead of a benchmark, a JSON file as VideoSEG-O3 publishes it.
        format: What it holds: ``vts-cot`` are traces for SFT (use the sampler ``trace`` with
            them), ``questions`` are samples for reinforcement learning.
        pictures: The folder with one folder of pictures for each video of the file.
        masks: The JSON file with the masks of the file's objects.
        max_samples: Take at most so many, spread evenly.
        difficulty: Adds a difficulty to each sample, for reward ``r1-length``.
    """

    benchmark: Use | None = None
    root: str | None = None
    split: str = "train"
    file: str | None = None
    format: Literal["vts-cot", "questions"] | None = None
    pictures: str | None = None
    masks: str | None = None
    max_samples: int | None = None
    difficulty: DifficultySettings | None = None


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """Evaluation on held-out samples.

    Args:
        every: After how many steps it is done; also before the first step and after the last. 0:
            never.
        data: The held-out samples; none: no evaluation.
        sampler: Shows other frames than in training; by default the same.
        shown: How many episodes go into the report, before and after.
        seed: Seed of the episodes.
    """

    every: int = 50
    data: DataSettings | None = None
    sampler: Use | None = None
    shown: int = 4
    seed: int = 0


@dataclass(frozen=True, slots=True)
class CheckpointSettings:
    """When the run is saved.

    Args:
        every: After how many steps a checkpoint is written; also after the last.
        keep: How many of them are kept, the newest.
    """

    every: int = 50
    keep: int = 2


@dataclass(frozen=True, slots=True)
class RewardUse:
    """A term of the reward by the name of its component.

    Args:
        name: The component of kind ``reward``.
        options: Options of the component.
        weight: What its value is multiplied by.
        use: ``term`` is added to the others; ``factor`` multiplies the sum of all terms where that
            is positive, such as VideoSeg-R1's length penalty.
        label: What it is called in reports; by default the component's name.
        fade_steps: Steps in which the weight falls to 0, such as that of a format that has been
            learned before; 0: it does not.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    use: Literal["term", "factor"] = "term"
    label: str = ""
    fade_steps: int = 0


@dataclass(frozen=True, slots=True)
class TeacherSettings:
    """The teacher that demonstrates from the truth; see ``TeacherChat`` and ``TeacherFaults``.

    Args:
        box_spread: How far the sides of its boxes are drawn outward: by |N(0, s)| of the frame's
            width or height, s in [0, 1].
        wrong_object: Share of answers about another object, in [0, 1].
        random_keyframe: Share of looks at a random keyframe, in [0, 1].
        form: How it answers grounder ``o3``: with boxes (``text``), with ``[SEG]`` (``seg``), or
            with the frames alone (``find``), where another grounder answers then; by default as
            the system message says.
        num_looks: How often it looks before it answers, as far as ``max_turns`` lets it.
        coordinates: The space of its coordinates, as for grounder ``r1``; by default the policy's.
    """

    box_spread: float = 0.0
    wrong_object: float = 0.0
    random_keyframe: float = 0.0
    form: Literal["text", "seg", "find"] | None = None
    num_looks: int = 1
    coordinates: str | None = None


@dataclass(frozen=True, slots=True)
class MethodSettings:
    """What is trained, for how long and how.

    Args:
        steps: How many steps; or else ``epochs``.
        epochs: How often each sample is taken; 1 if neither is given.
        samples_per_step: Samples of a step, over all processes. In GRPO each has a group of
            rollouts.
        parts: Parts of the model that are trained: ``language`` (the language model),
            ``embeddings`` (those of the input, and the head), ``vision``; of ``[SEG]`` models also
            ``projector`` and ``mask-decoder``. All else is frozen.
        lora: Adapters on the language model, which is frozen itself; see ``LoraSettings``.
        optimizer: The optimizer; ``num_steps`` and ``warmup_steps`` are filled in.
        warmup_share: Share of the steps in which the learning rate rises.
        batch: How a step is cut into parts that fit into memory.
        gradient_checkpointing: Compute layers again instead of keeping what they computed: less
            memory, a third more time.
        settings: Those of the method.
        teacher: Who demonstrates; for SFT.
        rewards: The terms of the reward; for GRPO.
    """

    steps: int | None = None
    epochs: float | None = None
    samples_per_step: int = 16
    parts: tuple[Part, ...] = ("language", "embeddings")
    lora: LoraSettings | None = None
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    warmup_share: float = 0.0
    batch: BatchSettings = field(default_factory=BatchSettings)
    gradient_checkpointing: bool = False
    settings: SftSettings | GrpoSettings = field(default_factory=SftSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    rewards: tuple[RewardUse, ...] = ()

    def num_steps(self, num_samples: int) -> int:
        """Return how many steps there are with so many samples."""
        if self.steps is not None:
            return self.steps
        return max(1, round((self.epochs or 1.0) * num_samples / self.samples_per_step))


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A training run.

    Args:
        method: ``sft`` or ``grpo``.
        model: Where it begins.
        stages: Where the policy acts.
        data: What it trains on; none if samples are given in Python.
        training: What is trained, for how long and how.
        policy: How answers are sampled.
        segmenter: Turns boxes and points into masks, in evaluation.
        propagator: Propagates them through the video, in evaluation; without one, only keyframes
            are judged. ``o3`` of a ``[SEG]`` model has the parameters that are being trained.
        evaluation: Evaluation in between.
        checkpoints: When the run is saved.
        report_to: Trackers that get the metrics besides, through accelerate.
        seed: Seed of everything random.
        given: The configuration as it was read, with its preset filled in.
    """

    method: Method
    model: ModelSettings
    stages: Stages
    training: MethodSettings
    data: DataSettings | None = None
    policy: PolicySettings = field(default_factory=PolicySettings)
    segmenter: Use | None = None
    propagator: Use | None = None
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    checkpoints: CheckpointSettings = field(default_factory=CheckpointSettings)
    report_to: tuple[Tracker, ...] = ()
    seed: int = 0
    given: Mapping[str, Any] = field(default_factory=dict)

    def to_yaml(self) -> str:
        """Return the configuration as YAML, with its preset filled in."""
        import yaml

        text: str = yaml.safe_dump(to_dict(dict(self.given)), sort_keys=False, allow_unicode=True)
        return text
