"""The contract of components that declare published weights."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, ClassVar

from videoseg.errors import MissingWeightsError, VideosegError
from videoseg.plugins import Component, default_registry
from videoseg.testing.checks import check
from videoseg.weights import HubModel, PublishedWeights, WeightsFile

__all__ = ["WeightsContract"]

_HEAVY = ("torch", "transformers", "cv2", "onnxruntime", "tensorflow", "jax")
_VARIABLE = "VIDEOSEG_WEIGHTS"


class WeightsContract:
    """What the argument ``weights`` of ``videoseg.Component`` asks for.

    Subclass it and set ``kind`` and ``name``; the component must be installed.

    Attributes:
        kind: The kind of the component.
        name: Its name.
        options: Options with which published weights are needed; by default none are set.
        own: Options that name a file or folder of the user's own, with which nothing published
            is needed, such as ``{"checkpoint": "mine.pth"}``; empty if there are none.
    """

    kind: ClassVar[str] = ""
    name: ClassVar[str] = ""
    options: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    own: ClassVar[Mapping[str, Any]] = {}

    def make(self) -> Component:
        """Return the declaration."""
        return default_registry().find(self.kind, self.name).component

    def test_says_which_weights_it_needs(self) -> None:
        for options in self.options:
            found = self.make().published_weights(options)
            check(found, f"with {dict(options)!r} published weights must be needed, got none")
            check(
                found == self.make().published_weights(options),
                f"the same options need the same weights, got others for {dict(options)!r}",
            )

    def test_says_the_license(self) -> None:
        for one in self._needed():
            # The hub knows that of its models.
            check(
                one.license.strip() or isinstance(one, HubModel),
                f"{one.name} must be declared with its license, which users are told",
            )

    def test_comes_over_an_encrypted_connection(self) -> None:
        for one in self._needed():
            if isinstance(one, WeightsFile):
                check(
                    one.url.startswith("https://") or one.sha256,
                    f"{one.url} must begin with https:// or have a hash",
                )

    def test_no_two_files_have_the_same_place(self) -> None:
        files = {one for one in self._needed() if isinstance(one, WeightsFile)}
        places = [one.path for one in files]
        check(
            len(set(places)) == len(places),
            f"different files must have different places, got {sorted(map(str, places))}",
        )

    def test_needs_none_for_what_is_your_own(self) -> None:
        if self.own:
            found = self.make().published_weights(self.own)
            check(not found, f"{dict(self.own)!r} needs nothing published, got {found}")

    def test_takes_options_as_they_were_written(self) -> None:
        # They are not converted or checked yet, so they may hold anything.
        names = {name for options in (*self.options, self.own) for name in options}
        for name in names:
            for value in (None, 5, "", "no such thing", [1]):
                try:
                    self.make().published_weights({name: value})
                except VideosegError as error:
                    raise AssertionError(
                        f"the option {name}={value!r} must be no error here, where the "
                        f"constructor reports it, got: {error}"
                    ) from error

    def test_imports_nothing_heavy(self) -> None:
        module = self.make().weights.partition(":")[0]
        heavy = _heavy_imports(module)
        check(not heavy, f"{module} must not import {heavy}, as lists call it")

    def test_missing_weights_come_with_the_command(self) -> None:
        if self.make().missing_modules():
            return
        with _no_weights():
            for options in self.options:
                needed = self.make().published_weights(options)
                if not any(one.problem() for one in needed):
                    # A hub's cache that has them.
                    continue
                try:
                    default_registry().build(self.kind, self.name, options)
                except MissingWeightsError as error:
                    check(
                        "videoseg download " in str(error),
                        f"the error must name the command `videoseg download`, got: {error}",
                    )
                else:
                    raise AssertionError(
                        "the constructor must raise MissingWeightsError without its weights, so "
                        "that a pipeline fails before its first stage runs"
                    )

    def _needed(self) -> list[PublishedWeights]:
        component = self.make()
        return [one for options in self.options for one in component.published_weights(options)]


@lru_cache
def _heavy_imports(module: str) -> str:
    """Return which heavy modules the import of a module loads, in a process of its own."""
    code = f"import sys, {module}; print(*(set({_HEAVY!r}) & set(sys.modules)), end='', sep=', ')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    check(done.returncode == 0, f"{module} cannot be imported: {done.stderr[-300:]}")
    return done.stdout


@contextmanager
def _no_weights() -> Iterator[None]:
    before = os.environ.get(_VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[_VARIABLE] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[_VARIABLE]
            else:
                os.environ[_VARIABLE] = before
