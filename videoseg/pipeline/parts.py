"""A run on a part of a video: what goes in and comes out is in the whole video's terms."""

from __future__ import annotations

from dataclasses import dataclass, replace

from videoseg.errors import ConfigError
from videoseg.results.thumbnails import resized_mask, scale_prompt
from videoseg.types import (
    Box,
    Comparison,
    FrameGroup,
    FrameMasks,
    FrameSelection,
    Grounding,
    MaskTrack,
    Prompt,
    Rle,
    RoughPlace,
    Size,
    Trace,
    TraceTurn,
    VideoPart,
    VideoSource,
    Window,
)

__all__ = ["PartOfWhole"]


@dataclass(frozen=True)
class PartOfWhole:
    """Translates between a part of a video, as stages see it, and the whole video.

    Args:
        part: The part.
        whole: The whole video.
    """

    part: VideoPart
    whole: VideoSource

    @staticmethod
    def of(video: VideoSource) -> PartOfWhole | None:
        """Return the translation for a part; None for a video that is not a part of another."""
        from videoseg.video import Video

        part = video.part_of_whole if isinstance(video, Video) else None
        if part is None or not isinstance(video, Video):
            return None
        return PartOfWhole(part, video.whole)

    @property
    def _size(self) -> Size:
        return self.whole.size

    # -- into the part ---------------------------------------------------------------------

    def to_part(self, grounding: Grounding) -> Grounding:
        """Return an answer in the frames and pixels of the part; places on frames it lacks go.

        Raises:
            ConfigError: If a prompt is on a frame that the part does not have, or has a mask of
                another size than the video.
        """
        prompts = tuple(self._prompt_in_part(prompt) for prompt in grounding.prompts)
        keyframe = grounding.keyframe
        if keyframe is not None:
            frames = self.part.frames
            inside = min(max(keyframe, frames[0]), frames[-1])
            keyframe = (inside - frames.start) // frames.step
        places = tuple(
            self._place(place, self.part.frames.index(place.frame), self.part.size)
            for place in grounding.places
            if place.frame in self.part.frames
        )
        return replace(grounding, prompts=prompts, keyframe=keyframe, window=None, places=places)

    def _prompt_in_part(self, prompt: Prompt) -> Prompt:
        frames = self.part.frames
        if prompt.frame not in frames:
            step = f", every {frames.step}" if frames.step > 1 else ""
            raise ConfigError(
                f"object {prompt.object_id} is given on frame {prompt.frame}, which is not in the "
                f"part that was chosen: frames {frames[0]} to {frames[-1]}{step}; choose one of "
                "these, or another part"
            )
        if prompt.mask is not None and tuple(prompt.mask.size) != tuple(self._size):
            raise ConfigError(
                f"the mask of object {prompt.object_id} on frame {prompt.frame} has the size "
                f"{tuple(prompt.mask.size)}, but the video has {tuple(self._size)}; give it at "
                "the size of the video"
            )
        return replace(self._scaled(prompt, self.part.size), frame=frames.index(prompt.frame))

    # -- into the whole ----------------------------------------------------------------------

    def grounding(self, grounding: Grounding) -> Grounding:
        """Return an answer in the frames and pixels of the whole video."""
        prompts = tuple(
            replace(self._scaled(prompt, self._size), frame=self.frame(prompt.frame))
            for prompt in grounding.prompts
        )
        return replace(
            grounding,
            prompts=prompts,
            keyframe=self._optional(grounding.keyframe),
            window=self._window(grounding.window),
            comparison=grounding.comparison and self._comparison(grounding.comparison),
            places=tuple(
                self._place(place, self.frame(place.frame), self._size)
                for place in grounding.places
            ),
        )

    def turns(self, turns: tuple[TraceTurn, ...]) -> tuple[TraceTurn, ...]:
        """Return turns in the frames of the whole video; texts stay as they are."""
        return tuple(
            replace(
                turn,
                selection=self._selection(turn.selection),
                look_window=self._window(turn.look_window),
                look_keyframe=self._optional(turn.look_keyframe),
                answer_window=self._window(turn.answer_window),
                answer_keyframe=self._optional(turn.answer_keyframe),
            )
            for turn in turns
        )

    def track(self, track: MaskTrack) -> MaskTrack:
        """Return the masks of an object, at the size of the whole video, for all its frames."""
        masks: list[Rle | None] = [None] * len(self.whole)
        for frame, mask in zip(self.part.frames, track.masks, strict=True):
            masks[frame] = mask and self._mask(mask)
        return MaskTrack(track.object_id, self._size, tuple(masks), label=track.label)

    def frame(self, frame: int) -> int:
        """Return the index in the whole video of a frame of the part."""
        return self.part.start + frame * self.part.every

    def frame_masks(self, masks: FrameMasks) -> FrameMasks:
        """Return the masks of one frame at the size of the whole video."""
        found = masks.masks
        if tuple(self.part.size) != tuple(self._size):
            found = {key: resized_mask(mask, self._size) for key, mask in found.items()}
        return FrameMasks(self.frame(masks.frame), found, self._size)

    def note(self, trace: Trace) -> tuple[str, ...]:
        """Return a warning if texts of stages may count frames in another way than the result."""
        start, every = self.part.start, self.part.every
        if not trace.turns or (start == 0 and (every == 1 or len(self.part.frames) == 1)):
            return ()
        place = f"{start} + {every} x i" if every > 1 else f"{start} + i"
        return (
            "reasons that name frames count those of the part that was looked at: frame i there "
            f"is frame {place} of the video",
        )

    def _comparison(self, comparison: Comparison) -> Comparison:
        candidates = tuple(
            replace(one, frame=self.frame(one.frame), box=self._box(one.box, self._size))
            for one in comparison.candidates
        )
        frames = tuple(map(self.frame, comparison.frames))
        return replace(comparison, candidates=candidates, frames=frames)

    def _optional(self, frame: int | None) -> int | None:
        return None if frame is None else self.frame(frame)

    def _window(self, window: Window | None) -> Window | None:
        if window is None:
            return None
        return Window(self.frame(window.start), self.frame(window.stop - 1) + 1)

    def _selection(self, selection: FrameSelection) -> FrameSelection:
        groups = tuple(
            FrameGroup(group.role, tuple(map(self.frame, group.indices)), group.max_pixels)
            for group in selection.groups
        )
        first, last = self.frame(selection.window.start), self.frame(selection.window.stop - 1)
        return replace(selection, groups=groups, window=Window(first, last + 1))

    def _place(self, place: RoughPlace, frame: int, target: Size) -> RoughPlace:
        return replace(place, frame=frame, box=self._box(place.box, target))

    def _box(self, box: Box, target: Size) -> Box:
        source = self._other(target)
        y, x = (after / before for after, before in zip(target, source, strict=True))
        return Box(box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y)

    def _other(self, size: Size) -> Size:
        return self._size if size is self.part.size else self.part.size

    def _scaled(self, prompt: Prompt, target: Size) -> Prompt:
        source = self._other(target)
        return prompt if tuple(source) == tuple(target) else scale_prompt(prompt, source, target)

    def _mask(self, mask: Rle) -> Rle:
        if tuple(self.part.size) == tuple(self._size):
            return mask
        return Rle.encode(resized_mask(mask.decode(), self._size))
