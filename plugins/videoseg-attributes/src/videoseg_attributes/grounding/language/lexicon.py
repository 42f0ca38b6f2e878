"""The lexicon: the words and phrases that are understood, and their meaning.

Verbs are listed in their base form and inflected here. A phrase of several words takes precedence
over its single words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

__all__ = ["Entry", "Kind", "VerbForm", "lexicon", "longest_phrase", "verb_forms"]

VerbForm: TypeAlias = Literal["finite", "participle", "infinitive"]

_IRREGULAR = {  # base: (past, past participle)
    "run": ("ran", "run"), "drive": ("drove", "driven"), "swim": ("swam", "swum"),
    "fly": ("flew", "flown"), "slide": ("slid", "slid"), "ride": ("rode", "ridden"),
    "go": ("went", "gone"), "stand": ("stood", "stood"), "sit": ("sat", "sat"),
    "lie": ("lay", "lain"), "sleep": ("slept", "slept"), "spin": ("spun", "spun"),
    "grow": ("grew", "grown"), "shrink": ("shrank", "shrunk"), "rise": ("rose", "risen"),
    "fall": ("fell", "fallen"), "sink": ("sank", "sunk"), "come": ("came", "come"),
    "leave": ("left", "left"), "begin": ("began", "begun"), "become": ("became", "become"),
    "get": ("got", "got"), "keep": ("kept", "kept"), "hold": ("held", "held"),
    "hide": ("hid", "hidden"), "leap": ("leapt", "leapt"), "swing": ("swung", "swung"),
    "shake": ("shook", "shaken"), "take": ("took", "taken"), "set": ("set", "set"),
    "show": ("showed", "shown"), "speed": ("sped", "sped"),
}  # fmt: skip
_NO_DOUBLING = {"enter", "wander", "appear", "disappear", "reappear", "travel", "wait", "head",
                "speed", "leap", "float", "sleep", "reenter", "re-enter", "turn", "return",
                "flutter", "somersault", "exit"}  # fmt: skip


def verb_forms(phrase: str) -> dict[str, VerbForm]:
    """Return the forms of a verb phrase whose first word is the verb in its base form."""
    base, _, tail = phrase.partition(" ")
    tail = f" {tail}" if tail else ""
    final = re.fullmatch(r".*[^aeiou][aeiou][bdgklmnprt]", base)
    doubled = base + base[-1] if final and base not in _NO_DOUBLING else base
    if base.endswith("ie"):
        participle = base[:-2] + "ying"
    elif base.endswith("e") and not base.endswith("ee"):
        participle = base[:-1] + "ing"
    else:
        participle = doubled + "ing"
    if re.fullmatch(r".*(s|x|z|ch|sh|o)", base):
        third = base + "es"
    elif re.fullmatch(r".*[^aeiou]y", base):
        third = base[:-1] + "ies"
    else:
        third = base + "s"
    if base in _IRREGULAR:
        past, perfect = _IRREGULAR[base]
    elif base.endswith("e"):
        past = perfect = base + "d"
    elif re.fullmatch(r".*[^aeiou]y", base):
        past = perfect = base[:-1] + "ied"
    else:
        past = perfect = doubled + "ed"
    forms: dict[str, VerbForm] = {
        perfect + tail: "finite",
        past + tail: "finite",
        third + tail: "finite",
        participle + tail: "participle",
        base + tail: "infinitive",
    }
    if " and " in tail:  # "leaves and returns": both verbs are inflected
        first, second = phrase.split(" and ", 1)
        forms.update(
            {
                f"{one} and {two}": form
                for one, form in verb_forms(first).items()
                for two, other in verb_forms(second).items()
                if other == form
            }
        )
    return forms


Kind: TypeAlias = Literal[
    "det", "all", "number", "ordinal", "color", "shade", "size", "superlative", "comparative",
    "place", "motion", "direction", "event", "relation", "order", "part", "not", "without",
    "except", "who", "be", "and", "or", "comma", "of", "than", "with", "in", "preposition",
    "generic", "rest", "modal", "then", "filler", "fold", "camera", "adverb", "ranked place",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """The meaning of a phrase: its kind, one or two values, and a verb's form."""

    kind: Kind
    value: str = ""
    extra: str = ""
    form: VerbForm | None = None


