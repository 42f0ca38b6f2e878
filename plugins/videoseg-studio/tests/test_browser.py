"""The page in a real browser, as a person uses it.

Needs the Python package playwright and a Chromium of the system.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from chromium import running_browser, skip_without_browser

import videoseg as vs
from videoseg.video import write_video

skip_without_browser()

from playwright import sync_api as playwright  # noqa: E402

pytestmark = pytest.mark.slow

# Longer than any step takes on an idle machine, since tests run beside others.
TIMEOUT = 20_000
playwright.expect.set_options(timeout=TIMEOUT)

NASTY = "<img src=x onerror=\"document.title='owned'\">.mp4"
STUDIO = Path(vs.__file__).parents[1] / "tests" / "support" / "still_studio.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    frames = np.zeros((12, 120, 180, 3), np.uint8)
    frames[:, 10:20, 10:20] = (200, 40, 40)
    for name in ("clip.mp4", NASTY):
        write_video(folder / name, frames, fps=10)
    return folder


@contextmanager
def studio(folder, port=0):
    """Run a studio in a process of its own; yield its address and the process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, str(STUDIO), str(folder), str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def address(folder):
    with studio(folder) as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser():
    with running_browser() as browser:
        yield browser


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["wide", "narrow"])
def size(request):
    return request.param


