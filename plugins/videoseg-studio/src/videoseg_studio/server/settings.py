"""What the person who starts the server decides."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from videoseg.errors import ConfigError
from videoseg.text import shorten

__all__ = ["Settings"]

_MEGABYTE = 2**20
_SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a server; nothing in them comes from a client.

    Args:
        folder: The project folder. Clients name videos by their path inside it; results, uploads
            and the journal are in its subfolder ``.videoseg``.
        host: The address to listen on. Anything but this machine's own needs a token.
        port: The port to listen on; 0 takes a free one.
        token: What clients must send; None asks for nothing.
        allowed_hosts: Names under which browsers may address the server, beside its own: those
            of a reverse proxy, for example.
        pipelines: The pipelines clients may choose from, the first one by default: names or
            YAML files.
        allowed_options: Options that clients may set although their values are text, such as
            ``grounder.detector``; see ``videoseg_studio.api``.
        max_upload_bytes: The largest upload, in bytes.
        max_queued: How many jobs may wait; a further one is refused.
        num_workers: How many jobs run at the same time, each in a process of its own.
        max_kept: How many finished jobs are kept; the oldest are deleted first.
        job_seconds: How long a job may run, in seconds.
        upload_seconds: How long an upload may take, in seconds.
        idle_seconds: How long an upload may pause before it is given up, in seconds.
        max_uploads: How many uploads there may be at the same time.
        max_followers: How many clients may follow the progress of jobs at the same time.

    Raises:
        ConfigError: If something is out of range, or a token is missing. All problems are listed.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ("attributes",)
    allowed_options: tuple[str, ...] = ()
    max_upload_bytes: int = 512 * _MEGABYTE
    max_queued: int = 32
    num_workers: int = 1
    max_kept: int = 1_000
    job_seconds: float = 3_600
    upload_seconds: float = 1_800
    idle_seconds: float = 30
    max_uploads: int = 8
    max_followers: int = 64

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).resolve())
        problems = [
            f"{name} must be at least {least:,}, got {value!r}"
            for name, value, least in (
                ("port", self.port, 0),
                ("max_upload_bytes", self.max_upload_bytes, 1),
                ("max_queued", self.max_queued, 1),
                ("num_workers", self.num_workers, 1),
                ("max_kept", self.max_kept, 1),
                ("max_uploads", self.max_uploads, 1),
                ("max_followers", self.max_followers, 1),
            )
            if value < least
        ]
        problems += [
            f"{name} must be greater than 0, got {value!r}"
            for name, value in (
                ("job_seconds", self.job_seconds),
                ("upload_seconds", self.upload_seconds),
                ("idle_seconds", self.idle_seconds),
            )
            if not value > 0
        ]
        if not self.folder.is_dir():
            problems.append(f"{self.folder} is not a folder; give the folder of the videos")
        if not self.pipelines:
            problems.append("there must be at least one pipeline")
        if self.token is not None and (
            len(self.token) < _SHORTEST_TOKEN or not self.token.isascii() or " " in self.token
        ):
            # The token itself must not be in a message.
            problems.append(
                f"a token must have at least {_SHORTEST_TOKEN} ASCII characters without spaces"
            )
        if self.token is None and not self.is_local:
            problems.append(
                f"{shorten(self.host)} can be reached from other machines: a token is needed; "
                "set VIDEOSEG_TOKEN, or listen on 127.0.0.1"
            )
        if problems:
            raise ConfigError(problems)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def data_folder(self) -> Path:
        """The folder of uploads, results and the journal."""
        return self.folder / ".videoseg"


def is_loopback(host: str) -> bool:
    """Return whether an address or name is that of this machine itself.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("[::1]"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
