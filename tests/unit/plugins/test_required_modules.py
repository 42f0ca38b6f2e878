"""Whether a component can be used is told without importing what it needs."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from videoseg.plugins import Component


def missing(*modules):
    return Component("sampler", "x", "package.module:Name", requires=modules).missing_modules()


@pytest.mark.parametrize("module", ["json", "numpy", "numpy.linalg", "xml.etree.ElementTree"])
def test_installed_modules_are_not_missing(module):
    assert missing(module) == ()


@pytest.mark.parametrize("module", ["no_such", "no_such.inner", "numpy.no_such", "json.decoder.x"])
def test_modules_that_are_not_installed_are_missing(module):
    assert missing("json", module) == (module,)


def test_modules_made_up_in_this_process_count(monkeypatch):
    monkeypatch.setitem(sys.modules, "made_up_here", types.ModuleType("made_up_here"))
    assert missing("made_up_here") == ()


def test_asking_imports_nothing():
    code = (
        "import sys; from videoseg.plugins import Component;"
        "Component('sampler', 'x', 'a.b:C', requires=('xml.etree.ElementTree',))"
        ".missing_modules(); print('xml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
