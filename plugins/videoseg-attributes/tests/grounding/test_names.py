"""Nouns are found by a detector; everything else in a query chooses among what it finds."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from videoseg_attributes import AttributesGrounder, NamedTrack, choose_tracks

from videoseg.errors import ConfigError, StageError
from videoseg.pipeline import run_episode
from videoseg.samplers import UniformSampler
from videoseg.types import Box, Detection, Grounding, Rle
from videoseg.video import Video

COLORS = {
    "red": (208, 34, 40), "green": (38, 152, 62), "blue": (34, 88, 208),
    "yellow": (248, 214, 38), "white": (240, 240, 238),
}  # fmt: skip
WORDS = {"dogs": ("dog",), "cars": ("car",), "taxi": ("car",), "man": ("person",),
         "men": ("person",), "animal": ("dog", "cat"), "people": ("person",)}  # fmt: skip


@dataclass
class ColorDetector:
    """Calls things of one color by one class, with a score; its other classes are never found."""

    things: Mapping[str, str]
    scores: Mapping[str, float] = field(default_factory=dict)
    mistakes: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    closed: bool = False
    vocabulary: tuple[str, ...] = ("car", "cat", "dog", "person")

    def classes_of(self, name: str) -> tuple[str, ...]:
        return (name,) if name in self.vocabulary else WORDS.get(name, ())

    def unknown_names(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if not self.classes_of(name))

    def detect(self, frames, names):
        self.asked.append(tuple(names))
        return [self.detect_on(frame, names) for frame in frames]

    def detect_on(self, frame, names) -> list[Detection]:
        found = []
        for color, thing in self.things.items():
            there = (frame == np.array(COLORS[color], np.uint8)).all(axis=-1)
            if there.sum() < 4:
                continue
            rows, columns = np.nonzero(there)
            box = Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            seen = {thing: self.scores.get(color, 0.9)}
            if color in self.mistakes:
                seen[self.mistakes[color][0]] = self.mistakes[color][1]
            found += [
                Detection(box, name, score, class_name)
                for class_name, score in seen.items()
                for name in names
                if class_name in self.classes_of(name)
            ]
        return sorted(found, key=lambda one: -one.score)

    def close(self) -> None:
        self.closed = True


STREET = {"red": "car", "blue": "car", "green": "dog", "white": "person"}


def ask(scene, query: str, things: Mapping[str, str] = STREET, **options) -> Grounding:
    detector = options.pop("detector", None) or ColorDetector(things, **options)
    grounder = AttributesGrounder(detector=detector, survey=scene.survey)
    episode = run_episode(scene.video, query, sampler=UniformSampler(), grounder=grounder)
    assert episode.grounding is not None
    return episode.grounding


def colors_of(scene, grounding: Grounding) -> list[str]:
    """Return the things of the scene that the prompts' boxes lie on."""
    names = list(scene.things)
    found = []
    for prompt in grounding.prompts:
        center = prompt.box.center
        label = scene.labels[prompt.frame][int(center.y), int(center.x)]
        found.append(names[label - 1] if label else "ground")
    return sorted(found)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("the dog", ["green"]),
        ("the red car", ["red"]),
        ("the car that moves to the right", ["blue"]),
        ("the larger car", ["red"]),
        ("both cars", ["blue", "red"]),
        ("the dog and both cars", ["blue", "green", "red"]),
        ("the car above the dog", ["red"]),
        ("all cars except the red one", ["blue"]),
        ("the animal", ["green"]),
        ("which dog is standing still?", ["green"]),
    ],
)
def test_nouns_choose_candidates_and_the_rest_chooses_among_them(street, query, expected) -> None:
    grounding = ask(street, query)
    assert colors_of(street, grounding) == expected
    assert grounding.status == "answered", grounding.warnings
    assert not grounding.unjudged
    assert all(prompt.box and prompt.mask is None for prompt in grounding.prompts)


