"""The grounder ``o3``: what it does with what a model says."""

from __future__ import annotations

import json

import pytest
from scripted_chat import ScriptedChat
from videoseg_o3 import CoarseSampler, O3Grounder

import videoseg as vs
from videoseg.errors import GroundingParseError, StageError
from videoseg.pipeline import run_episode
from videoseg.testing import GrounderContract, moving_square
from videoseg.types import ChatReply, Embedding, FrameGroup, to_dict

THINK = "<think>Step 1: late. Step 2: left. Step 3: it. Action: go on.</think>"
# In pixels of a frame of 48x64: (16, 24) to (32, 36).
BOX = {"bbox_2d": [250, 500, 500, 750], "point_2d": [375, 625], "neg_point_2d": [510, 600]}


def select(start=2, end=9, keyframe=5, *, vtg=False):
    body = json.dumps({"start": start, "end": end, "keyframe": keyframe})
    body = f"<VTG>{body}</VTG> <RefSeg>[SEG]</RefSeg>" if vtg else body
    return f"{THINK}<select>{body}</select>"


def answer(start=2, end=9, keyframe=5, objects=(BOX,)):
    data = {"start": start, "end": end, "keyframe": keyframe, "objects": list(objects)}
    data = {name: value for name, value in data.items() if value is not None}
    return f"{THINK}<answer>{json.dumps(data)}</answer>"


NOTHING = f'{THINK}<answer>{{"objects": []}}</answer>'


def seg_answer(start=2, end=9, keyframe=5, seg="[SEG]"):
    body = json.dumps({"start": start, "end": end, "keyframe": keyframe})
    return f"{THINK}<answer><VTG>{body}</VTG>, <RefSeg>{seg}</RefSeg></answer>"


def with_embeddings(text, *values):
    embeddings = tuple(Embedding("videoseg-o3", (value, -value)) for value in values)
    return ChatReply(text, embeddings=embeddings)


def run(*answers, num_frames=12, max_turns=3, sampler=None, query="the square", **options):
    """Return the finished episode, and the chat model that was asked."""
    chat = ScriptedChat.saying(*answers)
    episode = run_episode(
        moving_square(num_frames, size=(48, 64)).video,
        query,
        sampler=sampler or CoarseSampler(),
        grounder=O3Grounder(chat=chat, **options),
        max_turns=max_turns,
    )
    return episode, chat


def details(episode):
    return episode.grounding.thought.details


class TestContract(GrounderContract):
    def make(self):
        return O3Grounder(chat=ScriptedChat.saying(answer()))


class TestContractWithLooks(GrounderContract):
    def make(self):
        def say(exchange, number):
            told = exchange.texts[-1]
            return answer() if "the last turn" in told or "Finish now" in told else select()

        return O3Grounder(chat=ScriptedChat(say))


class TestContractWithGarbage(GrounderContract):
    def make(self):
        return O3Grounder(chat=ScriptedChat.saying("what?"), on_parse_error="empty")


class TestContractOfTheReleasedBehavior(GrounderContract):
    def make(self):
        reply = with_embeddings(seg_answer(keyframe=99), 1.0)
        return O3Grounder(chat=ScriptedChat.saying(reply), answer="seg")


class TestContractWithAnAnswerer(GrounderContract):
    def make(self):
        def say(exchange, number):
            return FOUND if exchange.messages[0].role == "system" else R1_ANSWER

        return O3Grounder(chat=ScriptedChat(say), answerer="r1")


# -- looks and answers in text -----------------------------------------------------------------


def test_a_select_becomes_a_look_and_an_answer_a_grounding():
    episode, chat = run(select(), answer())
    look, grounding = episode.moves
    assert (look.window, look.keyframe) == (vs.Window(2, 10), 5)
    assert episode.selections[1].keyframe == 5
    [prompt] = grounding.prompts
    assert (grounding.keyframe, prompt.frame) == (5, 5)
    assert prompt.box == vs.Box(16, 24, 32, 36)
    assert prompt.points == (vs.Point(24, 30),)
    assert prompt.negative_points == (vs.Point(32.64, 28.8),)
    assert [len(call.messages) for call in chat.calls] == [2, 4]
    assert chat.calls[1].messages[2].parts[0].text == select()
    assert [call.temperature for call in chat.calls] == [0, 0]
    assert grounding.warnings == ()


