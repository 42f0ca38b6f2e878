"""Runs the released modelling code of VideoSEG-O3 from a checkout of it, for ``o3_parity.py``.

A checkout of Dmmm1997/VideoSEG-O3 is named with ``--reference DIR``. Of it, the folder
``projects/sa2va/hf/models_qwen3vl`` is imported as it is, and ``predict_forward`` of its class
``Sa2VAChatModelQwenCOT`` is called with the arguments of the released evaluation script:

    python tests/benchmarks/o3_reference.py --reference DIR --work WORK

``WORK`` is a folder that ``o3_parity.py`` has filled. The interpreter may be another one than
that of videoseg: the released code is pinned to transformers 4.57.0, and needs qwen-vl-utils,
torch, torchvision, safetensors and OpenCV.

Stand-ins, none of which changes arithmetic:

- Without a GPU, ``Tensor.cuda`` returns the tensor, the states of SAM 2 are kept on the CPU,
  and ``torch.autocast("cuda", bfloat16)`` does nothing.
- The attribute ``torch_dtype`` of the model is float32 instead of bfloat16, so that both sides
  compute in the same precision. What the code itself rounds to bfloat16 stays rounded: the
  features in SAM 2's memory, the mean and the standard deviation of images.
- Its SAM 2 is always Hiera-L at 1024 pixels. For the tiny network the image encoder, the memory
  attention and the memory encoder are built from the released code's own classes with the sizes
  of a configuration file; all settings of the predictor but the size of images stay.
- Indices are printed as NumPy 1 does. With NumPy 2 the released code writes ``np.int64(4)`` into
  its prompts where its training data have ``4``.
- From transformers 5 on, ``from_pretrained`` cannot load the class; it is built and then filled
  with ``load_state_dict``. These versions also record the last hidden state behind the final
  norm of a Qwen3-VL, where 4.57.0, with which the released models were trained, records it
  before. They are told to do as 4.57.0 does.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import json
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

PACKAGE = "models_qwen3vl"
FOLDER = Path("projects", "sa2va", "hf")

# The arguments of evaluation.sh.
OVERVIEW_FRAMES, DETAIL_FRAMES, LOOK_FRAMES = 20, 8, 5
# Pixels: limits of the overview and of the detailed frames, as the data set of the released
# evaluation applies them. The limits of looks are the model's own.
OVERVIEW_PIXELS, DETAIL_PIXELS, LEAST_PIXELS = 32 * 784, 256 * 784, 4 * 784
QUESTION = (
    'The query is "{exp}". Show me your thought process for finding and segmenting this target. '
    "This video has {total_frames} frames."
)

# How far the logit of the token that follows lies above those of the others.
_MARGIN = 16.0
_ABSENT = 100.0


def import_reference(reference: Path) -> Any:
    """Import the modelling file and return the module."""
    support = Path(__file__).resolve().parent.parent / "support"
    sys.path[:0] = [str(support), str((reference / FOLDER).resolve())]
    from torchvision_builds import declare_missing_operators

    declare_missing_operators()
    return importlib.import_module(f"{PACKAGE}.modeling_sa2va_qwen_cotv3_keyframe_withvis")


@contextlib.contextmanager
def on_cpu() -> Iterator[None]:
    """Let code that names the device "cuda" run on the CPU."""
    import torch

    with (
        warnings.catch_warnings(),
        mock.patch.object(torch.Tensor, "cuda", lambda self, *_, **__: self),
        mock.patch.object(torch, "autocast", lambda *_, **__: contextlib.nullcontext()),
    ):
        warnings.simplefilter("ignore")
        yield


def use_sizes(module: Any, config: Path | None) -> None:
    """Give the released SAM 2 the sizes of a configuration file; None leaves it as it is."""
    import torch

    sam2 = importlib.import_module(f"{PACKAGE}.sam2")
    released = sam2.SAM2VideoPredictor
    sizes: dict[str, Any] = {}

    class OnCpu(released):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**{**settings, **sizes})

        def init_state(self, images: Any) -> Any:
            state = super().init_state(images)
            state["device"] = state["storage_device"] = torch.device("cpu")
            return state

    sam2.SAM2VideoPredictor = OnCpu
    if config is None:
        return
    from omegaconf import OmegaConf

    model: Any = OmegaConf.to_container(OmegaConf.load(config), resolve=True)["model"]
    sizes["image_size"] = model["image_size"]
    for part in ("image_encoder", "memory_attention", "memory_encoder"):
        build = functools.partial(_build, model[part], sam2)
        setattr(module.SAM2, f"build_{part}", lambda _self, build=build: build())


def _build(node: Any, classes: Any) -> Any:
    if not isinstance(node, Mapping):
        return node
    options = {key: _build(value, classes) for key, value in node.items() if key != "_target_"}
    if "_target_" not in node:
        return options
    return getattr(classes, node["_target_"].rsplit(".", 1)[1])(**options)


def load_model(module: Any, checkpoint: Path) -> Any:
    """Load the released class from a checkpoint in the released layout, in float32."""
    import torch
    import transformers

    kind = module.Sa2VAChatModelQwenCOT
    if int(transformers.__version__.split(".")[0]) < 5:
        model, info = kind.from_pretrained(
            checkpoint, torch_dtype=torch.float32, output_loading_info=True
        )
        # Parameters that a checkpoint lacks are drawn at random, with a warning only.
        assert not any(info.values()), info
    else:
        from safetensors.torch import load_file

        model = kind(kind.config_class.from_pretrained(checkpoint))
        state: dict[str, Any] = {}
        for file in sorted(checkpoint.glob("*.safetensors")):
            state |= load_file(file)
        model.load_state_dict(state, strict=True)
        model.model.model.language_model.config.tie_last_hidden_states = False
    model.torch_dtype = torch.float32
    model.max_video_sample, model.max_select_K = OVERVIEW_FRAMES, DETAIL_FRAMES
    return model.float().eval()


class Recorder:
    """Stands between the released model and its processor, and notes what each turn is given."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.turns: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def apply_chat_template(self, messages: Any, **options: Any) -> str:
        prompt = self._processor.apply_chat_template(messages, **options)
        self.turns.append({"prompt": prompt})
        return prompt

    def __call__(self, **options: Any) -> Any:
        inputs = self._processor(**options)
        self.turns[-1] |= {
            name: inputs[name].numpy().copy()
            for name in ("input_ids", "pixel_values", "image_grid_thw")
        }
        return inputs


