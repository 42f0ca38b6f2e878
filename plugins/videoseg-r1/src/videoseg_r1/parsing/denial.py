"""Answers that say the object is not there: in JSON, or in words.

The words are those of being seen, found or present, denied. A sentence that denies something
else ("no doubt", "I cannot help") does not count, nor does one that begins with "if".
"""

# ruff: noqa: RUF001 - models write other alphabets and full-width signs, too

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["denies_in_text", "is_conditional", "is_nothing"]

_LONG = 600
_SENTENCE = re.compile(r"(?<=[.!?;])\s|[。！？；，\n]")
_ZEROS = re.compile(r"[(\[]\s{0,9}0(?:\.0{1,9})?(?:\s{0,9},\s{0,9}0(?:\.0{1,9})?){3}\s{0,9}[)\]]")

_PLACE_WORDS = re.compile(r"box|rect|region|point|center|centre|coord|location|position")
_LIST_WORDS = re.compile(r"^(?:objects?|answers?|detections?|targets?|results?|instances?)$")
_FLAG_WORDS = re.compile(r"found|present|exist|visible|detected|in_(?:video|frame|image|view)")
_COUNT_WORDS = re.compile(
    r"^(?:count|total|num(?:ber)?_?(?:of_)?(?:objects|detections|targets)?)$"
)

# What is said of the picture itself or of the talk is not said of an object in it.
_PICTURE = r"(?:images?|videos?|pictures?|photos?|frames?|files?|attachments?)\b"
_HIDES = r"(?:occlud|obstruct|overlap|block|cover|hid(?:es|ing))"
_NOT_OF_THE_OBJECT = re.compile(
    rf"(?:\bany|\ban?|^no|\bthere\s(?:is|are|was|were)\sno)\s{_PICTURE}"
    r"(?:\s(?:was|were|is|are|has|have|been|attached|provided|uploaded|included|given|shared"
    r"|available|here|yet|to\s(?:anal|look|view|work)|in\syour)|\s?[.!,]?$)"
    rf"|\b(?:see|view|access|open|process|analy[sz]e|play|watch)\s(?:(?:any|an?|the|your|this|these)"
    rf"\s)?{_PICTURE}"
    r"|没有(?:提供|上传|收到)|(?:图片|图像|视频)(?:没有|未)(?:提供|上传)"
    r"|(?:이미지|동영상|영상|비디오|사진)[가이]\s?(?:없|제공되지)"
    r"|\b(?:kein\w{0,2}|das|dein|ihr|diese?s?)\s(?:bild|foto|video)\w{0,2}\s"
    r"(?:(?:direkt|selbst)\s)?(?:an)?(?:sehen|schauen|zeigen|offnen|verarbeiten|analysieren)\b"
    r"|\b(?:voir|vois|visualiser|analyser|ouvrir|ver|veo|analizar|abrir|analisar|vedere|vedo"
    r"|visualizzare|analizzare)\s(?:(?:d'|l'|de\s|des\s|les\s|la\s|las?\s|los?\s|o\s|os\s|as\s|il\s|le\s"
    r"|cette\s|esta\s|el\s)){0,2}(?:imag|imm?agin|video|foto|photo)"
    # "there are no others"
    r"|\bдруг(?:их|ого|ой)\s(?:\w+\s){0,4}?нет\b|^\W*(?:andere|weitere)[nrs]?\s"
    # "nothing hides it", "not wholly visible", "not precisely"
    rf"|\bno(?:thing|body|ne)?\s(?:\w+\s){{0,3}}?{_HIDES}"
    r"|\bno\spart\sof\b|\b(?:nicht|pas|no|non|nao)\s(?:\w+\s){0,2}?(?:ganz|vollstandig|komplett"
    r"|entierement|completement|totalement|completo|completa|completamente|totalmente|interamente"
    r"|por\scompleto|del\stodo)\b|не\sполностью|полностью\sне\s|完全に?は|不完全|没有完全"
    r"|\b(?:locat|find|found|identif)\w*\s(?:\w+\s){0,3}?(?:precisely|exactly|accurately|better)\b"
    r"|(?:他|ほか)に(?:は)?\w|(?:^|\s)다른\s\S+\s없"
)
_CONDITIONAL = re.compile(
    r"^\W*(?:if|when|whenever|unless|in case|should|wenn|falls|si|se\b(?!\s(?:ve|observa|muestra))"
    r"|caso|если)\b|(?:如果|若|假如|もし|만약|만일)"
    r"|\b(?:if|in case|falls|wenn)\s(?:there|no|nothing|the|it|kein|nichts)\b"
)
# What is not there at one time may be there at another.
_AT_ONE_TIME = re.compile(
    r"\b(?:(?:in|during)\s(?:the\s)?(?:first|second|earlier|previous|early|initial|beginning|other"
    r"|some|most|later)\b"
    r"|at\s(?:first|the\s(?:beginning|start))\b|initially\b|in\sframe\s\d)(?!.*\b(?:any|all|nor|every)\b)"
)
_OTHER = r"(?!(?:other|others|else|additional|further|more|second|longer\sany|better)\b)"
_NO_MATTER = (
    r"(?!(?:doubts?|questions?|need|reason|problems?|ambiguity|uncertainty|matter|way|idea|clue"
    r"|issues?|difficulty|difference|confusion|guarantee|certainty|information|comment|thanks"
    r"|answer|wonder|text|sound|audio|one\selse|mistak(?:e|ing)|denying|missing|hiding)\b)"
)
_SCENE = r"(?:video|image|frame|picture|scene|clip|footage|photo|target)s?"
_SEEN = (
    r"(?:(?:present|visible|shown|seen|found|there|detected|depicted|located|identified"
    r"|part|included|apparent|discernible|displayed|featured|here|observed|recogni[sz]able"
    r"|identifiable|contained|available\sin"
    # "not on the left" says where it is instead.
    rf"|(?:in|on|within)\s(?:(?:the|this|that|these|those|any|either)\s(?:of\s(?:the|these)\s)?"
    rf"(?:\w+\s){{0,2}}?{_SCENE}|view|sight|screen|it|them))\b)"
)
_NOUN = r"(?:[\w'-]+\s){0,7}?"
# What is "not fully visible" is there.
_ADVERB = r"(?:(?!(?:fully|completely|entirely|wholly|perfectly|exactly|only)\b)\w+ly\s)"

