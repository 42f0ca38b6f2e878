"""States of torch in which a program may call a stage, and tests of propagators inside them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar

import pytest
import torch

from videoseg.stages import Propagator
from videoseg.testing import passing_squares

__all__ = ["SURROUNDINGS", "PropagatorSurroundings", "torch_state"]


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


SURROUNDINGS: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
    "autocast to bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", torch.float16),
    "float64 default": lambda: _default_dtype(torch.float64),
    "bfloat16 default": lambda: _default_dtype(torch.bfloat16),
    "meta default": lambda: torch.device("meta"),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "gradients": torch.enable_grad,
    "deterministic": _deterministic,
}


def torch_state() -> tuple[object, ...]:
    """Return what a stage must leave as it was."""
    return (
        torch.is_autocast_enabled("cpu"),
        torch.get_autocast_dtype("cpu"),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_inference_mode_enabled(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
    )


class PropagatorSurroundings:
    """Tests of a propagator inside each of ``SURROUNDINGS``.

    A module that subclasses it has a fixture ``make``, which returns a function that makes the
    propagator.

    Attributes:
        second_kind: Kind of the second object's prompt.
    """

    second_kind: ClassVar[str] = "mask"

    @pytest.mark.parametrize("name", SURROUNDINGS)
    def test_masks_are_those_of_a_run_by_itself(
        self, name: str, make: Callable[[], Propagator]
    ) -> None:
        found = _masks(make, SURROUNDINGS[name], self.second_kind)
        assert found == _usual_masks(make, self.second_kind)

    def test_two_threads_do_not_disturb_each_other(self, make: Callable[[], Propagator]) -> None:
        def run(name: str) -> list[bytes]:
            return _masks(make, SURROUNDINGS[name], self.second_kind, alone=False)

        usual = _usual_masks(make, self.second_kind)
        torch.set_default_dtype(torch.float64)
        try:
            with ThreadPoolExecutor(2) as pool:
                for found in pool.map(run, ["no gradients", "autocast to bfloat16"]):
                    assert found == usual
            assert torch.get_default_dtype() == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)


@functools.lru_cache(maxsize=1)
def _usual_masks(make: Callable[[], Propagator], second_kind: str) -> list[bytes]:
    return _masks(make, nullcontext, second_kind)


def _masks(
    make: Callable[[], Propagator],
    surroundings: Callable[[], AbstractContextManager[Any]],
    second_kind: str,
    *,
    alone: bool = True,
) -> list[bytes]:
    """Load inside some surroundings, and run every other frame inside them.

    Args:
        make: Makes the propagator.
        surroundings: Makes the surroundings.
        second_kind: Kind of the second object's prompt.
        alone: Whether no other thread runs, which would have the default type changed.
    """
    clip = passing_squares()
    with surroundings():
        before = torch_state()
        session = make().open(clip.video)
        session.prompt(clip.prompt(1, 0, kind="mask"))
        session.prompt(clip.prompt(2, 1, kind=second_kind))
        run = session.run(stop=6)
        assert not alone or torch_state() == before
    found: list[bytes] = []
    for index in range(6):
        with surroundings() if index % 2 == 0 else nullcontext():
            before = torch_state()
            found += [mask.tobytes() for mask in next(run).masks.values()]
            assert not alone or torch_state() == before
    return found
