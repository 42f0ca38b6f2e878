"""Reports of results, and a parser that fails on tags that do not match."""

from __future__ import annotations

from html.parser import HTMLParser

from videoseg.results.colors import choose_colors
from videoseg.results.report import render_report, report_pictures
from videoseg.results.thumbnails import PictureBook

VOID = {"meta", "img", "input", "br", "rect", "line", "path", "polygon"}


class Page(HTMLParser):
    """Collects elements and text, and fails on tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.words, self.scripts = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def report_of(segmentation):
    """Return the report of a result whose video is there."""
    video = segmentation.source
    book = PictureBook(report_pictures(segmentation), choose_colors(segmentation, video))
    for index in book.indices:
        masks = {track.object_id: track.mask(index) for track in segmentation.tracks}
        book.add(index, video[index], masks)
    return render_report(segmentation, book)