def test_a_known_noun_is_a_judged_word_and_an_unknown_one_is_told(street) -> None:
    known = ask(street, "the dog with wheels")
    assert "dog" in known.judged
    assert known.status == "guessed"
    assert any("with wheels" in word for word in known.unjudged)
    unknown = ask(street, "the red tractor")
    assert unknown.unjudged == ("tractor",)
    assert unknown.status == "guessed"
    assert "does not understand" in unknown.warnings[0]
    assert "by names that the detector knows" in unknown.warnings[0]
    assert "(the detector does not know it, or found nothing as it)" in unknown.thought.linguistic


def test_what_everything_of_the_kind_contradicts_is_absent(street) -> None:
    grounding = ask(street, "the yellow car")
    assert grounding.status == "absent"
    assert not grounding.prompts
    assert '"yellow"' in grounding.thought.linguistic


def test_a_name_that_nothing_was_found_as_is_absent_where_other_things_were(street) -> None:
    grounding = ask(street, "the cat")
    assert grounding.status == "absent"
    assert 'nothing was found as "cat"' in grounding.thought.linguistic


def test_a_detector_that_finds_nothing_at_all_proves_nothing(street) -> None:
    grounding = ask(street, "the red cat", things={})
    assert grounding.status == "guessed"
    assert 'nothing was found as "cat"' in grounding.warnings[0]
    assert grounding.prompts  # the red object


def test_unsure_hints_at_a_thing_are_not_absent(street) -> None:
    grounding = ask(street, "the dog", scores={"green": 0.15})
    assert grounding.status == "guessed"
    assert 'nothing was found as "dog"' in grounding.warnings[0]


def test_several_unsure_things_are_all_taken_as_a_guess(street) -> None:
    things = {"red": "car", "blue": "car", "green": "dog"}
    grounding = ask(street, "the cars", things=things, scores={"red": 0.25, "blue": 0.22})
    assert grounding.status == "guessed"
    assert colors_of(street, grounding) == ["blue", "red"]


def test_a_wide_word_that_nothing_was_found_as_is_not_absent(street) -> None:
    assert ask(street, "the animal", things={"red": "car"}).status == "guessed"


def test_things_between_frames_that_lie_far_apart_are_not_absent(make_scene, thing) -> None:
    scene = make_scene({"red": thing("red", 20, lambda time: (0.5, 0.5))}, num_frames=300)
    assert ask(scene, "the cat", things={"red": "car"}).status == "guessed"


def test_an_unsure_name_is_a_guess(street) -> None:
    grounding = ask(street, "the dog", scores={"green": 0.4})
    assert grounding.status == "guessed"
    assert 'not sure that it is "dog"' in grounding.warnings[-1]
    assert colors_of(street, grounding) == ["green"]


def test_a_thing_that_another_name_fits_much_better_is_not_meant(street) -> None:
    mistaken = {"mistakes": {"green": ("cat", 0.35)}}
    assert ask(street, "the cat", **mistaken).status == "absent"
    assert ask(street, "the dog", **mistaken).status == "answered"


def test_a_word_narrower_than_what_is_found_is_a_guess_among_several(street) -> None:
    things = {"red": "person", "blue": "person"}
    grounding = ask(street, "the man", things=things)
    assert grounding.status == "guessed"
    assert 'judged only as "person"' in grounding.warnings[0]
    assert ask(street, "both men", things=things).status == "answered"
    assert ask(street, "the man", things={"red": "person"}).status == "answered"


def test_a_relation_holds_to_any_of_several_and_needs_something_seen(make_scene, thing) -> None:
    scene = make_scene(
        {
            "red": thing("red", 20, lambda time: (0.3, 0.7)),
            "white": thing("white", 10, lambda time: (0.3, 0.5)),
            "blue": thing("blue", 20, lambda time: (0.8, 0.7)),
            "green": thing("green", 10, lambda time: (0.55, 0.2)),
        },
        num_frames=10,
    )
    things = {"red": "car", "blue": "car", "white": "person", "green": "person"}
    for query in ("the man on the car", "the person on a car"):
        grounding = ask(scene, query, things=things)
        assert colors_of(scene, grounding) == ["white"]
        assert grounding.status == "answered", grounding.warnings
    unseen = ask(scene, "the person with a dog", things=things)
    assert unseen.status == "guessed"
    assert any("dog" in word for word in unseen.unjudged)


