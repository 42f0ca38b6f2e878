"""The chat model ``o3``: what it reads, what it answers, and how it fails."""

from __future__ import annotations

import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from torchvision_builds import declare_missing_operators

declare_missing_operators()
import torch  # noqa: E402
from tiny_seg_model import save_tiny_seg_model  # noqa: E402
from videoseg_o3 import GenerationSession, PromptReader, SegChat, hidden_states  # noqa: E402
from videoseg_o3.model.checkpoint import SegOptions, load_seg_model  # noqa: E402
from videoseg_o3.model.images import ImageReader, limit_size, round_size  # noqa: E402
from videoseg_vlm import RecordingChat, ReplayChat  # noqa: E402

import videoseg as vs  # noqa: E402
from videoseg.errors import ChatError, ContextLengthError, MissingWeightsError  # noqa: E402
from videoseg.testing import ChatContract, moving_square  # noqa: E402
from videoseg.types import ImagePart, Message, TextPart  # noqa: E402

FAMILIES = ("qwen3-vl", "qwen2.5-vl")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    return {
        family: save_tiny_seg_model(tmp_path_factory.mktemp(family), family=family)
        for family in FAMILIES
    }


@pytest.fixture(scope="module")
def models(checkpoints):
    return {
        family: load_seg_model(SegOptions(str(path), device="cpu", masks=False))
        for family, path in checkpoints.items()
    }


@pytest.fixture
def chat(models):
    return SegChat.of(models["qwen3-vl"])


@pytest.fixture
def rig(models, monkeypatch):
    """Return a function that lets a model say some tokens, each after the one before."""

    def rig(*said, family="qwen3-vl"):
        model = models[family]
        vlm, tokenizer = model.vlm, model.processor.tokenizer
        tokens = tokenizer.convert_tokens_to_ids(["\u010a", *said])  # a line break, as bytes
        assert len(set(tokens)) == len(tokens), "the next token depends on the last one only"
        for name, weight in vlm.named_parameters():
            if "language_model.layers" in name and ("o_proj" in name or "down_proj" in name):
                monkeypatch.setattr(weight, "data", torch.zeros_like(weight))
        inputs = vlm.get_input_embeddings().weight
        outputs = torch.zeros_like(vlm.lm_head.weight)
        for before, after in pairwise(tokens):
            outputs[after] = 20 * torch.nn.functional.normalize(inputs[before], dim=0)
        monkeypatch.setattr(vlm.lm_head.weight, "data", outputs.detach())
        return SegChat.of(model)

    return rig


@pytest.fixture
def talkative(models, monkeypatch):
    """Return a model that says ``[SEG]`` first, and then noise."""
    model = models["qwen3-vl"]
    session = GenerationSession(model.vlm)
    prompt = PromptReader(model.processor).read(ask("where?"))
    first = int(session.read(prompt).argmax())
    weight = model.vlm.lm_head.weight.detach().clone()
    weight[[first, model.seg_token]] = weight[[model.seg_token, first]]
    monkeypatch.setattr(model.vlm.lm_head.weight, "data", weight)
    return model


def picture(height, width, seed=0):
    return np.random.default_rng([height, width, seed]).integers(
        0, 255, (height, width, 3), np.uint8
    )


def show(image, max_pixels=None):
    return ImagePart(image, max_pixels=max_pixels)


def ask(*parts):
    return [Message("user", tuple(TextPart(p) if isinstance(p, str) else p for p in parts))]


def answer(text):
    return Message("assistant", (TextPart(text),))


# -- as any chat model -----------------------------------------------------------------------


class TestQwen3VL(ChatContract):
    @pytest.fixture(autouse=True)
    def _model(self, models):
        self.model = models["qwen3-vl"]

    def make(self):
        return SegChat.of(self.model)


class TestQwen25VL(ChatContract):
    @pytest.fixture(autouse=True)
    def _model(self, checkpoints):
        self.path = str(checkpoints["qwen2.5-vl"])

    def make(self):
        return SegChat(model=self.path, device="cpu")


