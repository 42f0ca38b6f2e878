"""Generation over several turns, in which nothing is computed twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from videoseg_vlm import stop_tokens

from videoseg import ConfigError
from videoseg_o3.model.backbone import (
    Backbone,
    Conversation,
    Past,
    cut_past,
    evaluating,
    make_cache,
    take_past,
)
from videoseg_o3.model.vision_cache import ImageFeatures, VisionCache, encode_images

__all__ = [
    "Answer",
    "Conversation",
    "Decoding",
    "GenerationSession",
    "generate",
    "generate_batch",
    "hidden_states",
]

Finish: TypeAlias = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How tokens are chosen.

    Args:
        temperature: 0 for the most likely token.
        top_p: Cumulative probability of the tokens that are sampled from.
        max_tokens: Upper bound on the tokens of an answer.
        complete_last: Compute the state of a ``[SEG]`` that is the very last token, at which an
            answer was cut off. The released model has no embedding for it.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    complete_last: bool = True
    forbidden: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One generated answer of n tokens.

    Args:
        tokens: The n tokens, including the one that ends the answer.
        log_probs: Of each token as the model gives it, at temperature 1 and without top-p;
            shape (n,), dtype float32, on the CPU.
        seg_places: Which of the tokens are ``[SEG]``, ascending.
        seg_states: The hidden state of the last layer at each of them, shape (m, d). ``m`` is one
            less than there are places if the last token is ``[SEG]`` and was not completed.
        finish: ``stop`` where the model ended the answer, ``length`` where it was cut off.
    """

    tokens: tuple[int, ...]
    log_probs: Tensor
    seg_places: tuple[int, ...]
    seg_states: Tensor
    finish: Finish


class GenerationSession:
    """One conversation and its key-value cache.

    A conversation that begins like the one before it (the next turn, or another try at this turn)
    is computed from the first token that differs. Tokens of an image are the same if the image's
    patches are. The model's parameters must not change during the session.

    Args:
        vlm: A ``Qwen3VLForConditionalGeneration`` or ``Qwen2_5_VLForConditionalGeneration``.
        seg_token: The id of ``[SEG]``; None for a model without.
        vision: Where features of images are kept, to be shared between sessions; by default the
            session has its own. They outlive a conversation, for the next question about the
            same frames.

    Attributes:
        num_computed: How many tokens of conversations have been computed so far; those of
            answers do not count.
    """

    def __init__(
        self, vlm: Any, *, seg_token: int | None = None, vision: VisionCache | None = None
    ) -> None:
        self.backbone = Backbone(vlm)
        self.seg_token = seg_token
        self.num_computed = 0
        self.vision = VisionCache() if vision is None else vision
        self._keys: list[int | str] = []
        self._past: Past | None = None
        self._states: dict[int, Tensor] = {}

    def read(self, conversation: Conversation) -> Tensor:
        """Compute a conversation as far as it is new.

        Returns:
            The logits of the next token, shape (vocabulary,), dtype float32.

        Raises:
            ConfigError: If it is empty, or placeholders and images do not fit.
        """
        if not conversation.tokens:
            raise ConfigError("a conversation needs at least one token")
        keys = self.backbone.keys(conversation)
        # The last token is computed in any case, since its logits are asked for.
        start = min(_common_prefix(self._keys, keys), len(keys) - 1)
        past = None if self._past is None else cut_past(self._past, start)
        states = {at: state for at, state in self._states.items() if at < start}
        # Until the new part is computed: nothing half-done is left if that fails.
        self.clear(keep_images=True)
        with evaluating(self.backbone.vlm):
            arguments = self.backbone.embed(
                conversation, self._features(conversation, keys, start), start
            )
            cache = make_cache(past)
            computed = self.backbone.run(arguments, cache)[0]
            logits = self.backbone.logits(computed[-1])
        for at in range(start, len(keys)):
            if keys[at] == self.seg_token:
                states[at] = computed[at - start].clone()
        self._hold(keys, take_past(cache), states)
        self.num_computed += len(keys) - start
        return logits

    @property
    def seg_states(self) -> dict[int, Tensor]:
        """The states at the ``[SEG]`` of the conversation and its answer, by position."""
        return dict(self._states)

    @property
    def num_tokens(self) -> int:
        """How many tokens the cache holds."""
        return len(self._keys)

    def fork(self) -> GenerationSession:
        """Return a session that goes on from here on its own; tensors are shared, not copied."""
        other = GenerationSession(self.backbone.vlm, seg_token=self.seg_token, vision=self.vision)
        other.become(self)
        return other

    def become(self, other: GenerationSession) -> None:
        """Take over what another session of the same model has computed."""
        self._hold(list(other._keys), other._past, dict(other._states))

    def clear(self, *, keep_images: bool = False) -> None:
        """Free the cache; the features of images, too, unless they are kept."""
        self._hold([], None, {})
        if not keep_images:
            self.vision.clear()

    def _hold(self, keys: list[int | str], past: Past | None, states: dict[int, Tensor]) -> None:
        self._keys, self._past, self._states = keys, past, states

    def _features(
        self, conversation: Conversation, keys: list[int | str], start: int
    ) -> list[ImageFeatures | None]:
        """Return the features of the images that have tokens from ``start`` on."""
        new = {key for key in keys[start:] if isinstance(key, str)}
        images = [image for image in conversation.images if image.digest in new]
        found = dict(
            zip(
                [image.digest for image in images],
                self.vision.features(self.backbone.vlm, images),
                strict=True,
            )
        )
        ends = _image_ends(keys, conversation)
        return [
            found[image.digest] if end > start else None
            for image, end in zip(conversation.images, ends, strict=True)
        ]


