"""A model of no family whose conventions are known: LLaVA."""

from __future__ import annotations

import pytest
from tiny_vlm import byte_tokenizer
from videoseg_vlm import TransformersChat
from videoseg_vlm.generation import Sampling, generate

from videoseg.testing import ChatContract

TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% else %}<image>{% endif %}{% endfor %}\n"
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    """Return a chat model with a tiny LLaVA that has random weights."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("llava")
    tokenizer = byte_tokenizer("<image>")
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    vision = transformers.CLIPVisionConfig(
        **sizes, num_attention_heads=2, image_size=56, patch_size=14
    )
    text = transformers.LlamaConfig(
        **sizes,
        num_attention_heads=2,
        num_key_value_heads=2,
        initializer_range=0.3,
        vocab_size=len(tokenizer),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = transformers.LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    transformers.LlavaProcessor(
        image_processor=transformers.CLIPImageProcessor(size={"shortest_edge": 56}, crop_size=56),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    return TransformersChat(model=str(folder))


class TestContract(ChatContract):
    @pytest.fixture(autouse=True)
    def _chat_model(self, llava):
        self.chat_model = llava

    def make(self):
        return self.chat_model


def test_nothing_is_claimed_about_coordinates_or_sizes(llava, ask):
    [reply] = llava.chat(ask((100, 150)), max_tokens=2)
    assert reply.coordinate_space is None
    assert reply.image_sizes == ()


def test_images_are_encoded_once_here_too(llava, ask):
    llava.chat(ask(), max_tokens=1)
    checkpoint, encodings = llava._loaded, []
    hook = checkpoint.model.model.vision_tower.register_forward_hook(
        lambda *_: encodings.append(1)
    )
    inputs = llava._inputs(checkpoint, ask((60, 80), (90, 70)))
    cold = generate(checkpoint.model, inputs, Sampling(3, 1e-6, 1.0, 24, 0, max_batch=4))
    assert len(encodings) == 1
    hook.remove()
    assert cold == generate(checkpoint.model, inputs, Sampling(3, 0.0, 1.0, 24, 0, max_batch=4))
