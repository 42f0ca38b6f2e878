"""Each test of the contract of weights can fail."""

from __future__ import annotations

import sys
import textwrap

import pytest

import videoseg as vs
from videoseg.plugins import RegisteredComponent
from videoseg.testing import WeightsContract, contract_failures
from videoseg.testing.weights import _heavy_imports

GOOD = """
    from videoseg import MissingWeightsError
    from videoseg.weights import WeightsFile, download_command

    FILE = WeightsFile("https://example.org/a.bin", "declared", 5, license="MIT")

    def needed(options):
        return [FILE] if options.get("file", "a") == "a" else []

    class Sampler:
        def __init__(self, *, file: str = "a") -> None:
            for one in needed({"file": file}):
                if problem := one.problem():
                    command = download_command("sampler", "declared")
                    raise MissingWeightsError(f"{one.name} {problem}; get it with: {command}")

        def sample(self, video, query, *, window, keyframe=None, seed=0): ...
"""

BROKEN = {
    "test_says_which_weights_it_needs": ('== "a" else []', '== "b" else []'),
    "test_says_the_license": (', license="MIT"', ""),
    "test_comes_over_an_encrypted_connection": ("https://", "http://"),
    "test_no_two_files_have_the_same_place": (
        "return [FILE]",
        "return [FILE, WeightsFile('https://b.org/a.bin', 'declared', license='MIT')]",
    ),
    "test_needs_none_for_what_is_your_own": (' if options.get("file", "a") == "a" else []', ""),
    "test_takes_options_as_they_were_written": ('options.get("file", "a")', "options['file'][0]"),
    "test_imports_nothing_heavy": ("from videoseg import", "import cv2\n    from videoseg import"),
    "test_missing_weights_come_with_the_command": ("raise MissingWeightsError", "str"),
}


class Declared(WeightsContract):
    kind, name = "sampler", "declared"
    own = {"file": "mine.bin"}  # noqa: RUF012


@pytest.fixture
def failures(monkeypatch, tmp_path):
    def failures(code, only=()):
        (tmp_path / "declared_weights.py").write_text(textwrap.dedent(code))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "declared_weights", raising=False)
        _heavy_imports.cache_clear()
        component = vs.Component(
            "sampler",
            "declared",
            "declared_weights:Sampler",
            weights="declared_weights:needed",
        )
        entry = RegisteredComponent(component, "declared", "declared")
        components = vs.default_registry()._components
        monkeypatch.setitem(components, ("sampler", "declared"), [entry])
        return contract_failures(Declared(), only=only)

    return failures


def test_a_good_declaration_passes(failures):
    assert failures(GOOD) == {}


@pytest.mark.parametrize("test", BROKEN)
def test_what_is_broken_is_noticed(failures, test):
    right, wrong = BROKEN[test]
    assert right in GOOD
    assert list(failures(GOOD.replace(right, wrong), only=[test])) == [test]


def test_every_test_is_seen_to_fail():
    assert {name for name in dir(WeightsContract) if name.startswith("test_")} == set(BROKEN)
