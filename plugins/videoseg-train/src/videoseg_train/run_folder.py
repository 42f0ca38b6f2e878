"""The folder of a training run: what stands where in it, and who may write to it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from videoseg import ConfigError
from videoseg.errors import OutputError
from videoseg.files import FileLock, make_folder, write_file
from videoseg.pipeline import parse_yaml
from videoseg.text import shorten, show_path
from videoseg_train.config import TrainingConfig

__all__ = ["RunFolder"]

_CONFIG = "config.yaml"
_LOCK = ".lock"
# Changing these in the configuration does not change what a resumed run computes.
_FREE = ("checkpoints", "report_to", "preset", "videoseg_train")


class RunFolder:
    """The folder of a run.

    Args:
        path: The folder; ``take`` makes it.

    Attributes:
        path: The folder.
        model: Where the trained model is saved.
        checkpoints: Where checkpoints are.
        report: The report.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "model"
        self.checkpoints = path / "checkpoints"
        self.report = path / "training.html"
        self._lock = FileLock(path / _LOCK)
        self._is_new = False

    def take(self, config: TrainingConfig, *, resume: bool) -> None:
        """Keep other runs out of the folder, and check that this one may be written to it.

        The system lets go of the folder of a process that has died.

        Raises:
            OutputError: If another process is training in it, if it cannot be written, or if it
                holds something and nothing is resumed.
            ConfigError: If another run is resumed.
        """
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(
                f"cannot write a training run to {show_path(self.path)}: it is a file"
            )
        self._is_new = not self.path.exists()
        make_folder(self.path)
        try:
            taken = self._lock.acquire()
        except OSError as error:
            raise OutputError(
                f"cannot write to {show_path(self.path)}: {error.strerror or error}; choose "
                "another folder"
            ) from error
        if not taken:
            raise OutputError(
                f"another process is training in {show_path(self.path)}; wait until it has ended, "
                "or choose another folder"
            )
        try:
            self._check(config, resume=resume)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let other runs into the folder; removes it if it was made for nothing."""
        self._lock.release()
        if self._is_new:
            with suppress(OSError):
                self.path.rmdir()

    def write_config(self, config: TrainingConfig) -> None:
        """Write down what the run was given.

        Raises:
            OutputError: If it cannot be written.
        """
        write_file(self.path / _CONFIG, config.to_yaml())

    def _check(self, config: TrainingConfig, *, resume: bool) -> None:
        shown = show_path(self.path)
        if all(entry.name == _LOCK for entry in self.path.iterdir()):
            return
        if not (self.path / _CONFIG).is_file():
            raise OutputError(
                f"{shown} holds something else than a training run; choose another folder"
            )
        if not resume:
            raise OutputError(
                f"{shown} already holds a training run; go on with it (resume=True, --resume on "
                "the command line), or choose another folder"
            )
        before = _plain((self.path / _CONFIG).read_text(encoding="utf-8"))
        now = _plain(config.to_yaml())
        names = (*_FREE, *({"sft", "grpo"} - {config.method}))
        other = [
            f"'{name}' was {shorten(before.get(name), 120)} and is {shorten(now.get(name), 120)}"
            for name in sorted({*before, *now})
            if name not in names and before.get(name) != now.get(name)
        ]
        if other:
            raise ConfigError(
                [
                    f"cannot resume the run in {shown}: {problem}; give the options that it "
                    "began with"
                    for problem in other
                ]
            )


def _plain(text: str) -> Mapping[str, Any]:
    found = parse_yaml(text)
    return found if isinstance(found, Mapping) else {}