@pytest.mark.parametrize(
    ("family", "space"), [("qwen3-vl", "per_mille"), ("qwen2.5-vl", "pixels_of_resized")]
)
def test_a_reply_says_in_which_space_its_coordinates_are(family, space, models):
    [reply] = SegChat.of(models[family]).chat(ask("where?"), max_tokens=1)
    assert reply.coordinate_space == space
    assert reply.embeddings == ()


def test_the_sampler_htfs_can_ask_it(models):
    from videoseg_r1 import HierarchicalSampler

    video = moving_square(12, size=(48, 64)).video
    sampler = HierarchicalSampler(chat=SegChat.of(models["qwen3-vl"]))
    chosen = sampler.sample(video, "the square", window=vs.Window(0, 12))
    assert chosen.indices


# -- [SEG] -----------------------------------------------------------------------------------


def test_the_text_keeps_seg_and_loses_the_end_of_the_turn(rig):
    [reply] = rig("<", "[SEG]", ">", "<|im_end|>").chat(ask(show(picture(64, 64)), "where?"))
    assert reply.text == "<[SEG]>"
    assert (reply.finish_reason, reply.num_tokens) == ("stop", 4)
    assert [(one.model, len(one.values)) for one in reply.embeddings] == [
        ("videoseg-o3", reply_width(reply))
    ]


def reply_width(reply):
    return len(reply.embeddings[0].values)


def test_space_is_removed_as_in_the_official_evaluation(rig):
    # It strips the text while the token that ends it is still there.
    space = "\u0120"
    assert rig(space, "a", "<|im_end|>").chat(ask("?"))[0].text == "a"
    assert rig("a", space, "<|im_end|>").chat(ask("?"))[0].text == "a "
    assert rig("a", space).chat(ask("?"), max_tokens=2)[0].text == "a"


def test_each_seg_has_the_embedding_of_its_hidden_state(talkative):
    chat = SegChat.of(talkative)
    conversation = ask("where?")
    [reply] = chat.chat(conversation, max_tokens=40)
    assert reply.text.count("[SEG]") == len(reply.embeddings) > 0
    prompt = chat._loaded.reader.read(conversation)
    tokens = chat._loaded.session._keys[len(prompt.tokens) :]
    states = hidden_states(talkative.vlm, prompt.extended(tokens))[len(prompt.tokens) :]
    at = [place for place, token in enumerate(tokens) if token == talkative.seg_token]
    expected = talkative.project(states[at]).flatten(1)
    given = torch.tensor([one.values for one in reply.embeddings][: len(at)])
    assert torch.allclose(given, expected.detach(), atol=1e-4)


def test_a_cut_off_seg_has_an_embedding_unless_as_released(rig, models):
    rig("<", "[SEG]", ">")
    [reply] = SegChat.of(models["qwen3-vl"]).chat(ask("?"), max_tokens=2)
    [released] = SegChat.of(models["qwen3-vl"], complete_last=False).chat(ask("?"), max_tokens=2)
    assert reply.text == released.text == "<[SEG]"
    assert (len(reply.embeddings), len(released.embeddings)) == (1, 0)
    assert reply.finish_reason == "length"


def test_without_seg_the_embedding_of_an_earlier_turn_is_named(rig):
    chat = rig("<", "[SEG]", ">", "<|im_end|>")
    [first] = chat.chat(ask("where?"))
    assert "earlier_embedding" not in first.details
    [second] = rig("n", "o", "<|im_end|>").chat([*ask("where?"), answer("<[SEG]>"), *ask("sure?")])
    assert second.embeddings == ()
    assert second.details["earlier_embedding"] == list(first.embeddings[0].values)


def test_of_several_earlier_ones_the_last_is_named(models):
    model = models["qwen3-vl"]
    said = [*ask("where?"), answer("[SEG]"), *ask("sure?"), answer("<[SEG]>"), *ask("and now?")]
    [reply] = SegChat.of(model).chat(said, max_tokens=1)
    assert reply.embeddings == ()
    prompt = PromptReader(model.processor).read(said)
    states = hidden_states(model.vlm, prompt)
    [first, last] = [at for at, token in enumerate(prompt.tokens) if token == model.seg_token]
    expected, other = model.project(states[[last, first]]).flatten(1).detach()
    named = torch.tensor(reply.details["earlier_embedding"])
    assert torch.allclose(named, expected, atol=1e-4)
    assert not torch.allclose(named, other, atol=1e-2)


