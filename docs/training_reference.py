"""Generates the page of training options from the code of ``videoseg-train``.

Types, defaults and meanings are those of the settings, and the values of the papers those of the
presets. Which numbers are allowed is found by asking the reader of configurations.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markdown_text import cell, code, prose

import videoseg
from videoseg.plugins.options import Option, list_options

__all__ = ["training_options_page"]

_INTRODUCTION = """# Training options

Every option of a configuration for [`videoseg train`](../../how-to/train-r1.md). The page is
generated: names, types, defaults and meanings come from the settings of `videoseg-train`, the
values of the papers from its presets, and the ranges from trying values on the reader of
configurations.

A configuration is a YAML file. What it says is laid over its `preset`: mappings are merged, lists
and components (`name` with `options`) are replaced as a whole. Unknown keys are errors. `videoseg
train check FILE` says what is wrong before anything is loaded. Complete files for each published
recipe are in `examples/training/`.

In the column "presets", the recipe's own value stands behind its name; where nothing stands, the
preset leaves the default. `o3-released` is listed only where it differs from `o3`."""

_NO_PLUGIN = """# Training options

This page is generated from `videoseg-train`, which was not installed when the documentation was
built: `pip install -e plugins/videoseg-train`.
"""

_BASE: dict[str, Any] = {
    "model": {"path": "model"},
    "stages": {"sampler": "uniform", "grounder": "r1"},
    "data": {"benchmark": "synthetic"},
}
_METHODS = ("sft", "grpo")
# Numbers that are tried, from below and from above.
_LOW = (-1, 0, 1, 2)
_TINY = 1e-9
_NOTHING = object()


class _Section(NamedTuple):
    """A mapping of the configuration.

    Args:
        path: Where it stands; ``METHOD`` stands for both methods.
        kind: The class of its settings.
        text: What the page says about it.
        left_out: Fields with a section of their own, or that are no keys of the file.
    """

    path: str
    kind: type
    text: str
    left_out: Sequence[str] = ()


def training_options_page() -> str:
    """Return the page as Markdown."""
    try:
        from videoseg_train import presets
    except ImportError:
        return _NO_PLUGIN
    lines = [_INTRODUCTION, "", "## At the top", ""]
    lines += _top_level()
    for section in _sections():
        lines += ["", f"## `{section.path.replace('METHOD', 'sft / grpo')}`", "", section.text, ""]
        lines += _table(section)
    lines += _rewards()
    lines += ["", "## The presets, and where each value comes from", ""]
    lines += ["```python", inspect.getsource(presets).rstrip(), "```", ""]
    return "\n".join(lines)


def _sections() -> list[_Section]:
    from videoseg_train import config, parameters, settings

    return [
        _Section("model", config.ModelSettings, "Where training begins."),
        _Section("policy", config.PolicySettings, "How answers are sampled in training."),
        _Section("data", config.DataSettings, "What is trained on.", ["difficulty"]),
        _Section(
            "data.difficulty",
            config.DifficultySettings,
            "Ratings of each sample on five axes, for the reward `r1-length`.",
        ),
        _Section(
            "METHOD",
            config.MethodSettings,
            "Options of both methods. A file may hold both; each command uses its own.",
            ["lora", "optimizer", "batch", "settings", "teacher", "rewards"],
        ),
        _Section(
            "METHOD.optimizer",
            settings.OptimizerSettings,
            "AdamW. The number of steps and of those for warming up follow from `steps` or "
            "`epochs`, and `warmup_share`.",
            ["num_steps", "warmup_steps"],
        ),
        _Section(
            "METHOD.lora",
            parameters.LoraSettings,
            "Adapters on the linear layers of the language model; without this mapping there are "
            "none. Needs `pip install 'videoseg-train[lora]'`.",
        ),
        _Section(
            "METHOD.batch",
            settings.BatchSettings,
            "How a step is cut into parts that fit into memory; the result is the same.",
        ),
        _Section("sft", settings.SftSettings, "Options of supervised fine-tuning alone."),
        _Section(
            "sft.teacher",
            config.TeacherSettings,
            "The teacher that answers from the truth, and its faults. With traces from a file "
            "(`format: vts-cot`) it is not asked.",
        ),
        _Section("grpo", settings.GrpoSettings, "Options of GRPO alone.", ["calibration"]),
        _Section(
            "grpo.calibration",
            settings.CalibrationSettings,
            "SEG-aware logit calibration; without this mapping there is none.",
        ),
        _Section(
            "grpo.rewards[]",
            config.RewardUse,
            "A list; an item is the name of a component, or a mapping.",
        ),
        _Section("evaluation", config.EvaluationSettings, "Evaluation on held-out samples."),
        _Section("checkpoints", config.CheckpointSettings, "When the run is saved."),
    ]


def _top_level() -> list[str]:
    from videoseg_train.config import Tracker
    from videoseg_train.presets import PRESETS

    trackers = ", ".join(f"`{name}`" for name in Tracker.__args__)  # type: ignore[attr-defined]
    rows = [
        ("videoseg_train", "Version of the form of the file: 1. May be left out."),
        ("preset", f"What the configuration begins with: {', '.join(map(code, PRESETS))}."),
        (
            "stages",
            "Where the policy acts, as in a pipeline file: `sampler`, `grounder`, `max_turns` (at "
            "least 1, by default 3); for evaluations also `segmenter` and `propagator`. Besides "
            "the registry's samplers, `target-frame` shows a frame on which all true objects "
            "show, and `trace` what the traces of a file show.",
        ),
        ("report_to", f"Trackers that get the metrics, too: a list of {trackers}."),
        ("seed", "Seed of everything random; 0 by default."),
    ]
    return ["| key | meaning |", "|---|---|", *(f"| `{key}` | {text} |" for key, text in rows)]


def _table(section: _Section) -> list[str]:
    lines = [
        "| option | type | range | default | presets | meaning |",
        "|---|---|---|---|---|---|",
    ]
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(section.kind).parameters.items()
    }
    for name, option in list_options(section.kind).items():
        if name in section.left_out:
            continue
        lines.append(
            f"| `{name}` | {code(option.type)} | {_range(section, name, option)} "
            f"| {_default(option, defaults[name])} | {_preset_values(section, name)} "
            f"| {cell(option.meaning)} |"
        )
    return lines


def _default(option: Option, default: object) -> str:
    if option.default == "<factory>":
        return "`{}`"
    return "required" if option.default == "required" else code(_written(default))


# -- presets -------------------------------------------------------------------------------------


def _preset_values(section: _Section, name: str) -> str:
    """Return what each preset says about an option."""
    from videoseg_train.presets import PRESETS

    found: dict[str, str] = {}
    for preset, values in PRESETS.items():
        parts = []
        for method in _METHODS if "METHOD" in section.path else ("",):
            path = section.path.replace("METHOD", method).removesuffix("[]")
            value = _at(values, [*path.split("."), name])
            if value is not _NOTHING:
                parts.append(f"{method} {code(_written(value))}".strip())
        if parts:
            found[preset] = ", ".join(parts)
    if found.get("o3-released") == found.get("o3"):
        found.pop("o3-released", None)
    return "; ".join(f"**{preset}** {text}" for preset, text in found.items())


def _at(values: Any, path: Sequence[str]) -> Any:
    """Return what a nested mapping has at a path."""
    for key in path:
        if not isinstance(values, Mapping) or key not in values:
            return _NOTHING
        values = values[key]
    return values


def _written(value: Any) -> str:
    """Return a value as YAML writes it in one line."""
    if isinstance(value, float) and not isinstance(value, bool):
        return f"{value:g}"
    if isinstance(value, str):
        return value or "''"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_written(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_written(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


# -- ranges --------------------------------------------------------------------------------------


def _range(section: _Section, name: str, option: Option) -> str:
    """Return the numbers that the reader accepts, in words; empty if it accepts all."""
    kind = option.type.removesuffix(" | None")
    if kind not in ("int", "float"):
        return ""
    method = "grpo" if "METHOD" in section.path else ""
    path = section.path.replace("METHOD", method)

    def accepts(value: float) -> bool:
        return _is_accepted(path, name, value)

    low = ""
    if not accepts(_LOW[0]):
        least = next((value for value in _LOW if accepts(value)), None)
        if kind == "float" and not accepts(0) and accepts(_TINY):
            low = "above 0"
        elif least is not None:
            low = f"at least {least}"
    high = ""
    if kind == "float" and low and not accepts(2):
        high = "at most 1" if accepts(1) else "below 1"
    return ", ".join(part for part in (low, high) if part)


def _is_accepted(path: str, name: str, value: float) -> bool:
    """Return whether a configuration may hold a number at a place."""
    from videoseg_train.config_reader import training_config

    data = copy.deepcopy(_BASE)
    place: Any = data
    keys = path.removesuffix("[]").split(".")
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    if path.endswith("[]"):
        place[keys[-1]] = [{"name": "box-iou", name: value}]
    else:
        place = place.setdefault(keys[-1], {})
        if path == "evaluation.data" or path == "data":
            place.setdefault("benchmark", "synthetic")
        place[name] = value
    try:
        training_config(data, "sft" if keys[0] == "sft" else "grpo")
    except videoseg.ConfigError:
        return False
    return True


# -- rewards -------------------------------------------------------------------------------------


def _rewards() -> list[str]:
    from videoseg_train import o3_rewards

    registry = videoseg.Registry(allow=("train",))
    lines = ["", "## Rewards", "", "Components of the plug-in; those of others have names, too."]
    for entry in registry.components("reward"):
        component = entry.component
        lines += ["", f"### reward `{component.name}`", "", component.summary]
        if entry.missing_modules:
            continue
        factory = registry.factory(entry)
        lines += ["", prose(factory)]
        options = registry.options("reward", component.name)
        if options:
            lines += ["", "| option | type | default | meaning |", "|---|---|---|---|"]
            lines += [
                f"| `{name}` | {code(option.type)} | {code(option.default)} "
                f"| {cell(option.meaning or _inherited(factory, name))} |"
                for name, option in options.items()
            ]
    lines += ["", "### The rewards of VideoSEG-O3 as released and as fixed", ""]
    return [*lines, "```text", inspect.getdoc(o3_rewards) or "", "```"]


def _inherited(factory: Any, name: str) -> str:
    """Return what a base class says of an option."""
    found = (list_options(base).get(name) for base in factory.__mro__[1:-1])
    return next((option.meaning for option in found if option and option.meaning), "")
