"""The same answer as models of many families, languages and habits write it."""

# ruff: noqa: RUF001 - models write other alphabets and full-width signs, too

from __future__ import annotations

import json

import pytest
from videoseg_r1 import parse_answer
from videoseg_r1.parsing.answer import SAME_OBJECT_IOU

BOX = (10, 20, 40, 60)
OTHER = (110, 120, 140, 160)


def boxes(text: str, **options):
    return [found.box for found in parse_answer(text, **options).objects]


# -- keys that say how numbers are meant -----------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"bbox_xywh": [10, 20, 30, 40]}',
        '{"xywh": [10, 20, 30, 40]}',
        '{"bboxXYWH": [10, 20, 30, 40]}',
        '{"coco_bbox": [10, 20, 30, 40]}',
        '{"bbox_x_y_w_h": [10, 20, 30, 40]}',
        '{"cxcywh": [25, 40, 30, 40]}',
        '{"bbox_cxcywh": [25, 40, 30, 40]}',
        '{"yxyx": [20, 10, 60, 40]}',
        '{"box_2d [ymin, xmin, ymax, xmax]": [20, 10, 60, 40]}',
        '{"x": 10, "y": 20, "width": 30, "height": 40}',
        '{"bbox": {"x": 10, "y": 20, "w": 30, "h": 40}}',
        '{"bbox": {"x_center": 25, "y_center": 40, "width": 30, "height": 40}}',
        '{"xmin": 10, "ymin": 20, "xmax": 40, "ymax": 60}',
        '{"y_min": 20, "x_min": 10, "y_max": 60, "x_max": 40}',
        '{"left": 10, "top": 20, "right": 40, "bottom": 60}',
        '{"x0": 10, "y0": 20, "x1": 40, "y1": 60}',
        '{"top_left": [10, 20], "bottom_right": [40, 60]}',
        '{"top_left": {"x": 10, "y": 20}, "bottom_right": {"x": 40, "y": 60}}',
        '{"bbox": [10, 20, 30, 40], "format": "xywh"}',
        '{"bbox_format": "[x, y, width, height]", "objects": [{"bbox": [10, 20, 30, 40]}]}',
        '{"bounding_box": {"format": "xywh", "coordinates": [10, 20, 30, 40]}}',
        '{"bbox": {"xyxy": [10, 20, 40, 60]}}',
        '{"annotations": [{"category_id": 18, "bbox": [10, 20, 30, 40], "iscrowd": 0}]}',
        "bbox_xywh: [10, 20, 30, 40]",
        "bbox_xywh = (10, 20, 30, 40)",
        "[ymin, xmin, ymax, xmax] = [20, 10, 60, 40]",
        "x1: 10, y1: 20, x2: 40, y2: 60",
        "- **x1**: 10\n- **y1**: 20\n- **x2**: 40\n- **y2**: 60",
        "**x1:** `10`, **y1:** `20`, **x2:** `40`, **y2:** `60`",
        "Left: 10, Top: 20, Right: 40, Bottom: 60",
        "It spans x from 10 to 40 and y from 20 to 60.",
        "It spans from x=10 to x=40 and y=20 to y=60.",
        "x: 10-40, y: 20-60",
        '<box x1="10" y1="20" x2="40" y2="60"/>',
        "<xmin>10</xmin><ymin>20</ymin><xmax>40</xmax><ymax>60</ymax>",
    ],
)
@pytest.mark.parametrize("y_first", [False, True])
def test_an_order_that_is_named_is_taken_at_its_word(text, y_first):
    assert boxes(text, y_first=y_first) == [BOX]


