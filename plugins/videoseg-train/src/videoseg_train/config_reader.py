"""Reads the configuration of a training run: strict, every problem at once."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from videoseg import ConfigError, Use
from videoseg.files import expand_path, read_text
from videoseg.pipeline import parse_yaml
from videoseg.text import shorten, shorten_text
from videoseg_train.config import (
    CheckpointSettings,
    DataSettings,
    DifficultySettings,
    EvaluationSettings,
    Method,
    MethodSettings,
    ModelSettings,
    PolicySettings,
    RewardUse,
    TeacherSettings,
    Tracker,
    TrainingConfig,
)
from videoseg_train.parameters import LoraSettings
from videoseg_train.presets import PRESETS
from videoseg_train.rollout import Stages
from videoseg_train.settings import (
    BatchSettings,
    CalibrationSettings,
    GrpoSettings,
    OptimizerSettings,
    SftSettings,
)

__all__ = ["read_training_config", "training_config"]

_MAX_BYTES = 4_000_000
_SCHEMA_VERSION = 1
_Section = TypeVar("_Section")

_KEYS = (
    "videoseg_train",
    "preset",
    "model",
    "policy",
    "stages",
    "data",
    "sft",
    "grpo",
    "evaluation",
    "checkpoints",
    "report_to",
    "seed",
)
_LENGTHS = ("steps", "epochs")
_STAGES = ("sampler", "grounder", "segmenter", "propagator", "max_turns")


def read_training_config(
    source: str | Path, method: Method, *, changes: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Read a YAML configuration from a file, or from YAML text of several lines.

    Args:
        source: The file or the text.
        method: Which of the file's methods is run; one file may hold both.
        changes: Keys that replace those of the file, merged like a preset.

    Raises:
        ConfigError: If it cannot be read or is not a configuration; lists every problem.
    """
    if isinstance(source, str) and "\n" in source:
        label, text = "the configuration", source
    else:
        label = shorten_text(str(source), 200)
        try:
            text = read_text(expand_path(source), max_bytes=_MAX_BYTES)
        except OSError as error:
            raise ConfigError(
                f"cannot read the configuration {label}: {error.strerror or error}"
            ) from error
    try:
        data = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{label} is not valid YAML: {error}") from error
    if not isinstance(data, Mapping):
        raise ConfigError(f"{label} must be a mapping, got {type(data).__name__}")
    return training_config(_merge(data, changes or {}), method, source=label)


def training_config(
    data: Mapping[str, Any], method: Method, *, source: str = "the configuration"
) -> TrainingConfig:
    """Make a configuration from a mapping, as a YAML file holds it.

    Args:
        data: The mapping.
        method: Which of its methods is run.
        source: What messages call it.

    Raises:
        ConfigError: If anything is missing, unknown or of the wrong type; lists every problem.
    """
    reader = _Reader()
    if method not in ("sft", "grpo"):
        raise ConfigError(f"the method must be 'sft' or 'grpo', got {shorten(method)}")
    data = _with_preset(data, reader)
    reader.check_keys(data, _KEYS, "")
    version = data.get("videoseg_train", _SCHEMA_VERSION)
    if version != _SCHEMA_VERSION:
        reader.problems.append(
            f"'videoseg_train: {shorten(version)}' is not a version this release reads "
            f"({_SCHEMA_VERSION})"
        )
    model = reader.section(ModelSettings, data.get("model"), "model")
    policy = reader.section(PolicySettings, data.get("policy", {}), "policy")
    stages, segmenter, propagator = reader.stages(data.get("stages"))
    training = reader.method(data.get(method, {}), method)
    evaluation = reader.evaluation(data.get("evaluation", {}))
    config = TrainingConfig(
        method,
        model or ModelSettings(""),
        stages or Stages("", ""),
        training or MethodSettings(),
        data=reader.data(data["data"], "data") if data.get("data") is not None else None,
        policy=policy or PolicySettings(),
        segmenter=segmenter,
        propagator=propagator,
        evaluation=evaluation or EvaluationSettings(),
        checkpoints=reader.section(CheckpointSettings, data.get("checkpoints", {}), "checkpoints")
        or CheckpointSettings(),
        report_to=reader.value(data.get("report_to", ()), tuple[Tracker, ...], "report_to") or (),
        seed=reader.value(data.get("seed", 0), int, "seed") or 0,
        given=data,
    )
    reader.check_ranges(config)
    if reader.problems:
        raise ConfigError([f"{source}: {problem}" for problem in reader.problems])
    return config


