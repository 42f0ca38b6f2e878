"""Every answer is worked out again from the words, the pixels and the masks alone."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise

import numpy as np
import pytest
from videoseg_synthetic import DIFFICULTIES, SyntheticClip, demo_clip, make_clip
from videoseg_synthetic.palette import COLORS, lab

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "both": 2}
COLOR = "(?P<color>" + "|".join(COLORS) + ")"
WAY = (
    r"(?:moving|going|that (?:moves|move|goes)(?: to the)?) (?P<way>left|right|up|down)(?:wards)?"
)
NOUN = r"(?:one|object|circle|ellipse|square|triangle|hexagon|star|heart|blob)"


class Reader:
    """A slow reader of queries who sees nothing but pixels and masks."""

    def __init__(self, clip: SyntheticClip) -> None:
        self.clip = clip
        self.ids = list(clip.object_ids)
        self.masks = {k: clip.masks(k) for k in self.ids}
        self.areas = {k: self.masks[k].sum(axis=(1, 2)) for k in self.ids}
        self.height, self.width = clip.size
        self.last = clip.num_frames - 1

    @cached_property
    def colors(self) -> dict[int, str]:
        names = list(COLORS)
        table = lab(np.array([COLORS[name] for name in names], dtype=float))
        found = {}
        for k in self.ids:
            frame = int(self.areas[k].argmax())
            pixels = self.clip.frames[frame][self.masks[k][frame]]
            mean = lab(pixels.astype(float).mean(axis=0))
            found[k] = names[int(np.linalg.norm(table - mean, axis=1).argmin())]
        return found

    @cached_property
    def centers(self) -> dict[int, np.ndarray]:
        rows, columns = np.mgrid[0 : self.height, 0 : self.width]
        centers = {}
        for k in self.ids:
            weight = np.maximum(self.areas[k], 1)[:, None]
            sums = [
                [(columns[mask].sum(), rows[mask].sum()) for mask in self.masks[k]],
            ]
            centers[k] = np.array(sums[0]) / weight
        return centers

    def visible(self, k: int) -> np.ndarray:
        return np.flatnonzero(self.areas[k] > 0.15 * self.areas[k].max())

    def clear(self, k: int, part: float = 0.75) -> np.ndarray:
        return np.flatnonzero(self.areas[k] > part * self.areas[k].max())

    def size(self, k: int) -> int:
        return int(self.areas[k].max())

    def moves(self, k: int, way: str) -> bool:
        """Where it ends up, seen from where it began, within the shot it moves most in."""
        best = np.zeros(2)
        for start, stop in pairwise([0, *self.clip.cuts, self.last + 1]):
            frames = [t for t in self.clear(k) if start <= t < stop]
            if frames:
                step = self.centers[k][frames[-1]] - self.centers[k][frames[0]]
                step = step / (self.width, self.height)
                best = step if np.abs(step).max() > np.abs(best).max() else best
        axis, sign = {"left": (0, -1), "right": (0, 1), "up": (1, -1), "down": (1, 1)}[way]
        return bool(sign * best[axis] > 0.1 and np.abs(best[1 - axis]) < np.abs(best[axis]))

    def movers(self, way: str) -> set[int]:
        return {k for k in self.ids if self.moves(k, way)}

    def speed(self, k: int) -> float:
        frames = set(self.clear(k).tolist())
        span = 4
        steps = [
            np.hypot(*(self.centers[k][t + span] - self.centers[k][t]))
            for t in frames
            if t + span in frames and not any(t < cut <= t + span for cut in self.clip.cuts)
        ]
        return float(np.mean(steps)) / span if steps else 0.0

    def stays(self, k: int) -> bool:
        frames = self.clear(k, 0.95)
        reach = 0.0
        for start, stop in pairwise([0, *self.clip.cuts, self.last + 1]):
            shot = frames[(frames >= start) & (frames < stop)]
            if len(shot):
                reach = max(reach, np.hypot(*np.ptp(self.centers[k][shot], axis=0)))
        return bool(reach < 0.035 * np.hypot(self.height, self.width))

    def gap(self, k: int) -> int:
        shown = np.flatnonzero(self.areas[k])
        return int(np.diff(shown).max(initial=1)) - 1

    def arrives(self, k: int) -> int:
        return int(np.flatnonzero(self.areas[k])[0])

    def goes(self, k: int) -> int:
        return int(np.flatnonzero(self.areas[k])[-1])

    def of_color(self, color: str) -> set[int]:
        return {k for k in self.ids if self.colors[k] == color}

    def the(self, found: set[int]) -> int:
        assert len(found) == 1, f"{found} is not one thing"
        return next(iter(found))

    def extreme(self, found: set[int], word: str) -> set[int]:
        order = sorted(found, key=self.size)
        large = word in ("largest", "biggest", "larger")
        first, second = (order[-1], order[-2]) if large else (order[0], order[1])
        ratio = self.size(first) / self.size(second)
        assert max(ratio, 1 / ratio) > 1.4, "the sizes are too alike"
        return {first}

    def overlap(self, front: int, behind: int) -> float:
        """Largest part of one object that another hides."""
        largest = 0
        for frame in np.flatnonzero(self.areas[front]):
            whole = self.clip.amodal_mask(behind, int(frame))
            largest = max(largest, int((whole & self.masks[front][frame]).sum()))
        return largest / self.size(behind)

    def beside(self, anchor: int, side: str) -> set[int]:
        axis, sign = {"left": (0, -1), "right": (0, 1), "above": (1, -1), "below": (1, 1)}[side]
        found = set()
        for k in self.ids:
            together = np.intersect1d(self.visible(k), self.visible(anchor))
            if k != anchor and len(together):
                away = sign * (self.centers[k] - self.centers[anchor])[together, axis]
                if (away > 0.05 * min(self.height, self.width)).all():
                    found.add(k)
        return found

    def thing(self, words: str) -> int:
        """Return what a noun phrase such as "the red star" or "the largest one" means."""
        if match := re.fullmatch(rf"the (largest|smallest) {NOUN}", words):
            return self.the(self.extreme(set(self.ids), match[1]))
        match = re.fullmatch(rf"the {COLOR} {NOUN}", words)
        assert match, f"cannot read {words!r}"
        return self.the(self.of_color(match["color"]))

    def answer(self, text: str) -> set[int]:
        for method in (
            self.by_look,
            self.by_motion,
            self.by_time,
            self.by_relation,
            self.by_steps,
        ):
            found = method(text)
            if found is not None:
                return found
        raise AssertionError(f"cannot read {text!r}")

    def by_look(self, text: str) -> set[int] | None:
        if match := re.fullmatch(rf"the (?:thing that is {COLOR})", text):
            return self.of_color(match["color"])
        if match := re.fullmatch(rf"the {COLOR} {NOUN}", text):
            return self.of_color(match["color"])
        if match := re.fullmatch(
            rf"the (largest|biggest|smallest|tiniest)(?: of them| {NOUN})", text
        ):
            return self.extreme(set(self.ids), match[1])
        places = (
            ("leftmost|furthest to the left", 0, -1),
            ("rightmost|furthest to the right", 0, 1),
            ("topmost|at the top", 1, -1),
            ("lowest|at the bottom", 1, 1),
        )
        for words, axis, sign in places:
            if re.fullmatch(rf"the (?:one|object)? ?(?:{words})(?: one)?", text):
                firsts = set()
                for frame in range(self.last + 1):
                    there = [k for k in self.ids if frame in self.visible(k)]
                    firsts.add(max(there, key=lambda k: sign * self.centers[k][frame, axis]))
                return firsts
        return None

    def by_motion(self, text: str) -> set[int] | None:
        if match := re.fullmatch(rf"the (?:one|object) {WAY}", text):
            return self.movers(match["way"])
        if match := re.fullmatch(rf"the {COLOR} one {WAY}", text):
            return self.movers(match["way"]) & self.of_color(match["color"])
        if match := re.fullmatch(rf"the {COLOR} one that moves across the picture", text):
            return {k for k in self.of_color(match["color"]) if not self.stays(k)}
        if re.search("fastest", text):
            order = sorted(self.ids, key=self.speed)
            assert self.speed(order[-1]) > 1.3 * self.speed(order[-2]), "too alike in speed"
            return {order[-1]}
        if re.search("stands still|does not move|the still one", text):
            return {k for k in self.ids if self.stays(k)}
        return None

    def by_time(self, text: str) -> set[int] | None:
        late = sorted((k for k in self.ids if self.arrives(k) > 0), key=self.arrives)
        if match := re.search(rf"(?:enters|appears) after the {COLOR} one$|later than", text):
            color = re.search(COLOR, text)
            assert match and color
            anchor = self.the(self.of_color(color["color"]))
            return {k for k in late if self.arrives(k) > self.arrives(anchor)}
        if re.search(
            "disappears and comes back|for a while|returns|comes back|behind the post", text
        ):
            return {k for k in self.ids if self.gap(k) >= 3}
        if re.search("only at the end", text):
            return {k for k in self.ids if self.arrives(k) > self.last / 2}
        if re.search("last one to appear|appears last", text):
            return set(late[-1:])
        if re.search("first newcomer|first of those that appear", text):
            return set(late[:1])
        if re.search("appears late|not there at the beginning|comes into the picture", text):
            return set(late)
        leaving = sorted((k for k in self.ids if self.goes(k) < self.last), key=self.goes)
        if re.search("first one to (?:leave|disappear)", text):
            return set(leaving[:1])
        if re.fullmatch(
            "the (?:one|object) (?:that )?(?:leaves the picture|is gone at the end|goes away"
            "|disappears)",
            text,
        ):
            return set(leaving)
        return None

    def by_relation(self, text: str) -> set[int] | None:
        sides = {
            "to the left of": "left",
            "left of": "left",
            "to the right of": "right",
            "right of": "right",
            "above": "above",
            "over": "above",
            "below": "below",
            "under": "below",
        }
        if match := re.fullmatch(rf"the (?:one|object) ({'|'.join(sides)}) (the .+)", text):
            return self.beside(self.thing(match[2]), sides[match[1]])
        if match := re.fullmatch(r"the (?:one|object) (?:next|closest) to (the .+)", text):
            anchor = self.thing(match[1])
            distance = {}
            for k in self.ids:
                together = np.intersect1d(self.visible(k), self.visible(anchor))
                if k != anchor and len(together):
                    away = (self.centers[k] - self.centers[anchor])[together]
                    distance[k] = float(np.median(np.hypot(*away.T)))
            return {min(distance, key=lambda k: distance[k])}
        front = r"the (?:one|object) (?:that passes )?(?:in front of|that covers part of) (the .+)"
        if match := re.fullmatch(front, text):
            anchor = self.thing(match[1])
            return {k for k in self.ids if k != anchor and self.overlap(k, anchor) > 0.05}
        behind = (
            r"the (?:one|object) (?:that passes )?(?:behind|that is partly hidden by) (the .+)"
        )
        if match := re.fullmatch(behind, text):
            anchor = self.thing(match[1])
            return {k for k in self.ids if k != anchor and self.overlap(anchor, k) > 0.05}
        if match := re.fullmatch(r"(the \w+ one) that (passes behind|hides) (the \w+ one)", text):
            first, second = self.thing(match[1]), self.thing(match[3])
            pair = (second, first) if match[2] == "passes behind" else (first, second)
            return {first} if self.overlap(*pair) > 0 else set()
        return None

    def by_steps(self, text: str) -> set[int] | None:
        if match := re.fullmatch(
            rf"(?:the (?P<number>\w+)|both|all) {COLOR} (?:ones|objects)", text
        ):
            found = self.of_color(match["color"])
            number = match["number"] or text.split()[0]
            assert len(found) >= 2 and NUMBERS.get(number, len(found)) == len(found)
            return found
        if match := re.fullmatch(rf"the (\w+)(?: of the)? {COLOR} ones?", text):
            return self.extreme(self.of_color(match["color"]), match[1])
        every = r"(?:all objects|the (?P<number>\w+)|everything)"
        if match := re.fullmatch(rf"{every} that (?:move|goes)(?: to the)? (?P<way>\w+)", text):
            found = self.movers(match["way"])
            assert NUMBERS.get(match["number"] or "", len(found)) == len(found)
            return found
        if match := re.fullmatch(
            r"the (largest|smallest) of (?:the ones|those) that move(?: to the)? (\w+)", text
        ):
            return self.extreme(self.movers(match[2]), match[1])
        if match := re.fullmatch(
            rf"the one that moves(?: to the)? (\w+) but is not {COLOR}", text
        ):
            return self.movers(match[1]) - self.of_color(match["color"])
        if match := re.fullmatch(
            rf"(?:everything except|all but) the {COLOR} {NOUN}|"
            rf"all objects that are not {COLOR.replace('color', 'other')}",
            text,
        ):
            return set(self.ids) - self.of_color(match["color"] or match["other"])
        if match := re.fullmatch(
            rf"the (?:one|object) that (?:appears after|comes once) the {COLOR} one"
            r" (?:has|is) gone",
            text,
        ):
            anchor = self.the(self.of_color(match["color"]))
            return {k for k in self.ids if self.arrives(k) > self.goes(anchor)}
        return None


def check(clip: SyntheticClip) -> None:
    reader = Reader(clip)
    for query in clip.queries:
        found = reader.answer(query.text)
        assert found == set(query.object_ids), f"seed {clip.seed}: {query.text!r} ({query.kind})"


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("seed", range(6))
def test_answers_follow_from_pixels_and_masks(difficulty, seed):
    clip = make_clip(seed=seed, difficulty=difficulty, size=(120, 160))
    assert clip.queries[0].difficulty == difficulty
    check(clip)


def test_answers_hold_across_a_cut():
    for seed in range(4):
        check(make_clip(seed=seed, size=(120, 160), cut=True))


def test_answers_hold_in_the_demonstration():
    check(demo_clip(size=(180, 320)))


def test_absent_queries_have_no_answer_and_all_others_have_one():
    clips = [make_clip(seed=seed, size=(96, 128)) for seed in range(8)]
    queries = [query for clip in clips for query in clip.queries]
    assert {query.difficulty for query in queries} >= {"appearance", "motion", "absent"}
    for query in queries:
        assert bool(query.object_ids) == (query.difficulty != "absent")