@pytest.mark.parametrize(
    ("text", "space", "box"),
    [
        ('{"bbox_normalized": [0.1, 0.2, 0.4, 0.6]}', "unit", (0.1, 0.2, 0.4, 0.6)),
        ('{"bbox_norm_1000": [100, 200, 400, 600]}', "per_mille", (100, 200, 400, 600)),
        ('{"bbox_percent": [10, 20, 40, 60]}', "unit", (0.1, 0.2, 0.4, 0.6)),
        ('{"bbox_2d": ["10%", "20%", "40%", "60%"]}', "unit", (0.1, 0.2, 0.4, 0.6)),
        ('{"bbox_2d": [10%, 20%, 40%, 60%]}', "unit", (0.1, 0.2, 0.4, 0.6)),
        ('{"bbox_per_mille": [10, 20, 40, 60]}', "per_mille", BOX),
        ('{"bbox_pixels": [10, 20, 40, 60]}', "pixels", BOX),
        ('{"bbox_2d": [10px, 20px, 40px, 60px]}', "pixels", BOX),
        ("dog<loc_10><loc_20><loc_40><loc_60>", "per_mille", BOX),
        ("<loc0512><loc0256><loc0768><loc0512> dog", "unit", (0.25, 0.5, 0.5, 0.75)),
    ],
)
def test_a_unit_that_is_named_is_kept_with_the_object(text, space, box):
    [found] = parse_answer(text).objects
    assert (found.space, found.box) == (space, box)


def test_a_key_of_relative_numbers_above_one_is_doubted_by_name():
    [warning] = parse_answer('{"bbox_norm": [100, 200, 300, 400]}').warnings
    assert "'bbox_norm'" in warning


def test_points_are_in_the_unit_of_their_box_or_left_out_aloud():
    text = '{"bbox_2d": ["10%", "20%", "40%", "60%"], "point_2d": ["25%", "40%"]}'
    [found] = parse_answer(text).objects
    assert (found.points, found.space) == (((0.25, 0.4),), "unit")
    [found] = parse_answer('{"point_2d": ["25%", "40%"]}').objects
    assert (found.points, found.space) == (((0.25, 0.4),), "unit")
    answer = parse_answer('{"bbox_normalized": [0.1, 0.2, 0.4, 0.6], "point_2d": [25, 40]}')
    assert answer.objects[0].points == ()
    assert "another unit" in answer.warnings[0]


def test_an_object_that_is_said_to_be_absent_and_has_a_box_is_told():
    answer = parse_answer('{"bbox_2d": [10, 20, 40, 60], "found": false}')
    assert answer.objects[0].box == BOX
    assert "not there" in answer.warnings[0]


def test_an_unknown_key_of_a_box_is_named():
    answer = parse_answer('{"tilted_bbox": [10, 20, 40, 60]}')
    assert answer.objects[0].box == BOX
    assert "'tilted_bbox'" in answer.warnings[0]


def test_the_key_of_models_that_write_y_first_is_suspected_aloud():
    answer = parse_answer('[{"box_2d": [20, 10, 60, 40], "label": "dog"}]')
    assert answer.objects[0].box == (20, 10, 60, 40)
    assert "box_2d" in answer.warnings[0]
    assert "per_mille_yx" in answer.warnings[0]


def test_an_order_that_the_reasoning_names_is_suspected_aloud():
    text = '<think>The format is [ymin, xmin, ymax, xmax].</think>[{"bbox_2d": [20, 10, 60, 40]}]'
    [warning] = parse_answer(text).warnings
    assert "[y1, x1, y2, x2]" in warning
    assert boxes(text, y_first=True) == [BOX]
    assert not parse_answer(text, y_first=True).warnings


def test_an_order_named_right_before_the_boxes_is_used_and_told():
    text = 'As [ymin, xmin, ymax, xmax]:\n[{"bbox_2d": [20, 10, 60, 40]}]'
    answer = parse_answer(text)
    assert answer.objects[0].box == BOX
    assert "[y1, x1, y2, x2]" in answer.warnings[0]
    usual = 'As [xmin, ymin, xmax, ymax]:\n[{"bbox_2d": [10, 20, 40, 60]}]'
    assert (boxes(usual), parse_answer(usual).warnings) == ([BOX], ())


def test_y_first_can_be_chosen_for_boxes_and_points():
    answer = parse_answer('[{"box_2d": [20, 10, 60, 40], "point": [40, 25]}]', y_first=True)
    [found] = answer.objects
    assert (found.box, found.points, answer.warnings) == (BOX, ((25, 40),), ())
    assert parse_answer("It is at (40, 25).", y_first=True).objects[0].points == ((25, 40),)


def test_a_second_corner_before_the_first_may_be_a_size():
    answer = parse_answer('{"bbox_2d": [110, 120, 30, 40]}')
    assert answer.objects[0].box == (30, 40, 110, 120)
    assert "[x, y, width, height]" in answer.warnings[0]