def test_the_trace_has_the_dimensions_and_why_it_stopped():
    episode, _ = run(select(), answer())
    for turn in episode.trace.turns:
        assert turn.thought.dimensions == {
            "temporal": "late.",
            "spatial": "left.",
            "linguistic": "it.",
        }
        assert turn.thought.details["action"] == "go on."
        assert turn.thought.details["prompt"] == "text.v1"
        assert turn.thought.num_tokens == len(turn.thought.details["raw"].split())
    first, last = (turn.thought.details for turn in episode.trace.turns)
    assert first["raw"] == select()
    assert (first["stop"], last["stop"]) == ("", "answered")
    assert (first["window"], first["keyframe"]) == ([2, 10], 5)
    assert (last["window"], last["keyframe"]) == ([2, 10], 5)
    assert last["coordinate_space"] == "per_mille"
    assert "the square" in last["question"]
    assert json.dumps(to_dict(episode.trace))


def test_a_model_may_answer_at_once():
    episode, chat = run(answer())
    assert len(chat.calls) == 1
    assert episode.grounding.found


def test_several_objects_are_prompts_of_their_own():
    other = {"bbox_2d": [600, 100, 900, 400], "label": "the other"}
    episode, _ = run(answer(objects=(BOX, other)))
    assert [prompt.object_id for prompt in episode.grounding.prompts] == [1, 2]
    assert episode.grounding.prompts[1].label == "the other"
    assert episode.grounding.prompts[1].points == (episode.grounding.prompts[1].box.center,)


@pytest.mark.parametrize(
    "said",
    [NOTHING, f"{THINK}<answer>[]</answer>", answer(objects=()),
     f"{THINK}<answer>There is no such square in the video.</answer>"],
)  # fmt: skip
def test_nothing_in_this_video_is_an_answer(said):
    episode, chat = run(said)
    assert not episode.grounding.found
    assert episode.grounding.keyframe is None
    assert details(episode)["stop"] == "answered"
    assert len(chat.calls) == 1


def test_places_in_a_frame_that_was_not_shown_move_to_the_nearest_that_was():
    episode, _ = run(answer(keyframe=48), num_frames=100)
    shown = episode.selections[0].indices
    assert 48 not in shown
    assert episode.grounding.keyframe == min(shown, key=lambda frame: abs(frame - 48))
    assert "has not seen" in episode.grounding.warnings[0]


def test_the_keyframe_of_the_answer_counts_not_that_of_the_look():
    episode, _ = run(select(keyframe=5), answer(keyframe=8))
    assert episode.grounding.keyframe == 8
    assert episode.grounding.prompts[0].frame == 8


def test_without_a_keyframe_the_one_looked_at_last_is_taken():
    episode, _ = run(select(), answer(keyframe=None))
    assert episode.grounding.keyframe == 5
    assert "no keyframe" in episode.grounding.warnings[0]
    episode, _ = run(answer(keyframe=None))
    # The middle one of the larger frames 0, 1, 3, 4, 6, 7, 9, 11.
    assert episode.grounding.keyframe == 6


def test_repairs_of_every_turn_are_warnings_of_the_result():
    episode, _ = run(select(9, 2), answer(-3, 9))
    assert episode.moves[0].window == vs.Window(2, 10)
    first, second = episode.grounding.warnings
    assert first.startswith("turn 1: the range 9 to 2")
    assert "-3 to 9" in second


def test_a_select_without_a_keyframe_leaves_it_to_the_sampler():
    said = f'{THINK}<select>{{"start": 2, "end": 9}}</select>'
    episode, _ = run(said, answer(keyframe=9))
    assert episode.moves[0].keyframe is None
    assert episode.selections[1].of_role("detail")
    assert episode.selections[1].window == vs.Window(2, 10)


