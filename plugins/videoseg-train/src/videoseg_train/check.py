"""What stands in the way of a training run, found before it begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from videoseg import VideosegError
from videoseg.files import expand_path, read_text
from videoseg.pipeline import parse_yaml
from videoseg.plugins import Registry, default_registry
from videoseg.types import ChatReply
from videoseg_train.building import (
    build_pipeline,
    build_rewards,
    build_samples,
    check_trackers,
    check_turns,
    stages_for,
    uses_own_masks,
)
from videoseg_train.config import Method, TrainingConfig
from videoseg_train.config_reader import read_training_config

__all__ = ["CheckedPart", "check_training"]


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """One part of a run.

    Args:
        part: What was checked.
        ok: Whether it can be used.
        text: What was found, or what is wrong.
    """

    part: str
    ok: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok ' if self.ok else 'NO '} {self.part}: {self.text}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def check_training(
    path: str | Path, method: Method | None = None, *, registry: Registry | None = None
) -> list[CheckedPart]:
    """Check a configuration with its components and data. The model is not loaded.

    Args:
        path: The YAML file.
        method: Which section is checked; by default each that the file has, or its preset.
        registry: Where names of components are looked up.

    Raises:
        ConfigError: If the file is not a configuration; lists every problem.
    """
    registry = registry or default_registry()
    found: list[CheckedPart] = []
    for one in [method] if method else _methods(path):
        config = read_training_config(path, one)
        found += _check(config, registry)
    return found


def _methods(path: str | Path) -> list[Method]:
    try:
        data = parse_yaml(read_text(expand_path(path), max_bytes=4_000_000))
    except (OSError, ValueError):
        return ["sft"]  # Reading it again says what is wrong.
    keys = data if isinstance(data, dict) else {}
    methods: list[Method] = ["sft", "grpo"]
    return [name for name in methods if name in keys] or methods


def _check(config: TrainingConfig, registry: Registry) -> list[CheckedPart]:
    method = config.method

    def checked(part: str, find: Callable[[], str]) -> CheckedPart:
        try:
            return CheckedPart(f"{method} {part}", True, find())
        except VideosegError as error:
            return CheckedPart(f"{method} {part}", False, str(error))

    def model() -> str:
        folder = expand_path(config.model.path)
        place = "folder" if folder.is_dir() else "name on the Hugging Face hub, not looked up"
        return f"{config.model.path} ({place})"

    def stages() -> str:
        built = stages_for(config.stages, ()).build(_Silent(), registry)
        return ", ".join(type(stage).__name__ for stage in built)

    def data() -> str:
        if config.data is None:
            return "none in the file; to be given in Python"
        samples = build_samples(config.data, registry=registry)
        if method == "sft":
            check_turns(config.stages, samples)
        steps = config.training.num_steps(len(samples))
        return f"{len(samples)} samples, {steps} steps"

    def evaluation() -> str:
        if config.evaluation.data is None or not config.evaluation.every:
            return "none"
        samples = build_samples(config.evaluation.data, registry=registry)
        if uses_own_masks(config):
            what = "masks of whole videos by the policy itself"
        else:
            pipeline = build_pipeline(config, registry=registry)
            what = "keyframes only" if pipeline is None else "masks of whole videos"
        return f"{len(samples)} samples, {what}"

    def rewards() -> str:
        terms = build_rewards(config.training.rewards, registry=registry)
        rated = config.data is None or config.data.difficulty is not None
        for one in config.training.rewards:
            budget = one.options.get("budget", "difficulty")
            if one.name == "r1-length" and budget == "difficulty" and not rated:
                raise VideosegError(
                    "reward 'r1-length' needs the difficulty of each sample: give "
                    "'data.difficulty' a chat model that rates them, or the reward a number as "
                    "'budget'"
                )
        if not terms:
            raise VideosegError("there are none; name components of kind 'reward' in 'rewards'")
        return ", ".join(term.name for term in terms)

    def trackers() -> str:
        check_trackers(config.report_to)
        return ", ".join(config.report_to) or "none"

    parts = [("model", model), ("stages", stages), ("data", data), ("evaluation", evaluation)]
    if method == "grpo":
        parts.append(("rewards", rewards))
    parts.append(("report_to", trackers))
    return [checked(name, find) for name, find in parts]


class _Silent:
    """Stands for the policy, which is not loaded."""

    def chat(self, *_arguments: object, **_options: object) -> list[ChatReply]:
        raise AssertionError("nothing is asked in a check")