# -- the final answer among drafts -----------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'First: [{"bbox_2d": [1, 2, 3, 4]}]\nNo.\nFinal answer: [{"bbox_2d": [10, 20, 40, 60]}]',
        "[1, 2, 3, 4]? No.\n\n**Final Answer:**\n[10, 20, 40, 60]",
        "[1, 2, 3, 4]\n## Answer\n[10, 20, 40, 60]",
        r"[1, 2, 3, 4] is a cat. The final answer is \boxed{[10, 20, 40, 60]}",
        "草稿 [1, 2, 3, 4]。最终答案：[10, 20, 40, 60]",
        "[1, 2, 3, 4]。最終的な答え：[10, 20, 40, 60]",
        "<|channel|>analysis<|message|>[1, 2, 3, 4] is a cat.<|end|><|start|>assistant"
        "<|channel|>final<|message|>[10, 20, 40, 60]<|return|>",
        "analysis: [1, 2, 3, 4] is a cat.assistantfinal[10, 20, 40, 60]",
        "[THINK][1, 2, 3, 4][/THINK][10, 20, 40, 60]",
        "[1, 2, 3, 4][/THINK][10, 20, 40, 60]",
        "<|begin_of_thought|>[1, 2, 3, 4]<|end_of_thought|>"
        "<|begin_of_solution|>[10, 20, 40, 60]<|end_of_solution|>",
        "◁think▷[1, 2, 3, 4]◁/think▷[10, 20, 40, 60]",
        "<seed:think>[1, 2, 3, 4]</seed:think>[10, 20, 40, 60]",
        "<reasoning>[1, 2, 3, 4]</reasoning><final_answer>[10, 20, 40, 60]</final_answer>",
        "<|START_THINKING|>[1, 2, 3, 4]<|END_THINKING|><|START_RESPONSE|>[10, 20, 40, 60]",
        "```json\n[[1, 2, 3, 4]]\n```\nA cat.\n```json\n[[10, 20, 40, 60]]\n```",
        "<answer>First [1, 2, 3, 4]. Final answer: [10, 20, 40, 60]</answer>",
    ],
)
def test_drafts_before_the_final_answer_do_not_count(text):
    assert boxes(text) == [BOX]


def test_places_outside_of_the_last_fenced_block_are_drafts_and_told():
    for text in (
        "```\n[1, 2, 3, 4]\n```\n```\n[10, 20, 40, 60]\n```",
        "First [1, 2, 3, 4].\n```json\n[10, 20, 40, 60]\n```",
    ):
        answer = parse_answer(text)
        assert [found.box for found in answer.objects] == [BOX]
        assert "outside of its last fenced block" in answer.warnings[0]
        assert boxes(text + "\n```\nnote: done\n```") == [BOX]
    assert parse_answer("Here:\n```json\n[10, 20, 40, 60]\n```\nDone.").warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "| object | x1 | y1 | x2 | y2 |\n|---|---|---|---|---|\n| dog | 10 | 20 | 40 | 60 |\n"
        "| cat | 110 | 120 | 140 | 160 |\n\nThere is no third one.",
        "label,xmin,ymin,xmax,ymax\ndog,10,20,40,60\ncat,110,120,140,160",
        "x\ty\twidth\theight\n10\t20\t30\t40\n110\t120\t30\t40",
    ],
)
def test_tables_name_their_columns(text):
    assert boxes(text, y_first=True) == [BOX, OTHER]


def test_the_name_before_a_box_is_its_label():
    answer = parse_answer('{"dog": [10, 20, 40, 60], "cat": [110, 120, 140, 160]}')
    assert [(found.box, found.label) for found in answer.objects] == [(BOX, "dog"), (OTHER, "cat")]
    assert parse_answer('{"result": [10, 20, 40, 60]}').objects[0].label == ""
    assert boxes('{"color": [255, 0, 128, 255], "dog": [10, 20, 40, 60]}') == [BOX]


def test_vertices_may_be_normalized():
    corners = [{"x": x, "y": y} for x, y in ((0.1, 0.2), (0.4, 0.2), (0.4, 0.6), (0.1, 0.6))]
    text = json.dumps({"name": "Dog", "boundingPoly": {"normalizedVertices": corners}})
    [found] = parse_answer(text).objects
    assert (found.box, found.space) == ((0.1, 0.2, 0.4, 0.6), "unit")


