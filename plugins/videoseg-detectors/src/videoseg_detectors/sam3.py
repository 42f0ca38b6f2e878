"""The detector ``sam3``: boxes, masks and tracks of what any words name, with SAM 3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from annotated_types import Interval

from videoseg.devices import torch_defaults
from videoseg.errors import ConfigError
from videoseg.plugins import PositiveInt, checked_options
from videoseg.types import Detection, Rle, Size, VideoSource, Window
from videoseg_detectors.checkpoints import (
    SAM3_MODEL,
    SAM3_TERMS,
    CheckpointChoice,
    LoadedModel,
    load_model,
    load_processor,
)
from videoseg_detectors.sam3_session import open_session, undisturbed_library
from videoseg_detectors.transformers_detector import TransformersDetector, make_detections

__all__ = ["Sam3Detector"]


class Sam3Detector(TransformersDetector):
    """SAM 3 (Carion et al., 2025) of transformers: all things that a noun phrase names.

    The published weights are gated and under the SAM License of Meta, which restricts their use;
    read and accept it on their page on the hub before you fetch them. The features of a frame are
    computed once for all names.

    ``track`` follows what names name through a video, with the tracker that SAM 3 has beside its
    detector. Doubles are not suppressed and holes not filled: in transformers both need compiled
    code that the library would fetch from the hub.

    Args:
        model: The folder of a checkpoint, or its name on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        min_score: Boxes must score more. The default is that of its processor in transformers.
        max_overlap: Of two boxes of one name with a larger intersection over union the better one
            remains; 1 keeps all.
        masks: Also make masks.
        max_batch: How many frames are in one batch.
        max_tracks: How many things ``track`` follows at most at a time; memory and time grow with
            their number.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        download: Download the checkpoint if it is not on this machine. By default nothing is
            downloaded.

    Raises:
        ConfigError: If an option is not allowed.
        MissingWeightsError: If the model is not on this machine and ``download`` is false.
    """

    @checked_options("detector 'sam3'")
    def __init__(
        self,
        *,
        model: str = SAM3_MODEL,
        revision: str | None = None,
        min_score: Annotated[float, Interval(ge=0, le=1)] = 0.3,
        max_overlap: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        masks: bool = True,
        max_batch: PositiveInt = 2,
        max_tracks: PositiveInt = 30,
        device: str = "auto",
        download: bool = False,
    ) -> None:
        self._min_score, self._max_overlap, self._masks = min_score, max_overlap, masks
        self._max_tracks = max_tracks
        self._video_model: LoadedModel | None = None
        choice = CheckpointChoice(model, revision, device, download, terms=SAM3_TERMS)
        super().__init__(choice, max_batch=max_batch)

    @property
    def vocabulary(self) -> None:
        """None: it may be asked for anything."""
        return None

    def unknown_names(self, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: every name is known."""
        return ()

    def track(
        self, video: VideoSource, names: Sequence[str], *, window: Window | None = None
    ) -> Iterator[tuple[int, dict[int, Detection]]]:
        """Follow everything that has one of the names; see ``videoseg.stages.TracksNames``.

        The published settings show a thing from 15 frames later on, so that short-lived tracks
        can be left out; frames are yielded in order all the same. The score of a detection is
        that with which its thing was first found.

        Raises:
            MissingWeightsError: If the checkpoint is not on this machine.
            ConfigError: If it holds no tracker, is damaged, or memory runs out.
        """
        names = tuple(dict.fromkeys(names))
        window = Window(0, len(video)) if window is None else window
        if not names:
            yield from ((frame, {}) for frame in range(window.start, window.stop))
            return
        steps: Iterator[Any] | None = None
        while True:
            # The lock is open while the caller has a frame.
            with self._lock, torch_defaults(), undisturbed_library():
                if steps is None:
                    model = self._load_video_model()
                    session = open_session(model, video, window, names)
                    steps = model.network.propagate_in_video_iterator(session)
                remedy = "; lower max_tracks, or give a shorter window"
                with self._explained_memory(remedy):
                    output = next(steps, None)
                    if output is None:
                        return
                    answer = model.processor.postprocess_outputs(session, output)
                    found = _tracked(answer)
            yield window.start + int(output.frame_idx), found

    def close(self) -> None:
        """Free the models; the next call loads them again."""
        with self._lock:
            self._video_model = None
        super().close()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_video_model": None}

    def _load_video_model(self) -> LoadedModel:
        if self._video_model is None:
            self._loaded = None
            try:
                self._video_model = load_model(
                    self._choice, auto_model="Sam3VideoModel", auto_processor="Sam3VideoProcessor"
                )
            except ConfigError as error:
                raise ConfigError(
                    "to track, the whole checkpoint of SAM 3 is needed, with its tracker and "
                    f"video processor; {error}"
                ) from error
            self._video_model.network.max_num_objects = self._max_tracks
            processor = load_processor(self._choice, "Sam3Processor")
            # Its detector serves single frames, too: the weights are in memory once.
            self._loaded = replace(
                self._video_model,
                network=self._video_model.network.detector_model,
                processor=processor,
            )
        return self._video_model

    def _load(self) -> LoadedModel:
        return load_model(self._choice, auto_model="Sam3Model", auto_processor="Sam3Processor")

    def _detect_batch(
        self, model: LoadedModel, images: list[Any], size: Size, names: Sequence[str]
    ) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in images]
        pictures = model.processor(images=images, return_tensors="pt").to(model.device)
        features = model.network.get_vision_features(pixel_values=pictures["pixel_values"])
        for name in names:
            words = model.processor(text=[name] * len(images), return_tensors="pt")
            outputs = model.network(vision_embeds=features, **words.to(model.device))
            answers = model.processor.post_process_instance_segmentation(
                outputs, threshold=self._min_score, target_sizes=[size] * len(images)
            )
            for place, answer in enumerate(answers):
                masks = answer["masks"].bool().cpu().numpy() if self._masks else None
                found[place] += make_detections(
                    answer, name, size, max_overlap=self._max_overlap, masks=masks
                )
        return found


def _tracked(answer: Mapping[str, Any]) -> dict[int, Detection]:
    """Return what the processor made of one frame, by the number of the track from 1."""
    name_of = {
        number: name for name, numbers in answer["prompt_to_obj_ids"].items() for number in numbers
    }
    found = {}
    masks = answer["masks"].bool().cpu().numpy()
    for number, score, mask in zip(
        answer["object_ids"].tolist(), answer["scores"].tolist(), masks, strict=True
    ):
        rle = Rle.encode(mask)
        if rle.box is not None:
            found[number + 1] = Detection(
                rle.box, name_of[number], min(1.0, max(0.0, score)), mask=rle
            )
    return found