@pytest.mark.parametrize(
    ("space", "box"),
    [("unit", [0.25, 0.5, 0.5, 0.75]), ("square(840)", [210, 420, 420, 630]),
     ("pixels_of_resized", [16, 24, 32, 36]), ("per_mille_yx", [500, 250, 750, 500])],
)  # fmt: skip
def test_every_coordinate_space_names_the_same_place(space, box):
    said = answer(objects=({"bbox_2d": box},))
    episode, _ = run(said, coordinates=space)
    assert episode.grounding.prompts[0].box == vs.Box(16, 24, 32, 36)


def test_pixels_are_those_of_the_image_of_the_keyframe():
    class OneSmallOneLarge:
        def sample(self, video, query, *, window, keyframe=None, seed=0):
            groups = (FrameGroup("keyframe", (3,), 9999), FrameGroup("context", (3, 7), 100))
            return vs.FrameSelection(groups, window)

    class Shrinking(ScriptedChat):
        def chat(self, messages, **sampling):
            [reply] = super().chat(messages, **sampling)
            sizes = tuple(
                (24, 32) if image.max_pixels == 100 else (48, 64)
                for image in self.calls[-1].images
            )
            return [ChatReply(reply.text, image_sizes=sizes, coordinate_space="pixels_of_resized")]

    for keyframe, box in ((3, [16, 24, 32, 36]), (7, [8, 12, 16, 18])):
        said = answer(keyframe=keyframe, objects=({"bbox_2d": box},))
        grounder = O3Grounder(chat=Shrinking(lambda exchange, number, said=said: said))
        episode = run_episode(
            moving_square(12, size=(48, 64)).video,
            "it",
            sampler=OneSmallOneLarge(),
            grounder=grounder,
        )
        assert episode.grounding.prompts[0].box == vs.Box(16, 24, 32, 36)


def test_boxes_outside_the_frame_are_asked_for_again_then_refused():
    outside = {"bbox_2d": [1200, 1200, 1300, 1300]}
    with pytest.raises(GroundingParseError, match="lies outside the frame of 64x48"):
        run(answer(objects=(outside,)))
    episode, chat = run(answer(objects=(outside,)), answer())
    assert episode.grounding.found
    assert chat.calls[1].temperature == 0.7
    episode, _ = run(answer(objects=(outside, BOX)))
    assert len(episode.grounding.prompts) == 1
    assert "outside the frame" in episode.grounding.warnings[0]


# -- what cannot be read -----------------------------------------------------------------------


def test_a_turn_that_cannot_be_read_is_repeated_once_with_sampling():
    episode, chat = run("what?", select(), answer())
    assert len(episode.moves) == 2
    assert [call.temperature for call in chat.calls] == [0, 0.7, 0]
    assert [call.seed for call in chat.calls] == [0, 1, 0]
    attempts = episode.moves[0].thought.details["attempts"]
    assert [attempt["raw"] for attempt in attempts] == ["what?", select()]
    assert "neither <select> nor <answer>" in attempts[0]["problem"]
    # The attempt in vain is not part of the conversation.
    assert "what?" not in chat.calls[2].texts
    assert episode.moves[0].thought.num_tokens == 1 + len(select().split())


def test_two_turns_that_cannot_be_read_are_an_error_with_the_text():
    with pytest.raises(GroundingParseError, match="neither <select> nor <answer>") as caught:
        run("what?", "who?")
    assert caught.value.raw_text == "who?"


def test_or_a_guess_that_there_is_nothing_if_that_is_asked_for():
    episode, _ = run(select(), "what?", "who?", on_parse_error="empty")
    assert not episode.grounding.found
    assert episode.grounding.status == "guessed"
    assert "nothing is segmented, which is a guess" in episode.grounding.warnings[0]
    assert details(episode)["stop"] == "no answer"
    assert len(details(episode)["attempts"]) == 2


