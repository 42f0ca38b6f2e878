"""``Ledger``: what a project keeps on disk, and the state that follows from it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from videoseg.errors import OutputError, VideosegError
from videoseg.files import FileLock, make_folder, write_file
from videoseg.text import parse_json, show_path
from videoseg.types import Rle, VideoFacts
from videoseg_studio.editing.journal import Journal
from videoseg_studio.editing.mask_store import MaskStore
from videoseg_studio.editing.state import History

__all__ = ["Ledger"]

_VERSION = 1


class Ledger:
    """Journal and masks of a project, and the history that the journal tells.

    Args:
        folder: The folder of the project; created if it does not exist.
        facts: The facts of its video.

    Attributes:
        lock: Held while any of it is read or changed.
        history: The states.
        store: The masks.
        made: The numbers of the corrections by object and frame.

    Raises:
        OutputError: If the folder cannot be used, belongs to another video, or is open in
            another process.
    """

    def __init__(self, folder: Path, facts: VideoFacts) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.history = History()
        self.made: dict[tuple[int, int], list[int]] = {}
        self._num_frames = facts.num_frames
        self._presence: dict[int, npt.NDArray[np.uint8]] = {}
        self._answers: dict[int, dict[str, Any]] = {}
        make_folder(folder)
        self._file_lock = FileLock(folder / ".lock")
        if not self._file_lock.acquire():
            raise OutputError(
                f"{show_path(folder)} is open in another studio; close that one first"
            )
        try:
            self._check_video(facts)
            self._journal = Journal(folder / "journal.jsonl")
            try:
                self.store = MaskStore(folder / "masks.sqlite", facts.size)
                self._replay()
            except BaseException:
                self._journal.close()
                raise
        except BaseException:
            self._file_lock.release()
            raise

    @property
    def answer(self) -> dict[str, Any]:
        """The last answer in the journal: query, pipeline, trace; empty if there is none."""
        with self.lock:
            return self._answers.get(self.history.state.answer, {})

    def presence(self, object_id: int) -> npt.NDArray[np.uint8]:
        """Return for each frame 0 if nothing is known, 1 if not visible, 2 if visible.

        Raises:
            ObjectNotFoundError: If there is no such object.
        """
        with self.lock:
            state = self.history.state
            state.object(object_id)
            if object_id not in self._presence:
                self._presence[object_id] = self.store.presence(
                    object_id, frozenset(state.layers), self._num_frames
                )
            return self._presence[object_id]

    def keep(self, layer: int, frame: int, masks: list[tuple[int, Rle]]) -> None:
        """Keep the masks that a propagation made of one frame.

        A frame that a person has corrected meanwhile is theirs.
        """
        with self.lock:
            kept = [(key, rle) for key, rle in masks if not self._is_corrected(key, frame)]
            self.store.put(layer, frame, kept)
            for key, rle in kept:
                if layer in self.history.state.layers and key in self._presence:
                    self._presence[key][frame] = 1 + (rle.area > 0)

    def keep_absence(self, layer: int, object_id: int, frames: range) -> None:
        """Keep that an object is not visible on some frames."""
        with self.lock:
            self.store.fill(layer, object_id, frames)
            self._presence.pop(object_id, None)

    def close(self) -> None:
        """Close the files."""
        with self.lock:
            self.store.close()
            self._journal.close()
            self._file_lock.release()

    def _is_corrected(self, object_id: int, frame: int) -> bool:
        one = self.history.state.objects.get(object_id)
        if one is None or frame not in one.corrections:
            return False
        return one.corrections[frame].origin == "user"

    def do(self, action: dict[str, Any]) -> int:
        """Journal an action and take it into account; return its number.

        Raises:
            ConfigError: If there is nothing to undo or redo.
            ObjectNotFoundError: If it is about an object that is not there.
            OutputError: If it cannot be written; then it does not count.
        """
        with self.lock:
            self.history.check(action)
            return self._record(action)

    def finish(self, layer: int, status: str) -> None:
        """Journal how a propagation ended: ``done``, ``cancelled`` or ``failed``."""
        with self.lock:
            self.store.flush()
            self._record({"do": "finished", "layer": layer, "status": status})

    def _record(self, action: dict[str, Any]) -> int:
        numbered = self._journal.append(action)
        self._apply(numbered)
        return int(numbered["seq"])

    def _apply(self, action: dict[str, Any]) -> None:
        lost = self.history.apply(action)
        if lost:
            self.store.drop(lost)
        if action["do"] == "answer":
            self._answers[action["seq"]] = {
                key: value for key, value in action.items() if key != "objects"
            }
        self._keep_masks(action)
        if action["do"] != "finished":
            self._presence.clear()

    def _keep_masks(self, action: dict[str, Any]) -> None:
        """Put the masks that an action brings into the store, unless they are there."""
        seq = action["seq"]
        if action["do"] == "correct":
            rle = Rle.from_coco(action["mask"])
            self.store.put_missing(seq, action["frame"], action["object"], rle)
            self.made.setdefault((action["object"], action["frame"]), []).append(seq)
        if action["do"] == "answer":
            for entry in action["objects"]:
                for prompt in entry["prompts"]:
                    rle = Rle.from_coco(prompt["mask"])
                    self.store.put_missing(seq, prompt["frame"], entry["object"], rle)

    def _replay(self) -> None:
        """Come back to where the journal ends."""
        for action in self._journal.actions:
            try:
                self._apply(action)
            except (VideosegError, KeyError, TypeError, ValueError) as error:
                raise OutputError(
                    f"line {action['seq']} of {show_path(self._journal.path)} is damaged: "
                    f"{error}; move the lines from this one on to another file to open what "
                    "is before them"
                ) from error
        self._journal.actions.clear()
        if self.store.is_new:
            # What propagations made was in a file that is not there any more.
            self.history.finished.clear()

    def _check_video(self, facts: VideoFacts) -> None:
        """Note which video the project is about, or check that it is this one."""
        known = {
            "version": _VERSION,
            "name": facts.name,
            "path": facts.path,
            "num_frames": facts.num_frames,
            "size": list(facts.size),
        }
        path = self.folder / "project.json"
        try:
            found = parse_json(path.read_bytes())
        except FileNotFoundError:
            write_file(path, json.dumps(known, ensure_ascii=False, indent=1) + "\n")
            return
        except (OSError, ValueError) as error:
            raise OutputError(f"{show_path(path)} cannot be read: {error}") from error
        same = isinstance(found, dict) and all(
            found.get(key) == known[key] for key in ("version", "num_frames", "size")
        )
        if not same:
            raise OutputError(
                f"{show_path(self.folder)} is the project of another video; choose another folder"
            )
