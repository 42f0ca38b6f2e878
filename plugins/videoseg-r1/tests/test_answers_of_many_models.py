"""The same answer as models of many families, languages and habits write it."""

# ruff: noqa: RUF001 - models write other alphabets and full-width signs, too

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videoseg_r1 import parse_answer
from videoseg_r1.relaxed_json import read_values
from videoseg_r1.repeats import SAME_OBJECT_IOU

import videoseg as vs

BOX = (10, 20, 40, 60)
OTHER = (110, 120, 140, 160)


def boxes(text: str, **options):
    return [found.box for found in parse_answer(text, **options).objects]


# -- nothing is there ------------------------------------------------------------------------

NOTHING = [
    *("null", "None", "[]", "{}", "[[]]", "[null]", "[{}]", "N/A", "not visible", "No.", "(none)"),
    *("[0, 0, 0, 0]", "(0, 0, 0, 0)", "[-1, -1, -1, -1]", "```json\n[]\n```", "`null`"),
    '{"bbox_2d": []}',
    '{"bbox_2d": null, "point_2d": null, "label": "dog"}',
    '[{"bbox_2d": [0, 0, 0, 0], "point_2d": [0, 0]}]',
    '{"found": false}',
    '{"count": 0, "objects": []}',
    '{"answer": "not found"}',
    '{"message": "There is no dog in this frame."}',
    "The answer is [].",
    "no such object",
    "No dogs.",
    "There is no dog in the video.",
    "There isn't any dog in this clip.",
    "There don't appear to be any dogs.",
    "The target is not present in the frame.",
    "The dog can't be seen here.",
    "I couldn't find the dog.",
    "The video does not show a dog.",
    "No person with a red hat is visible.",
    "Nothing in the video matches the query.",
    "The query asks for a dog, but there are only cats; no dog can be seen.",
    "Final answer: none",
    "视频中没有狗。",
    "没有找到符合描述的目标",
    "图中不存在狗",
    "影片中沒有狗",
    "In diesem Video gibt es keinen Hund.",
    "Der Hund ist nicht zu sehen.",
    "Kein Hund.",
    "Il n’y a pas de chien dans la vidéo.",
    "Aucun chien n'est visible.",
    "No hay ningún perro en el vídeo.",
    "El perro no aparece en el video.",
    "この動画に犬はいません。",
    "犬は映っていません。",
    "該当するオブジェクトはありません。",
    "Não há cachorro no vídeo.",
    "O cachorro não está presente.",
    "В видео нет собаки.",
    "Собака не найдена.",
    "Non c'è nessun cane nel video.",
    "Il cane non è presente.",
    "비디오에 개가 없습니다.",
    "개가 보이지 않습니다.",
    "개를 찾을 수 없습니다.",
    "Unfortunately the dog is off-screen.",
    "The described person never appears.",
    "We do not see a dog.",
    "There is no dog in the first frame or in any other.",
    "没有检测到任何目标",
    "视频中并未出现狗",
    "Ich kann den Hund nicht finden.",
    "Nicht gefunden.",
    "Pas de chien visible.",
    "Non trouvé.",
    "No se ha encontrado ningún perro.",
    "Não encontrado.",
    "なし",
    "見つかりませんでした",
    "Объект не обнаружен",
    "Non trovato.",
    "찾지 못했습니다.",
    "Er is geen hond in de video.",
    "Videoda köpek yok.",
]


@pytest.mark.parametrize("text", NOTHING)
def test_an_answer_may_say_in_any_way_that_nothing_is_there(text):
    assert parse_answer(text).objects == ()
    assert parse_answer(f"<think>I look.</think><answer>{text}</answer>").objects == ()