def test_several_answers_have_embeddings_of_their_own(talkative):
    chat = SegChat.of(talkative)
    replies = chat.chat(ask("where?"), num_samples=6, temperature=1.0, max_tokens=40)
    assert len({reply.text for reply in replies}) == 6
    assert [reply.text.count("[SEG]") for reply in replies] == [
        len(reply.embeddings) for reply in replies
    ]
    assert any(reply.embeddings for reply in replies)


# -- what it reads ---------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["[SEG]", "<|image_pad|>", "<|im_end|>", "<p>"])
@pytest.mark.parametrize("role", ["user", "system"])
def test_a_query_cannot_smuggle_in_the_model_s_own_tokens(token, role, models):
    processor = models["qwen3-vl"].processor
    number = processor.tokenizer.convert_tokens_to_ids(token)
    counts = [
        PromptReader(processor)
        .read([Message(role, (TextPart(text),)), *ask("go", show(picture(64, 64)))])
        .tokens.count(number)
        for text in ("a dog", f"a {token} dog")
    ]
    assert counts[0] == counts[1]


def test_the_model_s_own_turns_keep_what_it_writes_and_nothing_else(models):
    processor = models["qwen3-vl"].processor
    said = "<p>dog</p>[SEG]<|im_end|><|image_pad|>"
    read = PromptReader(processor).read([*ask("?"), answer(said), *ask("!")]).tokens
    text = processor.tokenizer.decode(read)
    assert "<p>dog</p>[SEG]<\u200b|im_end|>" in text
    assert processor.tokenizer.convert_tokens_to_ids("[SEG]") in read
    assert processor.tokenizer.convert_tokens_to_ids("<|image_pad|>") not in read


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_those_of_the_processor(family, models):
    from PIL import Image

    processor = models[family].processor
    # Of sizes that are not resized before the processor sees them.
    images = [picture(112, 168), picture(224, 112)]
    messages = [
        Message("system", (TextPart("Look."),)),
        *ask(show(images[0]), "first", show(images[1]), "second"),
        answer("so [SEG]"),
        *ask("again"),
    ]
    content = [{"type": "image"}, {"type": "text", "text": "first"}]
    content += [{"type": "image"}, {"type": "text", "text": "second"}]
    text = processor.apply_chat_template(
        [
            {"role": "system", "content": [{"type": "text", "text": "Look."}]},
            {"role": "user", "content": content},
            {"role": "assistant", "content": "so [SEG]"},
            {"role": "user", "content": [{"type": "text", "text": "again"}]},
        ],
        tokenize=False,
        add_generation_prompt=True,
    )
    made = processor(text=[text], images=[Image.fromarray(one) for one in images])
    read = PromptReader(processor).read(messages)
    assert list(read.tokens) == made["input_ids"][0]
    assert [list(image.grid) for image in read.images] == np.asarray(
        made["image_grid_thw"]
    ).tolist()


@pytest.mark.parametrize(
    ("size", "budget", "limited"),
    [
        ((480, 854), 32, (118, 211)),
        ((480, 854), 512, (474, 845)),
        ((100, 100), 32, (100, 100)),
        ((20, 30), 32, (45, 68)),
        ((2000, 10), 32, (2000, 10)),
        ((4000, 10), 32, (3167, 28)),
        ((480, 854), None, (480, 854)),
    ],
)
def test_sizes_within_budgets_are_those_of_the_official_evaluation(size, budget, limited):
    assert limit_size(size, budget and budget * 784) == limited


@pytest.mark.parametrize(
    ("size", "rounded"),
    [
        ((118, 211), (112, 224)),
        ((42, 42), (56, 56)),
        ((70, 70), (56, 56)),
        ((20, 300), (28, 308)),
        ((10, 20), (56, 84)),
        ((4000, 6000), (2912, 4368)),
    ],
)
def test_sizes_are_rounded_as_by_qwen_vl_utils(size, rounded):
    assert round_size(size) == rounded


