"""The contract of segmenters."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from videoseg.masks import iou
from videoseg.stages import Segmenter
from videoseg.testing.checks import (
    StageContract,
    check,
    check_mask,
    check_score,
    global_randomness_untouched,
)
from videoseg.testing.clips import moving_square, passing_squares
from videoseg.types import BoolArray, Box, ObjectMask, Point, Prompt, Size, VideoSource

__all__ = ["SegmenterContract"]


class SegmenterContract(StageContract[Segmenter]):
    """What ``videoseg.stages.Segmenter`` asks for. Subclass it and implement ``make``.

    Attributes:
        sizes: Frame sizes that must work.
        least_iou: How well a plain red square on gray must be cut out from its box; 0 if
            your segmenter cannot be expected to.
    """

    stage = "segmenter"
    sizes: ClassVar[tuple[Size, ...]] = ((48, 64), (33, 47), (9, 13))
    least_iou: ClassVar[float] = 0.5

    def test_is_a_segmenter(self) -> None:
        check(
            isinstance(self.make(), Segmenter),
            "a segmenter needs a method segment(video, prompts)",
        )

    def test_one_mask_for_each_prompt(self) -> None:
        clip = passing_squares()
        prompts = [clip.prompt(1, 0, kind="box"), clip.prompt(2, 0, kind="box")]
        self._segment(self.make(), clip.video, prompts)

    def test_no_prompts_give_no_masks(self) -> None:
        answers = self.make().segment(moving_square().video, ())
        check(len(answers) == 0, f"no prompts must give no masks, got {len(answers)}")

    def test_finds_a_plain_square_in_its_box(self) -> None:
        clip = moving_square()
        found = self._segment(self.make(), clip.video, [clip.prompt(1, 3, kind="box")])[0]
        score = iou(found, clip.masks[1][3])
        check(
            score >= self.least_iou,
            f"a plain square must be found with IoU {self.least_iou}, got {score:.2f}",
        )

    def test_points_are_enough(self) -> None:
        clip = moving_square()
        self._segment(self.make(), clip.video, [clip.prompt(1, 3, kind="point")])
        box = clip.box(1, 3)
        outside = Point(0.5, 0.5) if box.x1 > 1 else Point(clip.size[1] - 0.5, 0.5)
        both = Prompt(1, 3, box=box, points=(box.center,), negative_points=(outside,))
        self._segment(self.make(), clip.video, [both])

    def test_masks_come_in_the_order_of_the_prompts(self) -> None:
        clip = passing_squares()
        prompts = [clip.prompt(1, 0, kind="box"), clip.prompt(2, 0, kind="box")]
        masks = self._segment(self.make(), clip.video, prompts)
        swapped = self._segment(self.make(), clip.video, prompts[::-1])
        check(
            all(np.array_equal(a, b) for a, b in zip(masks, swapped[::-1], strict=True)),
            "prompts in another order must give the same masks in that order",
        )

    def test_one_pixel_is_not_given_to_two_objects_apart(self) -> None:
        clip = passing_squares()
        prompts = [clip.prompt(1, 0, kind="box"), clip.prompt(2, 0, kind="box")]
        first, second = self._segment(self.make(), clip.video, prompts)
        shared = int(np.logical_and(first, second).sum())
        check(shared == 0, f"boxes apart must give masks apart, {shared} pixels are in both")

    def test_prompts_on_different_frames(self) -> None:
        clip = passing_squares()
        last = clip.num_frames - 1
        prompts = [clip.prompt(1, 0, kind="box"), clip.prompt(1, last, kind="box")]
        masks = self._segment(self.make(), clip.video, prompts)
        if self.least_iou > 0:
            check(
                iou(masks[1], clip.masks[1][last]) > iou(masks[1], clip.masks[1][0]),
                "each mask must be made on its own prompt's frame",
            )

    def test_a_video_of_one_frame(self) -> None:
        clip = moving_square(1)
        self._segment(self.make(), clip.video, [clip.prompt(1, 0, kind="box")])

    def test_tiny_and_odd_sizes(self) -> None:
        segmenter = self.make()
        for size in self.sizes:
            clip = moving_square(5, size=size)
            self._segment(segmenter, clip.video, [clip.prompt(1, 2, kind="box")])

    def test_boxes_at_the_border(self) -> None:
        clip = moving_square()
        height, width = clip.size
        boxes = [Box(0, 0, width, height), Box(-5, -5, 6, 6), Box(width - 3, height - 3, 999, 999)]
        prompts = [Prompt(index, 2, box=box) for index, box in enumerate(boxes, start=1)]
        for prompt in prompts:
            self._segment(self.make(), clip.video, [prompt])

    def test_the_same_prompts_give_the_same_masks(self) -> None:
        clip = moving_square()
        prompts = [clip.prompt(1, 3, kind="box")]
        segmenter = self.make()
        masks = [self._segment(segmenter, clip.video, prompts)[0] for _ in range(2)]
        masks += self._segment(self.make(), clip.video, prompts)
        check(
            all(np.array_equal(masks[0], mask) for mask in masks[1:]),
            "the same prompts must give the same masks, however often they are asked for",
        )

    def test_leaves_shared_random_numbers_alone(self) -> None:
        clip = moving_square()
        with global_randomness_untouched("a segmenter"):
            self._segment(self.make(), clip.video, [clip.prompt(1, 0, kind="box")])

    def _segment(
        self, segmenter: Segmenter, video: VideoSource, prompts: Sequence[Prompt]
    ) -> list[BoolArray]:
        answers = segmenter.segment(video, prompts)
        check(
            len(answers) == len(prompts),
            f"{len(prompts)} prompts must give as many masks, got {len(answers)}",
        )
        for answer in answers:
            check(
                isinstance(answer, ObjectMask),
                f"segment() must return ObjectMask objects, got {type(answer).__name__}",
            )
            check_mask(answer.mask, video.size, "a segmenter's mask")
            check_score(answer.score, "a segmenter's score")
        return [answer.mask for answer in answers]
