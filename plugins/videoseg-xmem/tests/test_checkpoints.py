from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from videoseg_xmem import XMemPropagator
from videoseg_xmem.checkpoint import PUBLISHED, load_network, random_network
from videoseg_xmem.network import Dimensions

import videoseg as vs
from videoseg.cli.main import main
from videoseg.testing import moving_square
from videoseg.weights import RandomWeights


def masks_of(checkpoint: Path) -> list[bytes]:
    clip = moving_square(6)
    propagator = XMemPropagator(checkpoint=checkpoint, size=48, device="cpu")
    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, 0, kind="mask"))
        return [masks.masks[1].tobytes() for masks in session.run()]


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_missing_weights_come_with_the_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "with a space"))
    with pytest.raises(vs.MissingWeightsError) as caught:
        XMemPropagator(checkpoint=name)
    message = str(caught.value)
    which = "" if name == "XMem" else f" -O checkpoint={name}"
    assert f"videoseg download propagator xmem{which} (or name" in message
    assert PUBLISHED[name].startswith("https://github.com/hkchengrex/XMem/releases/")


def test_the_list_of_components_tells_whether_the_weights_are_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    component = vs.default_registry().find("propagator", "xmem").component
    folder = tmp_path / "videoseg" / "xmem"
    [needed] = component.published_weights({})
    assert (needed.url, needed.path) == (PUBLISHED["XMem"], folder / "XMem.pth")
    assert needed.problem() == "is not on this machine"
    folder.mkdir(parents=True)
    (folder / "XMem.pth").write_bytes(b"weights")
    assert needed.problem() == ""
    assert component.published_weights({"checkpoint": "random"}) == (RandomWeights(),)
    assert component.published_weights({"checkpoint": "mine.pth"}) == ()


def test_weights_are_found_where_the_command_puts_them(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "videoseg" / "xmem"
    folder.mkdir(parents=True)
    (folder / "XMem.pth").write_bytes(tiny_checkpoint.read_bytes())
    clip = moving_square(2)
    with XMemPropagator(size=48).open(clip.video) as session:
        session.prompt(clip.prompt(1, 0, kind="mask"))
        assert len(list(session.run())) == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(vs.MissingWeightsError, match=r"no checkpoint .*mine\.pth"):
        XMemPropagator(checkpoint=tmp_path / "mine.pth")


def test_a_folder_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(vs.ConfigError, match="is a folder, not a file; give"):
        XMemPropagator(checkpoint=tmp_path)


def test_a_single_object_checkpoint_is_as_one_that_ignores_the_others(tmp_path: Path) -> None:
    single = Dimensions(key=8, value=32, sensory=8, width=8, single_object=True)
    state = random_network(single, seed=2).state_dict()
    torch.save(state, tmp_path / "single.pth")
    first = state["value_encoder.conv1.weight"]
    state["value_encoder.conv1.weight"] = torch.cat([first, torch.zeros_like(first[:, :1])], 1)
    torch.save(state, tmp_path / "several.pth")
    assert masks_of(tmp_path / "single.pth") == masks_of(tmp_path / "several.pth")


def test_checkpoints_of_a_training_or_in_half_precision_load(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    state = torch.load(tiny_checkpoint, weights_only=True)
    torch.save({"it": 7, "network": state, "optimizer": {}}, tmp_path / "training.pth")
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(half, tmp_path / "half.pth")
    for name in ("training.pth", "half.pth"):
        loaded = load_network(tmp_path / name).state_dict()
        assert loaded.keys() == state.keys()
        assert loaded["decoder.pred.weight"].dtype == torch.float32


class Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("touched"),))