def _table(kind: Kind, rows: dict[str, str]) -> dict[str, Entry]:
    """Rows of ``"value extra" -> "phrase, phrase, ..."``."""
    entries = {}
    for value, phrases in rows.items():
        first, _, second = value.partition("|")
        for phrase in phrases.split(","):
            entries[phrase.strip()] = Entry(kind, first, second.rstrip("|"))
    return entries


_COLORS = {
    "black": "black, ebony, jet",
    "grey": "grey, gray, greyish, grayish, charcoal",
    "white": "white, whitish, snowy, snow-white",
    "silver": "silver, silvery, metallic",
    "red": "red, reddish, crimson, scarlet",
    "orange": "orange, orangey",
    "yellow": "yellow, yellowish",
    "green": "green, greenish, lime",
    "cyan": "cyan, turquoise, teal, aqua",
    "blue": "blue, bluish, azure",
    "purple": "purple, violet, lilac, lavender, purplish, indigo",
    "magenta": "magenta, fuchsia",
    "pink": "pink, pinkish, rosy",
    "brown": "brown, brownish, chestnut, tawny, bronze",
    "golden": "golden, gold, blond, blonde, ginger, honey-coloured",
    "beige": "beige, tan, cream, creamy, sandy, khaki, ivory",
    "maroon": "maroon, burgundy",
    "navy": "navy, navy blue",
    "olive": "olive, olive green",
}
_SUPERLATIVES = {  # key|descending
    "area|1": "largest, biggest, most massive, hugest",
    "area|0": "smallest, tiniest, littlest",
    "height|1": "tallest",
    "height|0": "shortest",
    "width|1": "widest, broadest, longest",
    "width|0": "narrowest, thinnest",
    "speed|1": "fastest, quickest, moves the most, moving the most, most active, moves most, "
    "speediest, moving most",
    "speed|0": "slowest, moves the least, moving the least, least active, moves least",
    "left|1": "on the far left, at the far left, to the far left, "
    "leftmost, furthest left, furthest to the left, farthest left, "
    "farthest to the left, far left, most to the left",
    "right|1": "on the far right, at the far right, to the far right, "
    "rightmost, furthest right, furthest to the right, farthest right, "
    "farthest to the right, far right, most to the right",
    "top|1": "topmost, highest, uppermost",
    "bottom|1": "bottommost, lowest, lowermost",
    "center|1": "most central, closest to the center, nearest to the center, "
    "nearest the center, closest to the middle, nearest to the middle, nearest the middle",
    "edge|1": "nearest edge, closest to the edge, nearest to the edge, nearest the edge, "
    "closest to the border, nearest to the border",
    "front|1": "nearest to the camera, closest to the camera, nearest the camera, "
    "nearer to the camera, nearer the camera, closer to the camera, nearest to us, "
    "closest to us, nearest to the viewer, closest to the viewer, frontmost, foremost",
    "front|0": "farthest from the camera, furthest from the camera, farthest away, "
    "furthest away, farthest from us, further from the camera, farther from the camera",
    "left|1|": "closest to the left, nearest to the left, closest to the left edge, "
    "nearest to the left edge, nearest the left edge",
    "right|1|": "closest to the right, nearest to the right, closest to the right edge, "
    "nearest to the right edge, nearest the right edge",
    "top|1|": "closest to the top, nearest to the top, nearest the top",
    "bottom|1|": "closest to the bottom, nearest to the bottom, nearest the bottom",
    "duration|1": "longest visible, visible the longest, visible for the longest time, "
    "stays the longest, stays visible the longest, visible longest",
    "duration|0": "visible the shortest, visible for the shortest time",
    "travel|1": "moves the farthest, moves the furthest, travels the farthest, "
    "travels the furthest, moves farthest, travels farthest, covers the most ground",
    "lightness|1": "brightest, lightest",
    "lightness|0": "darkest",
    "growing|1": "grows the most, grows most",
    "growing|0": "shrinks the most, shrinks most",
    "distance|0": "closest, nearest, closest to, nearest to",
    "distance|1": "farthest, furthest, farthest from, furthest from, most distant from",
}
_COMPARATIVES = {  # rank key|descending; with "than" the relation of the same table row
    "area|1|larger than": "larger, bigger",
    "area|0|smaller than": "smaller, littler",
    "height|1|taller than": "taller",
    "height|0|shorter than": "shorter",
    "width|1|wider than": "wider, longer, broader",
    "speed|1|faster than": "faster, quicker, more quickly",
    "speed|0|slower than": "slower, more slowly",
    "left|1|further left than": "further left, further to the left, farther left, "
    "farther to the left, more to the left",
    "right|1|further right than": "further right, further to the right, farther right, "
    "farther to the right, more to the right",
    "top|1|higher than": "higher, higher up",
    "bottom|1|lower than": "lower down",
    "front|1|nearer than": "nearer, closer",
}
_SIZES = {  # dimension|large
    "area|1": "large, big, huge, giant, enormous, massive, bulky",
    "area|0": "small, little, tiny, mini, minute",
    "height|1": "tall, high",
    "height|0": "short",
    "width|1": "wide, broad, long",
    "width|0": "narrow, thin, slim",
}
_PLACES = {
    "left": "left, on the left, at left, at the left, to the left side, on the left side, "
    "on the left hand side, left side, left hand side, on left, in the left half, left half, "
    "on the left half, at the left side, in the left part, leftward of center, left-hand",
    "right": "right, on the right, at right, at the right, on the right side, "
    "on the right hand side, right side, right hand side, on right, in the right half, "
    "right half, on the right half, at the right side, in the right part, right-hand",
    "top": "top, upper, at the top, on top, in the upper half, top half, on the top half, "
    "in the top half, upper half, at the top side, in the upper part, on the top",
    "bottom": "bottom, lower, at the bottom, on the bottom, in the lower half, bottom half, "
    "on the bottom half, in the bottom half, lower half, in the lower part",
    "center": "center, middle, in the center, in the middle, at the center, central, "
    "in center, in middle, at the middle",
    "corner": "corner, in the corner, in a corner, at the corner",
    "edge": "at the edge, near the edge, at the border, near the border, at the side, "
    "on the edge, close to the edge",
    "front": "in the foreground, foreground, in front, at the front, near the camera, "
    "close to the camera, near us, closer to us, nearer to us",
    "back": "in the background, background, at the back, in the back, in the distance, "
    "far from the camera, far away",
}
_VERBS = {  # manner|direction
    "moving|": "move, walk, run, drive, swim, jump, fly, roll, slide, crawl, dance, ride, race, "
    "travel, hop, skate, ski, glide, cross, pass, march, jog, sprint, trot, gallop, leap, "
    "bounce, float, drift, surf, wander, stroll, sail, cycle, somersault, wave, swing, shake, "
    "hurry, head, proceed, go, traverse, climb over, dash, speed, cruise, flap, flutter, "
    "stir, change position, change place",
    "still|": "stand, wait, sit, rest, lie, park, sleep, stay still, remain still, keep still, "
    "stand still, stay put, stay in place, remain in place, hold still, stay where it is, "
    "stay where they are, remain stationary, stay stationary, stay motionless, "
    "remain motionless, stay in one place, stay in the same place, stay at the same place, "
    "stand around, sit still, lie still",
    "in place|": "turn, twirl, spin, rotate, whirl, pirouette, wobble, wiggle",
    "turning back|": "turn around, turn back, reverse, reverse direction, change direction, "
    "double back, go back and forth, move back and forth, turn round, change its direction",
    "fast|": "rush, zoom",
    "growing|": "grow, get larger, get bigger, become larger, become bigger, grow larger, expand",
    "shrinking|": "shrink, get smaller, become smaller, grow smaller",
    "moving|up": "rise, ascend, climb, lift off, take off",
    "moving|down": "fall, descend, sink, drop",
}
_MOTION_ADJECTIVES = {
    "moving|": "in motion, mobile",
    "still|": "still, static, stationary, motionless, immobile, parked, unmoving, idle, "
    "standing still, at rest, never leaves its spot, never leaving its spot, "
    "never leaves its place, never leaves its position, seated, does not leave its spot, "
    "does not leave its place, stays on its spot, stays in its spot, frozen, resting",
    "fast|": "fast, quick, rapidly, quickly, rapid, speeding, swiftly",
    "slow|": "slow, slowly",
    "in place|": "on the spot, in place, without going anywhere",
}
_DIRECTIONS = {
    "left": "leftward, leftwards, to the left, towards the left, toward the left, to left, "
    "left, from right to left, from the right to the left, right to left, to the left side, "
    "towards the left side, to its left",
    "right": "rightward, rightwards, to the right, towards the right, toward the right, "
    "to right, right, from left to right, from the left to the right, left to right, "
    "to the right side, "
    "towards the right side, to its right",
    "up": "up, upward, upwards, to the top, towards the top, toward the top, "
    "from bottom to top, from the bottom to the top, bottom to top",
    "down": "down, downward, downwards, to the bottom, towards the bottom, toward the bottom, "
    "from top to bottom, from the top to the bottom, top to bottom",
    "towards": "towards us, toward us, towards the camera, toward the camera, "
    "towards the viewer, toward the viewer, closer, nearer",
    "across": "across the picture, across the frame, across the screen, across the image, "
    "across the scene, across the view, through the picture, through the frame, "
    "through the scene, across the video, from side to side, from one side to the other",
    "away": "away, away from us, away from the camera, away from the viewer, into the distance",
}
_EVENTS = {
    "appears": "appear, come, enter, arrive, come in, "
    "show up, come into view, emerge, come into frame, "
    "enter the frame, enter the scene, enter the picture, enter the view, become visible, "
    "get into the picture, turn up, move into view, move in, come into the picture, "
    "enter the video, enter the image, come into the scene, move into the frame",
    "leaves": "leave, exit, disappear, vanish, go away, leave the frame, leave the scene, "
    "leave the picture, exit the frame, exit the scene, go out of view, move out of view, "
    "go out of frame, leave the view, get out of the picture, depart, leave the video, "
    "leave the image, move out of the frame, go out of the picture, move out, go out of sight, "
    "move out of sight, drive off, run off, walk off, fly off",
    "returns": "return, come back, reappear, re-enter, reenter, appear again, come back again, "
    "come into view again, enter again, leave and return, leave and come back, "
    "disappear and return, disappear and reappear, disappear and come back, go and come back, "
    "go out and come back, go away and come back, go away and return, disappear for a while, "
    "vanish and return, vanish and come back, leave for a while, hide for a while, "
    "go out of the picture and come back, exit and return, exit and reenter, "
    "leave the picture and come back, leave the frame and come back, "
    "leave the picture and return, leave the frame and return",
    "starts": "start, begin, start moving, begin moving, start to move, begin to move, "
    "set off, set out, get going",
    "stops": "stop, halt, stop moving, come to a stop, come to rest, come to a halt, "
    "come to a standstill, cease moving, end, finish, end up, finish up",
    "hidden": "hide, get hidden, become hidden, go behind something, get occluded, "
    "become occluded, pass behind something",
}
_EVENT_ADJECTIVES = {
    "hidden": "hidden, occluded, covered, out of sight, invisible, gone, missing, absent",
    "returns": "gone for a while, hidden for a while, away for a while, absent for a while, "
    "hidden for some time, gone for some time, missing for a while, temporarily hidden, "
    "temporarily gone, invisible for a while, hidden for a moment, gone for a moment, "
    "out of sight for a while",
    "appears": "newcomer, newcomers, late arrival",
    "present": "visible, in view, in sight, there, present, seen",
}
_RELATIONS = {
    "left of": "left of, to the left of, on the left of, on the left side of, to the left side of",
    "right of": "right of, to the right of, on the right of, on the right side of, "
    "to the right side of",
    "above": "above, over, on top of, higher up than",
    "below": "below, under, beneath, underneath",
    "near": "next to, beside, near, close to, by, alongside, adjacent to, at the side of",
    "far from": "far from, far away from, distant from",
    "behind": "behind, in back of",
    "in front of": "in front of",
    "hidden by": "hidden by, occluded by, covered by, hidden behind, partly hidden by, "
    "partially hidden by, partly covered by, partly occluded by, passes behind, pass behind, "
    "passing behind, goes behind, go behind, going behind, moves behind, moving behind, "
    "disappears behind, hides behind, partly behind",
    "hides": "hiding, covering, occluding, hides, covers, occludes, covers part of, "
    "hides part of, covering part of, hiding part of, passes in front of, "
    "passing in front of, moves in front of, moving in front of, goes in front of, "
    "going in front of, partly hides, partly covers",
    "between": "between, in between",
    "approaches": "towards, toward, approaches, approaching, moves towards, moving towards, "
    "heading for, in the direction of, moves in the direction of, "
    "moving in the direction of, move in the direction of, moved in the direction of, "
    "comes closer to, gets closer to",
    "recedes from": "away from, recedes from, receding from, flees, fleeing, fleeing from",
    "follows": "follows, following, chases, chasing, runs after, running after, pursues, "
    "pursuing, trails, trailing",
    "meets": "meets, meeting, touches, touching, collides with, colliding with, hits, hitting, "
    "bumps into, overlaps, overlapping, crosses paths with, overlaps with",
    "inside": "inside, within, inside of",
}
_PARTS = {
    "start": "at the beginning, at the start, in the beginning, initially, at first, "
    "from the beginning, from the start, early, early on, in the first frame, "
    "in the first half, at the very beginning, "
    "when the video starts, when the video begins, originally, to begin with, "
    "in the first part, right from the start, at the outset",
    "middle": "halfway, midway, halfway through, in the middle of the video, "
    "in the middle of the clip, midway through, in the middle frame",
    "end": "at the end, in the end, at the very end, finally, eventually, lastly, "
    "towards the end, toward the end, near the end, in the last frame, in the second half, "
    "when the video ends, by the end, until the end, till the end, until the very end, "
    " in the final frame, later on, "
    "in the last part",
}
_ORDERS = {
    "after": "after, once, as soon as, later than, right after, just after, shortly after, "
    "following the moment",
    "before": "before, until, earlier than, right before, just before, prior to, sooner than",
    "while": "while, when, whilst, during, as long as, at the same time as",
}
_WORDS: dict[Kind, dict[str, str]] = {
    "det": {
        "": "the, a, an, this, these, those, its, his, her, their, my, our, your, some, any, "
        "another, such",
        "which": "which one, which ones, which of",
    },
    "all": {"": "all, every, each, all of, each of, every one of, several, many, multiple, "
            "any of, everything, group of, herd of, flock of, pack of, team of, bunch of, "
            "row of, crowd of"},
    "number": {
        "2": "two, 2, both, pair of, couple of, both of, a pair of, a couple of, either",
        "3": "three, 3", "4": "four, 4", "5": "five, 5", "6": "six, 6", "7": "seven, 7",
        "8": "eight, 8", "9": "nine, 9", "10": "ten, 10",
        "1": "1, single, only, sole",
    },
    "ordinal": {
        "1": "first, 1st, earliest", "2": "second, 2nd", "3": "third, 3rd",
        "4": "fourth, 4th", "5": "fifth, 5th", "6": "sixth, 6th", "7": "seventh, 7th",
        "8": "eighth, 8th", "9": "ninth, 9th", "10": "tenth, 10th",
        "-1": "last, final, latest, late, only at the end, lately",
        "-2": "second to last, penultimate, last but one",
    },
    "shade": {"light": "light, pale, lighter", "dark": "dark, deep, darker"},
    "ranked place": {
        "left|1": "from the left, from left, counted from the left, counting from the left",
        "right|1": "from the right, from right, counting from the right",
        "top|1": "from the top, from top, from above",
        "bottom|1": "from the bottom, from bottom, from below",
    },
    "not": {"": "not, never, no longer, n't, isn't, aren't, doesn't, don't, wasn't, weren't, "
            "didn't, neither, nor, non, hasn't, haven't, hardly, barely, isnt, doesnt, arent, "
            "won't, cannot, can't, couldn't, wouldn't"},
    "without": {"": "without, lacking, with no, has no, have no, without any"},
    "except": {"": "except, except for, other than, apart from, but not, excluding, "
               "besides, all but, everything but, different from, anything but, rather than, "
               "instead of, as opposed to, and not"},
    "who": {"": "that, which, who, whose, whom, where"},
    "be": {"": "is, are, was, were, be, being, been, am, gets, get, becomes, become, remains, "
           "remain, stays, stay, keeps, keep, seems, seem, looks, has been, have been, has, "
           "have, had, having, does, do, did, remaining, staying, keeping, it's"},
    "and": {"": "and, also, as well as, plus, &"},
    "or": {"": "or"},
    "of": {"": "of, among, amongst, out of, from among"},
    "than": {"": "than"},
    "with": {"": "with, wearing, wears, dressed in, clad in, having"},
    "in": {"": "in"},
    "preposition": {"": "on, at, to, from, into, onto, through, across, around, along, off, "
                    "against, for, about, upon, past, toward"},
    "rest": {"": "others, rest, other ones, other objects, other things, everything else, "
             "everyone else, other two, other one, other object, other, other three, "
             "remaining ones, anything else, all others, all the others, any other object, "
             "all other objects, any other, other shapes, other shape"},
    "modal": {"": "could, would, can, might, may, should, must, if, because, since, "
              "able to, used to, used for, whether, supposed to, likely, unlikely, probably"},
    "then": {"": "then, and then, afterwards, and afterwards, before it, later, and later, "
             "and finally"},
    "camera": {"": "camera, viewer, us, lens"},
    "fold": {"": "in the video, in the scene, in the clip, in the frame, in the picture, "
             "in the image, in this video, in this scene, of the frame, of the picture, "
             "of the image, of the screen, of the video, of the scene, of the clip, on screen, "
             "on the screen, in the footage, in the shot, of all, of them, of them all, "
             "in this clip, in the whole video, throughout the video, throughout, "
             "the whole time, all the time, the entire time, during the video, of all objects, "
             "during the whole video, over the whole video, the whole video, "
             "throughout the clip, the frame, the picture, the screen, the image, the scene, "
             "the view, of it, at all, of the view"},
    "filler": {"": "please, find, segment, will, bright, vivid, "
               "track, show, me, locate, select, highlight, identify, "
               "mask, give, tell, you, i, want, need, see, look, colored, coloured, color, "
               "colour, in color, in colour, very, really, quite, somewhat, just, there's, "
               "there, it, itself, themselves, they, he, she, them, only, exactly, almost, "
               "always, constantly, continuously, main, salient, prominent, most salient, "
               "mostly, mainly, too, hand, side, point out, out, even, both of, whole, "
               "but, however, still in, while moving, yet, s, simply, clearly, same time, own, "
               "most prominent, steadily, smoothly, straight, kind, sort, type, relatively"},
}  # fmt: skip
_GENERIC_SINGULAR = (
    "object, thing, one, item, something, anything, what, shape, entity, target, figure"
)
_GENERIC_PLURAL = "objects, things, ones, items, shapes, entities, targets, figures"


