"""The contract of grounders."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from videoseg.pipeline import run_episode
from videoseg.stages import Grounder
from videoseg.testing.checks import (
    StageContract,
    check,
    check_json,
    check_score,
    global_randomness_untouched,
)
from videoseg.testing.clips import moving_square, passing_squares
from videoseg.types import (
    Episode,
    FrameSelection,
    Grounding,
    Look,
    Move,
    Prompt,
    Size,
    VideoSource,
    Window,
    to_dict,
)

__all__ = ["GrounderContract"]


class GrounderContract(StageContract[Grounder]):
    """What ``videoseg.stages.Grounder`` asks for. Subclass it and implement ``make``.

    Attributes:
        queries: Queries for a clip with a red square, some for objects that are not there.
        sizes: Frame sizes that must work.
    """

    stage = "grounder"
    queries: ClassVar[tuple[str, ...]] = (
        "the red square that moves to the right",
        "the square that is there first",
        "a purple elephant",
        "xyzzy",
    )
    sizes: ClassVar[tuple[Size, ...]] = ((48, 64), (33, 47), (9, 13))

    def test_is_a_grounder(self) -> None:
        check(isinstance(self.make(), Grounder), "a grounder needs a method step(episode)")

    def test_answers_when_it_must(self) -> None:
        grounder = self.make()
        for query in self.queries:
            move = self._step(grounder, _episode(moving_square().video, query, max_turns=1))
            check(
                isinstance(move, Grounding),
                f"in the last turn the move must be a Grounding, got {type(move).__name__}",
            )

    def test_episodes_end_within_their_turns(self) -> None:
        grounder = self.make()
        video = passing_squares(16).video
        for max_turns in (1, 2, 5):
            for query in self.queries:
                episode = run_episode(
                    video, query, sampler=_Even(), grounder=grounder, max_turns=max_turns
                )
                check(
                    isinstance(episode.moves[-1], Grounding) and len(episode.moves) <= max_turns,
                    f"{query!r} was not answered within {max_turns} turns",
                )
                _check_move(episode.moves[-1], video)

    def test_an_episode_in_a_part_of_the_video_stays_there(self) -> None:
        window = Window(3, 9)
        for query in self.queries:
            episode = run_episode(
                moving_square(12).video,
                query,
                sampler=_Even(),
                grounder=self.make(),
                max_turns=3,
                window=window,
            )
            answer = episode.grounding
            frames = [] if answer is None else [prompt.frame for prompt in answer.prompts]
            check(all(f in window for f in frames), f"frames {frames} lie outside {window}")

    def test_a_video_of_one_frame(self) -> None:
        grounder, video = self.make(), moving_square(1).video
        for query in self.queries:
            _check_move(self._step(grounder, _episode(video, query)), video)

    def test_tiny_and_odd_sizes(self) -> None:
        grounder = self.make()
        for size in self.sizes:
            video = moving_square(6, size=size).video
            _check_move(self._step(grounder, _episode(video, self.queries[0])), video)

    def test_a_selection_without_and_with_a_keyframe(self) -> None:
        grounder, video = self.make(), moving_square(12).video
        for keyframe in (None, 0, 7, 11):
            episode = _episode(video, self.queries[0], keyframe=keyframe)
            _check_move(self._step(grounder, episode), video)

    def test_the_same_seed_gives_the_same_move(self) -> None:
        video = moving_square().video
        for query in self.queries[:2]:
            episode = _episode(video, query, seed=5)
            first = _comparable(self._step(self.make(), episode))
            second = _comparable(self._step(self.make(), episode))
            check(first == second, f"seed 5 gave two different moves for {query!r}")

    def test_keeps_no_state_between_episodes(self) -> None:
        grounder = self.make()
        one = _episode(moving_square().video, self.queries[0])
        other = _episode(passing_squares().video, self.queries[-1])
        alone = _comparable(self._step(self.make(), one))
        self._step(grounder, other)
        check(
            _comparable(self._step(grounder, one)) == alone,
            "what a grounder answers in one episode must not depend on another",
        )

    def test_leaves_shared_random_numbers_alone(self) -> None:
        with global_randomness_untouched("a grounder"):
            self._step(self.make(), _episode(moving_square().video, self.queries[0]))

    def test_moves_go_to_json_and_back(self) -> None:
        grounder = self.make()
        for query in self.queries:
            move = self._step(grounder, _episode(moving_square().video, query))
            check_json(move, f"a {type(move).__name__}")

    def _step(self, grounder: Grounder, episode: Episode) -> Move:
        move = grounder.step(episode)
        check(
            isinstance(move, Look | Grounding),
            f"step() must return a Look or a Grounding, got {type(move).__name__}",
        )
        _check_move(move, episode.video)
        return move


class _Even:
    """Six frames at equal distances, and the keyframe if one is asked for."""

    def sample(
        self,
        video: VideoSource,
        query: str,
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,
    ) -> FrameSelection:
        del video, query, seed
        step = max(1, len(window) // 6)
        indices = range(window.start, window.stop, step)
        return FrameSelection.of(indices, window=window, keyframe=keyframe)


def _episode(
    video: VideoSource,
    query: str,
    *,
    max_turns: int = 3,
    seed: int = 0,
    keyframe: int | None = None,
) -> Episode:
    window = Window(0, len(video))
    selection = _Even().sample(video, query, window=window, keyframe=keyframe)
    episode = Episode(video, query, max_turns=max_turns, seed=seed)
    return replace(episode, selections=(selection,))


def _comparable(move: Move) -> tuple[str, object]:
    return type(move).__name__, to_dict(move)


def _check_move(move: Move, video: VideoSource) -> None:
    if isinstance(move, Look):
        return
    num_frames = len(video)
    check_score(move.confidence, "a grounding's confidence")
    if move.keyframe is not None:
        check(0 <= move.keyframe < num_frames, f"the video has no keyframe {move.keyframe}")
    for prompt in move.prompts:
        _check_prompt(prompt, video, num_frames)


def _check_prompt(prompt: Prompt, video: VideoSource, num_frames: int) -> None:
    height, width = video.size
    who = f"the prompt of object {prompt.object_id}"
    check(0 <= prompt.frame < num_frames, f"{who}: the video has no frame {prompt.frame}")
    check_score(prompt.score, f"{who}: its score")
    if prompt.box is not None:
        box = prompt.box
        check(
            box.x1 >= 0 and box.y1 >= 0 and box.x2 <= width and box.y2 <= height,
            f"{who}: its box {box.as_tuple()} must lie inside a frame of {width}x{height}",
        )
    for point in (*prompt.points, *prompt.negative_points):
        check(
            0 <= point.x <= width and 0 <= point.y <= height,
            f"{who}: {point} must lie inside a frame of {width}x{height}",
        )
    if prompt.mask is not None:
        check(
            tuple(prompt.mask.size) == (height, width),
            f"{who}: its mask must have the frame's size {(height, width)}",
        )
