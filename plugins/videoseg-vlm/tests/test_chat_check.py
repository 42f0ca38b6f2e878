"""``videoseg chat check``: which space a chat model's coordinates are in."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from videoseg_vlm.chat_check import Located, drawn_squares, read_box, score_spaces

import videoseg as vs
from videoseg.cli.main import main
from videoseg.plugins import default_registry
from videoseg.types import ChatReply

COLORS = {
    "red": (220, 30, 30),
    "green": (30, 160, 60),
    "blue": (40, 70, 220),
    "yellow": (240, 210, 40),
}
SEEN = (364, 924)


class Seeing:
    """Finds the square by its color and answers in a space of its own."""

    def __init__(
        self,
        *,
        writes: str = "per_mille",
        says: str = "per_mille",
        words: str = "",
        finish: str | None = None,
        refusal: str = "",
    ):
        self.extent = {
            "pixels_of_resized": SEEN[::-1],
            "per_mille": (1000, 1000),
            "unit": (1, 1),
            "square(840)": (840, 840),
            "square(560)": (560, 560),
        }[writes]
        self.says, self.words = says, words
        self.finish, self.refusal = finish, refusal

    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        *images, text = messages[0].parts
        if not images:
            return [ChatReply("ready")]
        if self.words:
            return [ChatReply(self.words, finish_reason=self.finish, refusal=self.refusal)]
        color = next(color for color in COLORS if color in text.text)
        found = (images[0].image == np.array(COLORS[color])).all(axis=2)
        rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
        corners = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        height, width = images[0].image.shape[:2]
        sides = (width, height) * 2
        numbers = [
            corner / side * extent
            for corner, side, extent in zip(corners, sides, self.extent * 2, strict=True)
        ]
        box = ", ".join(f"{number:.3f}" for number in numbers)
        return [
            ChatReply(
                f'<think>it is {color}</think>```json\n[{{"bbox_2d": [{box}]}}]\n```',
                image_sizes=(SEEN,),
                coordinate_space=self.says or None,
            )
        ]


class Broken:
    def chat(self, messages, **how):
        raise vs.StageError("the server is on fire", stage="chat", component="broken")


@pytest.fixture(autouse=True)
def seeing():
    default_registry.cache_clear()
    vs.add("chat", "seeing", Seeing)
    vs.add("chat", "broken", Broken)
    yield
    default_registry.cache_clear()


@pytest.fixture
def examined(capsys):
    def examined(*options, status=0, chat="seeing"):
        arguments = ["chat", "check", chat, "--json"]
        assert main(arguments + [part for o in options for part in ("-O", f"chat.{o}")]) == status
        findings = json.loads(capsys.readouterr().out)["findings"]
        return [f for f in findings if f["subject"] == f"chat {chat}"]

    return examined


SPACES = ("pixels_of_resized", "per_mille", "unit", "square(840)", "square(560)")


@pytest.mark.parametrize("space", SPACES)
def test_a_model_that_writes_what_it_says_is_fine(space, examined):
    greeting, sizes, coordinates = examined(f"writes={space}", f"says={space}")
    assert "ready" in greeting["detail"]
    assert "364x924" in sizes["detail"]
    assert coordinates["verdict"] == "ok"
    assert f"in {space}, as expected" in coordinates["detail"]


@pytest.mark.parametrize("space", SPACES[:4])
def test_a_wrong_guess_is_found_out_with_the_right_one(space, examined):
    wrong = "unit" if space != "unit" else "per_mille"
    *_, coordinates = examined(f"writes={space}", f"says={wrong}", status=1)
    assert coordinates["verdict"] == "broken"
    assert f"chat.coordinate_space='{space}'" in coordinates["detail"]


def test_a_model_that_says_nothing_of_its_space_gets_a_suggestion(examined):
    *_, coordinates = examined("writes=per_mille", "says=''")
    assert coordinates["verdict"] == "note"
    assert "chat.coordinate_space='per_mille'" in coordinates["detail"]


@pytest.mark.parametrize(
    ("words", "told"),
    [("I see a lovely square.", "lovely square"), ("[5, 5, 6, 6]", "do not trust")],
)
def test_a_model_that_cannot_point_is_told(words, told, examined):
    *_, coordinates = examined(f"words='{words}'")
    assert coordinates["verdict"] == "note"
    assert told in coordinates["detail"]


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("finish=length", "cut off at max_tokens=512"),
        ("finish=content_filter", "content filter withheld the rest"),
        ("refusal='I cannot help with that.'", "refuses: 'I cannot help with that.'"),
    ],
)
def test_why_a_model_gave_no_box_is_told(option, told, examined):
    *_, coordinates = examined("words=Hm", option)
    assert coordinates["verdict"] == "note"
    assert told in coordinates["detail"]


def test_a_model_that_does_not_answer_is_an_error(capsys):
    assert main(["chat", "check", "broken"]) == 1
    assert capsys.readouterr().err.startswith("error: the server is on fire")


def test_an_unknown_model_is_an_error_with_the_nearest_name(capsys):
    assert main(["chat", "check", "seing"]) == 1
    assert "did you mean 'seeing'" in capsys.readouterr().err


def test_options_of_other_stages_are_usage_errors(capsys):
    assert main(["chat", "check", "seeing", "-O", "sampler.n=1"]) == 2
    assert "chat.OPTION=VALUE, got sampler" in capsys.readouterr().err


def test_the_check_is_listed_and_has_help(capsys):
    assert main(["--help"]) == 0
    assert re.search(r"chat +Check a chat model\.", capsys.readouterr().out)
    assert main(["chat", "check", "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 90


def test_each_square_is_told_from_the_others_in_every_space():
    image = drawn_squares()
    height, width = image.shape[:2]
    for color in COLORS.values():
        found = (image == np.array(color)).all(axis=2)
        rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
        box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        for name, (x, y) in {
            "per_mille": (1000, 1000),
            "unit": (1, 1),
            "square(840)": (840, 840),
            "pixels_of_resized": (width, height),
        }.items():
            scale = (x / width, y / height) * 2
            numbers = tuple(a * s for a, s in zip(box, scale, strict=True))
            best, second, *_ = score_spaces([Located(box, numbers, (height, width))]).items()
            assert best[0] == name
            assert best[1] > 0.99
            assert second[1] < 0.75, f"{name} is easily taken for {second[0]}"


@pytest.mark.parametrize("declared", ["per_mille_yx", "unit_yx", "square(560)_yx", None])
def test_boxes_with_y_first_are_told_from_those_with_x_first(declared):
    extent = {"unit_yx": 1, "square(560)_yx": 560}.get(declared, 1000)
    box, (height, width) = (90, 60, 230, 200), drawn_squares().shape[:2]
    scale = (extent / height, extent / width) * 2
    numbers = tuple(box[side] * s for side, s in zip((1, 0, 3, 2), scale, strict=True))
    best, second, *_ = score_spaces([Located(box, numbers, None)], declared).items()
    assert best[0] == (declared or "per_mille_yx")
    assert best[1] > 0.99
    assert second[1] < 0.75


@pytest.mark.parametrize(
    "text", ["", "no idea", "[1, 2, 3]", "[1, 2, 3, inf]", "[" * 10_000, "[1,2,3," * 5000]
)
def test_text_without_a_box_has_none(text):
    assert read_box(text) is None