def _corners() -> dict[str, Entry]:
    """Return "top left", "in the upper right corner" and the like."""
    rows: dict[str, Literal["top", "bottom"]] = {
        "top": "top", "upper": "top", "bottom": "bottom", "lower": "bottom"
    }  # fmt: skip
    return {
        f"{lead}{word} {side}{tail}": Entry("place", row, side)
        for word, row in rows.items()
        for side in ("left", "right")
        for tail in ("", " corner", " hand corner", " part", " quarter")
        for lead in ("", "in the ", "at the ", "on the ", "in ")
    }


@lru_cache(maxsize=1)
def lexicon() -> dict[str, Entry]:
    """Return every known phrase with its meaning."""
    entries: dict[str, Entry] = {}
    for table in (
        _table("direction", _DIRECTIONS),
        _table("place", _PLACES),
        _corners(),
        *(_table(kind, rows) for kind, rows in _WORDS.items()),
        _table("part", _PARTS),
        _table("order", _ORDERS),
        _table("relation", _RELATIONS),
        _table("color", _COLORS),
        _table("size", _SIZES),
        _table("motion", _MOTION_ADJECTIVES),
        _table("event", _EVENT_ADJECTIVES),
    ):
        # "left" is a place and a direction: the parser asks which, so the place is kept.
        entries.update(table)
    for kind, verbs in (("motion", _VERBS), ("event", _EVENTS)):
        for value, phrases in verbs.items():
            first, _, second = value.partition("|")
            for phrase in phrases.split(","):
                for form_text, form in verb_forms(phrase.strip()).items():
                    known = entries.get(form_text)
                    if known is None or known.kind == kind:
                        entries[form_text] = Entry(
                            "motion" if kind == "motion" else "event", first, second, form
                        )
    entries.update(_table("superlative", _SUPERLATIVES))
    entries.update(_table("comparative", _COMPARATIVES))
    for word in _GENERIC_SINGULAR.split(", "):
        entries[word] = Entry("generic", "singular")
    for word in _GENERIC_PLURAL.split(", "):
        entries[word] = Entry("generic", "plural")
    for phrase in list(entries):
        if "center" in phrase:
            entries[phrase.replace("center", "centre")] = entries[phrase]
    return entries


@lru_cache(maxsize=1)
def longest_phrase() -> int:
    """Return the number of words of the longest known phrase."""
    return max(phrase.count(" ") + 1 for phrase in lexicon())
