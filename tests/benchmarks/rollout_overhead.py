"""Measure rollouts beside the same generations alone.

Run from the repository root:

    python tests/benchmarks/rollout_overhead.py examples/training/tiny-r1.yaml
    python tests/benchmarks/rollout_overhead.py examples/training/tiny-o3.yaml

A step's episodes are run as in training. Then what was generated in them is generated again: the
same conversations, already read into tokens and images, in the same batches with the same seeds,
images encoded once and a conversation that goes on kept as in the episodes. What the episodes
take more is for drawing frames, reading conversations, threads, stages and answers. Processor
seconds of the process are compared, which other programs disturb less than the clock; the two are
run in turn.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from torchvision_builds import declare_missing_operators

declare_missing_operators()

from videoseg_o3.model.generation import (  # noqa: E402
    Decoding,
    GenerationSession,
    generate_batch,
)
from videoseg_train import Policy, read_training_config, run_rollouts  # noqa: E402
from videoseg_train.building import build_policy, build_samples, stages_for  # noqa: E402

from videoseg.devices import torch_defaults  # noqa: E402

Round: TypeAlias = list[Any]
"""The calls that were answered together."""


def main() -> None:
    """Measure and print a line for each repetition."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="configuration of a run with GRPO")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    config = read_training_config(options.config, "grpo")
    policy = build_policy(config)
    count, group = config.training.samples_per_step, config.training.settings.group_size
    assert config.data is not None
    data = build_samples(config.data)
    samples = [data[number * len(data) // count] for number in range(count)]
    stages = stages_for(config.stages, samples)
    ratios = []
    # The first time images and truth are drawn, and libraries loaded.
    for number in range(options.repeats + 1):
        rounds: list[Round] = []
        answer = keep_rounds(policy, rounds)
        seconds, rollouts = measure(
            lambda seed=number: run_rollouts(policy, stages, samples, group_size=group, seed=seed)
        )
        policy.answer = answer  # type: ignore[method-assign]
        alone, tokens = measure(lambda calls=rounds: generate_again(policy, calls))
        assert tokens == [step.tokens for one in rollouts for step in one.steps]
        if number:
            ratios.append(seconds / alone)
            print(
                f"{len(rollouts)} episodes, {sum(map(len, tokens))} tokens: {seconds:.2f} s, "
                f"generations alone {alone:.2f} s, ratio {ratios[-1]:.2f}",
                flush=True,
            )
    print(f"median ratio {np.median(ratios):.2f}")


def measure(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds that something takes, and its result."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def keep_rounds(policy: Policy, rounds: list[Round]) -> Any:
    """Let a policy keep which calls it answers together; return how it answered before."""
    answer = policy.answer

    def keep(calls: Any) -> None:
        answer(calls)
        rounds.append(list(calls))

    policy.answer = keep  # type: ignore[method-assign]
    return answer


def generate_again(policy: Policy, rounds: list[Round]) -> list[Any]:
    """Generate the answers of all rounds again; return their tokens, episode by episode."""
    vision = policy.new_vision_cache()
    sessions: dict[Any, GenerationSession] = {}
    tokens: dict[Any, list[Any]] = {}
    with torch_defaults():
        for calls in rounds:
            for call in calls:
                sessions.setdefault(call.episode, GenerationSession(policy.vlm, vision=vision))
            for kind in dict.fromkeys((call.temperature, call.max_tokens) for call in calls):
                alike = [call for call in calls if (call.temperature, call.max_tokens) == kind]
                for start in range(0, len(alike), policy.max_batch):
                    batch = alike[start : start + policy.max_batch]
                    answers = generate_batch(
                        [sessions[call.episode] for call in batch],
                        [call.read for call in batch],
                        Decoding(kind[0], policy.top_p, kind[1], forbidden=policy.forbidden),
                        seeds=[call.seed for call in batch],
                    )
                    for call, answer in zip(batch, answers, strict=True):
                        tokens.setdefault(call.episode, []).append(answer.tokens)
    return [one for made in tokens.values() for one in made]


if __name__ == "__main__":
    main()