def test_the_trace_has_what_was_found(street) -> None:
    grounding = ask(street, "the dog")
    assert "(dog 0.90)" in grounding.thought.text
    found = grounding.thought.details["detections"]
    assert {max(one["names"], key=one["names"].get) for one in found} == {"car", "dog", "person"}


def test_a_detector_with_a_closed_vocabulary_is_asked_for_all_of_it_once(street) -> None:
    detector = ColorDetector(STREET)
    grounder = AttributesGrounder(detector=detector, survey=street.survey)
    for query in ("the dog", "the dog on the left"):
        run_episode(street.video, query, sampler=UniformSampler(), grounder=grounder)
    assert set(detector.asked) == {("dog", "car", "cat", "person")}
    assert sum(map(len, detector.asked)) == 4 * 3  # three batches of frames


def test_queries_without_a_known_noun_do_not_ask_the_detector(street) -> None:
    detector = ColorDetector(STREET)
    ask(street, "the red object", detector=detector)
    ask(street, "the thing next to the dog", detector=detector)
    assert not detector.asked


def test_a_grounder_with_a_detector_can_be_copied_and_sent(street) -> None:
    grounder = AttributesGrounder(detector=ColorDetector(STREET))
    for other in (copy.deepcopy(grounder), pickle.loads(pickle.dumps(grounder))):
        episode = run_episode(street.video, "the dog", sampler=UniformSampler(), grounder=other)
        assert episode.grounding and episode.grounding.found
    grounder.close()
    assert not grounder._finder.detector.closed  # it was given


@pytest.mark.parametrize("detector", [3, {"options": {}}, ColorDetector])
def test_what_is_no_detector_is_refused(detector) -> None:
    with pytest.raises(ConfigError, match="the detector must be"):
        AttributesGrounder(detector=detector)


# -- several things ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected", "told"),
    [
        ("the dog and the cat", ["green"], '"the cat"'),
        ("the cat and the dog", ["green"], '"the cat"'),
        ("the dog and the yellow car", ["green"], '"the yellow car"'),
        ("the man and both dogs", ["green", "white"], "more objects"),
        ("the dog and the glorp", ["green"], '"glorp"'),
        ("the glorp and the dog", ["green"], '"glorp"'),
    ],
)
def test_a_part_of_what_is_asked_for_is_a_guess_and_the_rest_is_told(
    street, query, expected, told
) -> None:
    grounding = ask(street, query)
    assert colors_of(street, grounding) == expected
    assert grounding.status == "guessed"
    assert any(told in warning for warning in grounding.warnings)
    assert not any("closest match" in warning for warning in grounding.warnings)


def test_what_stands_beside_an_unknown_noun_is_not_absent(street) -> None:
    assert ask(street, "the cat and the glorp").status == "guessed"
    assert ask(street, "the cat and the cat").status == "absent"


@pytest.mark.parametrize(
    "query",
    ["dogs and people", "dog, person", "the dog and person", "dog and person on the right"],
)
def test_nouns_without_articles_are_listed(street, query) -> None:
    grounding = ask(street, query)
    assert colors_of(street, grounding) == ["green", "white"]
    assert grounding.status == "answered", grounding.warnings


def test_of_a_list_only_what_is_missing_is_told_so(street) -> None:
    for query, told in (
        ("dogs, cat and people", 'matches "cat";'),
        ("dogs, elk and men", '"elk"'),
    ):
        grounding = ask(street, query)
        assert colors_of(street, grounding) == ["green", "white"]
        assert grounding.status == "guessed"
        assert any(told in warning for warning in grounding.warnings)