@pytest.mark.parametrize(
    "text",
    [
        *("asdf", "unsure", "{'label': 'dog'}", '{"found": true}', "No comment.", "No problem!"),
        *('{"bbox_2d": [', '[{"bbox_2d": [10, 20', '{"found": [[', '{"objects": [{'),
        "I cannot help with that.",
        "I'm sorry, but I can't assist with that request.",
        "I cannot identify people in images.",
        "I don't see any image attached.",
        "There is no doubt that it is the dog.",
        "There is no other dog.",
        "The dog is not wearing a collar.",
        "It is not clear which dog is meant.",
        "If nothing in the video matches the query, answer [].",
        "If there is no dog, I would say so.",
        "In frame 3 there is no dog. It comes later.",
        "At first, no dog is visible.",
        "It is not a dog but a wolf.",
        "I have no idea.",
        "No wonder.",
        "I am not able to process images.",
        "毫无疑问，这是狗。",
        "无法回答",
        "Ich weiß nicht.",
        "Je ne sais pas.",
        "No lo sé.",
        "わかりません",
        "Не знаю.",
        "Non lo so.",
        "알 수 없습니다",
        "这只狗没有戴项圈",
        "Es gibt keinen Zweifel, dass es der Hund ist.",
        "Der Hund trägt kein Halsband.",
        "Il n'y a aucun doute que c'est le chien.",
        "No hay duda de que es el perro.",
        "No puedo ayudar con eso.",
        "申し訳ありませんが、お手伝いできません。",
        "間違いありません。",
        "Não há dúvida de que é o cachorro.",
        "Нет сомнений, что это собака.",
        "Non c'è dubbio che sia il cane.",
        "의심할 여지가 없습니다.",
        "도와드릴 수 없습니다.",
    ],
)
def test_what_denies_something_else_or_nothing_is_no_answer(text):
    with pytest.raises(vs.GroundingParseError) as caught:
        parse_answer(text)
    assert caught.value.raw_text == text


def test_the_error_repeats_the_beginning_of_what_was_said():
    with pytest.raises(vs.GroundingParseError, match=r"none: 'I cannot help with that\.'"):
        parse_answer("<answer>I cannot help with that.</answer>")


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("There is no doubt that it is the dog: [10, 20, 40, 60]", False),
        ("There is no cat, but the dog is at [10, 20, 40, 60].", True),
        ('I see no cat. [{"bbox_2d": [10, 20, 40, 60]}]', True),
        ("没有猫，狗在 [10, 20, 40, 60]", True),
        ("[[0, 0, 0, 0], [10, 20, 40, 60]]", False),
    ],
)
def test_a_box_goes_before_a_denial_of_something_else(text, warns):
    answer = parse_answer(text)
    assert [found.box for found in answer.objects] == [BOX]
    assert any("is not there" in warning for warning in answer.warnings) == warns


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
        "bbox_xywh: [10, 20, 30, 40]",
        "bbox_xywh = (10, 20, 30, 40)",
        "[ymin, xmin, ymax, xmax] = [20, 10, 60, 40]",
        "x1: 10, y1: 20, x2: 40, y2: 60",
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
    assert "59 repeated" in warning


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
    assert "39 repeated" in answer.warnings[0]


def test_repeats_do_not_push_out_other_objects():
    text = json.dumps([list(BOX)] * 500 + [list(OTHER)])
    assert boxes(text) == [BOX, OTHER]


# -- JSON that is none -----------------------------------------------------------------------

TWO = [BOX, OTHER]