def test_an_answer_that_was_cut_off_names_max_tokens():
    reply = ChatReply("<think>It goes on and", finish_reason="length")
    with pytest.raises(GroundingParseError, match=r"max_tokens=7.*such as max_tokens=28"):
        run(reply, max_tokens=7)
    denial = ChatReply('<answer>{"objects": []', finish_reason="length")
    with pytest.raises(GroundingParseError, match="max_tokens=7"):
        run(denial, max_tokens=7)


def test_an_answer_that_was_cut_off_behind_an_object_is_used_with_a_warning():
    said = answer(objects=(BOX, BOX)).removesuffix("]}</answer>")[:-20]
    episode, chat = run(ChatReply(said, finish_reason="length"), max_tokens=7)
    assert len(episode.grounding.prompts) == 1
    assert len(chat.calls) == 1
    assert any("max_tokens=7" in warning for warning in episode.grounding.warnings)


def test_a_refusal_is_repeated_to_the_user():
    reply = ChatReply("", refusal="I do not look at squares.")
    with pytest.raises(GroundingParseError, match="I do not look at squares"):
        run(reply)


def test_a_model_that_looks_for_ever_is_asked_once_more_to_answer():
    with pytest.raises(
        GroundingParseError, match=r"turn 3 of 3, the last; raise max_turns"
    ) as info:
        run(select())
    assert info.value.raw_text == select()
    episode, chat = run(select(), select(), select(), answer())
    assert len(episode.moves) == 3
    assert episode.grounding.found
    told = chat.calls[3]
    assert told.temperature == 0
    assert told.messages[-2].parts[0].text == select()
    assert "Finish now" in told.texts[-1]
    assert "the last turn" in chat.calls[2].texts[-1]


def test_with_one_turn_a_model_must_answer_at_once():
    with pytest.raises(GroundingParseError, match="turn 1 of 1"):
        run(select(), max_turns=1)
    episode, _ = run(select(), answer(), max_turns=1)
    assert episode.grounding.found


def test_in_the_last_turn_garbage_and_wishes_are_each_answered_once():
    episode, chat = run("what?", select(), answer(), max_turns=1)
    assert episode.grounding.found
    assert [call.temperature for call in chat.calls] == [0, 0.7, 0]
    _, chat = run("what?", select(), "who?", max_turns=1, on_parse_error="empty")
    assert len(chat.calls) == 3


# -- answers with [SEG] ------------------------------------------------------------------------


def test_as_released_the_mask_is_decoded_on_the_last_selected_frame():
    episode, _ = run(
        with_embeddings(select(vtg=True), 1.0),
        with_embeddings(seg_answer(keyframe=8), 2.0, 3.0),
        answer="seg",
    )
    [prompt] = episode.grounding.prompts
    assert prompt.frame == episode.grounding.keyframe == 5
    assert prompt.embedding == Embedding("videoseg-o3", (3.0, -3.0))
    assert (prompt.box, prompt.points) == (None, ())
    assert details(episode)["stop"] == "answered"
    assert details(episode)["prompt"] == "released.v1"


def test_as_released_an_answer_at_once_is_decoded_on_its_own_keyframe():
    episode, _ = run(with_embeddings(seg_answer(keyframe=8), 2.0), answer="seg")
    assert episode.grounding.keyframe == 8


def test_as_released_without_any_keyframe_the_middle_larger_frame_is_taken():
    for said in ("<answer><RefSeg>[SEG]</RefSeg></answer>", "[SEG]", "<select>?</select>[SEG]"):
        episode, chat = run(with_embeddings(said, 2.0), answer="seg", num_frames=100)
        # The larger frames are 0, 14, 28, 42, 56, 70, 84, 99.
        assert episode.grounding.keyframe == 56
        assert len(chat.calls) == 1