def test_objects_of_different_names_in_fenced_blocks_of_their_own_are_all_taken():
    def fenced(x, label):
        return f'```json\n{{"bbox_2d": [{x}, 20, {x + 30}, 60], "label": "{label}"}}\n```\n'

    answer = parse_answer(f"First dog:\n{fenced(10, 'dog 1')}Second dog:\n{fenced(110, 'dog 2')}")
    assert [found.label for found in answer.objects] == ["dog 1", "dog 2"]
    assert "all are taken" in answer.warnings[0]
    assert boxes(f"First:\n{fenced(110, 'dog')}Or rather:\n{fenced(10, 'dog')}") == [BOX]


@pytest.mark.parametrize(
    "text",
    [
        '[{"bbox_2d": [10, 20, 40, 60]}] or [{"bbox_2d": [110, 120, 140, 160]}]',
        "First [10, 20, 40, 60], which is a cat. So the dog is [110, 120, 140, 160].",
        "(10, 20, 40, 60)? Actually, it is rather at (110, 120, 140, 160).",
    ],
)
def test_places_of_which_none_is_said_to_be_final_are_all_taken_and_told(text):
    answer = parse_answer(text)
    assert [found.box for found in answer.objects] == [BOX, OTHER]
    assert "several parts of its text" in answer.warnings[0]


def test_places_that_are_joined_are_not_doubted():
    for text in ("[10, 20, 40, 60] and [110, 120, 140, 160]", "[10, 20, 40, 60]\n[0, 0, 1, 9]"):
        answer = parse_answer(text)
        assert (len(answer.objects), answer.warnings) == (2, ())


@pytest.mark.parametrize(
    "text",
    [
        '[{"bbox_2d": [10, 20, 40, 60]}] This is my final answer: see above.',
        '{"bbox_2d": [10, 20, 40, 60], "answer": "no"}',
        '{"answer": [{"bbox_2d": [10, 20, 40, 60]}]}',
        "Answer: the dog.\n[10, 20, 40, 60]",
    ],
)
def test_the_word_answer_alone_takes_nothing_away(text):
    assert boxes(text) == [BOX]


# -- the same object again -------------------------------------------------------------------


def test_one_box_sixty_times_is_one_object_and_one_warning():
    answer = parse_answer(json.dumps([{"bbox_2d": list(BOX), "label": "dog"}] * 60))
    [found] = answer.objects
    assert (found.box, found.label) == (BOX, "dog")
    [warning] = answer.warnings
    assert "earlier ones: 59" in warning


def test_a_loop_that_breaks_off_is_told():
    answer = parse_answer("[" + '{"bbox_2d": [100, 200, 500, 600]}, ' * 60)
    assert len(answer.objects) == 1
    assert "breaks off" in answer.warnings[-1]


def test_nearly_the_same_box_is_one_object_with_the_points_of_both():
    first = {"bbox_2d": [100, 200, 500, 600], "point_2d": [300, 400]}
    again = {"bbox_2d": [101, 201, 499, 601], "point_2d": [310, 400], "label": "dog 2"}
    [found] = parse_answer(json.dumps([first, again, first])).objects
    assert found.box == (100, 200, 500, 600)
    assert found.points == ((300, 400), (310, 400))
    assert found.label == "dog 2"


def test_boxes_that_overlap_less_than_the_bound_are_two_objects():
    side = 1000
    for shift, count in ((40, 1), (70, 2)):
        text = json.dumps([[0, 0, side, side], [shift, 0, side + shift, side]])
        overlap = (side - shift) / (side + shift)
        assert (overlap >= SAME_OBJECT_IOU) == (count == 1)
        assert len(parse_answer(text).objects) == count


def test_the_same_point_again_is_one_object():
    answer = parse_answer("(320, 240), " * 40 + "(10, 20)")
    assert [found.points for found in answer.objects] == [((320, 240),), ((10, 20),)]
    assert "earlier ones: 39" in answer.warnings[0]


def test_repeats_do_not_push_out_other_objects():
    text = json.dumps([list(BOX)] * 500 + [list(OTHER)])
    assert boxes(text) == [BOX, OTHER]