@pytest.mark.parametrize("query", ["dog not cat", "dogs, not cats", "the dog, not the car"])
def test_a_noun_after_not_is_not_what_is_asked_for(street, query) -> None:
    grounding = ask(street, query)
    assert colors_of(street, grounding) == ["green"]
    assert grounding.status != "absent"


def test_what_moves_most_is_measured(street) -> None:
    things = {"blue": "dog", "green": "dog"}
    for query in ("the dog that moves the most", "the most active dog"):
        assert colors_of(street, ask(street, query, things=things)) == ["blue"]


def test_a_label_has_no_spaces_before_signs(street) -> None:
    assert ask(street, "The dog, not the car.").prompts[0].label == "dog, not the car"


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("the dog and both cars", ["dog", "both cars", "both cars"]),
        ("the red car and the dog", ["red car", "dog"]),
        ("the dog", ["dog"]),
    ],
)
def test_each_of_several_things_is_called_by_its_own_words(street, query, labels) -> None:
    assert [prompt.label for prompt in ask(street, query).prompts] == labels


def test_of_several_things_of_one_name_the_one_that_moves_is_meant(make_scene, thing) -> None:
    scene = make_scene(
        {
            "red": thing("red", 22, lambda _: (0.25, 0.35)),
            "blue": thing("blue", 20, lambda time: (0.35 + 0.4 * time, 0.65)),
        }
    )
    assert colors_of(scene, ask(scene, "the car")) == ["blue"]
    assert colors_of(scene, ask(scene, "the larger car")) == ["red"]


# -- little to see -------------------------------------------------------------------------------


def test_a_single_frame_shows_no_motion_and_contradicts_none(make_scene, thing) -> None:
    scene = make_scene({"red": thing("red", 20, lambda time: (0.5, 0.5))}, num_frames=1)
    for grounding in (
        ask(scene, "the car that moves left", things={"red": "car"}),
        ask(scene, "the red object that moves left", things={}),
    ):
        assert grounding.status == "guessed"
        assert any("single frame" in warning for warning in grounding.warnings)
    assert ask(scene, "the red car", things={"red": "car"}).status == "answered"


def test_what_frames_far_apart_contradict_may_be_there_between_them(make_scene, thing) -> None:
    scene = make_scene({"red": thing("red", 20, lambda time: (0.5, 0.5))}, num_frames=300)
    grounding = ask(scene, "the blue car", things={"red": "car"})
    assert grounding.status == "guessed"
    assert any("far apart" in warning for warning in grounding.warnings)


def test_advice_speaks_of_names_where_there_is_a_detector(street) -> None:
    warning = ask(street, "the glorp").warnings[0]
    assert "names that the detector knows" in warning


# -- detectors that answer oddly -----------------------------------------------------------------


@dataclass
class FixedDetector(ColorDetector):
    """Answers the same for each frame, whatever that is."""

    things: Mapping[str, str] = field(default_factory=dict)
    answer: object = None

    def detect(self, frames, names):
        return [self.answer for _ in frames] if isinstance(self.answer, list) else self.answer


def test_boxes_are_cut_to_the_frame_and_those_outside_dropped(street) -> None:
    found = [
        Detection(Box(-10, 20, 30, 40), "dog", 0.9),
        Detection(Box(200, 200, 250, 250), "dog", 0.8),
        Detection(Box(-30, -30, -5, -5), "dog", 0.8),
        Detection(Box(95.8, 20, 120, 40), "dog", 0.8),
    ]
    grounding = ask(street, "dogs", detector=FixedDetector(answer=found))
    assert [prompt.box for prompt in grounding.prompts] == [Box(0, 20, 30, 40)]