def damaged(good: bytes) -> dict[str, bytes]:
    return {
        "truncated": good[: len(good) // 2],
        "almost whole": good[:-100],
        "empty": b"",
        "no checkpoint": b"\x89PNG and so on",
        "a pickle of something else": pickle.dumps([1, 2, 3], protocol=2)[:-1],
    }


@pytest.mark.parametrize("how", sorted(damaged(b"")))
def test_a_damaged_checkpoint_is_called_so(
    how: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.pth"
    path.write_bytes(damaged(tiny_checkpoint.read_bytes())[how])
    with pytest.raises(vs.ConfigError, match=r"bad\.pth.*download it again"):
        load_network(path)


@pytest.mark.parametrize("as_zip", [True, False])
def test_code_in_a_checkpoint_is_not_run(
    as_zip: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "exploit.pth"
    torch.save({"weights": Exploit()}, path, _use_new_zipfile_serialization=as_zip)
    with pytest.raises(vs.ConfigError, match="could run code"):
        load_network(path)
    assert not Path("touched").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>Not Found</html>", r"web page \(HTML\)"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"\xff" * 8 + b"{}", "its header cannot be read"),
    ],
)
def test_what_is_no_checkpoint_is_refused_before_a_pipeline_begins(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "page.safetensors"
    path.write_bytes(content)
    with pytest.raises(vs.ConfigError, match=words):
        XMemPropagator(checkpoint=path)


def test_parameters_that_are_no_real_numbers_are_refused(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    state = torch.load(tiny_checkpoint, weights_only=True)
    name = "decoder.pred.weight"
    for odd, words in (
        (state[name].to(torch.complex64), "as complex numbers"),
        (state[name].to(torch.int8), "as torch.int8 instead of torch.float32"),
        (state[name].to("meta"), "without values"),
        (state[name].to_sparse(), "not as a dense tensor"),
    ):
        torch.save({**state, name: odd}, tmp_path / "odd.pth")
        with pytest.raises(vs.ConfigError, match=f"holds '{name}' {words}"):
            load_network(tmp_path / "odd.pth")


def test_safetensors_are_read(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file(torch.load(tiny_checkpoint, weights_only=True), tmp_path / "tiny.safetensors")
    assert masks_of(tmp_path / "tiny.safetensors") == masks_of(tiny_checkpoint)


def test_another_models_checkpoint_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(tiny_checkpoint, weights_only=True)
    wrong = tmp_path / "wrong.pth"
    torch.save({"image_encoder.trunk.weight": torch.zeros(3)}, wrong)
    with pytest.raises(vs.ConfigError, match="not one of XMem"):
        load_network(wrong)
    torch.save([torch.zeros(3)], wrong)
    with pytest.raises(vs.ConfigError, match="no parameters by name"):
        load_network(wrong)
    torch.save({**state, "decoder.more.weight": torch.zeros(1)}, wrong)
    with pytest.raises(vs.ConfigError, match=r"not XMem's: decoder\.more\.weight"):
        load_network(wrong)
    fewer = {name: tensor for name, tensor in state.items() if "SpatialGate" not in name}
    torch.save(fewer, wrong)
    with pytest.raises(vs.ConfigError, match=r"missing: .*SpatialGate"):
        load_network(wrong)
    torch.save({**state, "decoder.pred.weight": torch.zeros(2, 32, 3, 3)}, wrong)
    with pytest.raises(vs.ConfigError, match=r"of another shape: decoder\.pred\.weight"):
        load_network(wrong)
    lost = torch.full_like(state["decoder.pred.weight"], torch.nan)
    torch.save({**state, "decoder.pred.weight": lost}, wrong)
    with pytest.raises(vs.ConfigError, match=r"not finite \(in decoder\.pred\.weight\)"):
        load_network(wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "'size' .* must be -1 or a whole number >= 16"),
        ({"mem_every": 0}, "'mem_every' .* must be a whole number >= 1"),
        ({"top_k": 0}, "'top_k' .* must be a whole number >= 1"),
        ({"min_working_frames": 5, "max_working_frames": 5}, "greater than min_working_frames"),
        ({"long_term_elements": 5}, "0 or at least prototypes"),
        ({"late_objects": "never"}, "'released' or 'aligned'"),
        ({"precision": "float8"}, "'precision' .* must be"),
        ({"max_objects_per_pass": 0}, "'max_objects_per_pass' .* must be"),
        ({"device": "abacus"}, "device must be auto"),
        ({"device": None}, "'device' .* must be text"),
        ({"device": "meta"}, "device must be auto, cpu, cuda, cuda:<number>, got 'meta'"),
        ({"device": "mps"}, "device must be auto, cpu, cuda, cuda:<number>, got 'mps'"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(vs.ConfigError, match=message):
        XMemPropagator(checkpoint="random", **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(vs.ConfigError, match=r"no CUDA device.*device='auto' or device='cpu'"):
        XMemPropagator(checkpoint="random", device="cuda")


def test_bfloat16_is_chosen_only_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from videoseg.engines import compute_type

    cpu = torch.device("cpu")
    fast = ({"amx_bf16": True}, {"avx512_bf16": True})
    for has, expected in (*((each, torch.bfloat16) for each in fast), ({}, torch.float32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has, raising=False)
        assert compute_type("auto", cpu) == expected
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert compute_type("auto", torch.device("cuda")) == torch.float32
    assert compute_type("bfloat16", cpu) == torch.bfloat16


def test_bfloat16_runs(tiny_checkpoint: Path) -> None:
    clip = moving_square(6)
    propagator = XMemPropagator(
        checkpoint=tiny_checkpoint, size=48, device="cpu", precision="bfloat16"
    )
    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, 0, kind="mask"))
        assert [masks.frame for masks in session.run()] == list(range(6))


def test_a_file_of_ones_own_that_is_not_there_is_told_before_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = vs.Pipeline.from_name("attributes")
    pipe = pipe.replace(propagator=vs.use("xmem", checkpoint=str(tmp_path / "mine.pth")))
    readiness = pipe.explain().readiness
    assert readiness.state == "missing"
    assert str(readiness).startswith("propagator: there is no checkpoint '")
    assert main(["download", "propagator", "xmem", "-O", "checkpoint=mine.pth"]) == 1
    shown = capsys.readouterr()
    assert "needs no published weights" in shown.out
    assert "error: there is no checkpoint 'mine.pth'" in shown.err