def predict(model: Any, processor: Any, frames: np.ndarray, query: str, max_turns: int) -> dict:
    """Call ``predict_forward`` as the released evaluation does, and return what happened.

    Returns:
        The turns (prompt, token ids, pixel values), the texts, the projected embedding (None
        without a ``[SEG]``), keyframe, masks (T, H, W), mask logits at SAM 2's input size, and
        those of the keyframe alone at a quarter of it.
    """
    import torch
    from PIL import Image

    images = [Image.fromarray(frame) for frame in frames]
    side = model.grounding_encoder.sam2_model.image_size
    overview, detail = (_spread(len(images), most) for most in (OVERVIEW_FRAMES, DETAIL_FRAMES))
    recorder = Recorder(processor)
    seen: dict[str, Any] = {"embedding": None, "logits": None, "shot": None}
    propagate = model.grounding_encoder.language_embd_inference_keyframe_bidirection

    def note_embedding(_module: Any, _inputs: Any, output: Any) -> None:
        seen["embedding"] = output[0].numpy().copy() if len(output) else None

    def note_logits(*arguments: Any, **options: Any) -> Any:
        masks, shot = propagate(*arguments, **options)
        seen.update(logits=masks[:, 0].numpy().copy(), shot=shot[0, 0].numpy().copy())
        return masks, shot

    hook = model.text_hidden_fcs.register_forward_hook(note_embedding)
    model.grounding_encoder.language_embd_inference_keyframe_bidirection = note_logits
    try:
        with torch.no_grad(), on_cpu(), np.printoptions(legacy="1.25"):
            result = model.predict_forward(
                processed_sam2_images=[np.array(image.resize((side, side))) for image in images],
                qwen_video_frames=[
                    model._resize_image_to_limit(images[index], LEAST_PIXELS, OVERVIEW_PIXELS)
                    for index in overview
                ],
                qwen_spatial_frames=[
                    model._resize_image_to_limit(images[index], LEAST_PIXELS, DETAIL_PIXELS)
                    for index in detail
                ],
                video_sample_index=overview,
                image_sample_index=detail,
                video=images,
                text=QUESTION.format(exp=query, total_frames=len(images)),
                processor=recorder,
                max_turns=max_turns,
                max_temporal_frames_per_round=LOOK_FRAMES,
                lang_embed_injecting_per_frame=True,
            )
    finally:
        hook.remove()
        model.grounding_encoder.language_embd_inference_keyframe_bidirection = propagate
    masks = result["prediction_masks"]
    return {
        "turns": recorder.turns,
        "texts": [one["content"] for one in result["prediction"] if one["role"] == "assistant"],
        **seen,
        "keyframe": int(result["keyframe_index"][0]),
        "masks": masks[0] if masks else None,
    }


def _spread(count: int, most: int) -> np.ndarray:
    """Return the frames that the released data set shows at first."""
    return np.linspace(0, count - 1, most, dtype=int) if count > most else np.arange(count)


