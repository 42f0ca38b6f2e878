"""The chat model ``openai`` against a real server with a real, if tiny, model."""

from __future__ import annotations

import pytest
from served_vlm import missing_packages, served_vlm
from videoseg_vlm import OpenAIChat, ServerError, TransformersChat

from videoseg.types import Message, TextPart

pytestmark = pytest.mark.skipif(
    bool(missing_packages()), reason="needs pip install 'transformers[serving]'"
)


@pytest.fixture(scope="module")
def server(checkpoints):
    with served_vlm(checkpoints["qwen2.5-vl"]) as url:
        yield url


@pytest.fixture
def remote(server, checkpoints):
    # The checkpoint's own bound on pixels, which the server keeps to.
    return OpenAIChat(
        model=str(checkpoints["qwen2.5-vl"]),
        base_url=server,
        coordinate_space="pixels_of_resized",
        max_pixels=200_704,
    )


def test_a_served_model_says_what_the_same_model_says_here(remote, checkpoints, ask):
    messages = ask((112, 140), (84, 84), text="Where is the square?")
    local = TransformersChat(model=str(checkpoints["qwen2.5-vl"]))
    [there], [here] = (chat.chat(messages, max_tokens=16) for chat in (remote, local))
    assert there.text == here.text
    assert there.num_prompt_tokens == here.num_prompt_tokens, "it saw images of other sizes"
    assert there.image_sizes == here.image_sizes
    assert there.coordinate_space == here.coordinate_space


def test_samples_of_a_served_model_differ(remote, ask):
    replies = remote.chat(ask((56, 84)), num_samples=3, temperature=1.0, max_tokens=8)
    assert len({reply.text for reply in replies}) == 3


def test_sizes_sent_are_sizes_seen(remote, ask):
    # One token for 28x28 pixels, and as many for the text in either conversation.
    small, large = (remote.chat(ask(size), max_tokens=1)[0] for size in ((50, 60), (300, 500)))
    areas = [height * width for height, width in (*small.image_sizes, *large.image_sizes)]
    tokens = large.num_prompt_tokens - small.num_prompt_tokens
    assert tokens == (areas[1] - areas[0]) // 28**2


def test_a_model_that_is_not_served_is_refused(server, ask):
    chat = OpenAIChat(model="nobody/serves-this", base_url=server, max_retries=0)
    with pytest.raises(ServerError):
        chat.chat(ask(), max_tokens=1)


def test_a_pipeline_asks_the_server(server, remote):
    [reply] = remote.chat([Message("user", (TextPart("Say yes."),))], max_tokens=4)
    assert reply.num_tokens <= 4