def generate(
    session: GenerationSession,
    conversation: Conversation,
    decoding: Decoding,
    *,
    num_samples: int = 1,
    seed: int = 0,
    max_batch: int = 16,
) -> list[Answer]:
    """Answer a conversation; all answers share one pass over it.

    Args:
        session: The session, whose cache then holds the conversation, and the answer if there is
            only one.
        conversation: The conversation, ending where the answer begins.
        decoding: How tokens are chosen.
        num_samples: How many answers.
        seed: The seed. The n-th answer is the same for any number of samples.
        max_batch: How many answers are generated at once.
    """
    # At temperature 0 all answers are the same.
    distinct = num_samples if decoding.temperature > 0 else 1
    logits = session.read(conversation)
    answers: list[Answer] = []
    while len(answers) < distinct:
        count = min(distinct - len(answers), max_batch)
        sessions = [session.fork() for _ in range(count)] if distinct > 1 else [session]
        rows = [
            _Row(one, conversation, _draws(seed, len(answers) + index))
            for index, one in enumerate(sessions)
        ]
        answers += _decode(rows, logits.expand(count, -1), decoding)
    return answers * (num_samples // len(answers))


def generate_batch(
    sessions: Sequence[GenerationSession],
    conversations: Sequence[Conversation],
    decoding: Decoding,
    *,
    seeds: Sequence[int],
) -> list[Answer]:
    """Answer G conversations at once, each with a cache of its own.

    The answers are those of ``generate(session, conversation, decoding, seed=seed)`` one by one.
    New parts are computed one conversation after another (the same one only once), tokens of
    answers for all together; answers that end leave the batch. Call it again with the sessions of
    those episodes that go on.

    Args:
        sessions: G sessions of one model.
        conversations: The conversation of each; lengths may differ.
        decoding: How tokens are chosen.
        seeds: The seed of each.

    Returns:
        G answers, in order.

    Raises:
        ConfigError: If the numbers of sessions, conversations and seeds differ.
    """
    counts = {len(sessions), len(conversations), len(seeds)}
    if counts != {len(sessions)} or not sessions or len(set(map(id, sessions))) < len(sessions):
        raise ConfigError(
            "each conversation needs a session of its own and a seed; got "
            f"{len(sessions)} sessions, {len(conversations)} conversations, {len(seeds)} seeds"
        )
    logits: list[Tensor] = []
    read: dict[tuple[int | str, ...], int] = {}
    for index, (session, conversation) in enumerate(zip(sessions, conversations, strict=True)):
        key = tuple(session.backbone.keys(conversation))
        earlier = read.setdefault(key, index)
        if earlier < index:
            session.become(sessions[earlier])
            logits.append(logits[earlier])
        else:
            logits.append(session.read(conversation))
    rows = [
        _Row(session, conversation, _draws(seed, 0))
        for session, conversation, seed in zip(sessions, conversations, seeds, strict=True)
    ]
    return _decode(rows, torch.stack(logits), decoding)


def hidden_states(vlm: Any, conversation: Conversation) -> Tensor:
    """Return the normalized states of the last layer of a whole conversation.

    Nothing is kept between calls, and gradients flow to all parameters that are trained.
    ``vlm.lm_head`` turns states into the logits of the next token.

    Returns:
        Shape (L, d).
    """
    backbone = Backbone(vlm)
    distinct = {image.digest: image for image in conversation.images}
    features = dict(zip(distinct, encode_images(vlm, list(distinct.values())), strict=True))
    shown = [features[image.digest] for image in conversation.images]
    return backbone.run(backbone.embed(conversation, shown))[0]


# -- decoding --------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Row:
    """An answer in the making."""

    session: GenerationSession
    conversation: Conversation
    draws: Iterator[float]
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    finish: Finish | None = None
    place: int = 0
    """The rotary position of the next token."""
    past: Past = ()
    earlier_states: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        session = self.session
        self.place = int(session.backbone.positions(self.conversation).max()) + 1
        self.past, self.earlier_states = session._past or (), session.seg_states
        # Taken from the session, which is then empty if generation fails.
        session.clear(keep_images=True)

    def add(self, token: int, log_prob: float, stops: set[int], limit: int) -> None:
        """Take the next token, and note whether it is the last."""
        self.tokens.append(token)
        self.log_probs.append(log_prob)
        if token in stops:
            self.finish = "stop"
        elif len(self.tokens) == limit:
            self.finish = "length"

    def leave(self, past: Past) -> None:
        """Give the session its part of the batch's cache, which lacks the last token."""
        session = self.session
        start = len(self.conversation.tokens)
        states = dict(self.earlier_states)
        places = [
            start + at for at, token in enumerate(self.tokens[:-1]) if token == session.seg_token
        ]
        states.update(zip(places, self.states, strict=True))
        keys = [*session.backbone.keys(self.conversation), *self.tokens[:-1]]
        session._hold(keys, past, states)

    def answer(self, *, complete_last: bool) -> Answer:
        """Return the finished answer."""
        session = self.session
        places = [at for at, token in enumerate(self.tokens) if token == session.seg_token]
        if complete_last and len(places) > len(self.states):
            whole = self.conversation.extended(self.tokens)
            computed = session.num_computed
            session.read(whole)
            session.num_computed = computed
            self.states.append(session.seg_states[len(whole.tokens) - 1])
        width = session.backbone.vlm.config.get_text_config().hidden_size
        states = torch.stack(self.states) if self.states else torch.empty(0, width)
        return Answer(
            tuple(self.tokens),
            torch.tensor(self.log_probs),
            tuple(places),
            states.to(session.backbone.vlm.lm_head.weight),
            self.finish or "length",
        )


class _Batch:
    """The caches of several rows in one, padded on the left."""

    def __init__(self, rows: list[_Row]) -> None:
        pasts = [row.past for row in rows]
        for row in rows:
            row.past = ()
        lengths = [len(row.conversation.tokens) for row in rows]
        self.pads = [max(lengths) - length for length in lengths]
        if len(rows) == 1:
            self.cache = make_cache(pasts[0])
            return
        layers = []
        for layer in range(len(pasts[0])):
            keys, values = (
                torch.cat(
                    [
                        _pad(past[layer][side], pad)
                        for past, pad in zip(pasts, self.pads, strict=True)
                    ]
                )
                for side in (0, 1)
            )
            layers.append((keys, values))
        self.cache = make_cache(tuple(layers))

    def take(self, index: int) -> Past:
        """Return the keys and values of one row, without its padding."""
        pad, alone = self.pads[index], len(self.pads) == 1
        return tuple(
            (keys, values)
            if alone and not pad
            else (
                keys[index : index + 1, :, pad:].clone(),
                values[index : index + 1, :, pad:].clone(),
            )
            for keys, values in take_past(self.cache)
        )

    def keep(self, rows: list[int]) -> None:
        """Drop the other rows, and the padding that only they needed."""
        pads = [self.pads[row] for row in rows]
        least = min(pads)
        kept = tuple(
            (keys[rows, :, least:], values[rows, :, least:])
            for keys, values in take_past(self.cache)
        )
        self.pads = [pad - least for pad in pads]
        self.cache = make_cache(kept)

    def mask(self, device: torch.device) -> Tensor | None:
        """Return which places of the cache and the next token are no padding."""
        if not any(self.pads):
            return None
        length = self.cache.get_seq_length() + 1
        places = torch.arange(length, device=device)
        return (places >= torch.tensor(self.pads, device=device)[:, None]).long()


def _decode(rows: list[_Row], logits: Tensor, decoding: Decoding) -> list[Answer]:
    """Answer all rows, whose sessions hold their conversations.

    Args:
        rows: The rows.
        logits: Of the first token of each, shape (B, vocabulary).
        decoding: How tokens are chosen.
    """
    backbone = rows[0].session.backbone
    stops = stop_tokens(backbone.vlm)
    active = list(rows)
    with evaluating(backbone.vlm):
        batch = _Batch(rows)
        while True:
            drawn = [next(row.draws) for row in active]
            tokens = _choose(logits, decoding, torch.tensor(drawn, device=logits.device))
            chances = logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0]
            for row, token, chance in zip(active, tokens.tolist(), chances.tolist(), strict=True):
                row.add(token, chance, stops, decoding.max_tokens)
            going = [index for index, row in enumerate(active) if row.finish is None]
            if len(going) < len(active):
                for index, row in enumerate(active):
                    if row.finish is not None:
                        row.leave(batch.take(index))
                if not going:
                    break
                batch.keep(going)
                active, tokens = [active[index] for index in going], tokens[going]
            places = torch.tensor([row.place for row in active], device=tokens.device)
            states = backbone.run(
                backbone.embed_next(tokens, places),
                batch.cache,
                mask=batch.mask(tokens.device),
            )[:, -1]
            for index, row in enumerate(active):
                row.place += 1
                if row.tokens[-1] == row.session.seg_token:
                    row.states.append(states[index].clone())
            logits = backbone.logits(states)
    return [row.answer(complete_last=decoding.complete_last) for row in rows]