def teach(model: Any, processor: Any, frames: np.ndarray, query: str, says: Sequence) -> float:
    """Fit the output head of the language model so that it says the given sentences.

    All other weights stay random, so that hidden states depend on every frame, every word and
    every turn before. The head is the least-squares solution for the states at which a token
    is due; there are fewer of these than values in a state.

    Args:
        model: The released model.
        processor: Its processor; every piece of a sentence is one token of it.
        frames: The clip.
        query: The query.
        says: For each turn the pieces of its sentence.

    Returns:
        By how much the tokens that are due win, at least.
    """
    import torch

    tokenizer = processor.tokenizer
    sentences = [
        [*tokenizer.convert_tokens_to_ids(list(pieces)), tokenizer.eos_token_id] for pieces in says
    ]
    states: list[Any] = []

    def generate(input_ids: Any, **inputs: Any) -> Any:
        """Say the next sentence, whatever the head says, and note the states it follows from."""
        said = torch.tensor([sentences[len(states)]])
        sequence = torch.cat([input_ids, said], dim=1)
        more = {name: inputs[name] for name in ("pixel_values", "image_grid_thw")}
        if "mm_token_type_ids" in inputs:
            kinds = inputs["mm_token_type_ids"]
            more["mm_token_type_ids"] = torch.cat([kinds, torch.zeros_like(said)], dim=1)
        hidden = model.model.model(
            input_ids=sequence, attention_mask=torch.ones_like(sequence), use_cache=False, **more
        ).last_hidden_state[:, :-1]
        states.append(hidden[0, input_ids.shape[1] - 1 :].double())
        return SimpleNamespace(sequences=sequence, hidden_states=[(hidden,)])

    def propagate(*_: Any, **__: Any) -> Any:
        return torch.zeros(len(frames), 1, 4, 4), torch.zeros(1, 1, 4, 4)

    grounding = mock.patch.object(
        model.grounding_encoder, "language_embd_inference_keyframe_bidirection", propagate
    )
    with mock.patch.object(model.model, "generate", generate), grounding:
        predict(model, processor, frames, query, len(sentences))
    assert len(states) == len(sentences), "a sentence ends the conversation early"
    hidden, targets = torch.cat(states), torch.tensor([*chain(*sentences)])
    assert len(hidden) <= hidden.shape[1], "too much to say for the width of the model"
    tokens = targets.unique()
    wanted = _MARGIN * ((targets[:, None] == tokens).double() - 0.5)
    rows = torch.linalg.lstsq(hidden, wanted, driver="gelsd").solution.T
    with torch.no_grad():
        head = model.model.lm_head.weight
        head.zero_()
        head[tokens] = rows.to(head.dtype)
        logits = hidden.to(head.dtype) @ head.T
    right = logits.gather(1, targets[:, None])
    others = logits.scatter(1, targets[:, None], -torch.inf).amax(1, keepdim=True)
    return float((right - others).min())


def hide_object(model: Any) -> None:
    """Let SAM 2 find the object absent in every frame; the released code shows it all the same."""
    import torch

    head = model.grounding_encoder.sam2_model.sam_mask_decoder.pred_obj_score_head
    with torch.no_grad():
        head.layers[-1].bias.sub_(_ABSENT)


def save_checkpoint(model: Any, original: Path, target: Path) -> None:
    """Save the model's weights in a copy of the checkpoint that it was loaded from."""
    from safetensors.torch import save_file

    shutil.copytree(original, target)
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    save_file(state, target / "model.safetensors", metadata={"format": "pt"})


def save_prediction(prediction: Mapping[str, Any], file: Path) -> None:
    """Save what ``predict`` returns, as one npz file."""
    arrays = {key: prediction[key] for key in ("embedding", "logits", "shot", "masks")}
    arrays |= {
        f"{name}_{index}": turn[name]
        for index, turn in enumerate(prediction["turns"])
        for name in ("input_ids", "pixel_values", "image_grid_thw")
    }
    facts = {key: prediction[key] for key in ("texts", "keyframe")}
    facts["prompts"] = [turn["prompt"] for turn in prediction["turns"]]
    present = {name: value for name, value in arrays.items() if value is not None}
    np.savez(file, facts=json.dumps(facts), **present)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="a checkout")
    parser.add_argument("--work", type=Path, required=True, help="the folder of o3_parity.py")
    arguments = parser.parse_args()
    # Warnings of old code in a new interpreter; what matters ends the program.
    warnings.simplefilter("ignore")
    module = import_reference(arguments.reference)
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    task = json.loads((arguments.work / "task.json").read_text())
    use_sizes(module, task["sam2_config"] and Path(task["sam2_config"]))
    for case in task["cases"]:
        folder = arguments.work / case["name"]
        frames = np.load(folder / "frames.npy")
        model = load_model(module, Path(task["checkpoint"]))
        processor = transformers.Qwen3VLProcessor.from_pretrained(
            task["checkpoint"], config=model.config, trust_remote_code=False
        )
        margin = teach(model, processor, frames, case["query"], case["says"])
        if case["absent"]:
            hide_object(model)
        save_checkpoint(model, Path(task["checkpoint"]), folder / "checkpoint")
        print(f"{case['name']}: every due token wins by {margin:.2g}", flush=True)
        for max_turns in case["max_turns"]:
            prediction = predict(model, processor, frames, case["query"], max_turns)
            save_prediction(prediction, folder / f"reference-{max_turns}.npz")
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    (arguments.work / "reference.json").write_text(json.dumps(versions))


if __name__ == "__main__":
    main()