@pytest.mark.parametrize(
    "text",
    [
        """[{"bbox_2d": [10, 20, 40, 60], // the dog's box
            "label": "dog"},
           {"bbox_2d": [110, 120, 140, 160]}]""",
        # Where lines were joined into one, a comment does not end.
        '[{"bbox_2d": [10, 20, 40, 60], // it\'s "label": 1}, {"bbox_2d": [110, 120, 140, 160]}]',
        '[{"bbox_2d": [10, 20, 40, 60] /* it\'s a dog */}, {"bbox_2d": [110, 120, 140, 160]}]',
        '[ # it\'s two\n{"bbox_2d": [10, 20, 40, 60]}, {"bbox_2d": [110, 120, 140, 160]}]',
        '[{"bbox_2d": [10, 20, 40, 60]} <!-- it\'s --> {"bbox_2d": [110, 120, 140, 160]}]',
        "[{“bbox_2d”: [10, 20, 40, 60], “label”: “the dog’s”}, {„bbox_2d“: [110, 120, 140, 160]}]",
        "[{‘bbox_2d’: [10, 20, 40, 60]}, {«bbox_2d»: [110, 120, 140, 160]}]",
        "［{'bbox_2d'： ［１０，２０，４０，６０］}，{'bbox_2d'：［110、120、140、160］}］",
        "[{label: the dog's, bbox_2d: [10, 20, 40, 60]}, {bbox_2d: [110, 120, 140, 160]}]",
        '[{"label": "a\ndog", "bbox_2d": [10, 20, 40, 60],}, {"bbox_2d": [110, 120, 140, 160]},]',
        '[{"bbox_2d": [10, 20, 40, 60], "score": NaN}, {"bbox_2d": [110, 120, 140, 160]}, ...]',
        '[{"bbox_2d": [10, 20, 40, 60] "label": "dog"} {"bbox_2d": [110, 120, 140, 160]}]',
        '{"bbox_2d": [10, 20, 40, 60]}\n{"bbox_2d": [110, 120, 140, 160]}',
        '{"dog": {"bbox_2d": [10, 20, 40, 60]}, "cat": {"bbox_2d": [110, 120, 140, 160]}}',
        '{"bbox_2d": [10, 20, 40, 60], "bbox_2d": [110, 120, 140, 160]}',
        "{'bbox_2d': [10, 20, 40, 60], 'bbox_2d': [110, 120, 140, 160]}",
        '{"bbox_1": [10, 20, 40, 60], "bbox_2": [110, 120, 140, 160]}',
        '{"dog_bbox": [10, 20, 40, 60], "cat_bbox": [110, 120, 140, 160]}',
        '{"data": {"result": {"objects": [[[10, 20, 40, 60]], [[[110, 120, 140, 160]]]]}}}',
        "<bbox>10 20 40 60</bbox><bbox>110 120 140 160</bbox>",
        "<ref>dog</ref><box>[[10, 20, 40, 60], [110, 120, 140, 160]]</box>",
        "<|det|>[[10, 20, 40, 60]]<|/det|> <|det|>[[110, 120, 140, 160]]<|/det|>",
    ],
)
def test_two_objects_are_two_however_they_are_written(text):
    assert boxes(text) == TWO


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("[1,024, 200, 1,500, 600]", (1024, 200, 1500, 600)),
        ('{"bbox_2d": ["1,024", "200", "1,500", "600"]}', (1024, 200, 1500, 600)),
        ("[1_024, 200, 1_500, 600]", (1024, 200, 1500, 600)),
        ("[10,5; 20,5; 40,5; 60,5]", (10.5, 20.5, 40.5, 60.5)),
        ('{"bbox_2d": ["10 px", "20 px", "40 px", "60 px"]}', BOX),
        ("[np.int64(10), np.int64(20), np.int64(40), np.int64(60)]", BOX),
        ("10, 20, 40, 60", BOX),
        ("bbox_2d: 10 20 40 60.", BOX),
        ("１０，２０，４０，６０", BOX),
        (r"\left[10, 20, 40, 60\right]", BOX),
        ("It spans from (10, 20) to (40, 60).", BOX),
        ("[10, 20] - [40, 60]", BOX),
        ('{"bbox_2d": [10, 20, 40, 60, 0.9]}', BOX),
        ("[[10, 20, 40, 60, 0.9]]", BOX),
        ('{"bbox": [[10, 20], [40, 20], [40, 60], [10, 60]]}', BOX),
        (
            '{"quad": {"vertices": [{"x": 10, "y": 20}, {"x": 40, "y": 9}, {"x": 9, "y": 60}]}}',
            (9, 9, 40, 60),
        ),
        (r"{\"bbox_2d\": [10, 20, 40, 60]}", BOX),
        ("{&quot;bbox_2d&quot;: [10, 20, 40, 60]}", BOX),
        ('{"answer": "[{\\"bbox_2d\\": [10, 20, 40, 60]}]"}', BOX),
    ],
)
def test_numbers_are_read_with_units_and_separators(text, box):
    assert boxes(text) == [box]


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ('<point x="12.5" y="50" alt="dog">dog</point>', [(0.125, 0.5)]),
        ('<points x1="10" y1="20" x2="30" y2="40" alt="dogs">', [(0.1, 0.2), (0.3, 0.4)]),
    ],
)
def test_points_in_percent_are_shares(text, points):
    objects = parse_answer(text).objects
    assert [found.points[0] for found in objects] == points
    assert {found.space for found in objects} == {"unit"}