@pytest.mark.parametrize(
    ("said", "keyframe", "stop"),
    [
        (select(9, 2, 7, vtg=True), 7, "malformed select"),
        ("<select>{'start': 1}</select>", 5, "malformed select"),
        ("[SEG]", 5, "no answer"),
    ],
)
def test_as_released_a_turn_that_cannot_be_read_ends_the_episode_with_its_seg(
    said, keyframe, stop
):
    first = with_embeddings(select(), 1.0)
    episode, chat = run(first, with_embeddings(said, 2.0), answer="seg")
    assert len(chat.calls) == 2
    assert episode.grounding.keyframe == keyframe
    assert episode.grounding.prompts[0].embedding.values == (2.0, -2.0)
    assert details(episode)["stop"] == stop
    assert "cannot be read" in episode.grounding.warnings[0]


def test_as_released_a_select_in_the_last_turn_ends_with_its_own_seg():
    replies = [with_embeddings(select(keyframe=k, vtg=True), float(k)) for k in (3, 5, 8)]
    episode, chat = run(*replies, answer="seg")
    assert len(chat.calls) == 3
    assert episode.grounding.keyframe == 8
    assert episode.grounding.prompts[0].embedding.values[0] == 8
    assert details(episode)["stop"] == "last turn"
    assert "its own [SEG] is used" in episode.grounding.warnings[0]


def test_extended_honors_the_keyframe_of_the_answer():
    first = with_embeddings(select(), 1.0)
    last = with_embeddings(seg_answer(3, 8, keyframe=8), 2.0)
    episode, _ = run(first, last, answer="seg", behavior="extended")
    assert episode.grounding.keyframe == 8
    assert details(episode)["window"] == [3, 9]
    assert details(episode)["prompt"] == "seg.v1"
    unnamed = with_embeddings("<answer><RefSeg>[SEG]</RefSeg></answer>", 2.0)
    episode, _ = run(first, unnamed, answer="seg", behavior="extended")
    assert episode.grounding.keyframe == 5
    assert "no keyframe" in episode.grounding.warnings[0]


@pytest.mark.parametrize("behavior", ["released", "extended"])
def test_without_seg_nothing_is_segmented_and_that_is_said(behavior):
    episode, _ = run(seg_answer(seg=""), answer="seg", behavior=behavior)
    assert not episode.grounding.found
    assert "has no [SEG]" in episode.grounding.warnings[0]
    episode, _ = run(seg_answer(), answer="seg", behavior=behavior)
    assert not episode.grounding.found
    assert "no embedding" in episode.grounding.warnings[0]


def test_as_released_an_answer_without_seg_uses_that_of_an_earlier_turn():
    def answer_with(earlier):
        return ChatReply(seg_answer(seg=""), details={"earlier_embedding": earlier})

    first = with_embeddings(select(vtg=True), 1.0)
    episode, _ = run(first, answer_with([1.0, -1.0]), answer="seg")
    assert episode.grounding.prompts[0].embedding == Embedding("videoseg-o3", (1.0, -1.0))
    assert "an earlier turn is used" in episode.grounding.warnings[0]
    episode, _ = run(first, answer_with([1.0, -1.0]), answer="seg", behavior="extended")
    assert not episode.grounding.found


def test_a_seg_answer_that_was_cut_off_before_its_seg_names_max_tokens():
    reply = ChatReply('<answer><VTG>{"keyframe": 3}</VTG>', finish_reason="length")
    with pytest.raises(GroundingParseError, match="max_tokens"):
        run(reply, answer="seg", behavior="extended")
    episode, _ = run(ChatReply("<think>on and on", finish_reason="length"), answer="seg")
    assert "max_tokens" in episode.grounding.warnings[0]


def test_one_frame_is_enough():
    episode, _ = run(select(0, 5, 3), answer(0, 0, 0), num_frames=1)
    assert (episode.moves[0].window, episode.moves[0].keyframe) == (vs.Window(0, 1), 0)
    assert episode.grounding.keyframe == 0
    episode, _ = run(with_embeddings(select(), 1.0), num_frames=1, answer="seg", max_turns=2)
    assert episode.grounding.keyframe == 0