def _choose(logits: Tensor, decoding: Decoding, drawn: Tensor) -> Tensor:
    """Return the next token of each row, shape (B,).

    Args:
        logits: Shape (B, vocabulary), dtype float32.
        decoding: How tokens are chosen.
        drawn: A number in [0, 1) for each row: which part of the distribution is taken.
    """
    if decoding.forbidden:
        logits = logits.index_fill(
            -1, torch.tensor(decoding.forbidden, device=logits.device), -torch.inf
        )
    if decoding.temperature <= 0:
        return logits.argmax(-1)
    chances = (logits / decoding.temperature).softmax(-1)
    if decoding.top_p < 1:
        chances, order = chances.sort(dim=-1, descending=True, stable=True)
        before = chances.cumsum(-1) - chances
        chances = chances.where(before < decoding.top_p, 0.0)
    sums = chances.cumsum(-1)
    total = sums[:, -1:]
    # Below the total, whatever the rounding, so that no token without a chance is taken.
    wanted = torch.minimum(drawn.to(total)[:, None] * total, total.nextafter(total.new_zeros(())))
    chosen = torch.searchsorted(sums, wanted, right=True)
    if decoding.top_p < 1:
        chosen = order.gather(-1, chosen)
    return chosen[:, 0]


def _draws(seed: int, index: int) -> Iterator[float]:
    """Yield numbers in [0, 1), the same on every device."""
    generator = np.random.default_rng([seed % 2**64, index])
    while True:
        yield generator.random()


def _pad(tensor: Tensor, count: int) -> Tensor:
    """Put zeros before the tokens of keys or values, shape (1, heads, L, width)."""
    return torch.nn.functional.pad(tensor, (0, 0, count, 0))


def _common_prefix(first: Sequence[object], second: Sequence[object]) -> int:
    """Return how many items two sequences begin with in common."""
    for index, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return index
    return min(len(first), len(second))


def _image_ends(keys: Sequence[int | str], conversation: Conversation) -> list[int]:
    """Return the position behind each image."""
    ends, at = [], 0
    for image in conversation.images:
        while not isinstance(keys[at], str):
            at += 1
        at += image.num_tokens
        ends.append(at)
    return ends
