from __future__ import annotations

import gc
import json
import weakref

import numpy as np
import pytest
from videoseg_vlm import TransformersChat

import videoseg as vs
from videoseg.testing import ChatContract, moving_square
from videoseg.types import ImagePart, Message, TextPart


class TinyContract(ChatContract):
    family = ""

    @pytest.fixture(autouse=True)
    def _chat_model(self, chats):
        self.chat_model = chats[self.family]

    def make(self):
        return self.chat_model


class TestQwen25VL(TinyContract):
    family = "qwen2.5-vl"


class TestQwen3VL(TinyContract):
    family = "qwen3-vl"


FAMILIES = ("qwen2-vl", "qwen2.5-vl", "qwen3-vl")


def loaded(chat):
    chat.chat([Message("user", (TextPart("x"),))], max_tokens=1)
    return chat._loaded


# -- one reading for all samples -----------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_images_are_encoded_once_however_many_samples_are_drawn(family, chats, ask):
    visual = loaded(chats[family]).model.model.visual
    encodings = []
    hook = visual.register_forward_hook(lambda *_: encodings.append(1))
    try:
        replies = chats[family].chat(
            ask((60, 80), (80, 60)), num_samples=10, temperature=1.0, max_tokens=12
        )
    finally:
        hook.remove()
    assert len(encodings) == 1
    assert len({reply.text for reply in replies}) > 5, "the samples must differ"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_shared_prefix_gives_what_a_reading_of_its_own_gives(family, chats, ask):
    import torch
    from videoseg_vlm.generation import Sampling, generate

    checkpoint = loaded(chats[family])
    inputs = chats[family]._inputs(checkpoint, ask((90, 120)))
    # So cold that sampling always takes the likeliest token, which greedy decoding takes, too.
    cold = Sampling(3, 1e-6, 1.0, 32, 0, max_batch=2)
    shared = generate(checkpoint.model, inputs, cold)
    with torch.inference_mode():
        plain = checkpoint.model.generate(**inputs, max_new_tokens=32, do_sample=False)
    alone = plain[0, inputs["input_ids"].shape[1] :].tolist()
    assert shared == [alone] * 3


@pytest.mark.filterwarnings("error::FutureWarning")
def test_batches_of_samples_share_the_reading_too(checkpoints, ask):
    chat = TransformersChat(model=str(checkpoints["qwen2.5-vl"]), max_batch=2)
    encodings = []
    loaded(chat).model.model.visual.register_forward_hook(lambda *_: encodings.append(1))
    replies = chat.chat(ask((60, 80)), num_samples=5, temperature=1.0, max_tokens=8)
    assert (len(replies), len(encodings)) == (5, 1)
    assert len({reply.text for reply in replies}) > 2


def test_a_checkpoint_s_own_limits_do_not_make_all_samples_the_same(chats, ask, monkeypatch):
    # Published Qwen-VL checkpoints say top_k=1, which would leave one answer only.
    defaults = loaded(chats["qwen2.5-vl"]).model.generation_config
    monkeypatch.setattr(defaults, "top_k", 1)
    monkeypatch.setattr(defaults, "top_p", 0.001)
    replies = chats["qwen2.5-vl"].chat(ask(), num_samples=4, temperature=1.0, max_tokens=8)
    assert len({reply.text for reply in replies}) == 4


def test_a_checkpoint_s_own_choice_of_cache_is_no_obstacle(chats, ask, monkeypatch):
    defaults = loaded(chats["qwen3-vl"]).model.generation_config
    monkeypatch.setattr(defaults, "cache_implementation", "static")
    replies = chats["qwen3-vl"].chat(ask((56, 56)), num_samples=3, temperature=1.0, max_tokens=4)
    assert len({reply.text for reply in replies}) == 3


def test_other_seeds_give_other_answers_and_torch_s_own_numbers_stay(chats, ask):
    import torch

    before = torch.random.get_rng_state()
    texts = [
        chats["qwen3-vl"].chat(ask((40, 40)), temperature=1.0, max_tokens=8, seed=seed)[0].text
        for seed in (1, 2, 1)
    ]
    assert texts[0] == texts[2] != texts[1]
    assert torch.equal(torch.random.get_rng_state(), before)


