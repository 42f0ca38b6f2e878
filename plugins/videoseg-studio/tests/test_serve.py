"""``videoseg serve`` as a program: real processes, real sockets."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import thread_slot
from thread_slot import all_files, wait_until_finished

SUPPORT = Path(thread_slot.__file__).parent
TOKEN = "0123456789abcdef-secret"
VIDEO = "clips/dog.mp4"
PACED = ("--pipeline", "paced")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a process that has the plug-ins ``paced`` and studio."""
    site = tmp_path_factory.mktemp("site-packages")
    for name, module in (("paced", "paced_stages"), ("studio", "videoseg_studio.plugin")):
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[videoseg]\n{name} = {module}\n")
    # The plug-in is installed, or on the path; with both it would be there twice.
    import importlib.metadata

    if any(one.name == "studio" for one in importlib.metadata.entry_points(group="videoseg")):
        (site / "studio-1.0.dist-info" / "entry_points.txt").write_text("")
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(site), str(SUPPORT), *([before] if before else [])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


class Served:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.client = httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False)
        self.place = (self.client.base_url.host, self.client.base_url.port)

    def submit(self, query: str, **fields: Any) -> dict[str, Any]:
        answer = self.client.post("/api/v1/jobs", json={"video": VIDEO, "query": query, **fields})
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def wait_for(self, job: dict[str, Any], *, stage: str) -> None:
        with self.client.stream("GET", job["links"]["events"]) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: {") and (
                    (json.loads(line[6:])["progress"] or {}).get("stage") == stage
                ):
                    return
        raise AssertionError(f"it never was in {stage}")


Serve = Callable[..., Any]


