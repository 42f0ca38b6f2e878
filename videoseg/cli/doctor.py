"""``videoseg doctor``: check that everything works on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from videoseg._version import __version__
from videoseg.cli.framework import VideosegCommand
from videoseg.cli.terminal import json_option, open_console, print_row, write_json
from videoseg.errors import CORE_PACKAGES, VideosegError
from videoseg.text import format_count, parse_json, shorten_text

if TYPE_CHECKING:
    from rich.console import Console

    from videoseg.types import Frame

__all__ = ["Finding", "Verdict", "doctor", "examine", "print_finding"]

Verdict: TypeAlias = Literal["ok", "note", "broken"]

_STYLES = {"ok": "green", "note": "yellow", "broken": "bold red"}

_OPTIONAL = ("decord",)

# Of models and plug-ins, by the names of their modules; the second says what breaks without it.
_MODEL_LIBRARIES = {
    "torch": ("torch", "every stage with a model of torch"),
    "torchvision": ("torchvision", "models of transformers, and detectors"),
    "transformers": ("transformers", "chat models and detectors of transformers"),
    "sam2": ("sam2", "the segmenter and the propagator sam2"),
    "onnxruntime": ("onnxruntime", "the detector yolox, where it runs on onnxruntime"),
}
_VERSIONS_ONLY = {
    "accelerate": "accelerate", "peft": "peft", "ray": "ray", "supervision": "supervision"
}  # fmt: skip

# Importing all of them takes some seconds; much longer means that one hangs.
_IMPORT_SECONDS = 180

_TRY_IMPORTS = """
import importlib, json, sys
# Not the current folder, where a folder of the library's sources may have its name.
sys.path[:] = json.loads(sys.argv[1])
failed, gpus = {}, None
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = f"{type(error).__name__}: {error}"
torch = None if "torch" in failed else sys.modules.get("torch")
try:
    if torch is not None and torch.cuda.is_available():
        count = torch.cuda.device_count()
        each = [torch.cuda.get_device_properties(index) for index in range(count)]
        gpus = [f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB" for gpu in each]
    elif torch is not None:
        mps = getattr(torch.backends, "mps", None)
        gpus = ["Apple's GPU, mps"] if mps is not None and mps.is_available() else []
except Exception as error:
    failed["gpu"] = f"{type(error).__name__}: {error}"
print("\\n" + json.dumps({"failed": failed, "gpus": gpus}))
"""
_MIN_FREE_BYTES = 200 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of an examination.

    Args:
        subject: What was examined.
        verdict: ``ok``; ``note`` for something worth knowing; ``broken`` for something
            needed that does not work.
        detail: What was found, and what to do.
    """

    subject: str
    verdict: Verdict
    detail: str


def print_finding(console: Console, finding: Finding) -> None:
    """Print the verdict, the subject and the detail of a finding."""
    console.print(f"{finding.verdict:<7}", style=_STYLES[finding.verdict], end="")
    print_row(console, finding.subject, finding.detail, width=18, indent=7)


@click.command("doctor", cls=VideosegCommand)
@json_option
def doctor(*, as_json: bool) -> int:
    """Check versions, decoding, encoding, plug-ins, pipelines, disk and GPU, one by one.

    A pipeline is usable if all that its stages need is here, their weights included.

    Exits with 1 if something that is needed does not work. A chat model is checked by
    `videoseg chat check NAME`, a command of videoseg-vlm.
    """
    findings = []
    console = open_console()
    for finding in examine():
        findings.append(finding)
        if not as_json:
            print_finding(console, finding)
    broken = [finding for finding in findings if finding.verdict == "broken"]
    if as_json:
        write_json({"healthy": not broken, "findings": [asdict(f) for f in findings]})
    elif broken:
        console.print(f"\n{len(broken)} broken; see above for what to do", style="bold red")
    else:
        notes = sum(finding.verdict == "note" for finding in findings)
        more = f"; {format_count(notes, 'note')} above on what else could be used" if notes else ""
        console.print(f"\neverything that the default pipeline needs works{more}", style="green")
    return int(bool(broken))


def examine() -> Iterator[Finding]:
    """Yield one finding after another; a check that fails never stops the next."""
    # These take longest, so that they are tried while the rest is examined.
    trial = _try_imports(tuple(_installed(_MODEL_LIBRARIES)))
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield Finding("videoseg", "ok", __version__)
    yield from _libraries()
    yield from _guarded("model libraries", _model_libraries)
    yield from _guarded("plug-ins", _plugins)
    yield from _guarded("video", _decoding)
    yield from _guarded("disk", _disk)
    yield from _guarded("threads", _threads)
    yield from _guarded("model libraries", lambda: _broken_libraries(trial))
    yield from _guarded("gpu", lambda: _gpu(trial))


def _guarded(subject: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:
        # A broken library may fail in any way, and reporting it is the purpose of this command.
        text = " ".join(str(error).split())
        name = "" if isinstance(error, VideosegError) else f"{type(error).__name__}: "
        yield Finding(subject, "broken", f"{name}{text}")


def _libraries() -> Iterator[Finding]:
    found = []
    for name in sorted({*CORE_PACKAGES.values(), *_OPTIONAL}):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            if name == "opencv-python-headless" and find_spec("cv2") is not None:
                found.append("cv2 (another build of OpenCV)")
            elif name not in _OPTIONAL:
                # The components that need an optional one are listed with the plug-ins.
                yield Finding("library", "broken", f"{name} is missing: pip install {name}")
    yield Finding("libraries", "ok", ", ".join(found))


def _model_libraries() -> Iterator[Finding]:
    packages = {module: package for module, (package, _) in _MODEL_LIBRARIES.items()}
    versions = _installed({**packages, **_VERSIONS_ONLY})
    text = ", ".join(versions.values()) or "none installed; the default pipeline needs none"
    yield Finding("model libraries", "ok", text)


def _installed(modules: Iterable[str]) -> dict[str, str]:
    """Return package and version of those modules that are installed."""
    versions = {}
    for module in modules:
        package = _VERSIONS_ONLY.get(module) or _MODEL_LIBRARIES[module][0]
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[module] = f"{package} {metadata.version(package)}"
    return versions


def _broken_libraries(trial: _ImportTrial) -> Iterator[Finding]:
    versions = _installed(_MODEL_LIBRARIES)
    for module, error in trial.outcome.failed.items():
        if module not in versions:
            continue
        package, used_by = _MODEL_LIBRARIES[module]
        text = f"{versions[module]} cannot be imported ({shorten_text(error, 200)}), which breaks "
        text += f"{used_by}: pip install --upgrade --force-reinstall {package}"
        if module == "torchvision" and "torch" in versions:
            text += f", of the build that goes with {versions['torch']}"
        yield Finding(module, "note", text)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a trial has found.

    Args:
        failed: The modules that cannot be imported, with their errors; and ``gpu``, if torch
            fails where it looks for one.
        gpus: The GPUs that torch finds; None if it was not asked.
    """

    failed: Mapping[str, str]
    gpus: tuple[str, ...] | None = None


class _ImportTrial:
    """Imports modules in a process of its own, where one that fails half-way leaves no traces.

    Args:
        modules: The modules; none starts no process.
    """

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._modules = modules
        self._process: subprocess.Popen[str] | None = None
        if modules:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _TRY_IMPORTS, json.dumps(sys.path), *modules],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )

    @cached_property
    def outcome(self) -> _Outcome:
        """What it has found; waits for it."""
        if self._process is None:
            return _Outcome({})
        try:
            text, _ = self._process.communicate(timeout=_IMPORT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            names = ", ".join(self._modules)
            text = f"importing {names} took longer than {_IMPORT_SECONDS} s"
            return _Outcome({self._modules[0]: text})
        try:
            found = parse_json(text.strip().splitlines()[-1])
            failed = {str(name): " ".join(str(e).split()) for name, e in found["failed"].items()}
            gpus = found["gpus"]
            return _Outcome(failed, None if gpus is None else tuple(map(str, gpus)))
        except (LookupError, TypeError, ValueError, AttributeError):
            # It has crashed: nothing that it needs works.
            status = self._process.returncode
            text = f"the process that tried to import it ended with {status}"
            return _Outcome({self._modules[0]: text})


@lru_cache(maxsize=1)
def _try_imports(modules: tuple[str, ...]) -> _ImportTrial:
    """Begin to import modules; for the same ones again, return the trial that has been made."""
    return _ImportTrial(modules)


def _plugins() -> Iterator[Finding]:
    from videoseg.pipeline import judge_registered
    from videoseg.plugins import default_registry

    registry = default_registry()
    for failure in registry.failures:
        text = f"{failure.plugin} ({failure.distribution}) failed to load: {failure.error}"
        yield Finding("plug-in", "broken", text)
    for conflict in registry.conflicts:
        yield Finding("plug-in", "broken", conflict)
    entries = registry.components()
    if not entries:
        # The core's own components come from a plug-in, found through the installed metadata.
        text = "no component is registered: run pip install videoseg again"
        yield Finding("plug-ins", "broken", text)
        return
    plugins = len({entry.plugin for entry in entries})
    yield Finding("plug-ins", "ok", f"{plugins} loaded, {len(entries)} components")
    for entry in entries:
        if entry.missing_modules:
            name = f"{entry.component.kind} {entry.component.name}"
            yield Finding("plug-ins", "note", f"{name} cannot be used yet: {entry.remedy}")
    judged = [(entry.component, judge_registered(registry, entry)) for entry in entries]
    for component, readiness in judged:
        if component.kind == "pipeline":
            verdict: Verdict = "ok" if readiness.state == "usable" else "note"
            yield Finding("pipeline", verdict, f"{component.name}: {readiness}")
    waiting = [
        f"{component.kind} {component.name}"
        for component, readiness in judged
        if component.kind != "pipeline" and readiness.state == "needs download"
    ]
    if waiting:
        text = f"not on this machine: those of {', '.join(waiting)}; see `videoseg plugins`"
        yield Finding("weights", "note", text)


def _decoding() -> Iterator[Finding]:
    from videoseg.plugins import default_registry
    from videoseg.video import write_video

    frames = _test_frames()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test.mp4")
        try:
            write_video(path, frames, fps=10)
        except VideosegError as error:
            yield Finding("writing", "broken", str(error))
            return
        yield Finding("writing", "ok", f"H.264 MP4, {path.stat().st_size / 1000:.1f} kB")
        readers = default_registry().components("reader")
        findings = [
            _read_back(path, entry.component.name, frames)
            for entry in readers
            if not entry.missing_modules
        ]
        works = [finding for finding in findings if finding.verdict == "ok"]
        yield from works
        for finding in findings:
            if finding.verdict != "ok":
                # One working reader is enough.
                yield replace(finding, verdict="note" if works else "broken")
        if not findings:
            yield Finding("reading", "broken", "no reader is installed: pip install av")


def _read_back(path: Path, reader: str, frames: list[Frame]) -> Finding:
    import numpy as np

    from videoseg.video import Video

    subject = f"reader {reader}"
    try:
        with Video.open(path, reader=reader) as video:
            read = video.read(range(len(frames)))
            count = len(video)
    except Exception as error:
        return Finding(subject, "broken", f"{type(error).__name__}: {error}")
    if count != len(frames):
        return Finding(subject, "broken", f"found {count} of {len(frames)} frames")
    difference = max(
        float(np.abs(a.astype(int) - b.astype(int)).mean())
        for a, b in zip(read, frames, strict=True)
    )
    if difference > 12:
        return Finding(subject, "broken", f"colors are off by {difference:.0f} gray levels")
    return Finding(subject, "ok", f"{count} frames, colors within {difference:.1f} gray levels")


def _test_frames() -> list[Frame]:
    import numpy as np

    frames = []
    for index in range(12):
        frame = np.full((48, 64, 3), (90, 140, 90), np.uint8)
        frame[12:32, 4 + 3 * index : 20 + 3 * index] = (200, 60, 50)
        frames.append(frame)
    return frames


def _disk() -> Iterator[Finding]:
    for subject, folder in (("temporary", Path(tempfile.gettempdir())), ("current", Path.cwd())):
        free = shutil.disk_usage(folder).free
        text = f"{folder}, {free / 1e9:.1f} GB free"
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"videoseg")
        except OSError as error:
            # Results can be saved elsewhere with -o, but the temporary folder is always needed.
            verdict: Verdict = "broken" if subject == "temporary" else "note"
            text = f"{folder} cannot be written: {error.strerror}"
        else:
            verdict = "ok" if free >= _MIN_FREE_BYTES else "note"
            text += "" if verdict == "ok" else ", too little"
        yield Finding(f"{subject} folder", verdict, text)


def _threads() -> Iterator[Finding]:
    import cv2

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [f"{name}={os.environ[name]}" for name in ("OMP_NUM_THREADS",) if name in os.environ]
    text = f"{usable} cores usable of {os.cpu_count()}, OpenCV uses {cv2.getNumThreads()} threads"
    yield Finding("threads", "ok", ", ".join([text, *limits]))


def _gpu(trial: _ImportTrial) -> Iterator[Finding]:
    torch = _installed(["torch"]).get("torch")
    if torch is None:
        text = "torch is not installed; the default pipeline needs neither torch nor a GPU"
        yield Finding("gpu", "note", text)
        return
    outcome = trial.outcome
    if outcome.gpus is None:
        # A broken library may fail in any way; the default pipeline does not need this one.
        error = outcome.failed.get("torch") or outcome.failed.get("gpu") or "see above"
        text = f"torch, which would find it, does not work ({shorten_text(error, 200)})"
        yield Finding("gpu", "note", text)
    elif not outcome.gpus:
        yield Finding("gpu", "note", f"{torch} finds no GPU; models run on the CPU")
    else:
        for gpu in outcome.gpus:
            yield Finding("gpu", "ok", f"{gpu} ({torch})")
