"""Checks, and the base class of contract tests."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from videoseg.errors import VideosegError
from videoseg.stages import Closable
from videoseg.types import from_dict, to_dict

__all__ = [
    "StageContract",
    "check",
    "check_json",
    "check_mask",
    "check_score",
    "contract_failures",
    "global_randomness_untouched",
    "refuses",
]


_Stage = TypeVar("_Stage")


class StageContract(Generic[_Stage]):
    """What every stage is asked for. A subclass gives ``make``.

    Attributes:
        stage: What the stage is called in messages.
    """

    stage: ClassVar[str] = "stage"

    def make(self) -> _Stage:
        """Return a new stage."""
        raise NotImplementedError(
            f"give your contract test a make() that returns the {self.stage}"
        )

    def test_close_may_be_called_twice(self) -> None:
        stage = self.make()
        if isinstance(stage, Closable):
            stage.close()
            stage.close()


def check(condition: object, message: str) -> None:
    """Raise ``AssertionError`` with a message unless a condition holds.

    Unlike the statement, it has a message where pytest does not rewrite assertions, and it
    works under ``python -O``.
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
    """Check that the block neither seeds nor uses the global random number generators."""
    kept = (random.getstate(), np.random.get_state())  # noqa: NPY002 - this is what is watched
    # From a state that no seed leads to, so that seeding is noticed, too.
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
        "not the global random state of the process",
    )


def _numpy_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return (name, np.asarray(keys).tobytes(), *rest)


def check_json(value: object, what: str) -> None:
    """Check that a value is unchanged after a round trip through JSON."""
    try:
        text = json.dumps(to_dict(value), allow_nan=False)
    except Exception as error:
        raise AssertionError(
            f"{what} must convert to JSON: {type(error).__name__}: {error}"
        ) from error
    back = from_dict(type(value), json.loads(text))
    check(back == value, f"{what} must be the same after a round trip through JSON")


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


class _Failures(dict[str, str]):
    """The messages of failed tests by name, shown one a line, in a notebook as well."""

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
        The message of each failed test by its name; ``print`` shows one a line. Empty if the
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