def test_an_empty_mask_is_none(street) -> None:
    empty = Rle.encode(np.zeros((72, 96), bool))
    found = [Detection(Box(10, 20, 30, 40), "dog", 0.9, mask=empty)]
    grounding = ask(street, "the dog", detector=FixedDetector(answer=found))
    assert grounding.status == "answered"
    assert grounding.prompts[0].box == Box(10, 20, 30, 40)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "must answer each of 8 frames"),
        ((), "got 0 answers"),
        ([("dog", 0.9)], "instead of a Detection"),
        (
            [Detection(Box(1, 1, 9, 9), "dog", 0.9, mask=Rle.encode(np.ones((10, 10), bool)))],
            r"mask of \(10, 10\) for a frame of \(72, 96\)",
        ),
    ],
)
def test_a_detector_that_breaks_its_contract_is_named(street, answer, told) -> None:
    with pytest.raises(StageError, match=f"detector 'FixedDetector' .*{told}"):
        ask(street, "the dog", detector=FixedDetector(answer=answer))


# -- tracks from elsewhere ---------------------------------------------------------------------


@pytest.fixture
def two_cars() -> tuple[Video, list[NamedTrack]]:
    """Return a clip of a red car that moves right and a blue one that stands, with their masks."""
    frames = np.full((12, 80, 120, 3), 130, np.uint8)
    masks: dict[int, dict[int, Rle]] = {1: {}, 2: {}}
    for index in range(12):
        left = 10 + 5 * index
        for number, (rows, columns) in enumerate(
            [(slice(20, 40), slice(left, left + 20)), (slice(50, 70), slice(60, 90))], start=1
        ):
            frames[index, rows, columns] = COLORS["red" if number == 1 else "blue"]
            mask = np.zeros((80, 120), bool)
            mask[rows, columns] = True
            masks[number][index] = Rle.encode(mask)
    tracks = [NamedTrack(number, {"car": 0.8}, masks=masks[number]) for number in (1, 2)]
    return Video.from_frames(frames, fps=10), tracks


@pytest.mark.parametrize(
    ("query", "ids", "status"),
    [
        ("the red car", (1,), "answered"),
        ("the car that stands still", (2,), "answered"),
        ("cars", (2, 1), "answered"),
        ("the green car", (), "absent"),
        ("the cat", (), "absent"),
        ("the red wolf", (1,), "guessed"),
        ("asdf qwer", (2,), "guessed"),
    ],
)
def test_given_tracks_are_chosen_among(two_cars, query, ids, status) -> None:
    video, tracks = two_cars
    choice = choose_tracks(video, query, tracks, searched=("cat",))
    assert (choice.track_ids, choice.status) == (ids, status)
    assert len(choice.scores) == len(ids)
    assert choice.thought.text
    assert bool(choice.reason) == (not ids)


def test_names_of_tracks_are_compared_in_singular(two_cars) -> None:
    video, tracks = two_cars
    plural = [NamedTrack(one.track_id, {"cars": 0.8}, masks=one.masks) for one in tracks]
    assert choose_tracks(video, "the blue car", plural).track_ids == (2,)


def test_no_tracks_prove_nothing(two_cars) -> None:
    choice = choose_tracks(two_cars[0], "the red car", [], searched=("car",))
    assert (choice.track_ids, choice.status) == ((), "guessed")


def test_tracks_with_the_same_id_and_scores_beyond_1_are_refused(two_cars) -> None:
    video, tracks = two_cars
    with pytest.raises(ConfigError, match="differ"):
        choose_tracks(video, "the car", [tracks[0], tracks[0]])
    with pytest.raises(ConfigError, match=r"within 0\.\.1"):
        NamedTrack(1, {"car": 1.5})


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        ({"boxes": {0: Box(-30, 5, -5, 20)}}, {}, "outside frame 0"),
        ({"masks": {3: Rle.encode(np.ones((10, 10), bool))}}, {}, r"mask of \(10, 10\)"),
        ({}, {"frames": [3, 12]}, r"got \[12\]"),
        ({}, {"frames": []}, "got none"),
    ],
)
def test_what_lies_outside_the_video_is_refused(two_cars, change, options, told) -> None:
    video, tracks = two_cars
    tracks = [replace(tracks[0], **change), tracks[1]]
    with pytest.raises(ConfigError, match=told):
        choose_tracks(video, "the red car", tracks, **options)