@pytest.mark.parametrize("depth", [40, 400, 990, 5000])
def test_deep_answers_are_read_or_refused_but_never_crash(depth):
    assert boxes("[" * depth + "10, 20, 40, 60" + "]" * depth) == [BOX]
    assert parse_answer("[" * depth + "]" * depth).objects == ()
    with pytest.raises(vs.GroundingParseError):
        parse_answer('{"a":' * depth + '"b"' + "}" * depth)


def test_a_label_can_be_written_and_shown():
    label = r"\ud800dog\u001b[2J" + "x" * 500
    [found] = parse_answer(f'[{{"bbox_2d": [10, 20, 40, 60], "label": "{label}"}}]').objects
    assert found.label.encode()
    assert found.label.startswith("\ufffddog\ufffd[2J")
    assert len(found.label) <= 100


def test_comments_and_quotes_are_no_part_of_what_is_read():
    assert read_values("[1, // don't\n 2, \"a // b\", 'c # d']") == [[1, 2, "a // b", "c # d"]]
    assert read_values("{“a”: ‘it’s’}") == [{"a": "it’s"}]


# -- properties ------------------------------------------------------------------------------

coordinates = st.integers(0, 900)


@st.composite
def distinct_boxes(draw):
    # Far enough apart from one another not to be taken for one.
    corners = draw(
        st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=4, unique=True)
    )
    return [(x, y, x + 5 + n, y + 7 + n) for n, (x, y) in enumerate(corners)]


def _listed(order: str):
    places = {"x1": 0, "y1": 1, "x2": 2, "y2": 3}
    return lambda box: [box[places[side]] for side in order.split()]


def _sized(box):
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def _mappings(key, numbers):
    return lambda found: json.dumps([{key: numbers(box)} for box in found])


WRITERS = {
    "bbox_2d": _mappings("bbox_2d", list),
    "lists": lambda found: json.dumps([list(box) for box in found]),
    "xywh": _mappings("bbox_xywh", _sized),
    "yxyx": _mappings("box_yxyx", _listed("y1 x1 y2 x2")),
    "sides": lambda found: json.dumps(
        [dict(zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)) for box in found]
    ),
    "single quotes": lambda found: str([{"bbox": list(box)} for box in found]),
    "full width": lambda found: json.dumps([{"bbox_2d": list(box)} for box in found]).translate(
        str.maketrans("[]:,0123456789", "［］：，０１２３４５６７８９")
    ),
    "typographic": lambda found: json.dumps([{"bbox_2d": list(box)} for box in found]).replace(
        '"bbox_2d"', "“bbox_2d”"
    ),
    "commented": lambda found: (
        "[\n" + "".join(f'{{"bbox_2d": {list(box)}}}, // it\'s [one]\n' for box in found) + "]"
    ),
    "fenced": lambda found: f"```json\n{json.dumps([{'bbox_2d': list(b)} for b in found])}\n```",
    "running text": lambda found: " and ".join(f"at {box}" for box in found),
    "tags": lambda found: "".join(f"<box>{' '.join(map(str, box))}</box>" for box in found),
    "corners": lambda found: "".join(f"<box>({a},{b}),({c},{d})</box>" for a, b, c, d in found),
    "lines": lambda found: "\n".join(json.dumps({"bbox_2d": list(box)}) for box in found),
}


@settings(max_examples=150, deadline=None)
@given(distinct_boxes(), st.sampled_from(sorted(WRITERS)), st.booleans())
def test_every_spelling_of_an_answer_reads_to_the_same_boxes(found, writer, thinking):
    text = WRITERS[writer](found)
    if thinking:
        text = f"<think>Not [1, 2, 3, 4].</think><answer>{text}</answer>"
    assert boxes(text) == found


@settings(max_examples=100, deadline=None)
@given(
    st.text(
        alphabet="nNoO tTherseidg[]{}(),.0123\"'“”’：，没有犬ない개없нет\n`<>/|#*", max_size=300
    )
)
def test_any_text_gives_an_answer_or_the_typed_error(text):
    for y_first in (False, True):
        try:
            answer = parse_answer(text, y_first=y_first)
        except vs.GroundingParseError as error:
            assert error.raw_text == text
        else:
            assert len(answer.objects) <= 120
            assert all(box is None or box[0] < box[2] for box in (o.box for o in answer.objects))