@contextmanager
def served(project: Path, environment: dict[str, str], *options: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "videoseg", "serve", str(project), "--port", "0", *options]
    process = subprocess.Popen(
        command,
        env={**environment, "VIDEOSEG_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[\d.:]+", line)
        assert found, line + process.stdout.read()
        with (one := Served(process, found[0])).client:
            yield one
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def serve(project: Path, environment: dict[str, str]) -> Iterator[Serve]:
    """Return a function that starts a server, with its options, which is killed at the end."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(served(project, environment, *options))


@pytest.mark.slow
def test_a_job_runs_in_a_process_which_is_replaced_when_it_dies(
    serve: Serve, project: Path, clip_bytes: bytes
) -> None:
    server = serve(*PACED, "--quiet")
    client = server.client

    answer = client.post(
        "/api/v1/jobs", data={"query": "the square"}, files={"video": ("dog.mp4", clip_bytes)}
    )
    assert answer.status_code == 202, answer.text
    done = wait_until_finished(client, answer.json())
    assert done["state"] == "done", done["error"]
    assert done["answer"]["objects"] == [{"id": 1, "label": "the square", "visible_frames": 5}]
    result = client.get(done["links"]["result"]).json()
    assert result["pipeline"]["name"] == "paced"
    assert str(project) not in json.dumps(result)
    exported = client.get(done["links"]["export"].format(format="yolo"))
    assert exported.status_code == 200, exported.text
    assert exported.content.startswith(b"PK")

    failed = wait_until_finished(client, server.submit("fail"))
    assert failed["error"] == {"type": "VideoError", "message": f"cannot read {VIDEO}"}
    died = wait_until_finished(client, server.submit("die"))
    assert died["error"]["type"] == "WorkerDied"
    assert "SIGKILL" in died["error"]["message"]

    # Cancelled within seconds, though the stage is asleep for a minute.
    waiting = server.submit("wait")
    server.wait_for(waiting, stage="grounder")
    begin = time.monotonic()
    client.post(waiting["links"]["self"] + "/cancel")
    assert wait_until_finished(client, waiting)["state"] == "cancelled"
    assert time.monotonic() - begin < 15
    again = wait_until_finished(client, server.submit("the square"))
    assert again["state"] == "done"

    left = {path for path in all_files(project / ".videoseg") if "result" not in path}
    names = {"job.json", "server.lock", "dog.mp4", "yolo.zip"}
    assert {Path(path).name for path in left} <= names


@pytest.mark.slow
def test_a_killed_server_takes_its_workers_with_it_and_tells_what_happened(
    serve: Serve, project: Path
) -> None:
    server = serve(*PACED, "--quiet")
    running = server.submit("wait")
    queued = server.submit("the square")
    server.wait_for(running, stage="grounder")
    workers = psutil.Process(server.process.pid).children(recursive=True)
    server.process.kill()
    server.process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive

    server = serve(*PACED, "--quiet")
    client = server.client
    told = client.get(running["links"]["self"]).json()
    assert told["state"] == "interrupted"
    assert wait_until_finished(client, queued)["state"] == "done"
    # A service that is stopped properly says nothing more.
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=30) == 0


def test_slow_and_silent_clients_do_not_hold_up_others(serve: Serve, project: Path) -> None:
    server = serve(*PACED)
    head = (
        f"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\nabc'
    )
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(server.place)) for _ in range(20)]
        for each in silent:
            each.sendall(head.encode())
        begin = time.monotonic()
        assert server.client.get("/api/v1/health").status_code == 200
        assert time.monotonic() - begin < 10
        # Eight may upload at the same time; the others are told so at once.
        refused: set[socket.socket] = set()
        while len(refused) < 12:
            assert time.monotonic() - begin < 20
            refused |= {*select.select([*{*silent} - refused], [], [], 1)[0]}
        assert {each.recv(12) for each in refused} == {b"HTTP/1.1 429"}
        assert not select.select([*{*silent} - refused], [], [], 0)[0]
    # The clients have gone; what they sent is deleted.
    deadline = time.monotonic() + 20
    while any("upload" in path for path in all_files(project / ".videoseg")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.process.terminate()
    output = server.process.stdout.read()
    server.process.wait()
    assert "/api/v1/health" in output
    assert TOKEN not in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "0.0.0.0"), "a token is needed"),
        (("--pipeline", "nope"), "there is no pipeline 'nope'"),
        (("--allow-option", "detector"), "stage.option"),
    ],
)
def test_wrong_settings_are_one_line(
    project: Path, options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from videoseg_studio.commands.serve import serve

    from videoseg.errors import VideosegError

    with pytest.raises(VideosegError, match=said):
        serve.main([str(project), *options], standalone_mode=False)
    assert capsys.readouterr().out == ""


def test_the_dockerfile_copies_what_is_there_and_starts_the_command() -> None:
    from videoseg_studio.commands.serve import serve

    repository = SUPPORT.parents[1]
    lines = (repository / "plugins/videoseg-studio/Dockerfile").read_text().splitlines()
    copied = [source for line in lines if line.startswith("COPY") for source in line.split()[1:-1]]
    assert copied
    assert all((repository / source).exists() for source in copied)
    (plugins,) = re.findall(r'^ARG PLUGINS="(.*)"$', "\n".join(lines), re.MULTILINE)
    assert all((repository / "plugins" / name).is_dir() for name in plugins.split())
    (entry,) = [json.loads(line.split(" ", 1)[1]) for line in lines if line.startswith("ENTRY")]
    assert entry[:2] == ["videoseg", "serve"]
    assert serve.make_context("serve", entry[2:]).params["host"] == "0.0.0.0"


def test_a_file_of_a_pipeline_is_offered_by_its_name(
    make_client: Callable[..., Any], tmp_path: Path
) -> None:
    from videoseg import Pipeline

    path = tmp_path / "tuned.yaml"
    Pipeline.from_name("attributes").replace(propagator={"lookahead": 2}).to_yaml(path)
    client = make_client(pipelines=("attributes", str(path)))
    offered = client.get("/api/v1/pipelines").json()
    assert [one["name"] for one in offered["pipelines"]] == ["attributes", "tuned"]
    assert str(tmp_path) not in json.dumps(offered)
    answer = client.post(
        "/api/v1/jobs", json={"video": VIDEO, "query": "x y", "pipeline": "tuned"}
    )
    assert answer.status_code == 202


def test_a_pipeline_that_lacks_its_weights_is_refused_at_the_start(project: Path) -> None:
    from videoseg_studio.server import Settings, create_app

    from videoseg.errors import ConfigError

    path = project / "unready.yaml"
    path.write_text(
        "videoseg: 1\nsampler: uniform\ngrounder: attributes\npropagator: xmem\nsegmenter: cut\n"
    )
    with pytest.raises(ConfigError, match="videoseg download"):
        create_app(Settings(project, pipelines=(str(path),)))
