"""Files given as weights: what they are is said, and nothing in them runs."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import tarfile
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from videoseg.errors import ConfigError
from videoseg.weights import check_weights_file, fit_weights, read_weights, weights_problem

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}


class Code:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def refusal(path, **options):
    with pytest.raises(ConfigError) as caught:
        read_weights(path, **options)
    text = str(caught.value)
    assert text.startswith(f"checkpoint {str(path)!r} "), text
    assert "\n" not in text
    # What torch itself says advises to run what the file holds; not even a traceback has it.
    assert "weights_only" not in text
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    return text


def safetensors(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


ENTRY = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html>\n<html><body>Not Found", "is a web page (HTML)"),
        (b"\xef\xbb\xbf\n <html>", "is a web page (HTML)"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied', "is an XML document"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s9--0.pt\n", "git annex get"),
        (b"", "is empty (0 bytes); download it again"),
        (bytes(5000), "begins with nothing but zeros"),
        (b'{"message": "Bad credentials"}', 'is text (\'{"message": "Bad credentials"}\')'),
        (b"connection refused\nby the proxy\n", "is text ('connection refused by the proxy')"),
        (b'{"weight_map": {"w": "model-1.safetensors"}}', "is the index of weights that lie in"),
        (gzip.compress(b"weights", mtime=0), "is a gzip archive, which has to be unpacked"),
        (b"\x89HDF\r\n\x1a\nrest", "is an HDF5 file"),
        (b"GGUF\x03\0\0\0", "is a GGUF file"),
        (b"\x93NUMPY\x01\0", "is a NumPy array"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no file of torch.save or safetensors (it begins"),
        (b"PK\x03\x04 and so on", "is cut short or damaged (14 bytes)"),
        (b"\x80\x02}q\x00", "is cut short, damaged or no file of torch.save (5 bytes)"),
        (b"\xff" * 8 + b"{}", "is damaged, or no file of torch.save or safetensors"),
        (safetensors(b"{]"), "its header cannot be read"),
        (safetensors(b'{"w": 3}'), "it does not say where the tensors are"),
        (safetensors(b"{}"), "holds no parameters"),
        (safetensors(json.dumps(ENTRY).encode(), bytes(5)), "is cut short: it has"),
        (safetensors(json.dumps(ENTRY).encode())[:30], "end inside its header"),
        (
            safetensors(json.dumps({"w": {**ENTRY["w"], "shape": [7]}}).encode(), bytes(8)),
            "is damaged or of an unsupported kind",
        ),
    ],
)
def test_a_file_that_is_no_weights_is_called_what_it_is(tmp_path, content, words):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    assert words in refusal(path)


@pytest.mark.parametrize("content", [b"\xff" * 8 + b"{}", b"\0" * 7 + b"\x7f{}"])
def test_a_bad_header_is_told_where_the_name_says_safetensors(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    assert "its header cannot be read (its length is given as" in refusal(path)


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_file_cut_anywhere_is_called_cut_short(tmp_path, as_zip):
    whole = tmp_path / "whole.pt"
    torch.save(STATE, whole, _use_new_zipfile_serialization=as_zip)
    content = whole.read_bytes()
    for kept in (3, 100, len(content) // 2, len(content) - 5):
        (tmp_path / "cut.pt").write_bytes(content[:kept])
        assert "damaged" in refusal(tmp_path / "cut.pt")


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_code_in_a_bare_pickle_is_named_and_not_run(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "code.pt"
    path.write_bytes(pickle.dumps({"weight": Code()}, protocol=protocol))
    text = refusal(path)
    assert "holds more than tensors (" in text and "could run code" in text
    assert "from their publisher" in text
    assert not Path("ran").exists()


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize(
    ("foreign", "name"),
    [(Code(), "pathlib."), (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear")],
)
def test_code_in_a_checkpoint_is_named_and_not_run(tmp_path, monkeypatch, as_zip, foreign, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "code.pt"
    torch.save({**STATE, "more": foreign}, path, _use_new_zipfile_serialization=as_zip)
    text = refusal(path)
    assert "could run code" in text and name in text
    assert not Path("ran").exists()


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_pickle_protocol_that_torch_does_not_read_safely_is_named(tmp_path, as_zip):
    path = tmp_path / "new.pt"
    torch.save(STATE, path, pickle_protocol=4, _use_new_zipfile_serialization=as_zip)
    assert "pickle_protocol=4" in refusal(path)


def test_a_program_in_place_of_weights_is_called_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"script/{name}", b"")
    assert "is a TorchScript program" in refusal(tmp_path / "script.pt")


def test_archives_of_something_else_are_called_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", b"hello")
    assert "(it holds readme.txt)" in refusal(tmp_path / "a.zip")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "a.zip", "weights.pt")
    assert "is a tar archive; unpack it" in refusal(tmp_path / "a.tar")


def test_an_archive_that_grows_when_unpacked_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(10_000_000))
    assert "unpacks to far more than its" in refusal(tmp_path / "bomb.pt")


def test_a_pickle_that_asks_for_more_than_there_is_is_not_read_whole(tmp_path):
    path = tmp_path / "large.pt"
    with path.open("wb") as file:
        file.write(b"B\xff\xff\xff\x7f")
        file.truncate(2**31)
    tracemalloc.start()
    assert "no file of torch.save or safetensors" in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 300 * 2**20
    tracemalloc.stop()


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    assert "is a named pipe, not a regular file" in refusal(tmp_path / "pipe.pt")
    assert "is a folder, not a file" in refusal(tmp_path)
    assert "is a device" in refusal(Path(os.devnull))
    assert "cannot be read (No such file or directory)" in refusal(tmp_path / "none.pt")
    with pytest.raises(ConfigError, match=r"is a named pipe.*published weights: from here"):
        check_weights_file(tmp_path / "pipe.pt", published="from here")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: torch.ones(2, device="meta"), "holds 'odd' without values"),
        (
            lambda: torch.ones(2, 2).to_sparse(),
            "holds 'odd' not as a dense tensor (torch.sparse_coo)",
        ),
        (
            lambda: torch.ones(2, 2).to_sparse_csr(),
            "holds 'odd' not as a dense tensor (torch.sparse_csr)",
        ),
        (
            lambda: torch.ones(2, dtype=torch.complex64),
            "holds 'odd' as complex numbers (torch.complex64)",
        ),
        (
            lambda: torch.ones(2).to(torch.float8_e5m2),
            "holds 'odd' in a quantized form (torch.float8_e5m2)",
        ),
    ],
)
def test_tensors_that_are_no_parameters_are_refused(tmp_path, make, words):
    torch.save({**STATE, "odd": make()}, tmp_path / "odd.pt")
    assert words in refusal(tmp_path / "odd.pt")


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_what_a_file_holds_decides_how_it_is_read(tmp_path, form):
    path = tmp_path / "weights.bin"
    if form == "safetensors":
        from safetensors.torch import save_file

        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=form == "zip")
    assert weights_problem(path) == ""
    for name in ("weights.pt", "weights.safetensors"):
        path = path.rename(tmp_path / name)
        read = read_weights(path)
        assert read.keys() == STATE.keys()
        assert all(torch.equal(read[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        OrderedDict(STATE),
        {"epoch": 3, "state_dict": STATE, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
        {"params": {"net": STATE}, "random": {"cpu": torch.zeros(8, dtype=torch.uint8)}},
        {"mine": STATE, "ema": {"conv.weight": torch.zeros(1)}},
        {f"module.{name}": tensor for name, tensor in STATE.items()},
        {"net": {f"_orig_mod.module.{name}": tensor for name, tensor in STATE.items()}},
        {name.replace("conv", "conv._orig_mod"): tensor for name, tensor in STATE.items()},
        {f"_fsdp_wrapped_module.{name}": tensor for name, tensor in STATE.items()},
        {name: torch.nn.Parameter(tensor) for name, tensor in STATE.items()},
    ],
)
def test_parameters_are_found_wherever_it_is_clear_which_are_meant(tmp_path, content):
    torch.save(content, tmp_path / "training.pt")
    read = read_weights(tmp_path / "training.pt", key="mine")
    assert read.keys() == STATE.keys()
    assert all(torch.equal(read[key], STATE[key]) for key in STATE)


def test_parameters_that_are_not_told_apart_are_refused(tmp_path):
    path = tmp_path / "training.pt"
    torch.save({"student": STATE, "teacher": STATE.copy()}, path)
    assert "several sets of parameters ('student', 'teacher')" in refusal(path, key="mine")
    for nothing in ([1, 2], {}, {"epoch": 3}, torch.ones(2), {0: torch.ones(2)}):
        torch.save(nothing, path)
        assert "holds no parameters by name" in refusal(path)


def test_numbers_that_a_network_cannot_use_are_refused():
    wanted = {"w": torch.zeros(2), "count": torch.zeros((), dtype=torch.long)}
    count = torch.ones((), dtype=torch.int32)
    fitted = fit_weights({"w": torch.ones(2).half(), "count": count}, wanted, path="x.pt")
    assert fitted["w"].dtype == torch.float32 and fitted["count"].dtype == torch.long
    for given, words in (
        (torch.tensor([1.0, torch.nan]), r"'x.pt' holds numbers that are not finite \(in w\)"),
        (torch.tensor([1.0, 1e300], dtype=torch.float64), r"not finite \(in w\)"),
        (torch.ones(2, dtype=torch.int8), r"holds 'w' as torch.int8 instead of torch.float32"),
        (torch.ones(2, dtype=torch.bool), r"holds 'w' as torch.bool"),
    ):
        with pytest.raises(ConfigError, match=words):
            fit_weights({"w": given, "count": count}, wanted, path="x.pt")


def test_importing_it_does_not_import_torch():
    import subprocess
    import sys

    code = "import sys, videoseg.weights; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
