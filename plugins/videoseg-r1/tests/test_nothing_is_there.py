"""Answers in many languages that say that nothing is there, and such as do not."""

# ruff: noqa: RUF001 - models write other alphabets and full-width signs, too

from __future__ import annotations

import pytest
from videoseg_r1 import parse_answer

from videoseg.errors import GroundingParseError

BOX = (10, 20, 40, 60)

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
    "The dog is not in view.",
    "The dog is not in any of the frames.",
    "The dog is not clearly visible anywhere.",
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
    "Der er ingen hund i billedet.",
    "Na obrázku není žádný pes.",
    "Kuvassa ei ole koiraa.",
    "A képen nincs kutya.",
    "Nu există niciun câine în imagine.",
    "Δεν υπάρχει σκύλος στην εικόνα.",
    "אין כלב בתמונה.",
    "هیچ سگی در تصویر وجود ندارد.",
    "ছবিতে কোনো কুকুর নেই।",
    "На изображението няма куче.",
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
        "The dog is not fully visible.",
        "The dog is not on the left but on the right.",
        "The dog is nowhere near the fence.",
        "No object occludes the dog.",
        "I could not locate it precisely.",
        "Der Hund ist nicht ganz zu sehen.",
        "Le chien n'est pas entièrement visible.",
        "El perro no se ve completo.",
        "Il cane non è completamente visibile.",
        "犬は完全には見えません。",
        "The dog isn't entirely in the frame.",
        "Aucun autre chien n'est visible.",
        "No hay ningún otro perro.",
        "他に犬はいません。",
        "다른 개는 없습니다.",
        "It is not clear which dog is meant.",
        "If nothing in the video matches the query, answer [].",
        "If there is no dog, I would say so.",
        "In frame 3 there is no dog. It comes later.",
        "At first, no dog is visible.",
        "It is not a dog but a wolf.",
        "I have no idea.",
        "No wonder.",
        "I am not able to process images.",
        "Es tut mir leid, ich kann keine Bilder sehen.",
        "Je ne peux pas voir d'images.",
        "No puedo ver la imagen.",
        "Hundur er ikke sort.",
        "Koira ei ole musta.",
        "A kutyán nincs nyakörv.",
        "Nu există nicio îndoială.",
        "Δεν υπάρχει αμφιβολία.",
        "אין ספק.",
        "شکی وجود ندارد.",
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
    with pytest.raises(GroundingParseError) as caught:
        parse_answer(text)
    assert caught.value.raw_text == text


def test_the_error_repeats_the_beginning_of_what_was_said():
    with pytest.raises(GroundingParseError, match=r"none: 'I cannot help with that\.'"):
        parse_answer("<answer>I cannot help with that.</answer>")


def test_reasoning_without_an_answer_is_told():
    for text in ("<think>It is at [10, 20, 40, 60].</think>", "<think>I look."):
        with pytest.raises(GroundingParseError, match="all of it is reasoning"):
            parse_answer(text)


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("There is no doubt that it is the dog: [10, 20, 40, 60]", False),
        ("There is no cat, but the dog is at [10, 20, 40, 60].", True),
        ('I see no cat. [{"bbox_2d": [10, 20, 40, 60]}]', True),
        ("没有猫，狗在 [10, 20, 40, 60]", True),
        ("[[0, 0, 0, 0], [10, 20, 40, 60]]", False),
        ("There is nothing else. [10, 20, 40, 60]", False),
        ("[10, 20, 40, 60]. The dog is not visible in earlier frames but appears here.", False),
        ("There's no mistaking it: the dog is at [10, 20, 40, 60].", False),
        ("The man with no hat is at [10, 20, 40, 60].", False),
        ("没有戴帽子的男人位于 [10, 20, 40, 60]。", False),
        ("Der Mann: [10, 20, 40, 60]. Andere Männer sind nicht im Bild.", False),
        ("Мужчина без шляпы: [10, 20, 40, 60]. Других мужчин нет.", False),
    ],
)
def test_a_box_goes_before_a_denial_of_something_else(text, warns):
    answer = parse_answer(text)
    assert [found.box for found in answer.objects] == [BOX]
    assert any("is not there" in warning for warning in answer.warnings) == warns
