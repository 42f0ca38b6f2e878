"""Engines of networks: what goes together, 8-bit layers, joined convolutions, OpenVINO."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from videoseg.engines import (
    OpenVinoFunction,
    check_engine,
    compute_type,
    join_convolutions,
    run_in,
    uses_bfloat16,
    with_eight_bits,
)
from videoseg.errors import ConfigError, MissingDependencyError


class Features(nn.Module):
    """A convolution and a linear layer, with one output behind each."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1)
        self.linear = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map (N, 3, H, W) to (N, 8, h, w) and (N, h, w, 5)."""
        first = self.conv(x).relu()
        return first, self.linear(first.permute(0, 2, 3, 1))


def features() -> Features:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Features().requires_grad_(False)


def image(side: int = 16) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))


def relative_error(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> list[float]:
    return [
        float((one - other).abs().mean() / other.abs().mean())
        for one, other in zip(found, expected, strict=True)
    ]


def test_eight_bits_round_convolutions_and_linear_layers() -> None:
    usual = features()
    rounded = with_eight_bits(usual, image())
    after_conv, after_linear = relative_error(rounded(image()), usual(image()))
    assert 1e-4 < after_conv < 0.05
    assert 1e-4 < after_linear < 0.05
    # The linear layer rounds by itself, too.
    only = rounded.linear(usual(image())[0].permute(0, 2, 3, 1))  # type: ignore[operator]
    assert relative_error((only,), (usual(image())[1],))[0] > 1e-4
    assert relative_error(features()(image()), usual(image())) == [0, 0]


@pytest.mark.parametrize("brightness", [3.0, -3.0])
def test_eight_bits_take_dark_pictures_after_a_bright_one(brightness: float) -> None:
    usual = features()
    rounded = with_eight_bits(usual, image() * 0.1 + brightness)
    assert max(relative_error(rounded(image()), usual(image()))) < 0.05


@pytest.mark.parametrize("kernel", [1, 3])
def test_joined_convolutions_do_what_both_do(kernel: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = nn.Conv2d(3, 8, kernel, stride=kernel, padding=kernel // 2)
        second = nn.Conv2d(8, 2, 1, bias=kernel == 1)
    joined = join_convolutions(first, second)
    with torch.no_grad():
        expected = second(first(image()))
        assert torch.allclose(joined(image()), expected, atol=1e-6)
    assert not joined.weight.requires_grad


def test_torch_runs_the_module_itself() -> None:
    usual = features()
    assert run_in("eager", usual) is usual


@pytest.mark.slow
def test_a_compiled_module_computes_the_same() -> None:
    compiled = run_in("compile", features())
    with torch.no_grad():
        assert max(relative_error(compiled(image()), features()(image()))) < 1e-5


def test_torch_that_cannot_compile_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.exc import TorchDynamoException

    def refuse(_module: nn.Module, **_: object) -> None:
        def fail(_x: Tensor) -> None:
            raise TorchDynamoException("No working C++ compiler found\nSet TORCHDYNAMO_VERBOSE=1")

        monkeypatch.setattr(Features, "forward", lambda _, x: fail(x))

    monkeypatch.setattr(nn.Module, "compile", refuse)
    message = r"No working C\+\+ compiler found\. .* or use engine='eager'"
    with pytest.raises(MissingDependencyError, match=message):
        run_in("compile", features())(image())


def test_openvino_computes_the_same_for_every_shape() -> None:
    usual = features()
    other = run_in("openvino", usual)
    for side in (16, 24, 16):
        with torch.inference_mode():
            assert max(relative_error(other(image(side)), usual(image(side)))) < 1e-5


def test_openvino_computes_with_eight_bits() -> None:
    usual = features()
    found = run_in("openvino", usual, precision="int8")(image())
    assert all(1e-4 < error < 0.05 for error in relative_error(found, usual(image())))


def test_ctrl_c_interrupts_where_networks_in_openvino_have_come_and_gone() -> None:
    # In a process of its own, which a wrong stack for signals would crash.
    program = (
        "import gc, os, signal, torch\n"
        "from torch import nn\n"
        "from videoseg.engines import OpenVinoFunction\n"
        "class AddOne(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return (x + 1,)\n"
        "functions = [OpenVinoFunction(AddOne()) for _ in range(3)]\n"
        "for number in range(3):\n"
        "    functions[number](torch.ones(1, 3, 8, 8))\n"
        "while functions:\n"
        "    functions.pop(0)\n"
        "    gc.collect()\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "interrupted\n"), run.stderr


def test_a_module_in_openvino_is_a_copy() -> None:
    usual = features()
    other = OpenVinoFunction(usual)
    expected = usual(image())
    usual.conv.weight.zero_()
    assert max(relative_error(other(image()), expected)) < 1e-5


@pytest.mark.parametrize(
    ("engine", "precision", "device", "message"),
    [
        ("eager", "int8", "auto", "needs engine='openvino', got engine='eager'"),
        ("compile", "int8", "cpu", "got engine='compile'"),
        ("openvino", "bfloat16", "cpu", "'float32', 'int8' or 'auto', got 'bfloat16'"),
        ("openvino", "auto", "cuda:1", "runs on the CPU, but the device is 'cuda:1'"),
    ],
)
def test_what_does_not_go_together_is_said(
    engine: str, precision: str, device: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_engine(engine, precision, device)  # type: ignore[arg-type]


def test_openvino_that_is_not_installed_is_told_with_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    check_engine("compile", "auto", "cpu")
    with pytest.raises(MissingDependencyError, match=r"pip install 'videoseg-x\[openvino\]'"):
        check_engine("openvino", "auto", "cpu", extra="videoseg-x[openvino]")


def test_auto_is_what_the_processor_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for has, expected in (({"amx_bf16": True}, True), ({"avx512_bf16": True}, True), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has)
        assert uses_bfloat16("auto", cpu) is expected
        assert not uses_bfloat16("auto", cpu, engine="openvino")
        assert compute_type("auto", cpu) == (torch.bfloat16 if expected else torch.float32)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert not uses_bfloat16("auto", torch.device("cuda"))
    assert uses_bfloat16("bfloat16", cpu)
    assert not uses_bfloat16("int8", cpu, engine="openvino")
