"""One round: the undecided tracks are shown to a chat model, which says what it thinks of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from videoseg_r1.questions import ask_about, explain_unread

from videoseg import ChatModel
from videoseg.errors import ContextLengthError, GroundingParseError
from videoseg.samplers import evenly_spaced
from videoseg.text import format_list
from videoseg.types import ChatReply, ImagePart, MessagePart, TextPart, VideoSource, time_label
from videoseg_tracks.pictures import draw_close_view, draw_numbered
from videoseg_tracks.prompts import TrackPrompt
from videoseg_tracks.tracks import Track
from videoseg_tracks.verdicts import Verdicts, parse_verdicts

__all__ = ["CONFIRM", "LAST", "RoundAsker", "RoundOutcome", "choose_shown_frames"]

_RETRY_TEMPERATURE = 0.7
_RANGES_SHOWN = 3

LAST = (
    "This is the last round: what is unknown after it will be left out. Use unknown only where "
    "these pictures cannot decide."
)
"""What the prompt of the last round says."""

CONFIRM = (
    "In the round before, every number was put into true. Check it: does the query really ask for "
    "all of them? Keep in true only what it asks for."
)
"""What the prompt says after a round in which everything was chosen."""


@dataclass(frozen=True, slots=True)
class RoundOutcome:
    """The answer of one round.

    Args:
        verdicts: What was said of each track; None if no answer could be read.
        record: The exchange, JSON-serializable.
        failure: Why no answer could be read.
        num_tokens: Tokens generated, if known.
    """

    verdicts: Verdicts | None
    record: dict[str, Any]
    failure: GroundingParseError | None = None
    num_tokens: int | None = None


class RoundAsker:
    """Shows tracks to a chat model and asks which the query means.

    Args:
        chat: A vision-language model.
        prompt: The prompt ``choose``.
        max_frames: How many frames are shown at most, beside those that a track needs to be seen.
        max_pixels: Upper bound on height x width of each frame.
        close_views: Whether a close view of each track comes first.
        max_tokens: Upper bound on the tokens of an answer.
    """

    def __init__(
        self,
        chat: ChatModel,
        *,
        prompt: TrackPrompt,
        max_frames: int,
        max_pixels: int,
        close_views: bool,
        max_tokens: int,
    ) -> None:
        self._chat = chat
        self._prompt = prompt
        self._max_frames = max_frames
        self._max_pixels = max_pixels
        self._close_views = close_views
        self._max_tokens = max_tokens

    def ask(
        self,
        video: VideoSource,
        query: str,
        tracks: Sequence[Track],
        frames: Sequence[int],
        *,
        note: str = "",
        seed: int = 0,
    ) -> RoundOutcome:
        """Ask for a verdict on each track; once more, with sampling, if it cannot be read.

        Pictures that do not fit into the model's context are reduced: close views are left out,
        and half of the frames, as often as needed.

        Args:
            video: The video.
            query: The user's sentence.
            tracks: The undecided tracks, at least one.
            frames: The frames that the sampler chose.
            note: A sentence for this round.
            seed: Seed of the answers.

        Raises:
            ContextLengthError: If not even the fewest pictures fit.
        """
        shown = choose_shown_frames(tracks, frames, self._max_frames)
        parts = self._make_parts(video, tracks, shown, close_views=self._close_views)
        objects = "\n".join(_describe_track(track, video) for track in tracks)
        question = self._prompt.fill(query=query, objects=objects, note=note)
        replies: list[str] = []
        record: dict[str, Any] = {
            "prompt": self._prompt.name,
            "question": question,
            "frames": list(shown),
            "tracks": [track.track_id for track in tracks],
            "replies": replies,
        }
        num_tokens: int | None = None
        for attempt, temperature in enumerate((0.0, _RETRY_TEMPERATURE)):
            while True:
                try:
                    reply = self._chat.chat(
                        ask_about(parts, question),
                        temperature=temperature,
                        max_tokens=self._max_tokens,
                        seed=seed + attempt,
                    )[0]
                except ContextLengthError:
                    fewer = choose_shown_frames(tracks, shown, max(1, len(shown) // 2))
                    if len(fewer) >= len(shown):
                        raise
                    shown = fewer
                    parts = self._make_parts(video, tracks, shown, close_views=False)
                    record |= {"frames": list(shown), "is_shortened": True}
                else:
                    break
            replies.append(reply.text)
            if reply.num_tokens is not None:
                num_tokens = (num_tokens or 0) + reply.num_tokens
            try:
                verdicts = self._read(reply, tracks)
            except GroundingParseError as error:
                failure = error
            else:
                return RoundOutcome(verdicts, record, num_tokens=num_tokens)
        return RoundOutcome(None, record, failure, num_tokens)

    def _read(self, reply: ChatReply, tracks: Sequence[Track]) -> Verdicts:
        reason = explain_unread(reply, self._max_tokens)
        try:
            return parse_verdicts(reply.text, [track.track_id for track in tracks])
        except GroundingParseError as error:
            if reason is None:
                raise
            raise GroundingParseError(reason, raw_text=reply.text) from error

    def _make_parts(
        self,
        video: VideoSource,
        tracks: Sequence[Track],
        shown: Sequence[int],
        *,
        close_views: bool,
    ) -> list[MessagePart]:
        parts: list[MessagePart] = []
        if close_views:
            for track in tracks:
                mask = track.mask(track.clearest)
                if mask is not None:
                    when = time_label(video.time_of(track.clearest))
                    parts.append(TextPart(f"Close view of number {track.track_id}, {when}"))
                    view = draw_close_view(video[track.clearest], mask, track.track_id)
                    parts.append(ImagePart(view))
        for frame, image in zip(shown, video.read(shown), strict=True):
            drawn = draw_numbered(image, frame, tracks, self._max_pixels)
            parts.append(TextPart(time_label(video.time_of(frame))))
            parts.append(
                ImagePart(
                    drawn, max_pixels=self._max_pixels, frame=frame, time=video.time_of(frame)
                )
            )
        return parts


def choose_shown_frames(
    tracks: Sequence[Track], frames: Sequence[int], max_frames: int
) -> tuple[int, ...]:
    """Return the frames of a round, ascending.

    These are the given frames on which one of the tracks is visible, and for each track that is
    visible on none of them, its clearest frame.

    Args:
        tracks: The tracks, at least one.
        frames: Frames that a sampler chose.
        max_frames: How many of these are kept at most, evenly spaced.
    """
    useful = sorted({f for f in frames if any(f in track.masks for track in tracks)})
    if len(useful) > max_frames:
        useful = list(evenly_spaced(useful, max_frames))
    shown = set(useful)
    for track in tracks:
        if not shown & track.masks.keys():
            shown.add(track.clearest)
    return tuple(sorted(shown))


def _describe_track(track: Track, video: VideoSource) -> str:
    ranges = [
        f"{video.time_of(one.start):.1f} to {video.time_of(one.stop - 1):.1f} s"
        for one in track.visible_ranges()
    ]
    return f"{track.track_id}: {track.name}, visible {format_list(ranges, _RANGES_SHOWN)}"
