"""A small HTTP server that speaks as much of the Hugging Face hub as a download needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


@dataclass
class HubServer:
    """A running hub with one model; attributes may be changed between requests.

    Attributes:
        url: Its address.
        files: What the model's repository holds.
        license: What its card says.
        gated: Whether its files are refused.
        lost: Whether the files that it lists are not there.
        damages: Whether what it sends of large files is not what it promises.
        fetched: The names of the files that were fetched.
    """

    url: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    license: str = "mit"
    gated: bool = False
    lost: bool = False
    damages: bool = False
    fetched: list[str] = field(default_factory=list)


@contextmanager
def hub_server(model: str, files: Mapping[str, bytes]) -> Iterator[HubServer]:
    """Run a hub that has one model."""
    state = HubServer(files=files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            if path.startswith(f"/api/models/{model}/tree/"):
                self._send(json.dumps(list(map(_entry, state.files.items()))).encode(), {})
            elif path in (f"/api/models/{model}", f"/api/models/{model}/revision/main"):
                self._send(json.dumps(self._description()).encode(), {})
            elif path.startswith(f"/{model}/resolve/"):
                self._send_file(path.split("/", 5)[5], with_body=with_body)
            else:
                self._refuse(404, "RepoNotFound")

        def _description(self) -> dict[str, object]:
            return {
                "id": model,
                "sha": COMMIT,
                "gated": "manual" if state.gated else False,
                "private": False,
                "cardData": {"license": state.license},
                "siblings": [
                    {"rfilename": entry["path"], **entry}
                    for entry in map(_entry, state.files.items())
                ],
            }

        def _send_file(self, name: str, *, with_body: bool) -> None:
            if state.gated:
                self._refuse(403, "GatedRepo")
            elif state.lost or name not in state.files:
                self._refuse(404, "EntryNotFound")
            else:
                content = state.files[name]
                headers = {"ETag": f'"{_tag(name, content)}"', "X-Repo-Commit": COMMIT}
                if with_body:
                    state.fetched.append(name)
                    if state.damages and _is_large(name):
                        content = content[::-1]
                self._send(content, headers, with_body=with_body)

        def _refuse(self, status: int, code: str) -> None:
            self._send(b"", {"X-Error-Code": code}, status=status)

        def _send(
            self,
            body: bytes,
            headers: Mapping[str, str],
            *,
            status: int = 200,
            with_body: bool = True,
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".pt"))


def _tag(name: str, content: bytes) -> str:
    # The hub names large files by their SHA-256, small ones as git does.
    return (hashlib.sha256 if _is_large(name) else hashlib.sha1)(content).hexdigest()


def _entry(item: tuple[str, bytes]) -> dict[str, object]:
    name, content = item
    entry: dict[str, object] = {
        "type": "file",
        "path": name,
        "size": len(content),
        "oid": hashlib.sha1(content).hexdigest(),
    }
    if _is_large(name):
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "sha256": oid, "size": len(content), "pointerSize": 130}
    return entry