def test_a_window_behind_the_video_is_its_last_frame():
    episode, _ = run(select(70, 90, 80), answer(keyframe=11))
    assert episode.moves[0].window == vs.Window(11, 12)
    assert "not all in the video" in episode.grounding.warnings[0]


def test_keyframes_stay_inside_the_part_of_the_video_that_was_looked_at():
    reply = with_embeddings(seg_answer(keyframe=11), 1.0)
    chat = ScriptedChat.saying(reply)
    episode = run_episode(
        moving_square(12, size=(48, 64)).video,
        "it",
        sampler=CoarseSampler(),
        grounder=O3Grounder(chat=chat, answer="seg"),
        window=vs.Window(3, 9),
    )
    assert episode.grounding.keyframe == 8
    assert "lies outside the frames 3 to 8" in episode.grounding.warnings[0]


# -- another grounder answers ------------------------------------------------------------------

FOUND = f'{THINK}<answer>{{"start": 2, "end": 9, "keyframe": 7}}</answer>'
R1_ANSWER = f"<think>There.</think><answer>[{json.dumps(BOX)}]</answer>"


@pytest.mark.parametrize(
    "answerer",
    ["r1", {"name": "r1", "options": {"use_negative": False}}, vs.use("r1", max_tokens=99)],
    ids=["name", "mapping", "use"],
)
def test_another_grounder_answers_on_the_keyframe_that_was_found(answerer):
    episode, chat = run(select(), FOUND, R1_ANSWER, answerer=answerer)
    [prompt] = episode.grounding.prompts
    assert prompt.frame == episode.grounding.keyframe == 7
    assert prompt.box == vs.Box(16, 24, 32, 36)
    assert bool(prompt.negative_points) == (not isinstance(answerer, dict))
    asked = chat.calls[2]
    # Context frames of the range that were seen, then the keyframe.
    assert asked.frames == [2, 3, 4, 5, 6, 8, 9, 7]
    # Each as large as it was shown at most: small, larger, or as the keyframe of the look.
    sizes = [image.max_pixels for image in asked.images]
    assert sizes == [size * 784 for size in (32, 256, 256, 512, 256, 32, 256, 512)]
    assert '"bbox_2d"' not in chat.calls[0].texts[0]
    thought = episode.grounding.thought
    assert thought.text.endswith("\n\nThere.")
    assert thought.temporal == "late."
    assert thought.details["prompt"] == "find.v1"
    assert thought.details["answerer"]["prompt"] == "ground.v1"
    assert thought.num_tokens == len(FOUND.split()) + len(R1_ANSWER.split())


def test_an_answerer_is_shown_the_range_of_the_answer_else_that_of_the_last_look():
    narrower = f'{THINK}<answer>{{"start": 4, "end": 8, "keyframe": 7}}</answer>'
    no_range = f'{THINK}<answer>{{"keyframe": 7}}</answer>'
    for found, frames in ((narrower, [4, 5, 6, 8, 7]), (no_range, [2, 3, 4, 5, 6, 8, 9, 7])):
        _, chat = run(select(), found, R1_ANSWER, answerer="r1")
        assert chat.calls[2].frames == frames


def test_an_instance_answers_too_and_what_it_says_is_kept():
    class Boxes:
        def step(self, episode):
            assert episode.must_answer
            frame = episode.selection.keyframe
            prompt = vs.Prompt(1, frame, box=vs.Box(1, 2, 3, 4))
            return vs.Grounding(frame, (prompt,), vs.Thought("mine"), warnings=("careful",))

    episode, _ = run(select(9, 2), FOUND, answerer=Boxes())
    assert episode.grounding.prompts[0].box == vs.Box(1, 2, 3, 4)
    assert episode.grounding.warnings[0].startswith("turn 1: the range 9 to 2")
    assert episode.grounding.warnings[1] == "careful"