def test_an_image_is_resized_three_times_as_released(models):
    from PIL import Image

    image, processor = picture(240, 427), models["qwen3-vl"].processor.image_processor
    prepared = ImageReader(processor).prepare(show(image, 32 * 784))
    by_hand = (
        Image.fromarray(image)
        .resize((211, 118), Image.Resampling.BILINEAR)
        .resize((224, 112), Image.Resampling.BICUBIC)
    )
    made = processor(images=[by_hand], return_tensors="pt")
    assert torch.equal(prepared.make_patches(), made["pixel_values"])
    assert prepared.grid == tuple(made["image_grid_thw"][0].tolist())


def test_budgets_of_images_and_of_the_model_hold(models):
    chat = SegChat.of(models["qwen3-vl"], max_pixels=30_000)
    image = picture(240, 320)
    [reply] = chat.chat(ask(show(image, 8_000), show(image), "?"), max_tokens=1)
    # Of 77x103 and 150x200 pixels, each rounded to multiples of 28, and then of 32.
    assert reply.image_sizes == ((96, 128), (128, 192))


def test_direct_preprocessing_never_exceeds_a_budget(models, monkeypatch):
    processor = models["qwen3-vl"].processor.image_processor
    monkeypatch.setattr(processor, "size", {"shortest_edge": 40_000, "longest_edge": 10**6})
    image = show(picture(90, 120), 6_000)
    seen = {
        way: SegChat.of(models["qwen3-vl"], preprocessing=way).chat(ask(image), max_tokens=1)[0]
        for way in ("released", "direct")
    }
    area = {way: np.prod(reply.image_sizes[0]) for way, reply in seen.items()}
    assert area["direct"] <= 6_000
    assert area["released"] >= 40_000, "the processor enlarges it"
    sides = seen["direct"].image_sizes[0]
    assert all(side % 32 == 0 for side in sides)


def test_each_frame_is_encoded_once_at_each_size_in_an_episode(chat):
    frames = [picture(240, 320, seed) for seed in range(4)]
    small, large = 32 * 784, 64 * 784
    turns = [
        [show(frames[0], small), show(frames[1], small), show(frames[0], large)],
        [show(frames[1], small), show(frames[2], small), show(frames[2], large)],
        [show(frames[3], small), show(frames[0], large)],
    ]
    messages = [Message("system", (TextPart("Look."),))]
    encoded = []
    for turn in turns:
        messages += ask(*turn, "where?")
        [reply] = chat.chat(messages, max_tokens=4)
        encoded.append(reply.details["encoded_images"])
        messages.append(answer(reply.text))
    assert encoded == [3, 2, 1]
    again = [messages[0], *ask(*turns[0], "another question")]
    assert chat.chat(again, max_tokens=1)[0].details["encoded_images"] == 0, "the same images"


def test_a_later_turn_computes_only_what_is_new(chat):
    messages = ask(show(picture(240, 320)), "where?")
    [first] = chat.chat(messages, max_tokens=4)
    messages += [answer("look"), *ask("again")]
    [second] = chat.chat(messages, max_tokens=4)
    assert first.details["computed_tokens"] == first.num_prompt_tokens
    assert second.details["computed_tokens"] <= second.num_prompt_tokens - (
        first.num_prompt_tokens - 1
    )


# -- records ---------------------------------------------------------------------------------


def test_replies_are_recorded_and_replayed_with_their_embeddings(talkative, tmp_path):
    path = tmp_path / "exchanges.jsonl"
    recorder = RecordingChat(model=SegChat.of(talkative), path=str(path))
    conversations = [ask("where?"), [*ask("where?"), answer("[SEG]"), *ask("and?")]]
    said = [recorder.chat(messages, max_tokens=30) for messages in conversations]
    assert said[0][0].embeddings
    replay = ReplayChat(path=str(path))
    for messages, replies in zip(conversations, said, strict=True):
        assert tuple(replay.chat(messages, max_tokens=30)) == tuple(replies)


def test_an_interrupted_run_is_resumed_from_its_record(talkative, tmp_path):
    path = tmp_path / "exchanges.jsonl"
    first = RecordingChat(model=SegChat.of(talkative), path=str(path))
    replies = first.chat(ask("where?"), max_tokens=30)
    fresh = SegChat.of(talkative)
    second = RecordingChat(model=fresh, path=str(path), resume=True)
    assert tuple(second.chat(ask("where?"), max_tokens=30)) == tuple(replies)
    assert fresh.device is None, "the model has not been asked"


