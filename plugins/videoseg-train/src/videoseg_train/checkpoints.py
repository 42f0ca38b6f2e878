"""Checkpoints of a training run: written atomically, resumed exactly.

A checkpoint holds what has changed since the run began: the trained parameters, the optimizer, its
schedule and what the warnings depend on. All else is made again from the configuration: frozen
parameters from the model that training began with, which is recognized by a digest; the reference
likewise; order of the samples and random numbers from the seed and the number of the step.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from videoseg.files import staged_folder
from videoseg_train.errors import CheckpointError

__all__ = ["Checkpoint", "Checkpoints", "digest_model"]

_STATE = "state.pt"
_FACTS = "checkpoint.json"
_SHARDS = "shards"
_UNSAVED = ".unsaved-shards"
_PREFIX = "step-"
_SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A saved step.

    Args:
        step: How many steps had been made.
        state: What ``Trainer.load_state_dict`` takes.
        facts: What else was said of the run when it was saved.
        shards: Folder of what each process has written; None if there is none.
    """

    step: int
    state: Mapping[str, Any]
    facts: Mapping[str, Any]
    shards: Path | None = None


class Checkpoints:
    """The checkpoints of a run, in a folder with a folder for each.

    Args:
        folder: The folder.
        keep: How many are kept, the newest.
    """

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        self._folder = folder
        self._keep = keep

    def steps(self) -> list[int]:
        """Return the steps that are saved, ascending. Half-written ones are not among them."""
        if not self._folder.is_dir():
            return []
        names = (entry.name for entry in self._folder.iterdir() if entry.is_dir())
        numbers = (name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))
        return sorted(int(number) for number in numbers if number.isdecimal())

    def new_shards(self) -> Path:
        """Return a folder for what each process writes before a step is saved."""
        return self._folder / _UNSAVED

    def save(
        self,
        step: int,
        state: Mapping[str, Any],
        facts: Mapping[str, Any],
        *,
        shards: Path | None = None,
    ) -> Path:
        """Save a step, then remove the oldest ones.

        Args:
            step: The step.
            state: Its state.
            facts: What else is to be said of it.
            shards: A folder with files of each process, which becomes part of the checkpoint.

        Raises:
            OutputError: If it cannot be written, such as on a full disk; earlier checkpoints are
                as they were.
        """
        target = self._path(step)
        with staged_folder(
            target,
            overwrite=True,
            what="a checkpoint",
            replaceable=_why_not_replaceable,
        ) as stage:
            digest = _save(state, stage / _STATE)
            if shards is not None:
                shards.rename(stage / _SHARDS)
            record = {
                "videoseg_train_checkpoint": _SCHEMA_VERSION,
                "step": step,
                "sha256": digest,
                "shards": _digest_folder(stage / _SHARDS),
                **facts,
            }
            (stage / _FACTS).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        for old in self.steps()[: -self._keep]:
            shutil.rmtree(self._path(old), ignore_errors=True)
        return target

    def load(self, step: int | None = None) -> Checkpoint | None:
        """Return a saved step, by default the newest; None if nothing is saved.

        Raises:
            CheckpointError: If it is damaged.
        """
        steps = self.steps()
        if step is None:
            if not steps:
                return None
            step = steps[-1]
        folder = self._path(step)
        try:
            facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
            if facts["videoseg_train_checkpoint"] != _SCHEMA_VERSION or facts["step"] != step:
                raise ValueError(f"{_FACTS} is of another version or step")
            if _digest_file(folder / _STATE) != facts["sha256"]:
                raise ValueError(f"{_STATE} has changed since it was written")
            if _digest_folder(folder / _SHARDS) != facts["shards"]:
                raise ValueError(f"a file in {_SHARDS} has changed since it was written")
            state = torch.load(folder / _STATE, map_location="cpu", weights_only=True)
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            earlier = [number for number in steps if number < step]
            advice = (
                f"remove this folder to resume from step {earlier[-1]}"
                if earlier
                else "there is no earlier one; begin again in another folder"
            )
            raise CheckpointError(
                f"the checkpoint {folder} is damaged ({reason}); {advice}"
            ) from error
        shards = folder / _SHARDS
        return Checkpoint(step, state, facts, shards if facts["shards"] else None)

    def _path(self, step: int) -> Path:
        return self._folder / f"{_PREFIX}{step:08d}"


def _why_not_replaceable(folder: Path) -> str | None:
    return None if (folder / _FACTS).is_file() else "it holds something else than a checkpoint"


def digest_model(module: nn.Module) -> str:
    """Return a digest of names, shapes and values of a model's parameters."""
    digest = hashlib.sha256()
    for name, value in module.named_parameters():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        flat = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(flat.numpy().data)
    return digest.hexdigest()


# -- files ---------------------------------------------------------------------------------------


class _Writer:
    """A file that torch writes to; keeps the system's error, which torch replaces by its own."""

    def __init__(self, write: Callable[[Any], int], flush: Callable[[], None]) -> None:
        self._write, self.flush = write, flush
        self.digest = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            self._write(data)
        except OSError as error:
            self.error = error
            raise
        self.digest.update(data)
        return len(data)


def _save(state: Mapping[str, Any], path: Path) -> str:
    """Save a state and return the digest of the file."""
    with path.open("xb") as file:
        writer = _Writer(file.write, file.flush)
        try:
            torch.save(dict(state), writer)  # type: ignore[arg-type]
        except Exception as error:
            if writer.error is not None:
                raise writer.error from error
            raise
    return writer.digest.hexdigest()


def _digest_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _digest_folder(folder: Path) -> dict[str, str]:
    """Return the digest of each file by its name in a folder; none if there is no folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _digest_file(path) for path in files}