_ENGLISH = (
    # "there is no dog", "there aren't any dogs"
    rf"\bthere(?:'s|\s(?:is|are|was|were|appears?\sto\sbe|seems?\sto\sbe))\s(?:\w+ly\s)?"
    rf"(?:no|zero|not\san?y?|not\sany|nothing|none|neither|nobody)\b(?!\s{_OTHER[3:-1]})(?!\s{_NO_MATTER[3:-1]})",
    rf"\bthere\s(?:isn't|aren't|wasn't|weren't|is\snot|are\snot|was\snot|were\snot)\s(?:an?|any|the)\b"
    rf"(?!\s{_OTHER[3:-1]})(?!\s{_NO_MATTER[3:-1]})",
    r"\bthere\s(?:doesn't|does\snot|don't|do\snot|didn't|did\snot)\s(?:appear|seem)\sto\sbe\b",
    rf"\bi\s(?:can\s)?(?:see|saw|find|found|detect(?:ed)?|spot(?:ted)?)\sno\s{_OTHER}{_NO_MATTER}",
    r"(?:\bis|:):?\s(?:none|null|nothing)\W*$|\bnever\s(?:appears?|shows?|seen|visible|shown)\b|\bnone\sof\s(?:the|these|those|them)\b",
    # "no dog is visible", "no dog in the video"
    # but not "the man with no hat is here"
    rf"(?:^|\W)(?<!\bwith\s)(?<!\bha[sd]\s)(?<!\bhave\s)(?<!\bwearing\s)no\s{_OTHER}{_NO_MATTER}{_NOUN}(?:is|are|was|were|can\sbe|could\sbe|appears?"
    rf"|exists?|match(?:es|ing)?|(?:in|on|within)\s(?:the|this|any\sof\sthe)\s(?:\w+\s)?{_SCENE}"
    r"|found|visible|detected|present|seen|shown|here)\b",
    # "the dog is not present", "it does not appear", "is nowhere to be seen"
    rf"\b(?:is|are|was|were|be|been|does|do|did|can|could)(?:\snot|not|n't|'t|\snever)\s(?:{_ADVERB}|anywhere\s"
    rf"|even\s|actually\s|be\s)*{_SEEN}",
    rf"\b(?:doesn't|does\snot|don't|do\snot|didn't|did\snot)\s(?:{_ADVERB}|seem\sto\s)*"
    r"(?:appear|exist|occur|be\spresent|match)\b",
    r"\b(?:is|are|was|were)\s(?:\w+ly\s)?(?:absent(?!-)|nowhere(?!\snear)|missing\sfrom"
    r"|off-?screen|out\sof\ssight|out\sof\s(?:the\s)?(?:frame|view|shot)|outside\sthe\s(?:frame|view))\b",
    # "the video does not show a dog"
    rf"\b{_SCENE}\s(?:does\snot|doesn't|do\snot|don't|did\snot|didn't)\s{_ADVERB}?"
    r"(?:contain|show|include|depict|feature|have)\b",
    rf"\b{_SCENE}\s(?:contains?|shows?|includes?|has|have)\s(?:no|none)\s{_OTHER}{_NO_MATTER}",
    # "I cannot find the dog"
    r"\b(?:i|we|one|you)\s(?:can\s?not|can't|could\s?not|couldn't|do\snot|don't|did\snot|didn't|am\sunable\sto"
    r"|was\sunable\sto|am\snot\sable\sto|fail(?:ed)?\sto)\s(?:\w+ly\s)?(?:see|find|locate|detect"
    r"|spot|identify(?!\s(?:\w+\s)?(?:people|persons?|individuals?|anyone|someone|faces?|who)))\b"
    r"(?!\s(?:how|why|what|which|whether|if))(?!\W*$)",
    r"\b(?:nothing|none|neither|no\s?one|nobody)\s(?:\w+\s){0,6}?(?:match(?:es)?|fits?|corresponds?|is"
    r"|are|was|were|can|could|found|visible|detected|appears?)\b",
    r"\bno\s(?:such|match(?:es|ing)?|target|objects?|results?|detections?|instances?)\b",
    r"\bnot\s(?:visible|present|found|there|detected|shown|in\s(?:the|this)\s"
    rf"(?:\w+\s)?{_SCENE}|applicable)\b",
)
_GERMAN = (
    r"\b(?:gibt\ses|es\sgibt|ist|sind|war|waren|befindet\ssich|befinden\ssich|sehe\sich|ich\ssehe"
    r"|finde|erkenne|enthalt|zeigt|sieht\sman|kommt|kann\sich)\s(?:\w+\s){0,6}?kein\w{0,2}\s"
    r"(?!(?:zweifel|frage|problem\w*|ander\w*|weiter\w*|ahnung|sorge|grund)\b)",
    r"\bkein\w{0,2}\s(?!(?:zweifel|frage|problem\w*|ander\w*|weiter\w*)\b)(?:\w+\s){1,6}?"
    r"(?:vorhanden|zu\s(?:sehen|finden|erkennen)|sichtbar|gefunden|erkennbar"
    r"|(?:im|in\s(?:dem|diesem|der))\s(?:video|bild|szene|aufnahme))\b",
    r"\bnicht\s(?:\w+\s){0,3}?(?:vorhanden|zu\s(?:sehen|finden|erkennen)|sichtbar|gefunden"
    r"|im\s(?:bild|video)|in\sd(?:em|iesem|er|ieser)\s(?:bild|video|szene)|enthalten|auffindbar"
    r"|erkennbar|da)\b",
    r"\bkann\s(?!(?:das|dein|ihr)\s(?:bild|video))(?:\w+\s){0,5}?(?:kein\w{0,2}\s(?:\w+\s){1,4}?|nicht\s)"
    r"(?:finden|sehen|erkennen|entdecken)\b",
    r"\bnichts\s(?:\w+\s){0,4}?(?:gefunden|zu\s(?:sehen|finden)|passt|entspricht|sichtbar)\b",
    r"\b(?:existiert|erscheint|taucht|kommt|fehlt)\s(?:\w+\s){0,4}?(?:nicht|im\s(?:bild|video))\b",
)
_FRENCH = (
    r"\bn'y\s(?:a|avait)\s(?:\w+\s){0,2}?(?:pas|aucune?|rien|personne)\b"
    r"(?!\s(?:(?:de|d')\s?)?(?:doute|probleme|autre|question))",
    r"\b(?:aucune?|rien|nul(?:le)?)\s(?!(?:doute|probleme|idee|autre)\b)(?:[\w'-]+\s){0,7}?"
    r"(?:visible|present|presente|trouve|trouvee|detecte|detectee|n'est|n'a|n'apparait|ne|dans)\b",
    r"\bn'(?:est|etait|apparait|existe|apparaissent|existent)\s(?:\w+\s)?pas\b"
    r"(?!\s(?:clair|sur|certain|possible))",
    r"\bn'(?:est|etait)\s(?:nulle\spart|plus\svisible)\b",
    r"\bne\s(?:vois|trouve|voit|contient|montre|figure|correspond|detecte|se\strouve)\s"
    r"(?:\w+\s)?(?:pas|aucune?|rien)\b(?!\s(?:comment|pourquoi))",
    r"\b(?:introuvable|absente?)\b|\b(?:pas|non)\s(?:visible|presente?|trouvee?|detectee?)\b",
    r"^\W*pas\sde\s\w+\W*$",
)
_SPANISH = (
    r"\bno\shay\s(?!(?:ningun[oa]?\s)?(?:duda|dudas|problema|otr\w+|mas)\b)",
    r"\bno\s(?:aparece|aparecen|existe|existen|se\s(?:ve|ven|encuentra|encuentran|encontro|observa"
    r"|observan|ha\s(?:encontrado|detectado)|han\s(?:encontrado|detectado)|detecta|detecto|aprecia|muestra)|es\svisible|son\svisibles|veo|encuentro"
    r"|contiene|muestra|figura|puedo\s(?:ver|encontrar|localizar|identificar)"
    r"|esta(?:n)?\s(?:presentes?|visibles?|en|aqui|ahi))\b",
    r"\b(?:ningun|ninguna|ninguno|nada)\s(?!(?:duda|problema|otr\w+)\b)(?:[\w-]+\s){0,7}?"
    r"(?:visible|coincide|corresponde|aparece|encontrad[oa]|detectad[oa]|presente|en\sel|en\sla"
    r"|en\seste|en\sesta)\b",
    r"\besta\sausente\b|\bno\s(?:encontrad[oa]|detectad[oa]|presente|visible)\b",
)
_PORTUGUESE = (
    r"\bnao\s(?:ha|havia|tem)\s(?!(?:duvidas?|problema|outr\w+|mais|certeza)\b)",
    r"\bnao\s(?:existe|existem|aparece|aparecem|se\sve|vejo|encontrei|encontro|e\svisivel"
    r"|foi\s(?:encontrad[oa]|detectad[oa])|foram\sencontrad[oa]s|contem|mostra|consta"
    r"|consigo\s(?:ver|encontrar|localizar|identificar)|esta(?:o)?\s(?:presentes?|visive(?:l|is)"
    r"|em|no|na|neste|nesta|aqui))\b",
    r"\b(?:nenhum|nenhuma|nada)\s(?!(?:duvida|problema|outr\w+)\b)(?:[\w-]+\s){0,7}?(?:visivel"
    r"|corresponde|aparece|encontrad[oa]|detectad[oa]|presente|no|na|neste|nesta)\b",
    r"\besta\sausente\b|\bnao\s(?:encontrad[oa]|detectad[oa]|presente|visivel)\b",
)
_ITALIAN = (
    r"\bnon\s(?:c'e|ci\s(?:sono|e)|c'era|vi\s(?:e|sono))(?:\W*$|\s)(?!(?:dubbi\w*|problem\w*|altr\w*)\b)",
    r"\bnon\s(?:e|sono)\s(?:\w+\s)?(?:presente|presenti|visibile|visibili|nel|nella|in|qui"
    r"|stat[oa]\s(?:trovat[oa]|rilevat[oa])|inquadrat[oa])\b",
    r"\bnon\s(?:appare|compare|esiste|vedo|trovo|si\svede|si\strova|contiene|mostra|figura|risulta"
    r"|riesco\sa\s(?:vedere|trovare)|posso\s(?:vedere|trovare))\b",
    r"\b(?:nessun[oa]?|niente|nulla)\s(?!(?:dubbio|problema|altr\w+)\b)(?:[\w'-]+\s){0,7}?"
    r"(?:visibile|corrisponde|presente|trovat[oa]|rilevat[oa]|nel|nella|in)\b",
    r"\be\sassente\b|\bnon\s(?:presente|visibile|trovat[oa]|rilevat[oa])\b",
)
_RUSSIAN = (
    r"(?:^|\s)(?:на|в|здесь|там|тут|кадре|видео|изображении|сцене)\s(?:\w+\s){0,4}?нет\b"
    r"(?!\s(?:сомнени\w*|проблем\w*|друг\w*))",
    r"\b(?!сомнений|проблем)\w+\s(?:(?:здесь|там|тут|на\s\w+|в\s\w+)\s){0,2}нет\W*$",
    r"^\W*нет\s(?!(?:сомнени\w*|проблем\w*|друг\w*|возможност\w*)\b)\w+(?:\s\w+){0,4}\W*$",
    r"\bне\s(?:найден\w*|обнаружен\w*|виден|видно|видна|видны|присутству\w+|существу\w+|вижу"
    r"|наблюда\w+|появля\w+|наш[её]л|нашла|наход\w+|отображ\w+|содержит|удалось\s(?:найти|обнаружить))",
    r"\bотсутству\w+",
    r"\bнич(?:его|то)\sне\s(?:найдено|подходит|соответству\w+|видно)",
    r"\bни\sод\w+\s(?:\w+\s){0,4}?не\b",
)
_CHINESE = (
    r"(?:中|里|裡|内|內|上|这里|這裡|那里|畫面|画面|视频|影片)(?:并|並|也|都|似乎|好像)?(?:没有|沒有|无|無)"
    r"(?!疑|问题|問題|其他|其它|别的|別的|更多|提供|法)",
    r"(?:没有|沒有|未能?|没|沒)(?:被)?(?:找到|发现|發現|看到|看见|看見|检测到|檢測到|出现|出現|见到|識別|识别到)",
    r"(?:没有|沒有)(?:任何|这样的|這樣的|符合|匹配|该|該|这个|這個|目标|目標|对应|對應)",
    # but not "the man without a hat is at"
    r"^\W*(?:没有|沒有|无|無)(?!疑|问题|問題|其他|其它|别的|別的|法|提供|图片|视频"
    r"|\w{0,12}(?:位于|位於|坐标|座標|在这|在這))\w{0,12}\W*$",
    r"不存在|找不到|看不到|看不见|看不見|未见|未見|无法找到|無法找到|无法定位|不可见|不可見"
    r"|不在(?:视频|影片|画面|畫面|图|圖|帧|幀|场景|這|这)|(?:不|未|没有|沒有)包含",
)
_JAPANESE = (
    r"(?<!思)(?<!違)(?:は|が|も)(?:どこにも|ここには?|全く|一切)?(?:い|居)(?:ません|ない|なかった)",
    r"(?<!疑い)(?<!疑問)(?<!余地)(?<!問題)(?<!間違い)(?<!自信)(?<!必要)(?<!違い)(?:は|が|も)"
    r"(?:どこにも|ここには?)?(?:ありません|ない(?:です)?(?:[。.\s]|$)|無い)",
    r"(?:存在し|見つかり|見当たり|映ってい|写ってい|見え|現れ|登場し|確認され|検出され)(?:ません|ない|なかった)"
    r"|見つから(?:ない|なかった)|見当たらない|見つけられ(?:ません|ない|なかった)|(?<!間違い)(?<!問題)(?<!疑い)(?:なし|無し)\W*$",
)
_KOREAN = (
    r"(?<!수\s)(?<!수)(?<!여지가\s)(?<!여지는\s)(?<!문제가\s)(?<!문제는\s)(?<!문제)(?<!의심이\s)(?<!바\s)(?<!자신이\s)(?<!틀림)"
    r"(?<!틀림이\s)(?<!필요가\s)(?<!다른\s)없(?:습니다|어요|다|음|네요|었|는|고|으)",
    r"(?:보이|나타나|존재하|발견되|검출되|감지되|등장하|있)지\s?(?:않|못)|발견하지\s못|찾지\s못",
    r"(?:찾을|볼|발견할|탐지할|감지할|찾아볼)\s?수\s?(?:가\s)?없",
    r"(?:안|못)\s(?:보|찾)",
)
_OTHERS = (
    # Dutch, Swedish, Danish, Norwegian, Polish, Czech
    r"\ber\s(?:is|zijn)\sgeen\s(?!(?:twijfel|ander\w*)\b)|\bniet\s(?:zichtbaar|aanwezig|gevonden)\b",
    r"\bdet\s(?:finns|finnes|er|ar)\s(?:ingen|inget|inga|ikke\snoen)\s(?!(?:tvivel|tvekan|andr\w*)\b)",
    r"\bnie\s(?:ma|widac|znaleziono|wystepuje)\b(?!\s(?:watpliwosci|problemu|innych))",
    r"\bder\ser\s(?:ingen|intet)\s(?!(?:tvivl|andr\w*)\b)",
    r"\b(?:neni|nejsou)\s(?:videt|viditeln\w+|pritomn\w+|zde|v|na|zadn\w+)\b(?!\s(?:pochyb|jin))",
    r"\b(?:obrazku|snimku|videu|zaberu|scene)\s(?:\w+\s){0,2}?(?:neni|nejsou|nevidim|nenachazi)\b"
    r"(?!\s(?:pochyb|jin))",
    # Finnish, Hungarian, Romanian, Greek
    r"\b(?:kuva|video|kohtauks|ruudu)\w*ssa\s(?:\w+\s){0,2}?(?:ei|eivat)\s(?:ole|nay)\b"
    r"(?!\s(?:muit|muut))|\bei\s(?:nay|loydy|loytynyt|havaittu|esiinny)\b",
    r"\b(?:kepen|videon|videoban|kepkockan|jelenetben)\s(?:\w+\s){0,2}?nincs(?:enek)?\b(?!\smas)"
    r"|\bnem\s(?:lathato|talalhato|talaltam|szerepel|latszik)\b",
    r"\bnu\s(?:exista|apare|apar|se\svede|se\sgaseste|vad|gasesc|am\sgasit|contine"
    r"|(?:este|sunt)\s(?:vizibil\w*|prezent\w*))\b(?!\s(?:nicio\s)?(?:indoiala|dubi\w+|alt\w*)\b)",
    r"\bδεν\s(?:υπάρχ\w+|φαίν\w+|εμφανίζ\w+|βρέθηκ\w+|βλέπω|βρίσκ\w+|περιέχει)\b"
    r"(?!\s(?:καμία\s)?(?:αμφιβολία|άλλ\w+))",
    # Hebrew, Persian, Bengali, Bulgarian
    r"(?:^|\s)אין\s(?!(?:ספק|בעיה)\b)(?:\S+\s){0,4}?ב(?:תמונה|סרטון|וידאו|פריים)"
    r"|(?:^|\s)לא\s(?:נמצא|מופיע|קיים)",
    r"(?<!شکی\s)(?<!تردیدی\s)وجود\sندار|یافت\sنشد|پیدا\sنشد|دیده\sنمی",
    r"(?:ছবিতে|ভিডিওতে|ফ্রেমে|দৃশ্যে)\s(?:\S+\s){0,4}?নেই|দেখা\sযাচ্ছে\sনা|পাওয়া\sযায়নি",
    r"\b(?:изображението|видеото|кадъра|снимката)\s(?:\S+\s){0,3}?няма\b(?!\sдруг)",
    # Turkish, Vietnamese, Indonesian, Ukrainian
    r"\b(?:yok(?:tur)?|bulunamadi|gorunmuyor|bulunmuyor)\W*$|\bgorunmuyor\b|\bbulunamadi\b",
    r"\bkhong\s(?:co|tim\sthay|xuat\shien|ton\stai)\b(?!\s(?:nghi|van\sde|gi\skhac))",
    r"\btidak\s(?:ada|terlihat|ditemukan|muncul|tampak)\b(?!\s(?:keraguan|masalah|yang\slain))",
    r"\b(?:немає|відсутн\w+)\b(?!\s(?:сумнів\w*))",
    # Arabic, Hindi, Thai
    r"لا\s(?:يوجد|توجد|يظهر|تظهر|أرى)(?!\s(?:شك|مشكلة))|غير\s(?:موجود|مرئي)",
    r"नहीं\s(?:है|हैं|मिल|दिख)|मौजूद\sनहीं",
    r"ไม่(?:มี|พบ|ปรากฏ|เห็น)(?!ข้อสงสัย|ปัญหา)",
)
_DENIED = re.compile(
    "|".join(
        [
            *(*_ENGLISH, *_GERMAN, *_FRENCH, *_SPANISH, *_PORTUGUESE, *_ITALIAN, *_RUSSIAN),
            *(*_CHINESE, *_JAPANESE, *_KOREAN, *_OTHERS),
        ]
    )
)
# A whole answer that is not a sentence.
_ALONE = re.compile(
    r"(?:none|null|nil|nothing|nan|no|n/?a|empty|absent|not applicable|undefined|nothing found"
    r"|keine?s?|nichts|aucune?|rien|neant|ninguno?a?|nada|nenhuma?|nessun[oa]?|niente|nulla|нет"
    r"|ничего|无|無|没有|沒有|なし|ない|ありません|いません|該当なし|없음|없습니다|없다|해당 없음)"
    r"|(?:no|kein\w{0,2}|aucune?|ningun[oa]?|nenhuma?|nessun[oa]?|pas de)\s"
    r"(?!(?:doubts?|problem\w*|questions?|answer|wonder|comment|idea|ideas|thanks|way|clue|worries|image|images|video|videos|text"
    r"|hay|other|others|more|further|autres?|otr[oa]s?|outr[oa]s?|altr[oiae]|ander\w*|weiter\w*|zweifel|frage|ahnung|doute|probleme|idee|duda|duvida|dubbio"
    r"|puedo|esta|estoy|tengo|se|es|lo|me|quiero|entiendo|i|we|it|this|that|can|you|sorry|not)\b)"
    r"[\w'-]+(?:\s[\w'-]+){0,3}"
)
_LATIN = frozenset(map(chr, (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))))
_FIRST_WORD = re.compile(
    r"^\W*(?:(?:none|null|nothing|n/?a)(?=\s?[.,;:!\n])"
    r"|(?:there (?:is|are) )?no (?:such )?(?:object|match|target)\w*\b)"
)


