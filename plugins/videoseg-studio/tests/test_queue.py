"""The queue: bounded, cancelled, recovered after a crash."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from thread_slot import ThreadSlot, all_files, wait_until_finished
from videoseg_studio.jobs import JobRequest, Journal, new_id
from videoseg_studio.jobs.types import Job

from videoseg.errors import OutputError

VIDEO = "clips/dog.mp4"


def submit(client: TestClient, query: str) -> Any:
    return client.post("/api/v1/jobs", json={"video": VIDEO, "query": query})


def state(client: TestClient, job: dict[str, Any]) -> str:
    found: str = client.get(job["links"]["self"]).json()["state"]
    return found


def wait_for(client: TestClient, job: dict[str, Any], wanted: str) -> None:
    """Wait until a job has a state; fail after a while."""
    deadline = time.monotonic() + 20
    while state(client, job) != wanted:
        assert time.monotonic() < deadline, f"it is {state(client, job)}"
        time.sleep(0.01)


def test_a_full_queue_refuses_and_says_when_to_come_back(
    make_client: Callable[..., TestClient],
) -> None:
    client = make_client(max_queued=5)
    first = submit(client, "wait").json()
    wait_for(client, first, "running")
    answers = [submit(client, "wait") for _ in range(100)]
    accepted = [answer.json() for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(accepted), len(refused)) == (5, 95)
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert "the queue is full (5 jobs)" in refused[0].json()["error"]["message"]
    assert [client.get(job["links"]["self"]).json()["jobs_before"] for job in accepted] == [
        *range(5)
    ]
    assert len(client.get("/api/v1/jobs").json()) == 6
    ThreadSlot.released.set()
    assert {wait_until_finished(client, job)["state"] for job in accepted} == {"done"}
    assert submit(client, "one more").status_code == 202


def test_what_a_full_queue_refuses_leaves_nothing(
    make_client: Callable[..., TestClient], clip_bytes: bytes
) -> None:
    client = make_client(max_queued=1)
    wait_for(client, submit(client, "wait").json(), "running")
    submit(client, "wait")
    before = all_files(client.app.state.settings.data_folder)
    for number in range(50):
        files = {"video": (f"{number}.mp4", clip_bytes)}
        sent = client.post("/api/v1/jobs", data={"query": "the dog"}, files=files)
        assert sent.status_code == 429
    assert all_files(client.app.state.settings.data_folder) == before


def test_a_cancelled_job_frees_its_worker_and_leaves_nothing(
    make_client: Callable[..., TestClient],
) -> None:
    client = make_client()
    running, waiting = submit(client, "wait 1").json(), submit(client, "wait 2").json()
    wait_for(client, running, "running")
    cancelled = client.post(waiting["links"]["self"] + "/cancel").json()
    assert cancelled["state"] == "cancelled"
    client.post(running["links"]["self"] + "/cancel")
    wait_for(client, running, "cancelled")
    after = wait_until_finished(client, submit(client, "the dog").json())
    assert after["state"] == "done"
    # A job that has ended stays as it is.
    assert client.post(after["links"]["self"] + "/cancel").json()["state"] == "done"
    for job in (running, waiting):
        folder = client.app.state.jobs.journal.folder_of(job["id"])
        assert all_files(folder) == {"job.json"}
        assert client.get(job["links"]["self"] + "/result.json").status_code == 409


def test_a_running_job_can_be_deleted(make_client: Callable[..., TestClient]) -> None:
    client = make_client()
    job = submit(client, "wait").json()
    wait_for(client, job, "running")
    assert client.delete(job["links"]["self"]).status_code == 204
    assert client.get(job["links"]["self"]).status_code == 404
    assert client.get("/api/v1/jobs").json() == []
    wait_until_finished(client, submit(client, "the dog").json())
    assert not client.app.state.jobs.journal.folder_of(job["id"]).exists()


def test_a_failed_job_says_why_and_the_next_one_runs(
    make_client: Callable[..., TestClient],
) -> None:
    client = make_client()
    failed = wait_until_finished(client, submit(client, "fail").json())
    assert failed["state"] == "failed"
    assert failed["error"] == {"type": "VideoError", "message": "it is broken"}
    assert wait_until_finished(client, submit(client, "the dog").json())["state"] == "done"


def test_a_video_that_vanishes_before_its_turn_fails_the_job(
    make_client: Callable[..., TestClient], project: Path
) -> None:
    client = make_client()
    wait_for(client, submit(client, "wait").json(), "running")
    job = submit(client, "the dog").json()
    (project / VIDEO).rename(project / "clips" / "cat.mp4")
    ThreadSlot.released.set()
    failed = wait_until_finished(client, job)
    assert failed["state"] == "failed"
    assert failed["error"]["message"] == f"there is no '{VIDEO}' in the project folder"


def test_the_oldest_finished_jobs_are_deleted(make_client: Callable[..., TestClient]) -> None:
    client = make_client(max_kept=2)
    jobs = [wait_until_finished(client, submit(client, f"dog {n}").json()) for n in range(3)]
    wait_until_finished(client, submit(client, "the last").json())
    assert client.get(jobs[0]["links"]["self"]).status_code == 404
    assert client.get(jobs[2]["links"]["self"]).status_code == 200
    assert not client.app.state.jobs.journal.folder_of(jobs[0]["id"]).exists()


def test_a_restarted_server_knows_its_jobs(
    make_client: Callable[..., TestClient], project: Path
) -> None:
    journal = Journal(project / ".videoseg" / "jobs")
    # As a killed server leaves them.
    running = Job(new_id(), JobRequest("wait", VIDEO), "running", created=1.0, started=2.0)
    queued = Job(new_id(), JobRequest("the dog", VIDEO), created=2.0)
    gone = Job(new_id(), JobRequest("the dog", "clips/gone.mp4"), created=3.0)
    for job in (running, queued, gone):
        journal.write(job)
    partial = journal.folder_of(running.id) / ".result.partial-1-1"
    partial.mkdir()
    (partial / "mask.png").write_bytes(b"half")
    journal.scratch_folder(running.id).mkdir()
    never_told = journal.upload_folder(new_id())
    never_told.mkdir(parents=True)
    (never_told / "half.mp4").write_bytes(b"half")

    client = make_client()
    ThreadSlot.released.set()
    shown = {job["id"]: job for job in client.get("/api/v1/jobs").json()}
    assert shown[running.id]["state"] == "interrupted"
    assert "submit it again" in shown[running.id]["error"]["message"]
    assert wait_until_finished(client, shown[queued.id])["state"] == "done"
    assert wait_until_finished(client, shown[gone.id])["state"] == "failed"
    assert all_files(journal.folder_of(running.id)) == {"job.json"}
    assert not never_told.parent.exists()
    assert client.get(f"/api/v1/jobs/{queued.id}/result.json").status_code == 200


def test_an_ended_server_keeps_its_queue(
    make_client: Callable[..., TestClient], project: Path
) -> None:
    client = make_client()
    running, waiting = submit(client, "wait 1").json(), submit(client, "the dog").json()
    wait_for(client, running, "running")
    client.app.state.jobs.close()
    on_disk = {job.id: job.state for job in Journal(project / ".videoseg" / "jobs").read()}
    assert on_disk == {running["id"]: "interrupted", waiting["id"]: "queued"}


def test_two_servers_do_not_share_a_folder(make_client: Callable[..., TestClient]) -> None:
    make_client()
    with pytest.raises(OutputError, match="another server uses"):
        make_client()


def test_damaged_records_of_jobs_do_not_stop_the_server(
    make_client: Callable[..., TestClient], project: Path
) -> None:
    jobs = project / ".videoseg" / "jobs"
    for name, text in (
        ("0" * 20, "{"),
        ("1" * 20, "[]"),
        ("2" * 20, '{"id": "' + "3" * 20 + '"}'),
    ):
        (jobs / name).mkdir(parents=True)
        (jobs / name / "job.json").write_text(text)
    (jobs / "notes of the operator").mkdir()
    client = make_client()
    assert client.get("/api/v1/jobs").json() == []
    assert (jobs / "notes of the operator").exists()


def test_events_tell_every_change_and_end(make_client: Callable[..., TestClient]) -> None:
    client = make_client()
    job = submit(client, "the dog").json()
    response = client.get(job["links"]["events"])
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [
        json.loads(text.split("data: ", 1)[1]) for text in response.text.strip().split("\n\n")
    ]
    assert events[-1]["state"] == "done"
    assert client.get("/api/v1/jobs/none/events").status_code == 404


def test_followers_have_a_limit_and_give_their_place_back(
    make_client: Callable[..., TestClient],
) -> None:
    client = make_client(max_followers=1)
    done = wait_until_finished(client, submit(client, "the dog").json())
    for _ in range(3):
        assert client.get(done["links"]["events"]).status_code == 200
