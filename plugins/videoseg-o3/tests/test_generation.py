"""Generation over several turns gives what a computation from the beginning gives."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from tiny_vlm import save_tiny_vlm
from torchvision_builds import declare_missing_operators

declare_missing_operators()
import torch  # noqa: E402
import transformers  # noqa: E402
from PIL import Image  # noqa: E402
from videoseg_o3.model.backbone import Backbone, Conversation  # noqa: E402
from videoseg_o3.model.batch_states import batch_hidden_states  # noqa: E402
from videoseg_o3.model.generation import (  # noqa: E402
    Decoding,
    GenerationSession,
    generate,
    generate_batch,
    hidden_states,
)
from videoseg_o3.model.sampling import choose_tokens  # noqa: E402
from videoseg_o3.model.states import projector_input, record_states, token_logits  # noqa: E402
from videoseg_o3.model.vision_cache import PromptImage, VisionCache  # noqa: E402

from videoseg import ConfigError  # noqa: E402

FAMILIES = ("qwen3-vl", "qwen2.5-vl")
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
SHORT = Decoding(max_tokens=24)
SAMPLED = Decoding(temperature=1.0, max_tokens=24)


class Tiny:
    """A tiny model, and conversations with it for us and for transformers."""

    def __init__(self, folder):
        self.model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
        self.processor = transformers.AutoProcessor.from_pretrained(folder)
        with torch.no_grad():
            norm = self.model.model.language_model.norm.weight
            norm.copy_(torch.linspace(0.5, 1.5, len(norm)))
        self.encodings = []
        self.model.model.visual.register_forward_pre_hook(
            lambda _, __, keywords: self.encodings.append(len(keywords["grid_thw"])),
            with_kwargs=True,
        )

    def image(self, height, width, seed=0):
        pixels = np.random.default_rng([height, width, seed]).integers(
            0, 255, (height, width, 3), np.uint8
        )
        picture = Image.fromarray(pixels)
        made = self.processor.image_processor(images=[picture], return_tensors="pt")
        grid = tuple(made.image_grid_thw[0].tolist())
        return picture, PromptImage(
            f"{height}x{width}#{seed}", grid, int(np.prod(grid)) // 4, lambda: made.pixel_values
        )

    def conversation(self, text, images=()):
        pictures = [picture for picture, _ in images] or None
        inputs = self.processor(text=[text], images=pictures, return_tensors="pt")
        tokens = tuple(inputs["input_ids"][0].tolist())
        return inputs, Conversation(tokens, tuple(image for _, image in images))

    def forward(self, inputs):
        """Return the logits of the next token and the last states, computed by transformers."""
        self.model.model.rope_deltas = None
        with torch.no_grad(), record_states(self.model) as states:
            output = self.model(**inputs)
        return output.logits[0, -1], states[-1][0]

    def answer(self, inputs, length):
        """Return the greedy answer and the states that belong to it, from ``generate``."""
        self.model.model.rope_deltas = None
        with record_states(self.model) as states:
            output = self.model.generate(
                **inputs,
                max_new_tokens=length,
                do_sample=False,
                suppress_tokens=Backbone(self.model).placeholders,
            )
        start = inputs["input_ids"].shape[1]
        return output[0, start:].tolist(), torch.cat([step[0] for step in states])[start:]

    def said(self, tokens):
        """Return what a random model said, as a text that reads back into other tokens."""
        text = self.processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return text.replace("\ufffd", "?")


@pytest.fixture(scope="module")
def tinies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return {family: Tiny(save_tiny_vlm(folder, family)) for family in FAMILIES}


@pytest.fixture(params=FAMILIES)
def tiny(request, tinies):
    made = tinies[request.param]
    made.encodings.clear()
    return made


def begin(*, images=1, text="Where is the dog?"):
    shown = "".join(f"{number}{IMAGE}" for number in range(images))
    return f"<|im_start|>user\n{shown}{text}<|im_end|>\n<|im_start|>assistant\n"


def go_on(before, said, *, images=1, text="Look again."):
    return f"{before}{said}<|im_end|>\n{begin(images=images, text=text)}"


def same(first, second, tolerance=1e-4):
    return torch.allclose(first, second, atol=tolerance, rtol=0)


# -- turns -----------------------------------------------------------------------------------


def test_each_of_three_turns_equals_a_computation_from_the_beginning(tiny):
    images = [tiny.image(70, 90), tiny.image(128, 64), tiny.image(100, 100), tiny.image(70, 200)]
    session = GenerationSession(tiny.model)
    text, shown, before = begin(images=2), images[:2], 0
    for turn in range(3):
        inputs, conversation = tiny.conversation(text, shown)
        logits, _ = tiny.forward(inputs)
        assert same(session.read(conversation), logits)
        added = len(conversation.tokens) - before
        assert session.num_computed <= len(conversation.tokens) + 2 * (turn + 1)
        assert turn == 0 or added < len(conversation.tokens)
        [answer] = generate(session, conversation, SHORT)
        assert list(answer.tokens) == tiny.answer(inputs, SHORT.max_tokens)[0]
        before = len(conversation.tokens)
        text = go_on(text, tiny.said(answer.tokens), text=f"Turn {turn}.")
        shown = [*shown, images[2 + turn % 2]]


def test_only_what_is_new_is_computed(tiny):
    session = GenerationSession(tiny.model)
    text = begin(images=2)
    images = [tiny.image(70, 90), tiny.image(64, 64)]
    _, first = tiny.conversation(text, images)
    session.read(first)
    assert session.num_computed == len(first.tokens)
    _, second = tiny.conversation(go_on(text, "a dog"), [*images, tiny.image(90, 70)])
    session.read(second)
    assert session.num_computed == len(second.tokens)
    assert sum(tiny.encodings) == session.vision.num_encoded == 3


def test_another_try_at_a_turn_goes_on_where_it_differs(tiny):
    images = [tiny.image(70, 90), tiny.image(128, 64)]
    session = GenerationSession(tiny.model)
    text = begin()
    for said in ("a dog", "a small cat", "a", ""):
        inputs, conversation = tiny.conversation(go_on(text, said), images)
        logits, _ = tiny.forward(inputs)
        encoded = len(tiny.encodings)
        assert same(session.read(conversation), logits)
        [answer] = generate(session, conversation, SHORT)
        assert encoded == len(tiny.encodings) or said == "a dog", "no image is encoded again"
        assert list(answer.tokens) == tiny.answer(inputs, SHORT.max_tokens)[0]


def test_an_answer_that_is_repeated_is_not_computed_again(tiny):
    session = GenerationSession(tiny.model)
    _, conversation = tiny.conversation(begin(images=0))
    [answer] = generate(session, conversation, SHORT)
    before = session.num_computed
    session.read(conversation.extended([*answer.tokens, 5, 6]))
    assert session.num_computed - before == 3, "the last token of the answer, and the two new ones"


def test_an_image_is_known_by_its_content(tiny):
    session = GenerationSession(tiny.model)
    for seed in (0, 1, 0):
        inputs, conversation = tiny.conversation(begin(), [tiny.image(70, 90, seed)])
        logits, _ = tiny.forward(inputs)
        assert same(session.read(conversation), logits)


def test_the_same_image_twice_is_encoded_once(tiny):
    image = tiny.image(70, 90)
    inputs, conversation = tiny.conversation(begin(images=2), [image, image])
    logits, _ = tiny.forward(inputs)
    tiny.encodings.clear()
    assert same(GenerationSession(tiny.model).read(conversation), logits)
    assert tiny.encodings == [1]


def test_images_are_remembered_when_something_else_is_asked_in_between(tiny):
    session = GenerationSession(tiny.model)
    images = [tiny.image(70, 90), tiny.image(64, 96), tiny.image(64, 64)]
    for shown in (images[:1], images[1:], images[:1]):
        inputs, conversation = tiny.conversation(begin(images=len(shown)), shown)
        logits, _ = tiny.forward(inputs)
        assert same(session.read(conversation), logits)
    assert session.vision.num_encoded == 3
    session.clear()
    assert (session.num_tokens, session.vision.num_tokens) == (0, 0)


def test_the_images_that_were_used_last_are_kept(tiny):
    vision = VisionCache(max_tokens=12)
    first, second, third = (tiny.image(64, 96, seed)[1] for seed in range(3))
    assert first.num_tokens == 6
    for images in ([first], [second], [first], [third], [first]):
        vision.features(tiny.model, images)
    assert vision.num_encoded == 3


def test_a_full_cache_of_images_forgets_the_oldest_and_nothing_changes(tiny):
    vision = VisionCache(max_tokens=12)
    session = GenerationSession(tiny.model, vision=vision)
    images = [tiny.image(64, 96, seed) for seed in range(4)]
    for count in (2, 3, 4):
        inputs, conversation = tiny.conversation(begin(images=count), images[:count])
        logits, _ = tiny.forward(inputs)
        session.clear(keep_images=True)
        assert same(session.read(conversation), logits)
        assert vision.num_tokens <= 12


def test_a_failure_leaves_nothing_half_done(tiny, monkeypatch):
    session = GenerationSession(tiny.model)
    images = [tiny.image(70, 90), tiny.image(64, 64)]
    session.read(tiny.conversation(begin(), images[:1])[1])
    inputs, conversation = tiny.conversation(go_on(begin(), "a dog"), images)
    run = session.backbone.run

    def fail(*arguments, **keywords):
        run(*arguments, **keywords)
        raise MemoryError

    monkeypatch.setattr(session.backbone, "run", fail)
    with pytest.raises(MemoryError):
        session.read(conversation)
    monkeypatch.undo()
    assert same(session.read(conversation), tiny.forward(inputs)[0])


def test_placeholders_must_fit_images(tiny):
    _, conversation = tiny.conversation(begin(images=2), [tiny.image(70, 90), tiny.image(64, 64)])
    session = GenerationSession(tiny.model)
    with pytest.raises(ConfigError, match="placeholders"):
        session.read(Conversation(conversation.tokens, conversation.images[:1]))
    with pytest.raises(ConfigError, match="at least one token"):
        session.read(Conversation(()))


def test_positions_are_those_of_transformers(tiny):
    images = [tiny.image(70, 90), tiny.image(64, 200), tiny.image(200, 64)]
    inputs, conversation = tiny.conversation(begin(images=3), images)
    index = tiny.model.model.get_rope_index
    # Not a parameter of the first releases of transformers 5.
    known = {"mm_token_type_ids"} & set(inspect.signature(index).parameters)
    expected, _ = index(
        inputs["input_ids"],
        image_grid_thw=inputs["image_grid_thw"],
        **{name: inputs[name] for name in known},
    )
    assert np.array_equal(Backbone(tiny.model).positions(conversation), expected[:, 0].numpy())


# -- states at [SEG] -------------------------------------------------------------------------


def test_states_are_those_of_the_tokens_as_inputs(tiny):
    inputs, conversation = tiny.conversation(begin(), [tiny.image(70, 90)])
    tokens, states = tiny.answer(inputs, 24)
    marked = max(set(tokens[:-1]), key=tokens.count)
    session = GenerationSession(tiny.model, seg_token=marked)
    [answer] = generate(session, conversation, Decoding(max_tokens=24, complete_last=False))
    places = [at for at, token in enumerate(tokens) if token == marked]
    assert list(answer.seg_places) == places
    # transformers has no state for the last token, which it never reads.
    places = [at for at in places if at < len(tokens) - 1]
    assert same(answer.seg_states, states[places])
    assert torch.equal(
        torch.stack([session.seg_states[len(conversation.tokens) + at] for at in places]),
        answer.seg_states,
    )


def test_states_of_earlier_turns_are_kept_with_their_tokens(tiny):
    text = go_on(begin(), "x y x")
    images = [tiny.image(70, 90), tiny.image(64, 64)]
    inputs, conversation = tiny.conversation(text, images)
    [marked] = tiny.processor.tokenizer("x").input_ids
    session = GenerationSession(tiny.model, seg_token=marked)
    session.read(conversation)
    _, states = tiny.forward(inputs)
    places = [at for at, token in enumerate(conversation.tokens) if token == marked]
    assert list(session.seg_states) == places
    for at in places:
        assert same(session.seg_states[at], states[at])
    session.read(tiny.conversation(go_on(begin(), "x z"), images)[1])
    assert list(session.seg_states) == places[:1], "what was cut is forgotten"


@pytest.mark.parametrize("complete", [True, False])
def test_a_last_token_that_is_seg_is_completed_if_asked(tiny, complete):
    inputs, conversation = tiny.conversation(begin(), [tiny.image(70, 90)])
    tokens, _ = tiny.answer(inputs, 24)
    session = GenerationSession(tiny.model, seg_token=tokens[2])
    [answer] = generate(session, conversation, Decoding(max_tokens=3, complete_last=complete))
    assert answer.tokens == tuple(tokens[:3])
    assert answer.finish == "length"
    assert len(answer.seg_states) == len(answer.seg_places) - (not complete)
    if complete:
        states = hidden_states(tiny.model, conversation.extended(tokens[:3]))
        assert same(answer.seg_states[-1], states[-1])


def test_the_projector_takes_the_state_that_the_released_models_use(tiny):
    _, conversation = tiny.conversation(begin(images=0))
    states = hidden_states(tiny.model, conversation)
    is_normalized = tiny.model.config.model_type == "qwen2_5_vl"
    expected = tiny.model.model.language_model.norm(states) if is_normalized else states
    assert torch.equal(projector_input(tiny.model, states), expected)


def test_states_of_a_whole_conversation_have_gradients(tiny):
    inputs, conversation = tiny.conversation(begin(), [tiny.image(70, 90)])
    states = hidden_states(tiny.model, conversation)
    logits, expected = tiny.forward(inputs)
    assert same(states, expected)
    assert same(token_logits(tiny.model, states[-1]), logits)
    states[-1].sum().backward()
    visual = next(tiny.model.model.visual.parameters())
    assert visual.grad is not None
    assert visual.grad.abs().sum() > 0
    tiny.model.zero_grad()


# -- choosing tokens -------------------------------------------------------------------------


def test_log_probabilities_are_those_at_temperature_one(tiny):
    _, conversation = tiny.conversation(begin(), [tiny.image(70, 90)])
    decoding = Decoding(temperature=0.7, top_p=0.9, max_tokens=16)
    [answer] = generate(GenerationSession(tiny.model), conversation, decoding, seed=3)
    whole = conversation.extended(answer.tokens)
    states = hidden_states(tiny.model, whole)[len(conversation.tokens) - 1 : -1]
    expected = token_logits(tiny.model, states).log_softmax(-1)
    chosen = expected.gather(1, torch.tensor(answer.tokens)[:, None])[:, 0]
    assert same(answer.log_probs, chosen.detach())


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_states_of_a_batch_are_those_of_each_conversation(tiny, shares, attention):
    """Three that begin alike and go on with other images, one without any, one alone."""
    one, other = tiny.image(64, 96), tiny.image(96, 64, 1)
    start = begin(images=1, text="Where?")
    texts = [
        (start + "It is here.", [one]),
        (begin(images=0, text="Hello!") + "Hi.", []),
        (go_on(start, "Let me see.", images=1) + "There!", [one, other]),
        (go_on(start, "Once more.", images=2) + "Yes, there.", [one, other, one]),
        (start + "It is there.", [other]),
    ]
    conversations = [tiny.conversation(text, images)[1] for text, images in texts]
    head = len(tiny.conversation(start, [one])[1].tokens)
    length = len(tiny.conversation(begin(images=0, text="Hello!"), [])[1].tokens)
    heads = [head, length, head, head, len(tiny.conversation(start, [other])[1].tokens)]
    before = tiny.model.config._attn_implementation
    tiny.model.set_attn_implementation(attention)
    try:
        tiny.encodings.clear()
        batch = batch_hidden_states(tiny.model, conversations, heads=heads if shares else None)
        assert tiny.encodings == [2]
        for number, conversation in enumerate(conversations):
            assert same(batch.of(number), hidden_states(tiny.model, conversation))
        total = sum(len(conversation.tokens) for conversation in conversations)
        distinct = len(torch.cat(batch.places).unique())
        assert distinct == total - 2 * head * shares
        slow = sum(hidden_states(tiny.model, one)[3:].sin().sum() for one in conversations)
        tiny.model.zero_grad()
        slow.backward()
        expected = {
            n: p.grad.clone() for n, p in tiny.model.named_parameters() if p.grad is not None
        }
        tiny.model.zero_grad()
        sum(batch.of(number)[3:].sin().sum() for number in range(5)).backward()
        for name, value in tiny.model.named_parameters():
            if name in expected:
                largest = expected[name].abs().max()
                assert same(value.grad / largest, expected[name] / largest), name
        tiny.model.zero_grad()
    finally:
        tiny.model.set_attn_implementation(before)


def test_a_batch_of_states_that_cannot_be_is_refused(tiny):
    with pytest.raises(ConfigError, match="at least one"):
        batch_hidden_states(tiny.model, [])
    _, conversation = tiny.conversation(begin(), [tiny.image(64, 64)])
    count = len(conversation.tokens)
    with pytest.raises(ConfigError, match=f"shorter than its conversation of {count} tokens"):
        batch_hidden_states(tiny.model, [conversation], heads=[count])
    inside = conversation.tokens.index(tiny.model.config.image_token_id) + 1
    with pytest.raises(ConfigError, match="ends inside an image"):
        batch_hidden_states(tiny.model, [conversation] * 2, heads=[inside] * 2)


def test_forbidden_tokens_are_never_chosen_and_leave_the_others_chances(tiny):
    _, conversation = tiny.conversation(begin(), [tiny.image(64, 64)])
    plain = generate(GenerationSession(tiny.model), conversation, SHORT)[0]
    forbidden = {*plain.tokens, tiny.model.config.image_token_id}
    without = Decoding(max_tokens=24, forbidden=tuple(forbidden))
    answer = generate(GenerationSession(tiny.model), conversation, without)[0]
    assert not set(answer.tokens) & forbidden
    whole = conversation.extended(answer.tokens)
    states = hidden_states(tiny.model, whole)[len(conversation.tokens) - 1 : -1]
    chances = token_logits(tiny.model, states).log_softmax(-1)
    expected = chances[range(len(answer.tokens)), list(answer.tokens)]
    assert same(answer.log_probs, expected.detach())


def test_tokens_are_drawn_as_often_as_they_are_likely():
    chances = torch.tensor([0.5, 0.0, 0.3, 0.2, 0.0])
    count = 1000
    logits = chances.log().expand(count, -1)
    drawn = (torch.arange(count) + 0.5) / count
    tokens = choose_tokens(logits, Decoding(temperature=1.0), drawn)
    assert torch.bincount(tokens, minlength=5).tolist() == [500, 0, 300, 200, 0]
    tokens = choose_tokens(logits, Decoding(temperature=1.0, top_p=0.7), drawn)
    assert torch.bincount(tokens, minlength=5).tolist() == [625, 0, 375, 0, 0]
    tokens = choose_tokens(logits, Decoding(temperature=0.5), drawn)
    expected = (chances**2 / (chances**2).sum() * count).round().int().tolist()
    assert torch.bincount(tokens, minlength=5).tolist() == expected


def test_placeholders_of_images_are_never_said(tiny, monkeypatch):
    weight = tiny.model.lm_head.weight
    placeholder = tiny.model.config.image_token_id
    _, conversation = tiny.conversation(begin(images=0))
    [first, *_] = generate(GenerationSession(tiny.model), conversation, SHORT)[0].tokens
    likeliest = weight.detach().clone()
    likeliest[placeholder] = 2 * likeliest[first]
    monkeypatch.setattr(weight, "data", likeliest)
    for decoding in (SHORT, SAMPLED):
        [answer] = generate(GenerationSession(tiny.model), conversation, decoding)
        assert placeholder not in answer.tokens


@pytest.mark.parametrize("drawn", [0.0, 1 - 1e-12])
def test_tokens_without_a_chance_are_never_drawn(drawn):
    logits = torch.tensor([[-torch.inf, 1.0, 2.0, -torch.inf]])
    for top_p in (1.0, 0.999):
        decoding = Decoding(temperature=1.0, top_p=top_p)
        [token] = choose_tokens(logits, decoding, torch.tensor([drawn])).tolist()
        assert token in (1, 2)


def test_samples_share_one_reading_and_do_not_depend_on_their_number(tiny):
    _, conversation = tiny.conversation(begin(), [tiny.image(70, 90)])
    before = torch.random.get_rng_state()
    session = GenerationSession(tiny.model)
    five = generate(session, conversation, SAMPLED, num_samples=5, seed=7)
    assert session.num_computed == len(conversation.tokens)
    assert tiny.encodings == [1]
    pairs = generate(session, conversation, SAMPLED, num_samples=5, seed=7, max_batch=2)
    [alone] = generate(session, conversation, SAMPLED, seed=7)
    assert [one.tokens for one in five] == [one.tokens for one in pairs]
    assert five[0].tokens == alone.tokens
    assert len({one.tokens for one in five}) == 5
    assert torch.equal(torch.random.get_rng_state(), before)


def test_at_temperature_zero_all_samples_are_the_same(tiny):
    _, conversation = tiny.conversation(begin(images=0))
    session = GenerationSession(tiny.model)
    three = generate(session, conversation, SHORT, num_samples=3)
    assert len(three) == 3
    assert len({one.tokens for one in three}) == 1


# -- many conversations at once ----------------------------------------------------------------


def test_a_batch_equals_one_after_another_over_two_turns(tiny):
    images = [tiny.image(70, 90), tiny.image(128, 64), tiny.image(64, 64)]
    starts = [(begin(images=2), images[:2]), (begin(images=0), []), (begin(), images[2:])]
    starts += [(begin(text="And a cat, or two?"), images[:1])]
    marked = 70
    together, alone = (
        [GenerationSession(tiny.model, seg_token=marked) for _ in starts] for _ in range(2)
    )
    seeds = [5, 6, 7, 8]
    for turn in range(2):
        conversations = [tiny.conversation(text, shown)[1] for text, shown in starts]
        batch = generate_batch(together, conversations, SAMPLED, seeds=seeds)
        single = [
            generate(session, conversation, SAMPLED, seed=seed)[0]
            for session, conversation, seed in zip(alone, conversations, seeds, strict=True)
        ]
        for one, other in zip(batch, single, strict=True):
            assert (one.tokens, one.finish, one.seg_places) == (
                other.tokens,
                other.finish,
                other.seg_places,
            )
            assert same(one.log_probs, other.log_probs)
            assert same(one.seg_states, other.seg_states)
        if turn == 0:
            lengths = {len(one.tokens) for one in batch}
            starts = [
                (go_on(text, tiny.said(one.tokens)), [*shown, images[1]])
                for (text, shown), one in zip(starts, batch, strict=True)
            ]
            before = [session.num_computed for session in together]
    assert lengths, before
    assert [one.num_computed for one in together] == [one.num_computed for one in alone]


def test_answers_that_end_leave_the_batch(tiny, monkeypatch):
    conversations = [tiny.conversation(begin(images=0, text="x" * n))[1] for n in (3, 30, 9)]
    sessions = [GenerationSession(tiny.model) for _ in conversations]
    free = generate_batch(sessions, conversations, SHORT, seeds=[0, 0, 0])
    # Tokens that only one of them says early are declared to end an answer.
    stops = [free[0].tokens[4], free[1].tokens[9]]
    monkeypatch.setattr(tiny.model.generation_config, "eos_token_id", stops)
    for session in sessions:
        session.clear()
    widths = []
    run = sessions[0].backbone.run

    def count(arguments, *more, **keywords):
        widths.append(len(arguments["inputs_embeds"]))
        return run(arguments, *more, **keywords)

    monkeypatch.setattr(sessions[0].backbone, "run", count)
    ended = generate_batch(sessions, conversations, SHORT, seeds=[0, 0, 0])
    assert ended[0].finish == "stop"
    assert min(widths[1:]) < 3 == max(widths), "later steps are narrower"
    for one, other in zip(ended, free, strict=True):
        first = next((at + 1 for at, token in enumerate(other.tokens) if token in stops), None)
        assert one.tokens == other.tokens[:first]
    for session, conversation, one in zip(sessions, conversations, ended, strict=True):
        assert session.num_tokens == len(conversation.tokens) + len(one.tokens) - 1


def test_a_group_with_one_prompt_reads_it_once(tiny):
    _, conversation = tiny.conversation(begin(), [tiny.image(70, 90)])
    vision = VisionCache()
    sessions = [GenerationSession(tiny.model, vision=vision) for _ in range(4)]
    answers = generate_batch(sessions, [conversation] * 4, SAMPLED, seeds=range(4))
    assert len({one.tokens for one in answers}) == 4
    assert sum(one.num_computed for one in sessions) == len(conversation.tokens)
    assert vision.num_encoded == 1


def test_generation_in_training_is_as_in_inference(tiny):
    _, conversation = tiny.conversation(begin(), [tiny.image(70, 90)])
    [expected] = generate(GenerationSession(tiny.model), conversation, SHORT)
    tiny.model.train()
    for layer in tiny.model.model.language_model.layers:
        layer.gradient_checkpointing = True
    try:
        tiny.model.model.visual.eval()
        [answer] = generate(GenerationSession(tiny.model), conversation, SHORT)
        assert tiny.model.training
        assert not tiny.model.model.visual.training, "modes are as before"
    finally:
        for layer in tiny.model.model.language_model.layers:
            layer.gradient_checkpointing = False
        tiny.model.eval()
    assert answer.tokens == expected.tokens


def test_each_conversation_needs_a_session_of_its_own(tiny):
    _, conversation = tiny.conversation(begin(images=0))
    session = GenerationSession(tiny.model)
    for sessions, seeds in (([session] * 2, [1, 2]), ([session], [1, 2]), ([], [])):
        with pytest.raises(ConfigError, match="session of its own"):
            generate_batch(sessions, [conversation] * len(sessions), SHORT, seeds=seeds)
