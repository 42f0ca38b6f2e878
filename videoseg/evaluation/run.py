"""Identity, sessions and files of a run: ``run.json``, shards and the machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from videoseg._version import __version__
from videoseg.benchmarks.types import BenchmarkSplit, LeftOut, Sample
from videoseg.errors import ConfigError, OutputError
from videoseg.files import expand_path, read_text, write_file
from videoseg.metrics.protocol import EvalProtocol
from videoseg.text import parse_json, printable, shorten, shorten_text, well_formed
from videoseg.types import from_dict, to_dict

__all__ = [
    "RunFiles",
    "RunIdentity",
    "RunInfo",
    "RunSession",
    "Shard",
    "describe_machine",
    "files_of_runs",
    "new_session",
    "read_run",
    "write_run",
]

_SCHEMA = 1
_MAX_SHARDS = 10_000
_MAX_DEPTH = 64
_MAX_NUMBER = 2**62


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal parts of a run.

    Args:
        number: Which part, from 1.
        count: How many parts there are.

    Raises:
        ConfigError: If there is no such part.

    Example:
        >>> Shard.parse("2/3").of(["a", "b", "c", "d", "e", "f", "g"])
        ('c', 'd')
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if self.count > _MAX_SHARDS:
            raise ConfigError(
                f"there can be {_MAX_SHARDS} shards at most, got {shorten(self.count)}"
            )
        if not 1 <= self.number <= self.count:
            raise ConfigError(
                f"there is no shard {self.number}/{self.count}; shards go from 1/n to n/n"
            )

    @staticmethod
    def parse(text: str) -> Shard:
        """Read ``i/n``.

        Raises:
            ConfigError: If it has another form, or there is no such part.
        """
        number, slash, count = text.partition("/")
        parts = (number.strip(), count.strip())
        if not (slash and all(part.isdecimal() and len(part) < 10 for part in parts)):
            raise ConfigError(f"a shard has the form i/n, such as 1/4, got {shorten(text)}")
        return Shard(int(number), int(count))

    def of(self, items: Sequence[Any]) -> tuple[Any, ...]:
        """Return this part of the items; neighbors, such as those of one video, stay together."""
        start = (self.number - 1) * len(items) // self.count
        return tuple(items[start : self.number * len(items) // self.count])

    @property
    def suffix(self) -> str:
        """The suffix of this part's file names."""
        return f"-{self.number}-of-{self.count}"

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What two sets of records must share to belong to the same run.

    Args:
        benchmark: Benchmark and split.
        protocol: The rules it is scored by.
        pipeline: The pipeline's configuration.
        seed: The seed.
        samples: A digest of all samples of the split and their queries.
        num_samples: How many samples the split has.
    """

    benchmark: str
    protocol: Mapping[str, Any]
    pipeline: Mapping[str, Any]
    seed: int
    samples: str
    num_samples: int

    @staticmethod
    def of(
        split: BenchmarkSplit,
        pipeline: Mapping[str, Any],
        seed: int,
        *,
        protocol: EvalProtocol | None = None,
    ) -> RunIdentity:
        """Return the identity of a run; ``protocol`` replaces that of the split."""
        return RunIdentity(
            split.name,
            _plain((protocol or split.protocol).to_dict()),
            _plain(pipeline),
            seed,
            samples_digest(split.samples),
            len(split.samples),
        )

    def differences(self, other: RunIdentity) -> list[str]:
        """Return a description of each difference; empty if there is none."""
        found = []
        for name in ("benchmark", "protocol", "pipeline", "seed"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if isinstance(ours, Mapping):
                found += [
                    f"{name}.{key} was {_short(ours.get(key))} and is now "
                    f"{_short(theirs.get(key))}"
                    for key in sorted({*ours, *theirs})
                    if ours.get(key) != theirs.get(key)
                ]
            elif ours != theirs:
                found.append(f"{name} was {_short(ours)} and is now {_short(theirs)}")
        if self.samples != other.samples and self.benchmark == other.benchmark:
            found.append(
                f"the samples of {self.benchmark} have changed ({self.num_samples} then, "
                f"{other.num_samples} now)"
            )
        return found


@dataclass(frozen=True, slots=True)
class RunSession:
    """One start of a run.

    Args:
        command: The command line; empty if it was started from Python.
        started: Time in UTC, ISO 8601.
        workers: Number of worker processes; 0 if it ran in one process.
        versions: Versions of Python and videoseg.
        machine: The result of ``describe_machine``.
    """

    command: str
    started: str
    workers: int
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Content of ``run.json``.

    Args:
        identity: What was run.
        root: Where the benchmark was read from.
        limit: How many samples to run; None for all.
        shard: Which part of them.
        sessions: One for each start.
        left_out: Entries of the benchmark that its reader left out.
        notes: Notes of its reader about the data.
        schema: Version of this layout.
    """

    identity: RunIdentity
    root: str = ""
    limit: int | None = None
    shard: Shard | None = None
    sessions: tuple[RunSession, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    schema: int = _SCHEMA


def new_session(command: str, workers: int) -> RunSession:
    """Return a session that starts now, on this machine."""
    return RunSession(
        command=well_formed(command),
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        workers=workers,
        versions={"python": platform.python_version(), "videoseg": __version__},
        machine=describe_machine(),
    )


def samples_digest(samples: Iterable[Sample]) -> str:
    """Return a digest of samples and their queries, the same on every machine."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(json.dumps([sample.id, sample.query]).encode("utf-8"))
    return digest.hexdigest()[:32]


def read_run(path: Path) -> RunInfo:
    """Read a ``run.json``.

    Raises:
        OutputError: If it cannot be read.
    """
    try:
        data = parse_json(read_text(path), allow_nan=False)
        if _depth(data) > _MAX_DEPTH:
            raise ValueError("it is nested too deeply")
        info = from_dict(RunInfo, data)
        identity = info.identity
        if (
            not 0 <= identity.num_samples <= _MAX_NUMBER
            or not 0 < (info.limit or 1) <= _MAX_NUMBER
        ):
            raise ValueError("an impossible number of samples")
        # Rules that are newer than the file have their defaults, which change nothing.
        rules = EvalProtocol.from_dict(identity.protocol).to_dict()
        return replace(info, identity=replace(identity, protocol=_plain(rules)))
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, ConfigError) as error:
        reason = shorten_text(printable(" ".join(str(error).split())), 300)
        raise OutputError(f"{path} does not describe a run: {reason}") from error


def write_run(path: Path, info: RunInfo) -> None:
    """Write a ``run.json`` in one step.

    Raises:
        OutputError: If it cannot be written.
    """
    text = json.dumps(to_dict(info), ensure_ascii=False, indent=1)
    write_file(path, well_formed(text) + "\n")


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data as JSON reads it back, to compare it with the content of a file."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(data), default=str))
    return plain


def _depth(data: Any) -> int:
    """Return the nesting depth of a JSON document."""
    depth, level = 0, [data]
    while level := [value for value in level if isinstance(value, (dict, list))]:
        depth += 1
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    return depth


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."


_NAME = re.compile(r"run(-(\d+)-of-(\d+))?\.json")


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of one run, or of one shard of it.

    Args:
        folder: The folder of the run.
        suffix: Suffix of a shard's file names; empty for a whole run.
    """

    folder: Path
    suffix: str = ""

    @property
    def records(self) -> Path:
        """The records: one JSON line for each sample that is done."""
        return self.folder / f"records{self.suffix}.jsonl"

    @property
    def run(self) -> Path:
        """The ``run.json`` of the run or shard."""
        return self.folder / f"run{self.suffix}.json"


def files_of_runs(folder: str | Path) -> list[RunFiles]:
    """Return the run in a folder, or its shards in order; empty if there is none.

    Raises:
        OutputError: If the folder cannot be listed.
    """
    folder = expand_path(folder)
    found: list[tuple[int, int, str]] = []
    try:
        names = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        names = []
    except (OSError, ValueError) as error:
        shown = shorten_text(printable(str(folder)), 300)
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot read {shown}: {reason}; choose another folder") from error
    for name in names:
        if (match := _NAME.fullmatch(name)) is not None:
            found.append((int(match[3] or 1), int(match[2] or 1), match[1] or ""))
    return [RunFiles(folder, suffix) for _, _, suffix in sorted(found)]


def describe_machine() -> dict[str, str]:
    """Return processor, cores, memory, GPUs and system as text, without importing a library.

    Example:
        >>> sorted(describe_machine())[:2]
        ['cores', 'gpus']
    """
    cores = getattr(os, "sched_getaffinity", None)
    memory = _system_values("/proc/meminfo", "MemTotal")
    # As the driver lists them, without starting CUDA.
    drivers = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    gpus = [model for path in drivers for model in _system_values(path, "Model")]
    processors = _system_values("/proc/cpuinfo", "model name")
    return {
        "processor": next(processors, "") or platform.processor() or platform.machine(),
        "cores": str(len(cores(0)) if cores is not None else os.cpu_count() or 1),
        "memory": next((f"{int(kib.split()[0]) / 2**20:.0f} GiB" for kib in memory), "unknown"),
        "gpus": ", ".join(gpus) or "none seen",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _system_values(path: str | Path, name: str) -> Iterator[str]:
    """Yield the values of lines such as ``name: value`` in a file of Linux."""
    with contextlib.suppress(OSError):
        for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                yield value.strip()
