"""What counts as the same chat model when a run is gone on from."""

from __future__ import annotations

import pytest

from videoseg.cli.unfinished_run import _other_stages


def openai(**options):
    return {"name": "openai", "options": options}


def record(model):
    return {"name": "record", "options": {"path": "said.jsonl", "model": model}}


@pytest.mark.parametrize(
    ("earlier", "now", "same"),
    [
        (openai(model="a", base_url="x"), openai(model="a", base_url="y"), True),
        (openai(model="a"), openai(model="b"), False),
        (openai(model="a"), {"name": "transformers", "options": {"model": "a"}}, False),
        (record(openai(model="a", base_url="x")), record(openai(model="a")), True),
        (record(openai(model="a")), record(openai(model="b")), False),
        ("oracle", "oracle", True),
        ("oracle", None, False),
    ],
)
def test_a_chat_model_is_told_by_its_name_and_its_model(earlier, now, same):
    problems = list(_other_stages({"chat": earlier}, {"chat": now}, answered=False))
    assert (problems == []) is same