def is_nothing(value: Any) -> bool:
    """Return whether a value stands for no object, as ``[]``, ``null`` or a box of zeros do."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += [] if _is_no_place(one) else one
        elif isinstance(one, Mapping) and one:
            places = _places_in(one)
            if not places and not _tells_absence(one):
                return False
            waiting += places
        elif isinstance(one, str) and one:
            if not _ALONE.fullmatch(_plain(one[:200]).strip(" .!<>\"'()[]")):
                return False
        elif one is not None and one not in ("", {}):
            return False
    return True


def denies_in_text(text: str) -> bool:
    """Return whether a text says that what was asked for is not there.

    Of a long text its first sentence and its last three count: between them it may weigh.
    """
    plain = _plain(text)
    alone = plain.strip(" .!?,;:。！\n\t`*_\"'<>()[]{}/\\").replace("\n", " ")
    if _ALONE.fullmatch(alone):
        return _NOT_OF_THE_OBJECT.search(alone) is None
    sentences = [part.strip() for part in _SENTENCE.split(plain) if part and part.strip()]
    if not sentences:
        return False
    first = sentences[0][:_LONG]
    if len(plain) > _LONG:
        sentences = [sentences[0], *sentences[1:][-3:]]
    return (
        any(_denies(sentence[-_LONG:]) for sentence in sentences)
        or _ZEROS.fullmatch(plain.strip()) is not None
        or bool(_FIRST_WORD.match(plain[:200]) and not _NOT_OF_THE_OBJECT.search(first))
    )


def is_conditional(text: str) -> bool:
    """Return whether a text says "if", as the repeated words of a question do."""
    return any(_CONDITIONAL.search(part.strip()) for part in _SENTENCE.split(_plain(text[:_LONG])))


def _denies(sentence: str) -> bool:
    about_something_else = (_CONDITIONAL, _NOT_OF_THE_OBJECT, _AT_ONE_TIME)
    if any(pattern.search(sentence) for pattern in about_something_else):
        return False
    return _DENIED.search(sentence) is not None


def _is_no_place(value: Sequence[Any]) -> bool:
    """Whether a list holds zeros, or another number that stands for none, in every place."""
    numbers = [part for part in value if isinstance(part, int | float)]
    if len(numbers) != len(value) or len(value) < 2 or any(isinstance(n, bool) for n in value):
        return False
    return set(numbers) in ({0}, {-1}) or all(math.isnan(number) for number in numbers)


def _places_in(item: Mapping[Any, Any]) -> list[Any]:
    """Return what a mapping says of places, or of lists of objects."""
    return [
        value
        for name, value in item.items()
        if _PLACE_WORDS.search(str(name).lower()) or _LIST_WORDS.match(str(name).lower())
    ]


def _tells_absence(item: Mapping[Any, Any]) -> bool:
    """Whether a mapping says so in a word, as ``{"found": false}`` does."""
    for name, value in item.items():
        key = str(name).lower()
        if _FLAG_WORDS.search(key) and value in (False, "false", "False", "no", "No"):
            return True
        if _COUNT_WORDS.match(key) and value == 0 and not isinstance(value, bool):
            return True
    return False


def _plain(text: str) -> str:
    """Return a text in lower case, without accents on Latin letters, its blanks single."""
    text = text.translate({0x2019: "'", 0x2018: "'", 0x201C: '"', 0x201D: '"'}).casefold()
    text = "".join(
        unicodedata.normalize("NFD", letter)[0] if letter in _LATIN else letter for letter in text
    )
    return re.sub(r"[^\S\n]+", " ", text)
