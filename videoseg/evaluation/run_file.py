"""``run.json``: what a run is, so that it can be resumed, merged and told from others."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from videoseg._version import __version__
from videoseg.benchmarks.types import BenchmarkSplit, LeftOut, Sample, left_out_of, notes_of
from videoseg.errors import ConfigError, OutputError
from videoseg.evaluation.machine import describe_machine
from videoseg.files import read_text
from videoseg.metrics.protocol import EvalProtocol
from videoseg.text import parse_json, printable, shorten, shorten_text, well_formed
from videoseg.types import from_dict, to_dict

__all__ = ["RunIdentity", "RunInfo", "RunSession", "Shard", "new_session", "read_run", "write_run"]

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
                f"there is no shard {self.number}/{self.count}; of n shards the first is 1/n and "
                "the last n/n"
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
            raise ConfigError(f"a shard is written i/n, such as 1/4, got {shorten(text)}")
        return Shard(int(number), int(count))

    def of(self, items: Sequence[Any]) -> tuple[Any, ...]:
        """Return this part of the items. Neighbours, such as one video's, stay together."""
        start = (self.number - 1) * len(items) // self.count
        return tuple(items[start : self.number * len(items) // self.count])

    @property
    def suffix(self) -> str:
        """What the files of this part have in their names."""
        return f"-{self.number}-of-{self.count}"

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What must be the same for two sets of records to belong together.

    Args:
        benchmark: Benchmark and split.
        protocol: The rules it is scored by.
        pipeline: The pipeline's configuration.
        seed: The seed.
        samples: A digest of all samples of the split and their queries.
        num_samples: How many they are.
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
        """Return the identity of a run, scored by the split's protocol or by another."""
        return RunIdentity(
            split.name,
            _plain((protocol or split.protocol).to_dict()),
            _plain(pipeline),
            seed,
            samples_digest(split.samples),
            len(split.samples),
        )

    def differences(self, other: RunIdentity) -> list[str]:
        """Return what differs, in words; nothing if the two are the same."""
        found = []
        for name in ("benchmark", "protocol", "pipeline", "seed"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if isinstance(ours, Mapping):
                found += [
                    f"{name}.{key} was {_short(a)} and is now {_short(b)}"
                    for key, a, b in _changes(ours, theirs)
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
        command: What was typed; empty if it was started from Python.
        started: When, UTC, ISO 8601.
        workers: Processes that shared the work; 0 for this one alone.
        versions: Of Python and videoseg.
        machine: What ``describe_machine`` says.
    """

    command: str
    started: str
    workers: int
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """All that ``run.json`` holds.

    Args:
        identity: What the run is.
        root: Where the benchmark was read from.
        limit: How many samples were asked for; None for all.
        shard: Which part of them.
        sessions: One for each time it was started.
        left_out: The entries of the benchmark that its reader left out.
        notes: What its reader says about the data.
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

    def resumed(
        self, session: RunSession, *, limit: int | None, shard: Shard | None, root: str
    ) -> RunInfo:
        """Return what the file holds once the run has been started again."""
        return replace(
            self, limit=limit, shard=shard, root=root, sessions=(*self.sessions, session)
        )

    def reading(self, split: BenchmarkSplit) -> RunInfo:
        """Return it with what the reader of a split has left out and says about the data."""
        return replace(self, left_out=left_out_of(split), notes=notes_of(split))


def new_session(command: str, workers: int) -> RunSession:
    """Return the description of a start, now and on this machine."""
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
            raise ValueError("a number of samples that cannot be")
        # Rules that have come since the file was written are as they were without them.
        rules = from_dict(EvalProtocol, dict(identity.protocol)).to_dict()
        return replace(info, identity=replace(identity, protocol=_plain(rules)))
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, ConfigError) as error:
        reason = shorten_text(printable(" ".join(str(error).split())), 300)
        raise OutputError(f"{path} is no description of a run: {reason}") from error


def write_run(path: Path, info: RunInfo) -> None:
    """Write a ``run.json`` in one step.

    Raises:
        OutputError: If it cannot be written.
    """
    from videoseg.files import write_file

    text = json.dumps(to_dict(info), ensure_ascii=False, indent=1)
    write_file(path, well_formed(text) + "\n")


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what JSON makes of it, so that what was read equals what was written."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(data), default=str))
    return plain


def _depth(data: Any) -> int:
    """Return how many lists and objects of a JSON document are inside each other at most."""
    depth, level = 0, [data]
    while level := [value for value in level if isinstance(value, (dict, list))]:
        depth += 1
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    return depth


def _changes(
    ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> list[tuple[str, object, object]]:
    keys = sorted({*ours, *theirs})
    return [
        (key, ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)
    ]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."
