"""Which classes a noun stands for."""

from __future__ import annotations

from collections import Counter

import pytest
from videoseg_detectors import COCO_CLASSES, NameMatcher
from videoseg_detectors.words import (
    GROUPS,
    KINDS_OF,
    LIKENESSES,
    NOT_PERSONS,
    PERSON_HEADS,
    SYNONYMS,
)

from videoseg.errors import UnknownNameError

MATCHER = NameMatcher(COCO_CLASSES)


def classes_of(name, matcher=MATCHER):
    match = matcher.match(name)
    return () if match is None else match.classes


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("man", "person"),
        ("girl", "person"),
        ("player", "person"),
        ("goalkeepers", "person"),
        ("ice skater", "person"),
        ("table tennis player", "person"),
        ("bike rider", "person"),
        ("snow skier", "person"),
        ("ballroom dancers", "person"),
        ("football fans", "person"),
        ("sports fan", "person"),
        ("rock climber", "person"),
        ("swan", "bird"),
        ("puppies", "dog"),
        ("lambs", "sheep"),
        ("oxen", "cow"),
        ("calves", "cow"),
        ("lorry", "truck"),
        ("Sofa", "couch"),
        ("cell-phone", "cell phone"),
        ("hot dogs", "hot dog"),
        ("ski", "skis"),
        ("buses", "bus"),
        ("polar bears", "bear"),
        ("remote control", "remote"),
    ],
)
def test_synonyms_and_kinds_stand_for_their_class(name, classes):
    assert classes_of(name) == (classes,)


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("women", "woman"),
        ("policemen", "policeman"),
        ("people", "person"),
        ("children", "child"),
        ("babies", "baby"),
        ("geese", "goose"),
        ("mice", "mouse"),
        ("knives", "knife"),
        ("benches", "bench"),
        ("ponies", "pony"),
        ("ostriches", "ostrich"),
        ("sheep", "sheep"),
        ("sandwiches", "sandwich"),
        ("motor vehicles", "motor vehicle"),
        ("wine glasses", "wine glass"),
        ("champagne glasses", "champagne glass"),
        ("drinking glasses", "drinking glass"),
        ("flamingoes", "flamingo"),
        ("toothbrushes", "toothbrush"),
        ("vases", "vase"),
    ],
)
def test_a_plural_stands_for_what_its_singular_does(plural, singular):
    assert classes_of(plural) == classes_of(singular) != ()


def test_wider_words_stand_for_several_classes():
    assert classes_of("bike") == ("bicycle", "motorcycle")
    assert {"car", "bus", "boat"} <= set(classes_of("vehicles"))
    assert MATCHER.match("animal").relation == "wider"


def test_the_relation_says_how_much_a_box_proves():
    relations = {name: MATCHER.match(name).relation for name in ("dog", "sofa", "swan", "pet")}
    assert relations == {"dog": "same", "sofa": "same", "swan": "narrower", "pet": "wider"}


@pytest.mark.parametrize(
    "name",
    [
        "camel",
        "wolf",
        "fox",
        "tree",
        "house",
        "glasses",
        "the glasses",
        "reading glasses",
        "skies",
        "vanes",
        "cares",
        "cates",
        "leg",
        "toy car",
        "dog house",
        "sea horse",
        "record player",
        "snow man",
        "snow people",
        "gingerbread people",
        "fan",
        "exhaust fan",
        "table fans",
        "desk fan",
        "toy man",
        "toy police officer",
        "doll woman",
        "robot dancers",
        "statue man",
        "mannequin girl",
        "air dancer",
        "red air dancers",
        "low rider",
        "garden climber",
        "bat",
        "thing",
        "object",
        "asdf",
        "dgo",
        "dogs and cats",
        "catt",
        "s",
        "",
        " ",
        "hund",
        "собака",
    ],
)
def test_what_the_classes_do_not_cover_is_unknown(name):
    assert MATCHER.match(name) is None


def test_articles_and_cases_do_not_matter():
    assert classes_of("the  Dog") == classes_of("DOGS") == classes_of("a dog") == ("dog",)


def test_every_class_stands_for_itself():
    assert all(classes_of(name) == (name,) for name in COCO_CLASSES)


def test_unknown_names_are_listed_in_their_order():
    assert MATCHER.unknown(["camel", "dog", "wolf", "camel"]) == ("camel", "wolf", "camel")
    with pytest.raises(UnknownNameError, match="does not know 'camel', 'wolf'") as caught:
        MATCHER.require(["camel", "dog", "wolf"])
    assert caught.value.names == ("camel", "wolf")


def test_a_finer_vocabulary_takes_the_finer_word():
    matcher = NameMatcher(("duck", "goose", "sofa", "aeroplane", "wild boar"))
    assert classes_of("ducks", matcher) == ("duck",)
    assert classes_of("bird", matcher) == ("duck", "goose")
    assert classes_of("couch", matcher) == ("sofa",)
    assert classes_of("plane", matcher) == ("aeroplane",)
    assert classes_of("wild boars", matcher) == ("wild boar",)
    assert classes_of("swan", matcher) == classes_of("dog", matcher) == ()


def test_each_word_stands_in_the_tables_once():
    words = [word for table in (SYNONYMS, KINDS_OF) for some in table.values() for word in some]
    counts = Counter([*words, *GROUPS, *COCO_CLASSES])
    assert [word for word, count in counts.items() if count > 1] == []
    named = {*SYNONYMS, *KINDS_OF, *(one for classes in GROUPS.values() for one in classes)}
    assert named <= set(COCO_CLASSES)
    assert all(word == word.lower() and "-" not in word for word in counts)


def test_what_is_no_person_has_a_head_that_would_make_it_one():
    assert {name.rpartition(" ")[2] for name in NOT_PERSONS} <= PERSON_HEADS
    assert all(name.count(" ") == 1 for name in NOT_PERSONS)
    assert LIKENESSES.isdisjoint(PERSON_HEADS)
