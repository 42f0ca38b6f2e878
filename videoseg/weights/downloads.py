"""Downloads of published weights: what is to be fetched, and fetching it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from videoseg.errors import DownloadError
from videoseg.weights.hashes import other_hash
from videoseg.weights.hubs import ask_hub, fetch_hub_model, find_damage, list_modelscope_files
from videoseg.weights.published import (
    HubModel,
    ModelScopeModel,
    PublishedWeights,
    RandomWeights,
    WeightsFile,
)
from videoseg.weights.transfer import (
    Progress,
    fetch_file,
    remote_size,
)

__all__ = ["Download", "download_weights", "plan_downloads"]


@dataclass(frozen=True, slots=True)
class Download:
    """Weights that are to be fetched, as their publisher describes them.

    Args:
        weights: What was declared.
        parts: What is fetched for it, with sizes and licenses.
        reason: What is wrong with what is on this machine, such as ``is not on this machine``.
    """

    weights: PublishedWeights
    parts: tuple[WeightsFile | HubModel, ...]
    reason: str = ""

    @property
    def num_bytes(self) -> int:
        """Its size; 0 if unknown."""
        sizes = [part.num_bytes for part in self.parts]
        return sum(sizes) if all(sizes) else 0

    @property
    def license(self) -> str:
        """The license of the weights."""
        return self.parts[0].license or "not stated"

    @property
    def terms(self) -> str:
        """What has to be agreed to before it is fetched; empty if nothing."""
        return self.parts[0].terms


def plan_downloads(
    weights: Iterable[PublishedWeights], *, folder: Path | None = None
) -> list[Download]:
    """Ask where they are published what is to be fetched for weights that are not here.

    Files that are here and have a known SHA-256 are compared with it.

    Args:
        weights: Such as ``pipe.weights()``. What is whole on this machine is left out.
        folder: Where they are looked for and put instead of the caches: for another machine.

    Raises:
        DownloadError: If a publisher cannot be reached, or does not have them.
        MissingDependencyError: If the library of the hub is needed and not installed.
    """
    plans = []
    for one in dict.fromkeys(weights):
        reason = one.problem(folder) or _damage(one, folder)
        if reason:
            plans.append(Download(one, _parts(one), reason))
    return plans


def download_weights(
    weights: Iterable[PublishedWeights | Download],
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    quiet: bool = True,
) -> list[Path]:
    """Fetch weights that are not on this machine. What is whole already is left alone.

    Half downloads are resumed. Each file appears in its place whole and checked, or not at all.
    Fetching them accepts their licenses and terms, which ``plan_downloads`` lists.

    Args:
        weights: Such as ``pipe.weights()``, or what ``plan_downloads`` returned.
        folder: Where to put them instead of the caches: for another machine.
        progress: Is called with the name of a file, the bytes that are here and those in all.
        quiet: Whether the library of the hub shows no progress of its own.

    Returns:
        The files and folders that were fetched.

    Raises:
        DownloadError: If something cannot be fetched, checked or written. What was fetched before
            it stays.
        MissingDependencyError: If the library of the hub is needed and not installed.
    """
    given = list(weights)
    plans = [one for one in given if isinstance(one, Download)]
    asked = [one for one in given if not isinstance(one, Download)]
    plans += plan_downloads(asked, folder=folder)
    paths: list[Path] = []
    for plan in plans:
        for part in plan.parts:
            if isinstance(part, HubModel):
                paths.append(fetch_hub_model(part, root=folder, quiet=quiet))
            elif part.problem(folder) or _damage(part, folder):
                paths.append(fetch_file(part, part.path_in(folder), progress=progress))
        if problem := plan.weights.problem(folder):
            raise DownloadError(f"{plan.weights.name} was fetched, but it {problem}; try it again")
    return paths


def _parts(weights: PublishedWeights) -> tuple[WeightsFile | HubModel, ...]:
    if isinstance(weights, RandomWeights):
        return ()
    if isinstance(weights, HubModel):
        return (ask_hub(weights),)
    if isinstance(weights, ModelScopeModel):
        return list_modelscope_files(weights)
    if weights.sha256 and weights.num_bytes:
        return (weights,)
    return (replace(weights, num_bytes=remote_size(weights) or weights.num_bytes),)


def _damage(weights: PublishedWeights, folder: Path | None) -> str:
    """Return whether a file that is here is another one than was published."""
    try:
        if isinstance(weights, HubModel):
            damaged = find_damage(weights, folder)
        elif isinstance(weights, WeightsFile):
            path = weights.path_in(folder)
            problem = other_hash(weights, path)
            return f"is damaged: {path} is not the published file, {problem}" if problem else ""
        else:
            return ""
    except OSError as error:
        reason = error.strerror or error
        file = error.filename or weights.name
        raise DownloadError(f"cannot read {file}: {reason}; check its permissions") from error
    return f"is damaged: the SHA-256 of {damaged} is another one" if damaged else ""
