"""``videoseg run --live``: ask about a camera or a stream, as long as it lasts."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from videoseg._interruption import Terminated
from videoseg.cli.terminal import open_console, print_files, write_json
from videoseg.errors import VideosegError
from videoseg.text import format_count, printable

if TYPE_CHECKING:
    from videoseg.pipeline import MaskStream, Pipeline
    from videoseg.results.live import LiveFolder
    from videoseg.types import AnswerStatus, Grounding, Size
    from videoseg.video import Video
    from videoseg.video.live import LiveFrames

__all__ = ["LiveRun"]


@dataclass
class LiveRun:
    """One live run: its source, its pipeline, and where its masks go.

    Args:
        source: A camera by its number, or an address.
        query: The query.
        pipeline: The pipeline.
        folder: The output folder; None for a default one.
        every: Take every so many frames.
        max_side: Scale frames down to this side; None for no scaling.
        end: Where to end, from the command line; None for no end.
        warmup_frames: From how many frames the query is answered.
        seed: The seed.
        overwrite: Whether an earlier live result is replaced.
        overlay: Whether ``overlay.mp4`` is written.
        quiet: Whether progress and summary are left out.
        as_json: Whether the summary is JSON.
    """

    source: str
    query: str
    pipeline: Pipeline
    folder: Path | None
    every: int
    max_side: int | None
    end: str | None
    warmup_frames: int
    seed: int
    overwrite: bool
    overlay: bool
    quiet: bool
    as_json: bool

    def run(self) -> AnswerStatus:
        """Run until the source ends, the time is over, or Ctrl-C; return the answer's status.

        Raises:
            VideosegError: If something fails; what was written until then is kept.
        """
        from videoseg.cli.output_folder import default_output_folder
        from videoseg.results.live import LiveFolder
        from videoseg.video.live import LiveFrames

        with LiveFrames(
            self.source, every=self.every, max_side=self.max_side, seconds=self._seconds()
        ) as frames:
            place = self.folder or default_output_folder(frames.name)
            with LiveFolder(place, overwrite=self.overwrite) as folder:
                return self._run(frames, folder)

    def _seconds(self) -> float | None:
        from videoseg.video.part import parse_place

        if self.end is None:
            return None
        place = parse_place(self.end, "--end")
        if place.frame is not None:
            raise click.UsageError("with --live, --end is a time in seconds, such as 60 or 1:30")
        return place.seconds

    def _run(self, frames: LiveFrames, folder: LiveFolder) -> AnswerStatus:
        from videoseg.progress import ProgressBar
        from videoseg.video import Video

        reason = "the source ended"
        failure: BaseException | None = None
        stream: MaskStream | None = None
        with contextlib.ExitStack() as stack:
            video = stack.enter_context(
                Video.from_iterator(
                    frames,
                    fps=frames.fps,
                    name=frames.name,
                    live=True,
                    live_buffer=self.warmup_frames,
                    cache_bytes=0,
                )
            )
            observers: Sequence[object] = ()
            if not self.quiet:
                observers = (stack.enter_context(ProgressBar()),)
            try:
                stream = stack.enter_context(
                    self.pipeline.stream(
                        video,
                        self.query,
                        warmup_frames=self.warmup_frames,
                        seed=self.seed,
                        observers=observers,
                    )
                )
                folder.begin(
                    query=self.query,
                    source=frames.name,
                    size=frames.size,
                    fps=frames.fps,
                    grounding=self._in_source(stream.grounding, frames, video.size),
                    trace=stream.trace,
                    pipeline=self.pipeline.config.to_dict(),
                    seed=self.seed,
                )
                self._follow(stream, frames, folder, video)
                if frames.is_time_over:
                    reason = "the time given was over"
            except KeyboardInterrupt:
                if stream is None:
                    raise
                reason = "interrupted"
            except Terminated as error:
                reason, failure = "terminated", error
            except VideosegError as error:
                reason, failure = f"failed: {error}", error
            if stream is not None:
                warnings = self._warnings(stream, frames)
                folder.end(reason=reason, num_dropped=frames.num_dropped, warnings=warnings)
        if stream is not None:
            self._report(folder, stream.grounding, frames.name, reason, warnings)
        if failure is not None:
            raise failure
        assert stream is not None
        return cast("AnswerStatus", stream.grounding.status)

    def _follow(
        self, stream: MaskStream, frames: LiveFrames, folder: LiveFolder, video: Video
    ) -> None:
        """Write masks and overlay until the stream ends; the overlay is finished in any case."""
        from videoseg.results import draw_masks
        from videoseg.results.thumbnails import resized_mask
        from videoseg.types import FrameMasks
        from videoseg.video import VideoWriter

        writer = VideoWriter(folder.folder / "overlay.mp4", frames.fps) if self.overlay else None
        labels = {one.object_id: one.label for one in stream.grounding.named_prompts}
        try:
            for masks in stream:
                whole = masks
                if tuple(masks.size) != tuple(frames.size):
                    scaled = {
                        key: resized_mask(mask, frames.size) for key, mask in masks.masks.items()
                    }
                    whole = FrameMasks(masks.frame, scaled, frames.size)
                folder.add(whole, frames.time_of(masks.frame))
                if writer is not None:
                    writer.write(draw_masks(video[masks.frame], masks.masks, labels=labels))
        finally:
            if writer is not None and writer.num_frames:
                writer.close()

    def _in_source(self, grounding: Grounding, frames: LiveFrames, size: Size) -> Grounding:
        """Return an answer in pixels of the source's frames."""
        from videoseg.results.thumbnails import scale_prompt

        if tuple(size) == tuple(frames.size):
            return grounding
        prompts = tuple(scale_prompt(one, size, frames.size) for one in grounding.prompts)
        return replace(grounding, prompts=prompts)

    def _warnings(self, stream: MaskStream, frames: LiveFrames) -> tuple[str, ...]:
        warnings = stream.warnings
        if frames.num_dropped:
            dropped = format_count(frames.num_dropped, "frame")
            warnings += (
                f"{dropped} came faster than the pipeline works and were left out; --every and "
                "--max-side lighten its work",
            )
        return warnings

    def _report(
        self,
        folder: LiveFolder,
        grounding: Grounding,
        name: str,
        reason: str,
        warnings: Sequence[str],
    ) -> None:
        files = [(folder.folder / "masks.jsonl", "a line for every frame")]
        if (overlay := folder.folder / "overlay.mp4").exists():
            files.append((overlay, "the frames with masks drawn"))
        if self.as_json:
            write_json(
                {
                    "query": self.query,
                    "found": grounding.found,
                    "status": grounding.status,
                    "ended": reason,
                    "num_frames": folder.num_frames,
                    "warnings": list(warnings),
                    "folder": str(folder.folder),
                    "files": [str(path) for path, _ in files],
                }
            )
        elif not self.quiet:
            from videoseg.types.episode import summarize_answer

            console = open_console()
            done = format_count(folder.num_frames, "frame")
            console.print(f"{done} of {name}: {reason}", style="bold")
            if not grounding.found:
                console.print(summarize_answer(grounding, 0), style="yellow")
            print_files(console, files)
        for warning in warnings:
            click.echo(printable(f"warning: {warning}"), err=True)