# -- loading, freeing, failing ---------------------------------------------------------------


def test_it_is_declared_as_a_component():
    from videoseg_o3.plugin import videoseg_components

    found = [one for one in videoseg_components() if (one.kind, one.name) == ("chat", "o3")]
    assert len(found) == 1


def test_missing_weights_are_reported_before_anything_runs(tmp_path):
    with pytest.raises(MissingWeightsError, match="videoseg download propagator o3"):
        SegChat()
    with pytest.raises(MissingWeightsError, match="no folder"):
        SegChat(model=str(tmp_path / "absent"))


@pytest.mark.parametrize("options", [{"top_p": 0}, {"max_pixels": 0}, {"dtype": "int8"}])
def test_options_are_checked(options, checkpoints):
    with pytest.raises(vs.ConfigError):
        SegChat(model=str(checkpoints["qwen3-vl"]), **options)


def test_a_conversation_that_is_too_long_is_refused(chat):
    with pytest.raises(ContextLengthError, match="8192; show fewer"):
        chat.chat(ask(show(picture(64, 64)), "where?"), max_tokens=8190)
    assert chat.chat(ask("where?"), max_tokens=1)


def test_lack_of_memory_is_told_and_survived(chat, monkeypatch):
    messages = ask(show(picture(64, 64)), "where?")
    [expected] = chat.chat(messages, max_tokens=4)

    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr("videoseg_o3.model.generation._decode", fail)
        with pytest.raises(ChatError, match="ran out of memory on cpu with 1 images"):
            chat.chat(messages, max_tokens=4)
    assert chat._loaded.session.num_tokens == 0
    assert chat.chat(messages, max_tokens=4)[0].text == expected.text


def test_numbers_that_are_not_finite_are_told(talkative, monkeypatch):
    weight = talkative.projector[2].weight
    monkeypatch.setattr(weight, "data", torch.full_like(weight, torch.nan))
    with pytest.raises(ChatError, match="not finite"):
        SegChat.of(talkative).chat(ask("where?"), max_tokens=40)


def test_an_image_that_is_too_long_is_refused(chat):
    with pytest.raises(vs.ConfigError, match="200 times"):
        chat.chat(ask(show(picture(6000, 20)), "?"))


def test_it_is_freed_and_loaded_again(checkpoints):
    chat = SegChat(model=str(checkpoints["qwen3-vl"]), device="cpu")
    assert chat.device is None
    [first] = chat.chat(ask("where?"), max_tokens=8)
    assert chat.device == "cpu"
    model = weakref.ref(chat._loaded.model.vlm)
    chat.close()
    gc.collect()
    assert (model(), chat.device) == (None, None)
    assert chat.chat(ask("where?"), max_tokens=8)[0].text == first.text


def test_it_can_be_pickled(checkpoints):
    chat = SegChat(model=str(checkpoints["qwen3-vl"]), device="cpu")
    [first] = chat.chat(ask("where?"), max_tokens=8)
    other = pickle.loads(pickle.dumps(chat))
    assert other.device is None
    assert other.chat(ask("where?"), max_tokens=8)[0].text == first.text


def test_threads_may_ask_at_the_same_time(chat):
    questions = [f"where is dog {number}?" for number in range(6)]
    expected = [chat.chat(ask(text), max_tokens=8)[0].text for text in questions]
    with ThreadPoolExecutor(3) as pool:
        given = list(pool.map(lambda text: chat.chat(ask(text), max_tokens=8)[0].text, questions))
    assert given == expected


@pytest.mark.gpu
def test_a_gpu_s_memory_is_given_back(checkpoints):
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU here")
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    chat = SegChat(model=str(checkpoints["qwen3-vl"]), device="cuda")
    messages = ask(show(picture(112, 112)), "where?")
    replies = chat.chat(messages, num_samples=4, temperature=1.0, max_tokens=8)
    assert len(replies) == 4
    assert chat.device == "cuda:0"
    messages += [answer("look"), *ask(show(picture(64, 112)), "again")]
    assert chat.chat(messages, max_tokens=8)[0].details["encoded_images"] == 1
    assert torch.cuda.memory_allocated() > before
    chat.close()
    assert torch.cuda.memory_allocated() == before
