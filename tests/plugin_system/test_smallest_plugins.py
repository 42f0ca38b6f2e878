"""The smallest plug-ins that the pages for authors show are as small as promised, and work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import videoseg as vs
from videoseg.testing import PropagatorContract, SamplerContract, contract_failures

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [DOCS / "plugin-authors.md", DOCS / "how-to" / "stage-as-a-plugin.md"]


def block_with(page: Path, words: str) -> str:
    """Return the one Python block of a page that holds these words."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M)
    [block] = [block for block in blocks if words in block]
    return block


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_plug_in_of_twelve_lines_is_installed_and_runs(page, install, monkeypatch):
    source = block_with(page, '"my_stages:EveryTenth"')
    assert len(source.splitlines()) <= 12
    install("my-stages", source)
    monkeypatch.setenv("VIDEOSEG_PLUGINS", "my-stages")
    registry = vs.Registry()
    assert registry.names("sampler").count("every-tenth") == 1

    class Contract(SamplerContract):
        def make(self):
            return registry.build("sampler", "every-tenth")

    assert contract_failures(Contract()) == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_propagator_of_25_lines_keeps_the_contract(page):
    source = block_with(page, "class StandStill:")
    assert len(source.splitlines()) <= 25
    namespace = {"__name__": "stand_still"}
    exec(compile(source, str(page), "exec"), namespace)

    class Contract(PropagatorContract):
        least_iou = 0.0

        def make(self):
            return namespace["StandStill"]()

    assert contract_failures(Contract()) == {}
