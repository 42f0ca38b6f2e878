"""Commands that run in forks see what they would see in an interpreter of their own."""

from __future__ import annotations

import json
import os
import sys

import pytest
import warm_interpreter
from command_line import environment, install_plugin

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are made on Linux only")

PROBE = """
    import json, os, sys
    import numpy

    with open(os.environ["PROBE"], "a") as file:
        state = {"path": sys.path, "number": numpy.random.rand(), "cwd": os.getcwd()}
        print(json.dumps({**state, "first": os.environ.get("FIRST")}), file=file)


    def components():
        return ()
"""


def test_nothing_of_the_first_command_or_of_the_start_is_left(tmp_path, monkeypatch):
    plugins, first, second = (tmp_path / name for name in ("site", "first", "second"))
    for folder in (plugins, first, second):
        folder.mkdir()
    install_plugin(plugins, "probe", PROBE)
    variables = environment(plugins, PROBE=str(tmp_path / "states"))
    before = os.environ.get("PYTHONPATH", "")
    with monkeypatch.context() as patch:
        # What a test has set when the interpreter starts.
        patch.setenv("PYTHONPATH", f"{first}{os.pathsep}{before}")
        server = warm_interpreter._server.__wrapped__()
    monkeypatch.setattr(warm_interpreter, "_server", lambda: server)
    try:
        for folder, more in ((first, {"FIRST": "1"}), (second, {})):
            run = warm_interpreter.run_warm(
                ["plugins"], folder=folder, environment={**variables, **more}
            )
            assert run.returncode == 0, run.stderr
    finally:
        warm_interpreter._end(server)
    one, other = map(json.loads, (tmp_path / "states").read_text().splitlines())
    assert (one["first"], other["first"]) == ("1", None)
    assert (one["cwd"], other["cwd"]) == (str(first), str(second))
    assert one["number"] != other["number"]
    assert other["path"][:2] == [str(second), str(plugins)]
    assert str(first) not in other["path"]
