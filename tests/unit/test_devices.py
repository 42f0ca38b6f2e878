"""Where stages that run on torch compute, and what a lack of memory looks like."""

from __future__ import annotations

import weakref

import pytest
import torch

from videoseg.devices import (
    is_out_of_memory,
    multiplies_bfloat16,
    pick_device,
    release_memory,
)
from videoseg.errors import ConfigError


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    for there, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert pick_device("auto").type == expected


@pytest.mark.parametrize("name", ["abacus", "meta", "mps", "xpu", "", None])
def test_a_device_that_a_stage_does_not_run_on_is_refused(name):
    with pytest.raises(ConfigError, match="must be auto, cpu, cuda, cuda:<number>, got"):
        pick_device(name)


def test_a_gpu_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="there is no CUDA device"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1").index == 1
    with pytest.raises(ConfigError, match="there are 2 CUDA devices"):
        pick_device("cuda:2")


def test_metal_is_for_stages_that_run_there(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no Metal GPU"):
        pick_device("mps", kinds=("cpu", "mps"))


def test_bfloat16_is_fast_where_it_is_not_emulated(monkeypatch):
    cpu = torch.device("cpu")
    for has in ({"amx_bf16": True}, {"avx512_bf16": True}, {"avx2": True}, {}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has)
        assert multiplies_bfloat16(cpu) is any("bf16" in name for name in has)
    for capability in ((7, 5), (8, 0), (9, 0)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, c=capability: c)
        assert multiplies_bfloat16(torch.device("cuda")) is (capability >= (8, 0))
    assert not multiplies_bfloat16(torch.device("mps"))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        RuntimeError("MPS backend out of memory"),
    ],
)
def test_a_lack_of_memory_is_known_in_every_form(error):
    assert is_out_of_memory(error)


def test_other_errors_are_no_lack_of_memory():
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize("has_gpu", [False, True])
def test_released_memory_goes_back_to_the_gpu(monkeypatch, has_gpu):
    class Node:
        pass

    node = Node()
    node.itself = node
    known = weakref.ref(node)
    emptied = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    del node
    release_memory()
    assert known() is None, "circles are freed, too"
    assert emptied == [True] * has_gpu


def test_what_an_error_holds_is_released():
    class Large:
        pass

    def fill():
        large = Large()
        known.append(weakref.ref(large))
        raise MemoryError

    known = []
    try:
        fill()
    except MemoryError as error:
        assert known[0]() is not None
        release_memory(error)
        assert known[0]() is None


def test_auto_is_apples_gpu_for_a_stage_that_runs_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto", kinds=("cpu", "cuda", "mps")).type == "mps"
    assert pick_device("auto").type == "cpu"
