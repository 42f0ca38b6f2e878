"""A session that watches the masks of another one, and asks where they are in doubt."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from videoseg import Grounding, Prompt, Propagator, PropagatorCapabilities, Window
from videoseg.errors import PropagationError
from videoseg.masks import iou
from videoseg.propagation import FrameRun, SessionBase, takes_prompt
from videoseg.stages import AsksAgain, Direction, HasWarnings, PropagatorSession, Reanswer
from videoseg.text import format_count
from videoseg.types import BoolArray, Frame, FrameMasks, Rle, VideoSource
from videoseg_wrappers.budget import Budget
from videoseg_wrappers.doubt import Doubt, ObjectWatch, Thresholds
from videoseg_wrappers.replies import describe_error

__all__ = ["AskingSession", "Settings"]

_CONFIRMED = 0.5
"""IoU from which an answer and the tracked mask are the same object (as PASCAL VOC counts)."""

_SAME_OBJECT = 0.5
"""IoU from which an answer shows another object, which is not in doubt."""

_TRACKS_MEET = 0.7
"""IoU from which a track that is mended backward has met the earlier one; set by hand."""

_MOST_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Settings:
    """How a session watches and asks; see ``OnDoubtPropagator``."""

    thresholds: Thresholds
    patience: int
    window_frames: int
    look_back: int


@dataclass(slots=True)
class _Carrier:
    """A session of the wrapped propagator, and the objects whose masks are taken from it."""

    session: PropagatorSession
    run: Iterator[FrameMasks]
    objects: set[int] | None

    def masks_on(self, index: int) -> dict[int, BoolArray]:
        found = next(self.run, None)
        if found is None or found.frame != index:
            got = "none" if found is None else f"those of frame {found.frame}"
            raise PropagationError(
                f"the wrapped propagator should give masks of frame {index}, but gave {got}"
            )
        if self.objects is None:
            return dict(found.masks)
        return {key: mask for key, mask in found.masks.items() if key in self.objects}


@dataclass(slots=True)
class _Waiting:
    """Until when an object is not asked for again."""

    index: int
    patience: int


@dataclass(slots=True)
class _State:
    """The state of one run.

    Args:
        direction: Of the run.
        stop: As for ``PropagatorSession.run``.
        carriers: The sessions that masks come from.
        watches: What is remembered of each object.
        held: Frames whose masks have not gone out yet.
        waiting: Until when an object is not asked for again.
        coming: For objects that an answer showed further on: the frame and the mask.
    """

    direction: Direction
    stop: int | None
    carriers: list[_Carrier]
    watches: dict[int, ObjectWatch] = field(default_factory=dict)
    held: deque[tuple[int, dict[int, BoolArray]]] = field(default_factory=deque)
    waiting: dict[int, _Waiting] = field(default_factory=dict)
    coming: dict[int, tuple[int, BoolArray]] = field(default_factory=dict)

    def is_ahead(self, frame: int, index: int) -> bool:
        """Return whether a frame comes after another one in the direction of the run."""
        return frame > index if self.direction == "forward" else frame < index


class AskingSession(SessionBase):
    """One propagation in which the query may be answered again.

    An object whose mask is replaced gets a session of its own in the wrapped propagator, begun at
    that frame; the others stay where they are, with what is remembered of them.

    Args:
        video: The video.
        propagator: The wrapped propagator.
        capabilities: What it takes and can do.
        ask: Answers the query again.
        budget: What that may cost.
        settings: When it is asked.
        seed: Seed for the sessions of the wrapped propagator.
    """

    def __init__(
        self,
        video: VideoSource,
        propagator: Propagator,
        capabilities: PropagatorCapabilities,
        *,
        ask: Reanswer,
        budget: Budget,
        settings: Settings,
        seed: int = 0,
    ) -> None:
        super().__init__(video, capabilities)
        self._propagator, self._seed = propagator, seed
        self._ask, self._budget, self._settings = ask, budget, settings
        self._inner = self._open()
        self._given: list[Prompt] = []
        self._asked: list[str] = []
        self._num_unasked = 0
        self._told: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the wrapped sessions tell, and in one sentence where it was asked again."""
        if not self._asked:
            return tuple(self._told)
        shown = "; ".join(self._asked[:_MOST_SHOWN])
        more = len(self._asked) - _MOST_SHOWN
        text = f"on-doubt: asked again {format_count(len(self._asked), 'time')}: {shown}"
        text += f"; and {format_count(more, 'more time')}" if more > 0 else ""
        if self._num_unasked:
            frames = format_count(self._num_unasked, "frame")
            text += f"; then the budget was used up, with doubts on {frames} more"
        return (*self._told, text)

    def prompt(self, prompt: Prompt) -> None:
        """Say where one object is on one frame; see ``PropagatorSession.prompt``."""
        # The wrapped propagator may refuse it for reasons of its own.
        self._inner.prompt(prompt)
        super().prompt(prompt)
        self._given.append(prompt)

    def close(self) -> None:
        """Free everything the session holds."""
        super().close()
        self._close(self._inner)

    def propagate(self, frames: FrameRun) -> Iterator[tuple[int, Mapping[int, BoolArray]]]:
        """Yield the masks of one run; those that are in doubt are asked about."""
        forward, last = frames.direction == "forward", frames.last
        stop = last if last is None or not forward else last + 1
        inner = _Carrier(self._inner, self._inner.run(frames.direction, stop=stop), None)
        state = _State(frames.direction, stop, [inner])
        try:
            for index, frame in frames:
                masks: dict[int, BoolArray] = {}
                for carrier in state.carriers:
                    masks |= carrier.masks_on(index)
                self._watch(state, index, frame, masks)
                state.held.append((index, masks))
                while len(state.held) > self._settings.look_back:
                    yield state.held.popleft()
            yield from state.held
        finally:
            for carrier in state.carriers:
                self._end(carrier)

    # -- watching ----------------------------------------------------------------------------

    def _watch(self, state: _State, index: int, frame: Frame, masks: dict[int, BoolArray]) -> None:
        """Judge the masks of one frame, and replace those that an answer shows to be wrong."""
        prompted = self.prompts_on(index)
        doubts: dict[int, Doubt] = {}
        for object_id, mask in masks.items():
            watch = state.watches.get(object_id)
            if watch is None:
                watch = state.watches[object_id] = ObjectWatch(self._settings.thresholds)
                watch.begin(frame, mask)
            elif object_id in prompted:
                watch.begin(frame, mask)
            elif doubt := watch.find_doubt(frame, mask):
                doubts[object_id] = doubt
        settled = self._take_up(state, index, frame, masks)
        doubts = {key: doubt for key, doubt in doubts.items() if key not in settled}
        due = {key: doubt for key, doubt in doubts.items() if self._is_due(state, index, key)}
        if due and not self._budget.is_left:
            self._num_unasked += 1
        elif due:
            begin = self._budget.clock()
            try:
                settled |= self._ask_about(state, index, frame, masks, due)
            finally:
                self._budget.count(begin)
        for object_id, mask in masks.items():
            watch = state.watches[object_id]
            if object_id in settled:
                watch.begin(frame, mask)
            else:
                watch.keep(frame, mask, trusted=object_id not in doubts)

    def _is_due(self, state: _State, index: int, object_id: int) -> bool:
        waiting = state.waiting.get(object_id)
        if object_id in state.coming:
            return False
        return waiting is None or abs(index - waiting.index) >= waiting.patience

    # -- asking ------------------------------------------------------------------------------

    def _ask_about(
        self,
        state: _State,
        index: int,
        frame: Frame,
        masks: dict[int, BoolArray],
        doubts: Mapping[int, Doubt],
    ) -> set[int]:
        """Ask, and replace masks of objects in doubt; return the objects that are settled."""
        reason = "; ".join(f"object {key}: {doubt.text}" for key, doubt in doubts.items())
        window = self._window(state, index)
        settled: set[int] = set()
        try:
            answer = self._ask(index, window=window, reason=reason)
            here, further = self._masks_of(state, answer, index)
            settled, outcome = self._settle(state, index, frame, masks, doubts, here)
            if not settled:
                outcome = self._expect(state, doubts, further) or outcome
        # What was propagated so far must not be lost by a chat model that fails.
        except Exception as error:
            outcome = f"asking failed ({describe_error(error)})"
        for object_id in doubts:
            waited = state.waiting.get(object_id)
            patience = self._settings.patience
            if object_id in state.coming:
                index_of_next = state.coming[object_id][0]
                state.waiting[object_id] = _Waiting(index_of_next, patience)
                continue
            if object_id not in settled and waited is not None:
                patience = 2 * waited.patience
            state.waiting[object_id] = _Waiting(index, patience)
        self._asked.append(f"frame {index} ({reason}): {outcome[:300]}")
        return settled

    def _window(self, state: _State, index: int) -> Window:
        """Return the frames to choose from: those that follow, where the object may be back."""
        most, total = self._settings.window_frames, len(self.video)
        # At the end of the run some that have passed, so that motion can be seen.
        least = min(most // 4, total - 1)
        if state.direction == "forward":
            return Window(max(0, min(index, total - 1 - least)), min(total, index + most))
        return Window(max(0, index + 1 - most), min(total, max(index + 1, least + 1)))

    def _masks_of(
        self, state: _State, answer: Grounding, index: int
    ) -> tuple[list[BoolArray], list[tuple[int, BoolArray]]]:
        """Return the masks of an answer's objects on a frame, and where they are further on."""
        here: list[BoolArray] = []
        further: list[tuple[int, BoolArray]] = []
        for object_id in answer.object_ids:
            prompts = [one for one in answer.prompts if one.object_id == object_id]
            prompt = min(prompts, key=lambda one: abs(one.frame - index))
            if prompt.mask is not None and prompt.frame == index:
                here.append(prompt.mask.decode())
                continue
            if not takes_prompt(prompt, self.capabilities):
                continue
            if prompt.frame <= index or self.capabilities.backward:
                here.append(self._carry(prompt, index))
            if state.is_ahead(prompt.frame, index):
                given = prompt.mask
                mask = self._carry(prompt, prompt.frame) if given is None else given.decode()
                further.append((prompt.frame, mask))
        return [mask for mask in here if mask.any()], further

    def _expect(
        self,
        state: _State,
        doubts: Mapping[int, Doubt],
        further: Sequence[tuple[int, BoolArray]],
    ) -> str:
        """Remember where objects in doubt were seen further on; return that in words."""
        told = []
        left = list(further)
        for object_id in doubts:
            watch = state.watches[object_id]
            likes = [watch.likeness(self.video[frame], mask) for frame, mask in left]
            if not likes or max(likes) < (self._settings.thresholds.likeness or 0.0):
                continue
            state.coming[object_id] = frame, _ = left.pop(likes.index(max(likes)))
            told.append(f"object {object_id} is back on frame {frame} (likeness {max(likes):.2f})")
        return "; ".join(told)

    def _take_up(
        self, state: _State, index: int, frame: Frame, masks: dict[int, BoolArray]
    ) -> set[int]:
        """Replace masks of objects that an answer showed on this frame; return the objects."""
        settled: set[int] = set()
        for object_id, (seen_on, mask) in list(state.coming.items()):
            if seen_on != index:
                continue
            del state.coming[object_id]
            watch, tracked = state.watches[object_id], masks[object_id]
            is_better = watch.likeness(frame, mask) >= watch.likeness(frame, tracked)
            if iou(tracked, mask) >= _CONFIRMED or not is_better:
                # The propagator has found it by itself; it is watched as before.
                state.waiting.pop(object_id, None)
                continue
            try:
                masks[object_id] = self._begin_anew(state, index, object_id, mask)
                self._mend(state, index, object_id, masks[object_id])
                settled.add(object_id)
            # As where it is asked: what was propagated so far must not be lost.
            except Exception as error:
                self._asked.append(
                    f"frame {index}: object {object_id} was not taken up ({describe_error(error)})"
                )
        return settled

    def _carry(self, prompt: Prompt, index: int) -> BoolArray:
        """Return the mask on a frame of what is prompted on another one near it."""
        backward = prompt.frame > index
        direction: Direction = "backward" if backward else "forward"
        with self._open() as session:
            session.prompt(prompt)
            run = session.run(direction, stop=index if backward else index + 1)
            for masks in run:
                if masks.frame == index:
                    return masks.masks[prompt.object_id]
        raise PropagationError(f"frame {index} was not reached from frame {prompt.frame}")

    def _settle(
        self,
        state: _State,
        index: int,
        frame: Frame,
        masks: dict[int, BoolArray],
        doubts: Mapping[int, Doubt],
        candidates: list[BoolArray],
    ) -> tuple[set[int], str]:
        """Let each object in doubt keep its mask or take that of a candidate."""
        others = [mask for key, mask in masks.items() if key not in doubts and mask.any()]
        free = [
            mask for mask in candidates if all(iou(mask, one) < _SAME_OBJECT for one in others)
        ]
        if not free:
            return set(), "nothing was found there; the masks are kept"
        settled: set[int] = set()
        told = []
        for object_id in doubts:
            watch, tracked = state.watches[object_id], masks[object_id]
            if not free:
                break
            overlaps = [iou(tracked, mask) for mask in free]
            if max(overlaps) >= _CONFIRMED:
                free.pop(overlaps.index(max(overlaps)))
                settled.add(object_id)
                told.append(f"the mask of object {object_id} is confirmed")
                continue
            likes = [watch.likeness(frame, mask) for mask in free]
            best = likes.index(max(likes))
            now = watch.likeness(frame, tracked)
            least = self._settings.thresholds.likeness or 0.0
            if likes[best] < max(now, least):
                told.append(
                    f"the answer is less like object {object_id} ({likes[best]:.2f}); its mask "
                    "is kept"
                )
                continue
            masks[object_id] = self._begin_anew(state, index, object_id, free.pop(best))
            settled.add(object_id)
            self._mend(state, index, object_id, masks[object_id])
            told.append(
                f"the mask of object {object_id} is replaced (likeness {likes[best]:.2f}, "
                f"before {now:.2f})"
            )
        return settled, "; ".join(told)

    # -- replacing ---------------------------------------------------------------------------

    def _begin_anew(self, state: _State, index: int, object_id: int, mask: BoolArray) -> BoolArray:
        """Begin a session for one object, in place of the one it was in; return its mask."""
        session = self._open()
        try:
            session.prompt(Prompt(object_id, index, mask=Rle.encode(mask)))
            if self.capabilities.corrections:
                for prompt in self._prompts_ahead(state, index, object_id):
                    session.prompt(prompt)
            run = session.run(state.direction, stop=state.stop)
            carrier = _Carrier(session, run, {object_id})
            begun = carrier.masks_on(index)[object_id]
        except BaseException:
            session.close()
            raise
        for other in [*state.carriers]:
            if other.objects is None:
                # The first one carries all, also those that are prompted later.
                other.objects = {one.object_id for one in self._given} - {object_id}
            else:
                other.objects.discard(object_id)
            if not other.objects:
                self._end(other)
                state.carriers.remove(other)
        state.carriers.append(carrier)
        return begun

    def _mend(self, state: _State, index: int, object_id: int, mask: BoolArray) -> None:
        """Replace masks that have not gone out yet, where the new track fits better."""
        backward = state.direction == "forward"
        if not state.held or (backward and not self.capabilities.backward):
            return
        held = dict(state.held)
        first = state.held[0][0]
        watch = state.watches[object_id]
        with self._open() as session:
            session.prompt(Prompt(object_id, index, mask=Rle.encode(mask)))
            direction: Direction = "backward" if backward else "forward"
            for masks in session.run(direction, stop=first if backward else first + 1):
                if masks.frame == index:
                    continue
                before = held[masks.frame].get(object_id)
                mended = masks.masks.get(object_id)
                if before is None or mended is None:
                    return
                if not mended.any() or iou(before, mended) >= _TRACKS_MEET:
                    return
                frame = self.video[masks.frame]
                if watch.likeness(frame, mended) > watch.likeness(frame, before):
                    held[masks.frame][object_id] = mended

    def _prompts_ahead(self, state: _State, index: int, object_id: int) -> list[Prompt]:
        forward = state.direction == "forward"
        return [
            prompt
            for prompt in self._given
            if prompt.object_id == object_id
            and prompt.frame != index
            and (prompt.frame > index) == forward
        ]

    def _open(self) -> PropagatorSession:
        propagator = self._propagator
        if isinstance(propagator, AsksAgain):
            # A wrapper in a wrapper has a budget of its own.
            return propagator.open_asking(self.video, ask=self._ask, seed=self._seed)
        return propagator.open(self.video, seed=self._seed)

    def _end(self, carrier: _Carrier) -> None:
        close = getattr(carrier.run, "close", None)
        if callable(close):
            close()
        if carrier.session is not self._inner:
            self._close(carrier.session)

    def _close(self, session: PropagatorSession) -> None:
        session.close()
        if isinstance(session, HasWarnings):
            self._told |= dict.fromkeys(map(str, session.warnings))
