"""What contract tests are made of."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from videoseg.errors import VideosegError
from videoseg.types import BoolArray, from_dict, to_dict

__all__ = [
    "check",
    "check_json",
    "check_mask",
    "check_score",
    "contract_failures",
    "global_randomness_untouched",
    "iou",
    "refuses",
]


def check(condition: object, message: str) -> None:
    """Raise ``AssertionError`` with a message unless a condition holds.

    Unlike the statement, it tells what the contract asks for where pytest does not rewrite
    assertions, and it survives ``python -O``.
    """
    if not condition:
        raise AssertionError(message)


@contextmanager
def refuses(kind: type[VideosegError], what: str) -> Iterator[None]:
    """Check that the block raises an error of this kind; ``what`` names the demand."""
    try:
        yield
    except kind as error:
        check(str(error).strip(), f"{what} must be refused with a message that says why")
    except Exception as error:
        raise AssertionError(
            f"{what} must be refused with {kind.__name__}, got {type(error).__name__}: {error}"
        ) from error
    else:
        raise AssertionError(f"{what} must be refused with {kind.__name__}, but was accepted")


@contextmanager
def global_randomness_untouched(who: str) -> Iterator[None]:
    """Check that the block neither seeds nor uses the random numbers everyone shares."""
    kept = (random.getstate(), np.random.get_state())  # noqa: NPY002 - this is what is watched
    # From a state that nobody can reach by seeding, so that seeding is noticed, too.
    random.seed()
    np.random.seed()  # noqa: NPY002
    before = (random.getstate(), _numpy_state())
    try:
        yield
        after = (random.getstate(), _numpy_state())
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
    check(
        after == before,
        f"{who} must use a generator of its own (numpy.random.default_rng(seed)), "
        "not the random state that the whole process shares",
    )


def _numpy_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return (name, np.asarray(keys).tobytes(), *rest)


def check_json(value: object, what: str) -> None:
    """Check that a value goes to JSON text and back unchanged."""
    try:
        text = json.dumps(to_dict(value), allow_nan=False)
    except Exception as error:
        raise AssertionError(f"{what} must go to JSON: {type(error).__name__}: {error}") from error
    back = from_dict(type(value), json.loads(text))
    check(back == value, f"{what} must be the same after going to JSON and back")


def check_mask(mask: object, size: tuple[int, int], what: str) -> None:
    """Check that a mask is a boolean array of the frame's size."""
    check(isinstance(mask, np.ndarray), f"{what} must be an array, got {type(mask).__name__}")
    array = np.asarray(mask)
    check(array.dtype == np.bool_, f"{what} must have dtype bool, got {array.dtype}")
    check(array.shape == size, f"{what} must have shape {size}, got {array.shape}")


def check_score(score: object, what: str) -> None:
    """Check that a score is None or a number in [0, 1]."""
    fits = score is None or (isinstance(score, int | float) and 0.0 <= score <= 1.0)
    check(fits, f"{what} must be None or within 0..1, got {score!r}")


def iou(first: BoolArray, second: BoolArray) -> float:
    """Return the intersection over union of two masks; 1 if both are empty."""
    union = int(np.logical_or(first, second).sum())
    return int(np.logical_and(first, second).sum()) / union if union else 1.0


class _Failures(dict[str, str]):
    """What each failed test said; shown one a line, in a notebook as well."""

    def __repr__(self) -> str:
        if not self:
            return "the contract is kept"
        count = f"{len(self)} test{'s' if len(self) > 1 else ''} of the contract failed:"
        said = (f"  {name}: {' '.join(text.split())}" for name, text in self.items())
        return "\n".join([count, *said])


def contract_failures(contract: object, *, only: Collection[str] = ()) -> dict[str, str]:
    """Run every test of a contract without pytest.

    Args:
        contract: An instance of a contract class of your own.
        only: Names of the tests to run; all by default.

    Returns:
        For each test that failed, what it said; ``print`` shows one a line. Empty if the
        contract is kept.
    """
    failures = _Failures()
    for name in sorted(dir(type(contract))):
        if name.startswith("test_") and (not only or name in only):
            try:
                getattr(contract, name)()
            except Exception as error:
                # A stage that fails in its own way breaks the contract as well.
                kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
                failures[name] = f"{kind}{error}"
    return failures
