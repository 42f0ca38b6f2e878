from __future__ import annotations

import numpy as np
import pytest
import torch
from videoseg_synthetic import make_clip
from videoseg_tiny import Demonstrator, Teacher, TinyChat
from videoseg_tiny.batches import CoordinateTokens, encode_images, find_positions, make_batch
from videoseg_tiny.clips import clip_options
from videoseg_tiny.demonstrations import (
    conversation_tokens,
    load_demonstrations,
    save_demonstrations,
)
from videoseg_tiny.footage import Footage
from videoseg_tiny.plugin import videoseg_o3_tiny, videoseg_r1_tiny
from videoseg_tiny.scoring import build_pipeline


class Eavesdropper(TinyChat):
    """Keeps the conversations that it is asked, and lets a teacher answer."""

    teacher: Teacher

    def chat(self, messages, **options):
        self.asked.append(messages)
        return self.teacher.chat(messages, **options)


@pytest.fixture(params=["r1", "o3"])
def strategy(request):
    return request.param


@pytest.fixture
def asked(strategy, untrained, clips):
    """Return a clip, its question, and what a pipeline really asks about it."""
    facts = clips[0]
    question = next(one for one in facts.questions if one.kind == "color")
    chat = Eavesdropper(model=str(untrained))
    chat.asked, chat.teacher = [], Teacher()
    chat.teacher.begin(facts, Footage(facts.size, 16, 16, 12.0), question)
    configuration = videoseg_r1_tiny() if strategy == "r1" else videoseg_o3_tiny()
    clip = make_clip(**clip_options(facts.seed))
    result = build_pipeline(configuration, chat=chat)(clip.video, question.text)
    assert result.found
    return chat, facts, question


def test_tokens_are_those_of_the_chat_model(asked):
    chat, _, _ = asked
    loaded = chat._loaded or load(chat)
    for messages in chat.asked:
        real = chat._inputs(loaded, messages)["input_ids"][0].tolist()
        assert conversation_tokens(loaded.processor.tokenizer, messages) == real


def test_demonstrations_are_what_the_pipelines_ask(asked, strategy, processor):
    chat, facts, question = asked
    loaded = load(chat)

    class Still:
        """Always the clip as it is."""

        def random(self):
            return 0.0

        def integers(self, *_args, **_options):
            raise AssertionError

    made = list(Demonstrator(processor, Still()).demonstrate(facts, question, strategy))
    conversations = chat.asked if strategy == "r1" else chat.asked[-1:]
    assert len(made) == len(conversations)
    for one, messages in zip(made, conversations, strict=True):
        inputs = chat._inputs(loaded, messages)
        real = inputs["input_ids"][0].numpy()
        np.testing.assert_array_equal(one.tokens[: len(real)], real)
        assert not one.own[len(real) - 1]
        assert one.own[len(real) :].all()
        with torch.no_grad():
            seen = loaded.model.model.visual(
                inputs["pixel_values"], grid_thw=inputs["image_grid_thw"]
            ).pooler_output
            ours = encode_images(loaded.model, [(facts, one)])
        torch.testing.assert_close(ours, seen, atol=2e-3, rtol=1e-3)


def test_positions_are_those_of_the_model(asked, processor):
    chat, _, _ = asked
    loaded = load(chat)
    for messages in chat.asked:
        inputs = chat._inputs(loaded, messages)
        grids = [tuple(grid[1:]) for grid in inputs["image_grid_thw"].tolist()]
        image = loaded.model.config.image_token_id
        ours = find_positions(inputs["input_ids"][0].numpy(), grids, image)
        theirs, _ = loaded.model.model.get_rope_index(
            inputs["input_ids"],
            mm_token_type_ids=inputs["mm_token_type_ids"],
            image_grid_thw=inputs["image_grid_thw"],
            attention_mask=inputs["attention_mask"],
        )
        np.testing.assert_array_equal(ours, theirs[:, 0].numpy())


def test_a_query_that_fits_nothing_is_answered_in_the_first_turn(processor, clips, rng):
    facts, question = next(
        (clip, one) for clip in clips for one in clip.questions if one.kind == "no-color"
    )
    [one] = Demonstrator(processor, rng).demonstrate(facts, question, "o3")
    said = processor.tokenizer.decode(one.tokens[one.own])
    assert one.task == "look"
    assert '<answer>{"objects":[]}</answer>' in said


def test_demonstrations_survive_a_file(processor, clips, rng, tmp_path):
    facts = clips[0]
    made = [
        (0, one)
        for strategy in ("r1", "o3", "ground")
        for one in Demonstrator(processor, rng).demonstrate(facts, facts.questions[0], strategy)
    ]
    save_demonstrations(tmp_path / "a.npz", made)
    for (_, first), (_, second) in zip(made, load_demonstrations(tmp_path / "a.npz"), strict=True):
        np.testing.assert_array_equal(first.tokens, second.tokens)
        np.testing.assert_array_equal(first.own, second.own)
        assert (first.task, first.images, first.objects) == (
            second.task,
            second.images,
            second.objects,
        )


def test_coordinates_and_what_is_looked_at_are_told_apart(processor, clips, rng):
    facts = clips[0]
    question = next(one for one in facts.questions if one.kind == "color")
    [one] = Demonstrator(processor, rng).demonstrate(facts, question, "o3")
    is_coordinate, looks = CoordinateTokens(processor.tokenizer).find(one)
    assert is_coordinate.sum() == 8
    last = len(one.images) - 1
    assert (looks[np.nonzero(is_coordinate)[0][:6] - 1] == last).all()
    assert (looks[np.nonzero(is_coordinate)[0][-2:]] < 0).all(), "the negative point is another"
    # Where it is said of each frame of the overview whether the object shows.
    verdicts = looks[(looks >= 0) & (looks < last)]
    assert verdicts.tolist() == [0, 1, 2, 3, 4, 5]


def test_words_and_labels_are_copied_from_the_prompt(processor, clips, rng):
    facts = clips[0]
    question = next(one for one in facts.questions if one.kind == "color")
    tokenizer = processor.tokenizer
    [one] = Demonstrator(processor, rng).demonstrate(facts, question, "o3")
    tokens = CoordinateTokens(tokenizer)
    sources = tokens.find_sources(one, tokens.find(one)[0])
    [places] = np.nonzero(sources.any(1))
    assert len(places) >= 10
    for place in places:
        [found] = np.nonzero(sources[place])
        assert (one.tokens[found] == one.tokens[place + 1]).all()
        assert not one.own[found].any()
        assert (found < place).all()


def test_targets_are_tokens_of_the_object(processor, untrained, clips, rng):
    facts = clips[0]
    question = next(one for one in facts.questions if one.kind == "color")
    model = load(TinyChat(model=str(untrained))).model
    made = list(Demonstrator(processor, rng).demonstrate(facts, question, "r1"))
    batch = make_batch(
        model, CoordinateTokens(processor.tokenizer), [(facts, one) for one in made]
    )
    for row, one in enumerate(made):
        shown = sum(
            int(
                (
                    (facts.small_owner if s.is_small else facts.owner)[s.frame]
                    == question.objects[0]
                ).sum()
            )
            for s in one.images
        )
        assert int(batch.is_target[row].sum()) == shown


def load(chat):
    from videoseg_vlm.checkpoint import load as load_checkpoint

    chat._loaded = chat._loaded or load_checkpoint(chat._options)
    return chat._loaded