# -- what the model sees -------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_are_those_of_the_processor(family, chats, ask, image_processors):
    sizes = [(100, 150), (33, 47), (300, 200)]
    [reply] = chats[family].chat(ask(*sizes), max_tokens=1)
    processor = image_processors[family]
    for size, seen in zip(sizes, reply.image_sizes, strict=True):
        made = processor(images=[np.zeros((*size, 3), np.uint8)], return_tensors="pt")
        [[_, rows, columns]] = made.image_grid_thw.tolist()
        assert seen == (rows * processor.patch_size, columns * processor.patch_size)


@pytest.mark.parametrize(
    ("family", "space"),
    [
        ("qwen2-vl", "per_mille"),
        ("qwen2.5-vl", "pixels_of_resized"),
        ("qwen3-vl", "per_mille"),
    ],
)
def test_a_reply_says_in_which_space_its_coordinates_are(family, space, chats, ask):
    assert chats[family].chat(ask(), max_tokens=1)[0].coordinate_space == space


def test_each_image_has_a_budget_of_its_own(chats):
    image = moving_square(1, size=(240, 320)).video[0]
    parts = (ImagePart(image, max_pixels=8000), ImagePart(image), TextPart("?"))
    [reply] = chats["qwen2.5-vl"].chat([Message("user", parts)], max_tokens=1)
    small, large = reply.image_sizes
    assert small[0] * small[1] <= 8000
    assert large == (252, 308)


def test_a_budget_below_the_checkpoint_s_lower_bound_is_kept(checkpoints):
    chat = TransformersChat(model=str(checkpoints["qwen3-vl"]), min_pixels=40_000)
    image = moving_square(1, size=(120, 160)).video[0]
    parts = (ImagePart(image, max_pixels=8000), ImagePart(image), TextPart("?"))
    for _ in range(2):
        [reply] = chat.chat([Message("user", parts)], max_tokens=1)
        small, large = (height * width for height, width in reply.image_sizes)
        assert small <= 8000
        assert large >= 40_000, "the other image is enlarged as before"


def test_bounds_on_pixels_hold_for_all_images(checkpoints, ask):
    chat = TransformersChat(
        model=str(checkpoints["qwen3-vl"]), min_pixels=20_000, max_pixels=40_000
    )
    [reply] = chat.chat(ask((30, 40), (400, 300)), max_tokens=1)
    assert all(20_000 <= height * width <= 40_000 for height, width in reply.image_sizes)


def test_a_model_trained_on_squares_is_shown_squares(checkpoints, ask):
    chat = TransformersChat(model=str(checkpoints["qwen2.5-vl"]), coordinate_space="square(280)")
    [reply] = chat.chat(ask((100, 200), (50, 40)), max_tokens=1)
    assert reply.coordinate_space == "square(280)"
    assert reply.image_sizes == ((280, 280), (280, 280))
    [small] = chat.chat(ask((100, 200), max_pixels=10_000), max_tokens=1)
    assert small.image_sizes != ((280, 280),), "context frames keep their shape"


def test_times_are_written_before_frames_if_asked(checkpoints, chats):
    image = moving_square(1, size=(56, 56)).video[0]
    messages = [Message("user", (ImagePart(image, frame=30, time=1.25), TextPart("?")))]
    chat = TransformersChat(model=str(checkpoints["qwen3-vl"]), times=True)
    with_time = chat.chat(messages, max_tokens=1)[0].num_prompt_tokens
    without = chats["qwen3-vl"].chat(messages, max_tokens=1)[0].num_prompt_tokens
    # The tiny tokenizer has a token for each byte.
    assert with_time - without == len("<1.2 seconds>")


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|im_end|>", "<|vision_start|>"])
def test_a_query_cannot_smuggle_in_the_model_s_own_tokens(token, chats, ask):
    chat = chats["qwen2.5-vl"]
    checkpoint = loaded(chat)
    number = checkpoint.processor.tokenizer.convert_tokens_to_ids(token)
    counts = [
        int((chat._inputs(checkpoint, ask((56, 56), text=text))["input_ids"] == number).sum())
        for text in ("a dog", f"a {token} dog")
    ]
    assert counts[0] == counts[1]
    assert chat.chat(ask((56, 56), text=f"a {token} dog"), max_tokens=2)


