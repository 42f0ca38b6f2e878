"""Sessions of ``Sam3VideoModel`` whose memory does not grow with the length of the video.

The library's session keeps the pixels of every frame, and of every object the memory of every
frame: gigabytes a minute. The network reads only what is near. Here frames are decoded when they
are reached, and what lies out of reach is dropped before each of them; results are those of the
whole session, bit for bit. ``processed_frames``, ``output_dict_per_obj`` and the other attributes
are those of transformers 5.24; a test compares the two.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from videoseg.types import VideoSource, Window
from videoseg_detectors.checkpoints import LoadedModel

__all__ = ["open_session", "undisturbed_library"]


class _FramesWhenAsked:
    """Stands for the dictionary of all frames: decodes and prepares one when it is read.

    Args:
        video: The video.
        window: Its frames that the session knows, as 0, 1, ...
        prepare: Makes the network's input of a frame.
        before: Called with the index of each frame before it is decoded.
    """

    def __init__(
        self,
        video: VideoSource,
        window: Window,
        prepare: Callable[[Any], Any],
        before: Callable[[int], None],
    ) -> None:
        self._frames = video.iter_frames(window.start, window.stop)
        self._num_frames = len(window)
        self._prepare = prepare
        self._before = before
        self._latest: tuple[int, Any] = (-1, None)

    def __len__(self) -> int:
        return self._num_frames

    def __getitem__(self, index: int) -> Any:
        if index != self._latest[0]:
            self._before(index)
            _, frame = next(self._frames)
            self._latest = (index, self._prepare(frame))
        return self._latest[1]


def open_session(
    model: LoadedModel, video: VideoSource, window: Window, names: Sequence[str]
) -> Any:
    """Return a session of the library that tracks names through a part of a video.

    It is for one run of ``propagate_in_video_iterator`` from its first frame.

    Args:
        model: A ``Sam3VideoModel`` with its processor.
        video: The video.
        window: The part; the session counts its frames from 0.
        names: What to look for.
    """
    processor, network = model.processor, model.network
    session = processor.init_video_session(inference_device=model.device)
    session.video_height, session.video_width = video.size

    def prepare(frame: Any) -> Any:
        # One frame is prepared as a video of one frame, so that it is prepared as in the library.
        made = processor.video_processor(
            videos=[frame[None].copy()], device=model.device, return_tensors="pt"
        )
        return made.pixel_values_videos[0][0].to(session.dtype)

    session.processed_frames = _FramesWhenAsked(
        video, window, prepare, lambda index: _drop_what_is_out_of_reach(session, network, index)
    )
    processor.add_text_prompt(session, list(names))
    return session


def _drop_what_is_out_of_reach(session: Any, network: Any, index: int) -> None:
    """Forget what a forward run does not read from this frame on."""
    config = network.tracker_model.config
    # Memories of the last frames, and pointers of more of them; see _gather_memory_frame_outputs
    # and _get_object_pointers of Sam3TrackerVideoModel.
    first_memory = index - (config.num_maskmem - 1)
    first_pointer = index - (config.max_object_pointers_in_encoder - 1)
    for outputs in session.output_dict_per_obj.values():
        tracked, conditioning = outputs["non_cond_frame_outputs"], outputs["cond_frame_outputs"]
        for frame in [one for one in tracked if one < min(first_memory, first_pointer)]:
            del tracked[frame]
        # The closest conditioning frames are read whole, of all others only the pointer.
        # A maximum of -1 stands for all.
        most = config.max_cond_frame_num
        closest = sorted(conditioning)[-most if most > 0 else 0 :]
        for frame, output in [*tracked.items(), *conditioning.items()]:
            if frame < first_memory and not (frame in conditioning and frame in closest):
                _keep_pointer(output)
            elif frame < index:
                # Logits are outputs of their own frame alone.
                for name in ("pred_masks", "high_res_masks"):
                    output.pop(name, None)
    for per_object in (session.mask_inputs_per_obj, session.frames_tracked_per_obj):
        for of_frames in per_object.values():
            _drop_before(of_frames, index)
    _drop_before(session.obj_id_to_tracker_score_frame_wise, index)
    _drop_before(session.suppressed_obj_ids, index)
    # Of these lists only whether they are as long as a threshold counts.
    for lists, enough in (
        (session.unmatched_frame_inds, network.hotstart_unmatch_thresh),
        (session.overlap_pair_to_frame_inds, network.hotstart_dup_thresh),
    ):
        for frames in lists.values():
            del frames[: max(0, len(frames) - enough)]


def _keep_pointer(output: dict[str, Any]) -> None:
    for name in [one for one in output if one != "object_pointer"]:
        del output[name]


def _drop_before(of_frames: dict[int, Any], index: int) -> None:
    for frame in [one for one in of_frames if one < index]:
        del of_frames[frame]


@contextmanager
def undisturbed_library() -> Iterator[None]:
    """Keep transformers from fetching code from the hub inside, and from a line for each frame.

    Where the package ``kernels`` is installed, ``Sam3VideoModel`` fetches compiled code that
    suppresses doubles and fills holes. Without it both steps are skipped, as they are on a CPU.
    It also logs on every frame that the most objects are followed already.
    """
    module: Any = importlib.import_module("transformers.models.sam3_video.modeling_sam3_video")
    before = getattr(module, "cv_utils_kernel", False)
    if before is None:
        module.cv_utils_kernel = False
    module.logger.addFilter(_is_no_limit)
    try:
        yield
    finally:
        module.logger.removeFilter(_is_no_limit)
        if before is None:
            module.cv_utils_kernel = None


def _is_no_limit(record: logging.LogRecord) -> bool:
    return "max_num_objects" not in str(record.msg)