# -- presets -----------------------------------------------------------------------------------


def _with_preset(data: Mapping[str, Any], reader: _Reader) -> dict[str, Any]:
    name = data.get("preset")
    if name is None:
        return dict(data)
    if not isinstance(name, str) or name not in PRESETS:
        reader.problems.append(f"preset {shorten(name)} is not one of {', '.join(PRESETS)}")
        return dict(data)
    merged = _merge(PRESETS[name], {key: data[key] for key in data if key != "preset"})
    return {"preset": name, **merged}


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return two nested mappings in one; lists and components are replaced as a whole.

    Of the two ways to give the length of a run, the one above counts.
    """
    merged = dict(below)
    if given := [key for key in _LENGTHS if key in above]:
        for key in _LENGTHS:
            if key not in given:
                merged.pop(key, None)
    for key, value in above.items():
        old = merged.get(key)
        is_component = isinstance(value, Mapping) and "name" in value
        if isinstance(old, Mapping) and isinstance(value, Mapping) and not is_component:
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged


# -- reading -----------------------------------------------------------------------------------


class _Reader:
    """Reads sections and collects every problem."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def section(
        self,
        kind: type[_Section],
        data: object,
        where: str,
        *,
        known: Sequence[str] = (),
        ready: Mapping[str, Any] | None = None,
    ) -> _Section | None:
        """Return a dataclass made of a mapping.

        Args:
            kind: The dataclass.
            data: The mapping.
            where: Its place in the configuration.
            known: More keys that may stand in it, read elsewhere.
            ready: Fields that are made already.
        """
        count = len(self.problems)
        if not isinstance(data, Mapping):
            found = "nothing" if data is None else shorten(data)
            self.problems.append(f"'{where}' must be a mapping, got {found}")
            return None
        ready = ready or {}
        fields = {one.name: one for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
        names = [name for name in fields if name not in ready or name in known]
        self.check_keys(data, [*names, *known], where)
        hints = get_type_hints(kind)
        values = dict(ready)
        for name, one in fields.items():
            if name in ready:
                continue
            if name in data:
                values[name] = self.value(data[name], hints[name], f"{where}.{name}")
            elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
                self.problems.append(f"'{where}.{name}' is missing")
        if len(self.problems) > count:
            return None
        try:
            return kind(**values)
        except ConfigError as error:
            self.problems += [f"{where}: {problem}" for problem in error.problems]
            return None

    def value(self, value: object, hint: Any, where: str) -> Any:
        """Return a value converted to a type."""
        from pydantic import TypeAdapter, ValidationError

        if hint is Use:
            return self.use(value, where)
        if hint == Use | None:
            return None if value is None else self.use(value, where)
        try:
            converted = TypeAdapter(hint).validate_python(value)
        except ValidationError as error:
            messages = dict.fromkeys(
                item["msg"].replace("Input should", "must", 1) for item in error.errors()[:3]
            )
            self.problems.append(f"'{where}' {'; '.join(messages)}, got {shorten(value)}")
            return None
        is_number = isinstance(converted, int | float) and not isinstance(converted, bool)
        if isinstance(value, bool) and is_number:
            self.problems.append(f"'{where}' must be a number, got {shorten(value)}")
        return converted

    def use(self, value: object, where: str) -> Use | None:
        """Return a component with its options, as in pipeline files."""
        if isinstance(value, str) and value:
            return Use(value)
        if isinstance(value, Use):
            return value
        name = value.get("name") if isinstance(value, Mapping) else None
        if not isinstance(value, Mapping) or not isinstance(name, str) or not name:
            self.problems.append(
                f"'{where}' must be a name, or a mapping with name and options; got "
                f"{shorten(value)}"
            )
            return None
        self.check_keys(value, ("name", "options"), where)
        options = value.get("options") or {}
        if not isinstance(options, Mapping) or not all(isinstance(key, str) for key in options):
            self.problems.append(f"'{where}.options' must be a mapping of names to values")
            return None
        return Use(name, dict(options))

    def stages(self, data: object) -> tuple[Stages | None, Use | None, Use | None]:
        """Return the stages of the policy, and segmenter and propagator."""
        if not isinstance(data, Mapping):
            self.problems.append("'stages' must be a mapping with sampler and grounder")
            return None, None, None
        self.check_keys(data, _STAGES, "stages")
        found: dict[str, Use | None] = {}
        for name in _STAGES[:-1]:
            if data.get(name) is not None:
                found[name] = self.use(data[name], f"stages.{name}")
            elif name in ("sampler", "grounder"):
                self.problems.append(f"'stages.{name}' is missing")
        turns = self.value(data.get("max_turns", 3), int, "stages.max_turns")
        if turns is not None and turns < 1:
            self.problems.append(f"'stages.max_turns' must be at least 1, got {turns}")
        sampler, grounder = found.get("sampler"), found.get("grounder")
        stages = None
        if sampler is not None and grounder is not None and turns is not None:
            stages = Stages(sampler, grounder, turns)
        return stages, found.get("segmenter"), found.get("propagator")

    def data(self, data: object, where: str) -> DataSettings | None:
        """Return the samples' section."""
        ready: dict[str, Any] = {"difficulty": None}
        rest = data
        if isinstance(data, Mapping):
            rest = {key: value for key, value in data.items() if key != "difficulty"}
            if data.get("difficulty") is not None:
                ready["difficulty"] = self.section(
                    DifficultySettings, data["difficulty"], f"{where}.difficulty"
                )
        found = self.section(DataSettings, rest, where, known=["difficulty"], ready=ready)
        if found is None:
            return None
        if (found.benchmark is None) == (found.file is None):
            self.problems.append(f"'{where}' needs either a benchmark or a file")
        elif found.file is not None:
            missing = [
                name for name in ("format", "pictures", "masks") if getattr(found, name) is None
            ]
            if missing:
                self.problems.append(f"'{where}' has a file and needs {', '.join(missing)}, too")
        if found.max_samples is not None and found.max_samples < 1:
            self.problems.append(f"'{where}.max_samples' must be at least 1")
        return found

    def evaluation(self, data: object) -> EvaluationSettings | None:
        if not isinstance(data, Mapping) or data.get("data") is None:
            return self.section(EvaluationSettings, data, "evaluation")
        held_out = self.data(data["data"], "evaluation.data")
        rest = {key: value for key, value in data.items() if key != "data"}
        return self.section(EvaluationSettings, rest, "evaluation", ready={"data": held_out})

    def method(self, data: object, method: Method) -> MethodSettings | None:
        """Return a method's section, in which its own settings stand beside the others."""
        if not isinstance(data, Mapping):
            self.problems.append(f"'{method}' must be a mapping, got {shorten(data)}")
            return None
        kind: type[SftSettings | GrpoSettings] = SftSettings if method == "sft" else GrpoSettings
        own = [one.name for one in dataclasses.fields(kind)]
        ready: dict[str, Any] = {}
        count = len(self.problems)
        ready["lora"] = None
        if data.get("lora") is not None:
            ready["lora"] = self.section(LoraSettings, data["lora"], f"{method}.lora")
        ready["batch"] = self.section(BatchSettings, data.get("batch", {}), f"{method}.batch")
        ready["teacher"] = self.section(
            TeacherSettings, data.get("teacher", {}), f"{method}.teacher"
        )
        ready["optimizer"] = self._optimizer(data.get("optimizer", {}), f"{method}.optimizer")
        ready["rewards"] = self._rewards(data.get("rewards", ()), f"{method}.rewards")
        settings = {key: data[key] for key in own if key in data}
        more: dict[str, Any] = {}
        if method == "grpo" and settings.get("calibration") is not None:
            more["calibration"] = self.section(
                CalibrationSettings, settings.pop("calibration"), "grpo.calibration"
            )
        ready["settings"] = self.section(kind, settings, method, known=own, ready=more)
        others = {key: value for key, value in data.items() if key not in own and key not in ready}
        foreign = "rewards" if method == "sft" else "teacher"
        if foreign in data:
            self.problems.append(f"'{method}.{foreign}' has no meaning for {method}")
        found = self.section(MethodSettings, others, method, known=[*own, *ready], ready=ready)
        return None if len(self.problems) > count else found

    def _optimizer(self, data: object, where: str) -> OptimizerSettings | None:
        # The number of steps is known only with the samples; one stands in until then.
        if isinstance(data, Mapping):
            for name in ("num_steps", "warmup_steps"):
                if name in data:
                    self.problems.append(
                        f"'{where}.{name}' is set by 'steps' and 'warmup_share'; leave it out"
                    )
        return self.section(
            OptimizerSettings, data, where, ready={"num_steps": 1, "warmup_steps": 0}
        )

    def _rewards(self, data: object, where: str) -> tuple[RewardUse, ...]:
        if not isinstance(data, Sequence) or isinstance(data, str):
            self.problems.append(f"'{where}' must be a list, got {shorten(data)}")
            return ()
        found = []
        for number, item in enumerate(data):
            one: object = {"name": item} if isinstance(item, str) else item
            reward = self.section(RewardUse, one, f"{where}[{number}]")
            if reward is not None:
                found.append(reward)
        labels = [one.label or one.name for one in found]
        for label in dict.fromkeys(label for label in labels if labels.count(label) > 1):
            self.problems.append(
                f"'{where}' has {label!r} more than once; give each a label of its own"
            )
        return tuple(found)

    def check_keys(self, data: Mapping[Any, Any], known: Sequence[str], where: str) -> None:
        """Report keys that are not known, with the nearest one."""
        place = f"'{where}' has the unknown key" if where else "unknown key"
        for key in data:
            if key in known:
                continue
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(known)}"
            self.problems.append(f"{place} {shorten(key)}, {hint}")

    def check_ranges(self, config: TrainingConfig) -> None:
        """Report numbers that are out of range."""
        training, policy = config.training, config.policy
        method = config.method
        least: list[tuple[str, float | None, float]] = [
            (f"{method}.steps", training.steps, 1),
            (f"{method}.samples_per_step", training.samples_per_step, 1),
            (f"{method}.batch.max_sequences", training.batch.max_sequences, 1),
            ("evaluation.every", config.evaluation.every, 0),
            ("evaluation.shown", config.evaluation.shown, 0),
            ("checkpoints.every", config.checkpoints.every, 1),
            ("checkpoints.keep", config.checkpoints.keep, 1),
            ("policy.max_tokens", policy.max_tokens, 1),
            ("policy.max_batch", policy.max_batch, 1),
        ]
        for where, value, bound in least:
            if value is not None and value < bound:
                self.problems.append(f"'{where}' must be at least {bound:g}, got {value:g}")
        if training.epochs is not None and not training.epochs > 0:
            self.problems.append(f"'{method}.epochs' must be above 0, got {training.epochs:g}")
        if training.steps is not None and training.epochs is not None:
            self.problems.append(f"'{method}' has both steps and epochs; leave one out")
        if not 0 <= training.warmup_share < 1:
            self.problems.append(
                f"'{method}.warmup_share' must lie in [0, 1), got {training.warmup_share:g}"
            )
        if not policy.temperature > 0:
            self.problems.append(f"'policy.temperature' must be above 0, got {policy.temperature}")
        if not 0 < policy.top_p <= 1:
            self.problems.append(f"'policy.top_p' must lie in (0, 1], got {policy.top_p}")
        sampler = config.stages.sampler
        if (
            isinstance(sampler, Use)
            and sampler.name == "trace"
            and config.evaluation.data is not None
            and config.evaluation.sampler is None
        ):
            self.problems.append(
                "'evaluation.sampler' is missing, such as coarse: held-out samples have no traces "
                "to show"
            )
        if config.model.kind == "vlm":
            parts = [part for part in training.parts if part in ("projector", "mask-decoder")]
            if parts:
                self.problems.append(
                    f"'{method}.parts' has {', '.join(parts)}, which only models of kind 'seg' "
                    "have"
                )
        if not training.parts and training.lora is None:
            self.problems.append(f"'{method}' trains nothing: it has neither parts nor lora")