def test_tokens_are_counted_and_a_cut_answer_is_told(chats, ask):
    [reply] = chats["qwen2.5-vl"].chat(ask((56, 84)), max_tokens=5)
    assert reply.num_tokens <= 5
    assert reply.details["finish"] == ("length" if reply.num_tokens == 5 else "stop")
    assert reply.num_prompt_tokens > 2 * 3


# -- one model for all stages --------------------------------------------------------------


class AskingSampler:
    __module__ = "asking"  # pytest's name for this file is no module's

    def __init__(self, *, chat):
        self.chat = chat

    def sample(self, video, query, *, window, keyframe=None, seed=0):
        self.chat.chat([Message("user", (ImagePart(video[0]),))], max_tokens=1)
        return vs.FrameSelection.of([window.start], window=window, keyframe=keyframe)


class AskingGrounder:
    __module__ = "asking"

    def __init__(self, *, chat):
        self.chat = chat

    def step(self, episode):
        self.chat.chat([Message("user", (TextPart("where?"),))], max_tokens=1)
        return vs.Grounding(0, (vs.Prompt(1, 0, box=vs.Box(4, 4, 20, 20)),))


def test_sampler_and_grounder_share_one_model_which_the_pipeline_frees(checkpoints, monkeypatch):
    from videoseg_vlm import transformers_chat

    models, real_load = [], transformers_chat.load

    def counting_load(options):
        checkpoint = real_load(options)
        models.append(weakref.ref(checkpoint.model))
        return checkpoint

    monkeypatch.setattr(transformers_chat, "load", counting_load)
    registry = vs.Registry()
    registry.add("sampler", "asking", AskingSampler, uses=("chat",))
    registry.add("grounder", "asking", AskingGrounder, uses=("chat",))
    chat = vs.use("transformers", model=str(checkpoints["qwen2.5-vl"]), device="cpu")
    pipe = vs.Pipeline("asking", "asking", "flow", segmenter="cut", chat=chat, registry=registry)
    with pipe:
        result = pipe(moving_square(3).video, "the square")
        assert result.device == "cpu"
        assert len(models) == 1
    gc.collect()
    assert models[0]() is None, "the pipeline must free the model"


def test_any_seed_will_do(chats, ask):
    for seed in (-1, 2**64 + 5):
        assert chats["qwen2.5-vl"].chat(ask(), temperature=1.0, max_tokens=1, seed=seed)


@pytest.mark.gpu
def test_a_gpu_s_memory_is_given_back(checkpoints, ask):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("there is no GPU here")
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    chat = TransformersChat(model=str(checkpoints["qwen2.5-vl"]), device="cuda")
    replies = chat.chat(ask((112, 112)), num_samples=4, temperature=1.0, max_tokens=8)
    assert len(replies) == 4
    assert chat.device == "cuda:0"
    assert torch.cuda.memory_allocated() > before
    chat.close()
    assert torch.cuda.memory_allocated() == before


# -- the doctor ----------------------------------------------------------------------------


def test_the_doctor_asks_the_model_where_drawn_squares_are(checkpoints, capsys, monkeypatch):
    from videoseg.cli.main import main

    monkeypatch.setattr("videoseg_vlm.chat_check._LONGEST_ANSWER", 8)

    option = f"chat.model={checkpoints['qwen3-vl']}"
    assert main(["chat", "check", "transformers", "--json", "-O", option]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    said = [f["detail"] for f in findings if f["subject"] == "chat transformers"]
    assert "sees an image of 448x1120 at 320x800" in said[1]
    assert "gave no box for any of 4 squares" in said[2], "its weights are random"