@contextmanager
def page_of(browser, size=(1280, 900)):
    """Yield a page that notes its requests and errors, and fails for what is not from here."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT)
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
        elsewhere = [
            u for u in requests if not re.match(r"(http://127\.0\.0\.1[:/]|data:|blob:)", u)
        ]
        assert requests
        assert elsewhere == []
        assert errors == []
    finally:
        context.close()


def open_video(page, address, name):
    page.goto(address)
    page.get_by_role("button", name=name, exact=True).click()
    playwright.expect(page.locator("#time")).to_contain_text("/ 11")


def says(page, text):
    playwright.expect(page.locator("#status")).to_contain_text(text)


def click(page, x, y, **options):
    """Click a place of the video, in its pixels."""
    canvas = page.locator("#canvas-a")
    bounds = canvas.bounding_box()
    place = {"x": x * bounds["width"] / 180, "y": y * bounds["height"] / 120}
    canvas.click(position=place, **options)


def is_painted(page, x, y):
    """Return whether a place of the video, which is black there, soon shows a mask."""
    script = "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]"
    for _ in range(50):
        if sum(page.locator("#canvas-a").evaluate(script, [x, y])[:3]) > 60:
            return True
        page.wait_for_timeout(100)
    return False


def test_a_question_shows_masks_and_reasons(browser, address, size):
    with page_of(browser, size) as page:
        open_video(page, address, "clip.mp4")
        page.fill("#query", "the <b>box</b>")
        page.get_by_role("button", name="Ask", exact=True).click()
        says(page, "Found 1 object")
        playwright.expect(page.locator("#frame")).to_have_value("4")
        playwright.expect(page.locator("#answer")).to_contain_text("in the <i>middle</i>")
        playwright.expect(page.locator("#canvas-a")).to_have_attribute(
            "aria-label", re.compile("the box")
        )
        assert is_painted(page, 15, 13)
        assert page.locator("#answer i, #answer b:text('box')").count() == 0
        # Nothing is wider than the window.
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_three_clicks_correct_and_the_export_is_downloaded(browser, address, size, tmp_path):
    with page_of(browser, size) as page:
        open_video(page, address, "clip.mp4")
        page.get_by_role("button", name="New object").click()
        says(page, "New object")
        click(page, 100, 60)
        says(page, "new mask after")
        click(page, 104, 60)
        playwright.expect(page.locator("#undo")).to_have_attribute(
            "title", re.compile("correction")
        )
        click(page, 60, 90, button="right")
        playwright.expect(page.locator("#pending")).to_contain_text("not in the other frames yet")
        page.get_by_role("button", name="Propagate", exact=True).click()
        playwright.expect(page.locator("#pending")).to_contain_text("All corrections are in all")
        page.keyboard.press("End")
        playwright.expect(page.locator("#canvas-a")).to_have_attribute(
            "aria-label", re.compile("Frame 11 .*object")
        )
        assert is_painted(page, 101, 59)
        page.select_option("#format", "png")
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.locator("#download").click()
        assert download.value.suggested_filename == "clip-png.zip"


def test_clicks_right_after_a_new_object_are_meant_for_it(browser, address):
    with page_of(browser) as page:
        open_video(page, address, "clip.mp4")
        sent = []
        page.on(
            "request", lambda one: one.url.endswith("/correct") and sent.append(one.post_data_json)
        )
        before = page.locator("#objects li").count()
        page.locator("#canvas-a").focus()
        page.keyboard.press("n")
        click(page, 40, 30)
        page.keyboard.press("n")
        click(page, 100, 60)
        playwright.expect(page.locator("#objects li")).to_have_count(before + 2)
        playwright.expect(page.locator("#undo")).to_have_attribute(
            "title", re.compile("correction")
        )
        first, second = sent
        assert second["object"] == first["object"] + 1
        assert [round(one["points"][0][0]) for one in sent] == [40, 100]


def test_a_click_that_changes_nothing_says_so(browser, address):
    with page_of(browser) as page:
        open_video(page, address, "clip.mp4")
        page.get_by_role("button", name="New object").click()
        says(page, "New object")
        click(page, 100, 90)
        says(page, "new mask after")
        click(page, 100, 90)
        says(page, "nothing changed, since the place is in its mask")
        click(page, 20, 100, button="right")
        says(page, "nothing changed, since the place is outside its mask")


def test_the_keyboard_is_enough(browser, address):
    with page_of(browser) as page:
        open_video(page, address, "clip.mp4")
        page.locator("#canvas-a").focus()
        page.keyboard.press("n")
        says(page, "New object")
        page.keyboard.press("Shift+ArrowRight")
        playwright.expect(page.locator("#frame")).to_have_value("10")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("c")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Enter")
        says(page, "on frame 9: new mask")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+z")
        says(page, "Undone: the correction")
        page.keyboard.press("Control+Shift+Z")
        says(page, "Done again: the correction")
        page.keyboard.press("p")
        says(page, "computed again")
        page.keyboard.press("[")
        page.keyboard.press("]")
        playwright.expect(page.locator("#frame")).to_have_value("9")
        page.keyboard.press("?")
        playwright.expect(page.locator("#help")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("Delete")
        says(page, "undo brings it back")


def test_two_pipelines_are_shown_side_by_side(browser, address):
    with page_of(browser) as page:
        open_video(page, address, "clip.mp4")
        page.fill("#query", "the box")
        page.check("#compare")
        page.get_by_role("button", name="Ask both").click()
        playwright.expect(page.locator("#agreement")).to_contain_text("67 %")
        playwright.expect(page.locator("#caption-b")).to_contain_text("still-other")


def test_pipelines_are_compared_only_when_both_have_ended(browser, address):
    with page_of(browser) as page:
        failed = {
            "number": 10**6,
            "kind": "ask",
            "status": "failed",
            "message": "no",
            "seconds": 1,
        }
        news = {"status": "ready", "error": "", "revision": 1, "work": failed}
        listened = []

        def answer(route):
            # The first to listen is the page itself, the second the pipeline B.
            listened.append(route)
            if len(listened) == 1:
                route.continue_()
            else:
                body = f"data: {json.dumps(news)}\n\n"
                route.fulfill(content_type="text/event-stream", body=body)

        page.route("**/events", answer)
        open_video(page, address, "clip.mp4")
        page.fill("#query", "the box")
        page.check("#compare")
        page.get_by_role("button", name="Ask both").click()
        playwright.expect(page.locator("#agreement")).to_contain_text(
            "nothing to compare: B failed"
        )


def test_two_pages_of_one_video_show_the_same(browser, address):
    with page_of(browser) as first, page_of(browser) as second:
        open_video(first, address, "clip.mp4")
        open_video(second, address, "clip.mp4")
        rows = second.locator("#objects li")
        before = rows.count()
        first.get_by_role("button", name="New object").click()
        playwright.expect(rows).to_have_count(before + 1)
        # What is being typed there stays.
        rows.last.get_by_role("button", name="Rename").click()
        second.keyboard.type("half a na")
        click(first, 150, 100)
        says(first, "new mask after")
        playwright.expect(second.locator("#undo")).to_have_attribute(
            "title", re.compile("correction")
        )
        second.keyboard.type("me")
        second.keyboard.press("Enter")
        playwright.expect(first.locator("#objects li").last).to_contain_text("half a name")


def test_an_object_that_is_gone_is_not_a_studio_that_was_started_again(browser, address):
    with page_of(browser) as page:
        open_video(page, address, "clip.mp4")
        page.get_by_role("button", name="New object").click()
        says(page, "New object")
        gone = {"type": "ObjectNotFoundError", "message": "there is no object 9"}
        page.route("**/correct", lambda route: route.fulfill(status=404, json={"error": gone}))
        click(page, 100, 60)
        playwright.expect(page.get_by_role("alert")).to_contain_text("There is no object 9")


def test_what_is_told_is_in_sight_on_a_small_screen(browser, address):
    with page_of(browser, (390, 844)) as page:
        open_video(page, address, "clip.mp4")
        click(page, 100, 60)
        says(page, "new mask after")
        playwright.expect(page.locator("#status")).to_be_in_viewport()
        playwright.expect(page.locator("#canvas-a")).to_be_in_viewport()


def test_a_page_that_may_not_follow_says_so_and_works_on(browser, address):
    with page_of(browser) as page:
        page.route("**/events", lambda route: route.fulfill(status=429, body="{}"))
        open_video(page, address, "clip.mp4")
        playwright.expect(page.get_by_role("alert")).to_contain_text("too many pages")
        playwright.expect(page.locator("#time")).to_contain_text("/ 11")


def test_an_uploaded_video_can_be_deleted(browser, address, folder):
    with page_of(browser) as page:
        # The file comes before the page knows what the studio offers.
        def answer_late(route):
            page.wait_for_timeout(300)
            route.continue_()

        page.route("**/studio/start", answer_late)
        page.goto(address)
        page.set_input_files("#file", folder / "clip.mp4")
        playwright.expect(page.locator("#time")).to_contain_text("/ 11")
        page.get_by_role("button", name="Videos").click()
        delete = page.get_by_role("button", name="Delete uploaded: clip.mp4")
        page.on("dialog", lambda dialog: dialog.accept())
        delete.click()
        playwright.expect(delete).to_have_count(0)


def test_a_killed_studio_loses_no_correction(browser, folder, tmp_path):
    shutil.copy(folder / "clip.mp4", tmp_path / "killed.mp4")
    folder = tmp_path
    with page_of(browser) as page:
        with studio(folder) as (address, process):
            open_video(page, address, "killed.mp4")
            click(page, 100, 60)
            says(page, "new mask after")
            click(page, 60, 90)
            playwright.expect(page.locator("#undo")).to_have_attribute(
                "title", re.compile("frame 0")
            )
            process.send_signal(signal.SIGKILL)
            playwright.expect(page.get_by_role("alert")).to_contain_text("does not answer")
        with studio(folder) as (address, _):
            open_video(page, address, "killed.mp4")
            playwright.expect(page.locator("#objects li")).to_have_count(1)
            assert is_painted(page, 101, 59)


def test_the_page_goes_on_by_itself_when_the_studio_is_started_again(browser, folder, tmp_path):
    shutil.copy(folder / "clip.mp4", tmp_path / "again.mp4")
    with page_of(browser) as page:
        opened = []
        with studio(tmp_path) as (address, _):
            open_video(page, address, "again.mp4")
            click(page, 100, 60)
            says(page, "new mask after")
        page.on("response", lambda one: one.url.endswith("/projects") and opened.append(one.ok))
        with studio(tmp_path, port=int(address.rpartition(":")[2])):
            for _ in range(TIMEOUT // 100):
                page.wait_for_timeout(0 if any(opened) else 100)
            playwright.expect(page.locator("#time")).to_contain_text("/ 11")
            playwright.expect(page.get_by_role("alert")).to_be_hidden()
            page.get_by_role("button", name="New object").click()
            playwright.expect(page.locator("#objects li")).to_have_count(2)


def test_script_in_names_and_questions_is_inert(browser, address):
    with page_of(browser) as page:
        open_video(page, address, NASTY)
        page.fill("#query", "<script>document.title='owned'</script> box")
        page.get_by_role("button", name="Ask", exact=True).click()
        says(page, "Found 1 object")
        page.locator("#objects").get_by_role("button", name="Rename").click()
        page.keyboard.type("<img src=x onerror=document.title='owned'>")
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#objects .pick")).to_contain_text("<img")
        assert "owned" not in page.title().replace(NASTY, "")
        assert page.locator("main img[src=x], #video-name img, #objects img").count() == 0
        # What a model said.
        playwright.expect(page.locator("#answer")).to_contain_text("in the <i>middle</i>")
        assert page.locator("#answer i").count() == 0


class Elsewhere(BaseHTTPRequestHandler):
    """A page of another site, which tries what such pages can."""

    victim = ""

    def do_GET(self):
        body = json.dumps({"video": "clip.mp4", "query": "x"})
        text = f"""<!doctype html><title>begun</title><img src="{self.victim}/studio/start">
            <iframe name="frame" src="{self.victim}/"></iframe>
            <form method="post" target="frame" enctype="text/plain"
              action="{self.victim}/studio/projects">
              <input name='{body[:-1]}, "a' value='"}}'></form>
            <script>
            document.forms[0].submit();
            const tries = ["no-cors", "cors"].flatMap((mode) => [
              fetch("{self.victim}/studio/start", {{mode}}).then((r) => r.text()),
              fetch("{self.victim}/api/v1/jobs", {{mode, method: "POST", body: '{body}'}})
                .then((r) => r.text()),
              fetch("{self.victim}/studio/projects", {{mode, method: "POST", body: '{body}',
                headers: mode === "cors" ? {{"content-type": "application/json"}} : {{}}}})
                .then((r) => r.text()),
            ]);
            Promise.allSettled(tries).then((all) => {{
              window.read = all.map((one) => one.value ?? "").join("");
              document.title = "tried";
            }});
            </script>""".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Write nothing."""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_of_another_site_reads_and_does_nothing(browser, tmp_path, host):
    write_video(tmp_path / "clip.mp4", np.zeros((3, 40, 60, 3), np.uint8), fps=10)
    with (
        studio(tmp_path) as (address, _),
        ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as evil,
    ):
        Elsewhere.victim = address
        threading.Thread(target=evil.serve_forever, daemon=True).start()
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://{host}:{evil.server_port}/")
        playwright.expect(page).to_have_title("tried")
        assert page.evaluate("window.read") == ""
        evil.shutdown()
        assert context.request.get(f"{address}/api/v1/jobs").json() == []
        context.close()
    assert not (tmp_path / ".videoseg" / "studio" / "projects").exists()
