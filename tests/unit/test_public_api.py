"""The public API is what the snapshot beside this file lists.

Run ``python tests/unit/test_public_api.py`` to write the snapshot anew after a change that
was meant, and commit it together with that change.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import GenericAlias

import pytest

import videoseg

HERE = Path(__file__).resolve().parent
SNAPSHOT = HERE / "public_api.txt"
PACKAGE = HERE.parents[1] / "videoseg"
STUBS = sorted([*PACKAGE.rglob("__init__.pyi"), *HERE.parents[1].glob("plugins/*/src/*/*.pyi")])


def public_modules() -> list[str]:
    names = [path.stem for path in PACKAGE.glob("[a-z]*.py")]
    names += [path.parent.name for path in PACKAGE.glob("[a-z]*/__init__.py")]
    return [f"videoseg.{name}" for name in sorted(names)]


def described() -> list[str]:
    lines = [f"videoseg.{name}" for name in sorted(videoseg.__all__)]
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in sorted(module.__all__):
            lines += describe(f"{module_name}.{name}", getattr(module, name))
    return lines


def describe(label: str, value: object) -> Iterator[str]:
    # Python 3.10 takes the alias tuple[int, int] for a class.
    if inspect.isclass(value) and not isinstance(value, GenericAlias):
        protocol = getattr(value, "_is_protocol", False)
        own = not protocol and "__init__" in vars(value)
        yield f"class {label}{signature(value) if own else ''}"
        members: dict[str, object] = {}
        for base in reversed(value.__mro__):
            if base.__module__.startswith("videoseg."):
                members.update(vars(base))
        for name, member in sorted(members.items()):
            # What a contract asks for is named in its tests; nobody calls these.
            if name.startswith(("_", "test_")):
                continue
            if isinstance(member, property):
                yield f"    {name} (property)"
            elif isinstance(member, staticmethod | classmethod):
                yield f"    {name}{signature(member.__func__)} ({type(member).__name__})"
            elif inspect.isfunction(member):
                yield f"    {name}{signature(member)}"
    elif inspect.isfunction(value):
        yield f"{label}{signature(value)}"
    else:
        yield label


def signature(value: object) -> str:
    found = inspect.signature(value)  # type: ignore[arg-type]
    parameters = [
        # A default that is an object of our own would print with its address.
        p.replace(default=...) if "object at" in repr(p.default) else p
        for p in found.parameters.values()
    ]
    # Annotations are text in the source of every module; Python versions quote them alike.
    return str(found.replace(parameters=parameters)).replace("'", "").replace('"', "")


def test_the_public_api_is_what_the_snapshot_lists() -> None:
    before = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    changes = list(difflib.unified_diff(before, described(), "snapshot", "now", lineterm="", n=0))
    assert not changes, (
        "the public API has changed; if that was meant, run "
        "`python tests/unit/test_public_api.py` and commit the snapshot:\n" + "\n".join(changes)
    )


def test_every_public_name_can_be_loaded() -> None:
    for name in videoseg.__all__:
        assert getattr(videoseg, name) is not None
    assert set(dir(videoseg)) == set(videoseg.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Pipelin'") as caught:
        _ = videoseg.Pipelin
    # What Python needs to add "Did you mean: 'Pipeline'?" to the traceback.
    assert (caught.value.name, caught.value.obj) == ("Pipelin", videoseg)


def test_every_public_module_is_an_attribute_of_the_package() -> None:
    modules = {name.removeprefix("videoseg.") for name in public_modules()}
    assert modules <= set(videoseg.__all__), "add it to videoseg/__init__.pyi"


def test_the_package_has_about_forty_names_beside_its_modules() -> None:
    names = [name for name in videoseg.__all__ if not inspect.ismodule(getattr(videoseg, name))]
    assert 30 <= len(names) <= 45


def test_every_public_object_has_a_docstring() -> None:
    without = []
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in module.__all__:
            value = getattr(module, name)
            if (inspect.isclass(value) or inspect.isfunction(value)) and not value.__doc__:
                without.append(f"{module_name}.{name}")
    assert not without


def test_importing_everything_changes_no_global_state() -> None:
    script = """
import json, locale, logging, os, random, signal, sys, warnings
import numpy as np

def state():
    return {
        "random": random.getstate(),
        "numpy": str(np.random.get_state()),
        "printing": str(np.get_printoptions()),
        "errors": np.geterr(),
        "handlers": [str(h) for h in logging.getLogger().handlers],
        "level": logging.getLogger().level,
        "environment": dict(os.environ),
        "filters": [str(f) for f in warnings.filters],
        "recursion": sys.getrecursionlimit(),
        "hook": str(sys.excepthook),
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "locale": locale.setlocale(locale.LC_ALL),
        "folder": os.getcwd(),
    }

before = state()
import importlib, pkgutil, videoseg
imported = 0
for found in pkgutil.walk_packages(videoseg.__path__, "videoseg."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
        imported += 1
after = state()
print(json.dumps({"n": imported, "changed": [k for k in before if before[k] != after[k]]}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["changed"] == []
    assert answer["n"] > 30


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.parent.name)
def test_no_name_that_is_loaded_late_is_that_of_a_module(stub: Path) -> None:
    """Importing the module would put it in the place of the name."""
    modules = {path.stem for path in stub.parent.iterdir()} - {"__init__"}
    names = re.findall(
        r"^from \.[\w.]+ import \w+ as (\w+)$", stub.read_text("utf-8"), re.MULTILINE
    )
    assert names
    assert not modules & set(names)


if __name__ == "__main__":
    SNAPSHOT.write_text("\n".join(described()) + "\n", encoding="utf-8")
