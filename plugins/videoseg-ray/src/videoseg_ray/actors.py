"""The pool of actors: how many there are, and what each of them needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from videoseg.errors import ConfigError

__all__ = ["Actors"]

# Ten shares of 0.1, which binary fractions only approximate, fill one GPU.
_SLACK = 1e-6


@dataclass(frozen=True, slots=True)
class Actors:
    """The pool of actors, each of which holds one pipeline.

    Args:
        num: How many; by default as many as fit into the cluster. Further ones start as soon
            as there is room.
        cpus: CPUs that Ray reserves for each. A whole number, or less than one.
        gpus: GPUs that Ray reserves for each and makes visible to it. A whole number, or less
            than one: with 0.5 two actors share a GPU and its memory.
        retries: How often a sample whose actor died is run again before it counts as failed.

    Raises:
        ConfigError: If a number is out of range; all problems at once.
    """

    num: int | None = None
    cpus: float = 1
    gpus: float = 0
    retries: int = 1

    def __post_init__(self) -> None:
        problems = []
        if self.num is not None and not _whole(self.num, least=1):
            problems.append(f"the number of actors must be a whole number from 1, got {self.num}")
        problems += _problems_of_share("CPUs", self.cpus)
        problems += _problems_of_share("GPUs", self.gpus)
        if not problems and self.cpus == self.gpus == 0:
            problems.append("an actor needs a share of a CPU or of a GPU, got 0 of both")
        if not _whole(self.retries, least=0):
            problems.append(f"retries must be a whole number from 0, got {self.retries}")
        if problems:
            raise ConfigError(problems)

    def fitting(self, nodes: Sequence[Mapping[str, Any]]) -> int:
        """Return how many actors fit into an idle cluster.

        Args:
            nodes: The result of ``ray.nodes()``.

        Raises:
            ConfigError: If no actor fits.
        """
        nodes_alive = [node["Resources"] for node in nodes if node["Alive"]]
        fitting = sum(self._fitting_into(room) for room in nodes_alive)
        if fitting == 0:
            offered = (
                "; ".join(
                    sorted(
                        {
                            f"{room.get('CPU', 0):g} CPUs, {room.get('GPU', 0):g} GPUs"
                            for room in nodes_alive
                        }
                    )
                )
                or "nothing"
            )
            raise ConfigError(
                f"each actor needs {self.cpus:g} CPUs and {self.gpus:g} GPUs, which no machine of "
                f"the cluster has (they have: {offered}); ask for less, or add a machine first"
            )
        return fitting

    def _fitting_into(self, room: Mapping[str, float]) -> int:
        return min(
            math.floor(room.get(name, 0) / share + _SLACK)
            for name, share in (("CPU", self.cpus), ("GPU", self.gpus))
            if share > 0
        )


def _whole(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _problems_of_share(name: str, share: float) -> list[str]:
    number = isinstance(share, (int, float)) and math.isfinite(share)
    if number and (0 <= share < 1 or (share >= 1 and share == int(share))):
        return []
    return [f"{name} per actor must be a whole number, or between 0 and 1, got {share}"]