@pytest.mark.parametrize("found", [True, False])
def test_as_released_what_an_answerer_says_of_a_turn_that_cannot_be_read_is_a_guess(found):
    class Boxes:
        def step(self, episode):
            frame = episode.selection.keyframe
            prompt = vs.Prompt(1, frame, box=vs.Box(1, 2, 3, 4))
            return vs.Grounding(frame, (prompt,)) if found else vs.Grounding(None)

    said = "<select>{'start': 1}</select>"
    episode, _ = run(select(), said, answerer=Boxes(), behavior="released")
    assert details(episode)["stop"] == "malformed select"
    assert episode.grounding.found == found
    assert episode.grounding.status == "guessed"
    readable, _ = run(select(), FOUND, answerer=Boxes(), behavior="released")
    assert readable.grounding.status == ("answered" if found else "absent")


def test_an_answerer_needs_no_chat_model():
    episode, chat = run(FOUND, query="the red square", answerer="attributes")
    assert len(chat.calls) == 1
    assert episode.grounding.found


def test_with_an_answerer_frames_selected_in_the_last_turn_are_the_answer():
    episode, chat = run(select(keyframe=6), R1_ANSWER, max_turns=1, answerer="r1")
    assert episode.grounding.keyframe == 6
    assert details(episode)["stop"] == "last turn"
    assert len(chat.calls) == 2


def test_with_an_answerer_nothing_there_needs_no_other_question():
    episode, chat = run(f"{THINK}<answer>[]</answer>", answerer="r1")
    assert not episode.grounding.found
    assert len(chat.calls) == 1
    with pytest.raises(GroundingParseError, match="names no frames"):
        run(f"{THINK}<answer>somewhere</answer>", answerer="r1")


def test_released_looking_with_another_answerer():
    said = [select(vtg=True), seg_answer(keyframe=8), R1_ANSWER]
    for form in ("seg", "text"):
        episode, _ = run(*said, answer=form, behavior="released", answerer="r1")
        # As released, the frame that was selected last.
        assert episode.grounding.keyframe == 5
        assert episode.grounding.prompts[0].box == vs.Box(16, 24, 32, 36)


def test_an_answerer_that_does_not_answer_breaks_its_contract():
    class Looks:
        def step(self, episode):
            return vs.Look(vs.Window(0, 1))

    with pytest.raises(StageError, match="Looks must return a Grounding"):
        run(FOUND, answerer=Looks())


# -- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"behavior": "released"}, "do not ask for boxes"),
        ({"answer": "boxes"}, "'text' or 'seg'"),
        ({"coordinates": "inches"}, "coordinates must be"),
        ({"prompt": "v99"}, "no version"),
        ({"max_tokens": 0}, ">= 1"),
        ({"answerer": "nobody"}, "nobody"),
        ({"answerer": 3}, "answerer must be"),
        ({"answerer": {"name": "r1", "options": {"max_tokens": 0}}}, ">= 1"),
        ({"answerer": vs.use("r1", wrong=1)}, "wrong"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(vs.VideosegError, match=message):
        O3Grounder(chat=ScriptedChat.saying(""), **options)


def test_what_an_answerer_needs_beside_a_chat_model_must_be_given_as_an_instance():
    registry = vs.default_registry()

    class Needy:
        def __init__(self, *, propagator, chat): ...

        def step(self, episode): ...

    registry.add("grounder", "needy", Needy, uses=("propagator", "chat"))
    with pytest.raises(vs.ConfigError, match="needs a propagator"):
        O3Grounder(chat=ScriptedChat.saying(""), answerer="needy")


def test_closing_frees_an_answerer_that_was_built_here_and_no_other():
    closed = []

    class Closes:
        def __init__(self, *, name="own"):
            self.name = name

        def step(self, episode): ...

        def close(self):
            closed.append(self.name)

    vs.default_registry().add("grounder", "closes", Closes)
    chat = ScriptedChat.saying("")
    O3Grounder(chat=chat, answerer="closes").close()
    O3Grounder(chat=chat, answerer=Closes(name="given")).close()
    O3Grounder(chat=chat).close()
    assert closed == ["own"]
