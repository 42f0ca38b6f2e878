"""The reports in a real browser: nothing is wider than a phone, and nothing is cut off."""

from __future__ import annotations

import pytest
from chromium import running_browser, skip_without_browser

import videoseg as vs
from videoseg.benchmarks import open_benchmark
from videoseg.evaluation import evaluate

skip_without_browser()

pytestmark = pytest.mark.slow

# What reaches beyond the window or its own box. Heads of tables that a phone does not show are
# hidden by being one pixel large. Long names beside a timeline end in dots: the list of objects
# has them in full.
TOO_WIDE = """[...document.querySelectorAll('body *')].filter(element => {
    const box = element.getBoundingClientRect()
    const scrolls = getComputedStyle(element).overflowX != 'visible' &&
        !element.matches('.timeline .chip')
    return box.width > 1 && (
        box.right > window.innerWidth + 1 || scrolls && element.scrollWidth > box.width + 1)
}).map(element => element.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    from videoseg_synthetic import demo_clip

    folder = tmp_path_factory.mktemp("pages")
    clip = demo_clip(size=(120, 214), num_frames=24)
    video = clip.video
    with vs.Pipeline.from_name("attributes") as pipe:
        prompt = vs.Prompt(1, 0, box=vs.Box(40, 40, 90, 90))
        results = {
            "answered": pipe(video, "the object that moves to the left"),
            "guessed": pipe(video, "the dog that moves to the left"),
            "absent": pipe(video, "the tiny purple object in the middle"),
            "picture": pipe(vs.Video.from_frames(video[:1]), "the largest object"),
            "box": pipe.propagate(video, [prompt]),
        }
        assert [results[name].status for name in ("answered", "guessed", "absent")] == [
            "answered",
            "guessed",
            "absent",
        ]
        found = {
            name: result.save(folder / name, parts=["overlay", "report"]) / "report.html"
            for name, result in results.items()
        }
        options = {"num_videos": 2, "size": (72, 96), "num_frames": 12}
        split = open_benchmark("synthetic", split="val", options=options)
        evaluate(split, pipe, folder / "evaluation")
    return {**found, "evaluation": folder / "evaluation" / "report.html"}


@pytest.fixture(scope="module")
def browser():
    with running_browser() as browser:
        yield browser


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["answered", "guessed", "absent", "picture", "box", "evaluation"])
def test_a_report_fits(browser, pages, name, width):
    page = browser.new_page(viewport={"width": width, "height": 844})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(pages[name].as_uri())
    page.wait_for_load_state("networkidle")
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.inner_text("h1").strip()
    assert errors == []
    page.close()
