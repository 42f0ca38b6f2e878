"""The contract of propagators."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from videoseg.errors import PropagationError
from videoseg.masks import iou
from videoseg.stages import Direction, Propagator, PropagatorSession
from videoseg.testing.checks import (
    StageContract,
    check,
    check_mask,
    global_randomness_untouched,
    refuses,
)
from videoseg.testing.clips import (
    LiveSource,
    RenderedSource,
    ToyClip,
    moving_square,
    passing_squares,
)
from videoseg.types import (
    Box,
    Embedding,
    Frame,
    FrameMasks,
    Prompt,
    PropagatorCapabilities,
    Rle,
    Size,
    VideoSource,
)

__all__ = ["PropagatorContract"]

_PROMPT_KINDS = ("mask", "box", "point")


class PropagatorContract(StageContract[Propagator]):
    """What ``videoseg.stages.Propagator`` asks for. Subclass it and implement ``make``.

    A capability that is declared must work; what needs another one must be refused with a
    ``PropagationError``.

    Attributes:
        sizes: Frame sizes that must work.
        least_iou: How well a plain red square on gray must be followed from its mask, as
            the mean IoU; 0 if your propagator cannot be expected to (random weights).
        registered: The capabilities in the component's declaration, if it has one.
        memory_frames: After how many frames memory is measured, and after how many more it is
            measured again. A propagator with a larger memory bank needs more to fill it.
        memory_size: The size of the frames while memory is measured.
    """

    stage = "propagator"
    sizes: ClassVar[tuple[Size, ...]] = ((48, 64), (33, 47), (9, 13))
    least_iou: ClassVar[float] = 0.5
    registered: ClassVar[PropagatorCapabilities | None] = None
    memory_frames: ClassVar[tuple[int, int]] = (30, 50)
    memory_size: ClassVar[Size] = (48, 64)

    # -- form ---------------------------------------------------------------------------

    def test_is_a_propagator(self) -> None:
        propagator = self.make()
        check(
            isinstance(propagator, Propagator),
            "a propagator needs a property capabilities and a method open(video, *, seed)",
        )
        check(
            isinstance(propagator.capabilities, PropagatorCapabilities),
            "capabilities must be a PropagatorCapabilities",
        )
        with propagator.open(moving_square().video) as session:
            check(
                isinstance(session, PropagatorSession),
                "a session needs prompt, run, close and to be a context manager",
            )

    def test_declares_what_its_component_declares(self) -> None:
        if self.registered is not None:
            check(
                self.make().capabilities == self.registered,
                "the capabilities of the instance and of its Component must be the same",
            )

    # -- one frame after another --------------------------------------------------------

    def test_forward_yields_each_frame_once_in_order(self) -> None:
        clip = moving_square()
        for frame in (0, 4, clip.num_frames - 1):
            frames = self._frames(clip, self._prompt(clip, 1, frame))
            check(
                frames == list(range(frame, clip.num_frames)),
                f"forward from frame {frame} must yield it and all after it, got {frames}",
            )

    def test_backward_yields_each_frame_once_in_order(self) -> None:
        if not self.make().capabilities.backward:
            return
        clip = moving_square()
        for frame in (0, 4, clip.num_frames - 1):
            frames = self._frames(clip, self._prompt(clip, 1, frame), direction="backward")
            check(
                frames == list(range(frame, -1, -1)),
                f"backward from frame {frame} must yield it down to 0, got {frames}",
            )

    def test_stop_ends_a_run(self) -> None:
        clip = moving_square()
        frames = self._frames(clip, self._prompt(clip, 1, 2), stop=7)
        check(frames == list(range(2, 7)), f"stop=7 must end before frame 7, got {frames}")
        if self.make().capabilities.backward:
            frames = self._frames(clip, self._prompt(clip, 1, 8), direction="backward", stop=5)
            check(frames == [8, 7, 6, 5], f"backward, stop=5 must end with frame 5, got {frames}")

    def test_both_directions_in_one_session(self) -> None:
        if not self.make().capabilities.backward:
            return
        clip = moving_square()
        with self._open(clip.video, self._prompt(clip, 1, 5)) as session:
            forward = [m.frame for m in self._run(session, clip.video)]
            backward = [m.frame for m in self._run(session, clip.video, direction="backward")]
        check(
            forward == list(range(5, 12)) and backward == [5, 4, 3, 2, 1, 0],
            f"forward and then backward must both be whole, got {forward} and {backward}",
        )

    def test_a_video_of_one_frame(self) -> None:
        clip = moving_square(1)
        frames = self._frames(clip, self._prompt(clip, 1, 0))
        check(frames == [0], f"a video of one frame must yield frame 0, got {frames}")

    def test_tiny_and_odd_sizes(self) -> None:
        for size in self.sizes:
            clip = moving_square(5, size=size)
            frames = self._frames(clip, self._prompt(clip, 1, 1))
            check(frames == [1, 2, 3, 4], f"frames of size {size} gave {frames}")

    # -- objects ------------------------------------------------------------------------

    def test_follows_a_plain_square(self) -> None:
        clip = moving_square()
        with self._open(clip.video, self._prompt(clip, 1, 0)) as session:
            scores = [
                iou(masks.masks[1], clip.masks[1][masks.frame])
                for masks in self._run(session, clip.video)
            ]
        mean = float(np.mean(scores))
        check(
            mean >= self.least_iou,
            f"a plain square must be followed with IoU {self.least_iou}, got {mean:.2f}",
        )

    def test_late_objects_keep_the_ids_of_earlier_ones(self) -> None:
        capabilities = self.make().capabilities
        clip = passing_squares()
        prompts = [self._prompt(clip, 1, 0), self._prompt(clip, 2, 6)]
        if not _can_hold(capabilities, 2):
            return
        if not capabilities.late_objects:
            with refuses(PropagationError, "an object that comes late"):
                self._frames(clip, *prompts)
            return
        for prompt_order in (prompts, prompts[::-1]):
            with self._open(clip.video, *prompt_order) as session:
                seen = {m.frame: sorted(m.masks) for m in self._run(session, clip.video)}
            check(
                all(ids == ([1] if frame < 6 else [1, 2]) for frame, ids in seen.items()),
                f"object 1 must be there from frame 0 and object 2 from frame 6, got {seen}",
            )

    def test_an_object_may_be_added_while_a_run_is_under_way(self) -> None:
        capabilities = self.make().capabilities
        if not (capabilities.late_objects and _can_hold(capabilities, 2)):
            return
        clip = passing_squares()
        seen: dict[int, list[int]] = {}
        with self._open(clip.video, self._prompt(clip, 1, 0)) as session:
            for masks in self._run(session, clip.video):
                seen[masks.frame] = sorted(masks.masks)
                if masks.frame == 3:
                    session.prompt(self._prompt(clip, 2, 7))
        check(
            all(ids == ([1] if frame < 7 else [1, 2]) for frame, ids in seen.items()),
            f"an object prompted for frame 7 during the run must appear from there on, got {seen}",
        )

    def test_objects_are_not_confused(self) -> None:
        if self.least_iou == 0 or not _can_hold(self.make().capabilities, 2):
            return
        clip = passing_squares()
        both = [self._prompt(clip, object_id, 0) for object_id in (1, 2)]
        with self._open(clip.video, *both) as session:
            for masks in self._run(session, clip.video):
                for object_id, other in ((1, 2), (2, 1)):
                    own = iou(masks.masks[object_id], clip.masks[object_id][masks.frame])
                    wrong = iou(masks.masks[object_id], clip.masks[other][masks.frame])
                    check(
                        own > wrong,
                        f"on frame {masks.frame} object {object_id} lies on object {other}",
                    )

    def test_more_objects_than_a_pass_holds_are_refused(self) -> None:
        limit = self.make().capabilities.max_objects_per_pass
        if limit is None:
            return
        clip = moving_square()
        first = self._prompt(clip, 1, 0)
        prompts = [
            Prompt(object_id, 0, box=first.box, points=first.points, mask=first.mask)
            for object_id in range(1, limit + 2)
        ]
        with refuses(PropagationError, f"object {limit + 1} of {limit} in one pass"):
            self._frames(clip, *prompts)

    def test_masks_already_yielded_do_not_change(self) -> None:
        clip = moving_square()
        with self._open(clip.video, self._prompt(clip, 1, 0)) as session:
            kept = [(m.masks[1], m.masks[1].copy()) for m in self._run(session, clip.video)]
        check(
            all(np.array_equal(mask, copy) for mask, copy in kept),
            "a mask belongs to the caller once it is yielded; it must not be written again",
        )

    # -- prompts ------------------------------------------------------------------------

    def test_takes_the_declared_kinds_of_prompts_only(self) -> None:
        clip = moving_square()
        takes = _kinds_of(self.make().capabilities)
        check(
            takes or self.make().capabilities.embeddings,
            "a propagator must take masks, boxes, points or embeddings",
        )
        for kind in _PROMPT_KINDS:
            prompt = clip.prompt(1, 2, kind=kind)
            if kind in takes:
                self._frames(clip, prompt)
            else:
                with refuses(PropagationError, f"a {kind} that is not declared"):
                    self._frames(clip, prompt)

    def test_refuses_embeddings_of_unknown_models(self) -> None:
        clip = moving_square()
        prompt = Prompt(1, 0, embedding=Embedding("an unknown model", (0.0, 1.0)))
        with refuses(PropagationError, "an embedding of an unknown model"):
            self._frames(clip, prompt)

    def test_refuses_prompts_that_do_not_fit_the_video(self) -> None:
        clip = moving_square()
        height, width = clip.size
        empty = Rle.encode(np.zeros(clip.size, dtype=bool))
        small = Rle.encode(np.ones((3, 4), dtype=bool))
        outside = Box(width + 5, height + 5, width + 9, height + 9)
        takes = _kinds_of(self.make().capabilities)
        for kind, what, prompt in (
            ("", "a frame after the end", self._prompt(clip, 1, 0, moved_to=clip.num_frames)),
            ("mask", "an empty mask", Prompt(1, 0, mask=empty)),
            ("mask", "a mask of another size", Prompt(1, 0, mask=small)),
            ("box", "a box outside the frame", Prompt(1, 0, box=outside)),
            ("point", "a point outside the frame", Prompt(1, 0, points=(outside.center,))),
        ):
            if not kind or kind in takes:
                with refuses(PropagationError, what):
                    self._frames(clip, prompt)

    def test_refuses_two_prompts_for_one_object_on_a_frame(self) -> None:
        clip = moving_square()
        with refuses(PropagationError, "a second prompt for one object on one frame"):
            self._frames(clip, self._prompt(clip, 1, 2), self._prompt(clip, 1, 2))

    def test_corrections_work_or_are_refused(self) -> None:
        clip = moving_square()
        prompts = [self._prompt(clip, 1, 0), self._prompt(clip, 1, 6)]
        if self.make().capabilities.corrections:
            frames = self._frames(clip, *prompts)
            check(frames == list(range(12)), f"a corrected run must be whole, got {frames}")
        else:
            with refuses(PropagationError, "a correction that is not declared"):
                self._frames(clip, *prompts)

    def test_refuses_backward_unless_declared(self) -> None:
        if not self.make().capabilities.backward:
            clip = moving_square()
            with refuses(PropagationError, "running backward, which is not declared"):
                self._frames(clip, self._prompt(clip, 1, 5), direction="backward")

    def test_runs_on_a_live_source_if_declared(self) -> None:
        if not self.make().capabilities.live:
            return
        source = LiveSource(10, period=12)
        with self._open(source, self._prompt(moving_square(), 1, 0)) as session:
            frames = [masks.frame for masks in self._run(session, source)]
        check(frames == list(range(10)), f"a live run must reach the end, got {frames}")

    # -- sessions -----------------------------------------------------------------------

    def test_the_same_seed_gives_the_same_masks(self) -> None:
        clip = moving_square()
        first, second = (self._all(clip, seed=5) for _ in range(2))
        check(_same(first, second), "seed 5 gave different masks in two sessions")

    def test_sessions_are_independent(self) -> None:
        one, other = moving_square(), passing_squares()
        alone = self._all(one)
        shared = self.make()
        interleaved: list[FrameMasks] = []
        with (
            self._open(one.video, self._prompt(one, 1, 0), propagator=shared) as first,
            self._open(other.video, self._prompt(other, 2, 0), propagator=shared) as second,
        ):
            others = self._run(second, other.video)
            for masks in self._run(first, one.video):
                interleaved.append(masks)
                next(others, None)
        check(_same(alone, interleaved), "a session gave other masks because another was open")

    def test_a_closed_session_refuses_prompts_and_runs(self) -> None:
        clip = moving_square()
        session = self._open(clip.video, self._prompt(clip, 1, 0))
        session.close()
        session.close()
        with refuses(PropagationError, "a prompt after close()"):
            session.prompt(self._prompt(clip, 1, 3))
        with refuses(PropagationError, "a run after close()"):
            next(iter(session.run()), None)

    def test_leaving_the_block_closes_the_session(self) -> None:
        clip = moving_square()
        with self._open(clip.video, self._prompt(clip, 1, 0)) as session:
            # A run that is left before its end must not keep the session from closing.
            next(iter(session.run()))
        with refuses(PropagationError, "a run after the block"):
            next(iter(session.run()), None)

    def test_leaves_shared_random_numbers_alone(self) -> None:
        with global_randomness_untouched("a propagator"):
            self._all(moving_square(), seed=3)

    # -- memory -------------------------------------------------------------------------

    def test_memory_does_not_grow_with_the_video(self) -> None:
        filled, later = self.memory_frames
        size = self.memory_size
        # Imports and caches that fill once, even late in a run, must not count as growth.
        self._memory_at(RenderedSource(filled, size=size), ())
        tracemalloc.start()
        try:
            source = RenderedSource(filled + later, size=size)
            before, after = self._memory_at(source, (filled, filled + later - 1))
        finally:
            tracemalloc.stop()
        per_frame = (after - before) / later
        # Keeping even one mask as bits would be H * W / 8 bytes for each frame.
        limit = size[0] * size[1] / 16
        check(
            per_frame < limit,
            f"memory grew by {after - before:,} bytes over {later} frames ({per_frame:,.0f} for "
            f"each frame of {size}); a session must not keep frames and masks that it has yielded",
        )

    def test_a_run_does_not_read_far_ahead(self) -> None:
        source = _Counting(400, size=self.memory_size)
        clip = moving_square(24, size=source.size)
        with self._open(source, self._prompt(clip, 1, 0)) as session:
            run = iter(session.run())
            for _ in range(5):
                next(run)
        check(
            source.furthest < 200,
            f"after 5 frames the session had already read frame {source.furthest}; masks must "
            "leave a session as soon as they are made",
        )

    # -- helpers ------------------------------------------------------------------------

    def _memory_at(self, source: RenderedSource, frames: tuple[int, ...]) -> list[int]:
        """Return the memory in use, in bytes, when the run reaches each of these frames."""
        used = []
        clip = moving_square(24, size=source.size)
        with self._open(source, self._prompt(clip, 1, 0)) as session:
            for masks in session.run():
                if masks.frame in frames:
                    gc.collect()
                    used.append(tracemalloc.get_traced_memory()[0])
        return used

    def _prompt(
        self, clip: ToyClip, object_id: int, frame: int, *, moved_to: int | None = None
    ) -> Prompt:
        """Return a prompt of the first kind that the propagator takes."""
        capabilities = self.make().capabilities
        kind = "mask" if capabilities.masks else "box" if capabilities.boxes else "point"
        prompt = clip.prompt(object_id, frame, kind=kind)
        return prompt if moved_to is None else replace(prompt, frame=moved_to)

    def _open(
        self,
        video: VideoSource,
        *prompts: Prompt,
        propagator: Propagator | None = None,
        seed: int = 0,
    ) -> PropagatorSession:
        """Return a session, of a new propagator by default, that was given these prompts."""
        session = (propagator or self.make()).open(video, seed=seed)
        try:
            for prompt in prompts:
                session.prompt(prompt)
        except BaseException:
            session.close()
            raise
        return session

    def _all(self, clip: ToyClip, *, seed: int = 0) -> list[FrameMasks]:
        with self._open(clip.video, self._prompt(clip, 1, 0), seed=seed) as session:
            return list(self._run(session, clip.video))

    def _frames(
        self,
        clip: ToyClip,
        *prompts: Prompt,
        direction: Direction = "forward",
        stop: int | None = None,
    ) -> list[int]:
        with self._open(clip.video, *prompts) as session:
            run = self._run(session, clip.video, direction=direction, stop=stop)
            return [masks.frame for masks in run]

    def _run(
        self,
        session: PropagatorSession,
        video: VideoSource,
        *,
        direction: Direction = "forward",
        stop: int | None = None,
    ) -> Iterator[FrameMasks]:
        for masks in session.run(direction, stop=stop):
            check(
                isinstance(masks, FrameMasks),
                f"run() must yield FrameMasks, got {type(masks).__name__}",
            )
            check(
                tuple(masks.size) == tuple(video.size),
                f"frame {masks.frame}: its size must be {video.size}, got {masks.size}",
            )
            for object_id, mask in masks.masks.items():
                check_mask(mask, video.size, f"frame {masks.frame}, object {object_id}: the mask")
            yield masks


def _can_hold(capabilities: PropagatorCapabilities, num_objects: int) -> bool:
    limit = capabilities.max_objects_per_pass
    return limit is None or limit >= num_objects


def _kinds_of(capabilities: PropagatorCapabilities) -> tuple[str, ...]:
    declared = (capabilities.masks, capabilities.boxes, capabilities.points)
    return tuple(kind for kind, takes in zip(_PROMPT_KINDS, declared, strict=True) if takes)


def _same(first: Sequence[FrameMasks], second: Sequence[FrameMasks]) -> bool:
    return len(first) == len(second) and all(
        a.frame == b.frame
        and sorted(a.masks) == sorted(b.masks)
        and all(np.array_equal(a.masks[key], b.masks[key]) for key in a.masks)
        for a, b in zip(first, second, strict=True)
    )


class _Counting(RenderedSource):
    """Remembers the last frame that was asked for."""

    furthest = 0

    def _paint(self, index: int) -> Frame:
        self.furthest = max(self.furthest, index)
        return super()._paint(index)
