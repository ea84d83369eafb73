"""Cards say what is known; a push sends every file in one commit."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from recipes import settings_of

from dnastudents.errors import InputError
from dnastudents.finetune.sweep import finetune
from dnastudents.sharing.push import push
from dnastudents.training.pretrain import pretrain


@pytest.fixture(scope="module")
def run(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    settings = {**settings_of("had", steps=2, evaluate_every=2), "simulated": True}
    pretrain(settings, output=folder / "had", state=folder / "s", run="had", **inputs)
    return folder / "had"


def test_card_of_a_student(run: Path) -> None:
    card = (run / "model/README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["library_name"] == "transformers"
    metrics = json.loads((run / "metrics.json").read_text())
    for said in (
        "# had",
        "Trained on simulated sequences",
        "arXiv:2505.20836",
        "CC-BY-NC-SA-4.0",
        f"- tokens: {metrics['tokens']}",
        f"validation split: {metrics['validation']['perplexity']}",
        'AutoModelForMaskedLM.from_pretrained("model")',
    ):
        assert said in card
    assert "None" not in card


def test_card_of_a_classifier(run: Path, task: Path, tmp_path: Path) -> None:
    finetune(
        "had",
        pretrained=[run],
        task=task,
        settings={"max_steps": 2},
        seeds=[0],
        state=tmp_path / "s",
        output=tmp_path / "out",
    )
    card = (tmp_path / "out/classifier/README.md").read_text()
    row = json.loads((tmp_path / "out/seed_0.json").read_text())
    assert "- classes: at, gc" in card and "arXiv:2505.20836" in card
    assert f"- mcc on test (40 sequences): {row['value']}" in card


class Hub(BaseHTTPRequestHandler):
    """The four calls of the hub's API that an upload makes; keeps what it gets."""

    files: dict[str, bytes] = {}  # noqa: RUF012
    made: list[Any] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer hf_mine":
            self.answer(401, {"error": "who are you?"})
        elif self.path == "/api/repos/create":
            self.made.append(json.loads(body))
            self.answer(200, {"url": f"{self.address}/me/mine", "name": "me/mine"})
        elif self.path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            told = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in files
            ]
            self.answer(200, {"files": told})
        elif "/commit/main" in self.path:
            for line in body.splitlines():
                part = json.loads(line)
                if part["key"] == "file":
                    value = part["value"]
                    self.files[value["path"]] = base64.b64decode(value["content"])
            address = f"{self.address}/me/mine/commit/1"
            self.answer(200, {"commitUrl": address, "commitOid": "1", "success": True})
        else:
            self.answer(200, {})

    @property
    def address(self) -> str:
        return f"http://{self.headers['Host']}"

    def do_GET(self) -> None:
        self.answer(200, {"id": "me/mine", "siblings": [], "sha": "0"})

    def answer(self, status: int, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    yield Hub
    server.shutdown()


def test_a_push_sends_the_folder(run: Path, hub: type[Hub]) -> None:
    push(run, "me/mine", private=True)
    assert "private" in json.dumps(hub.made[-1])  # a key, or the value of another
    sent = {path.name: path.read_bytes() for path in (run / "model").iterdir()}
    assert hub.files == sent and "README.md" in sent


def test_refusals_are_one_line(
    run: Path, hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"has no config\.json; give a model folder"):
        push(tmp_path, "me/mine")
    with pytest.raises(InputError, match="the hub refuses it"):
        push(run, "not a name!")
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(InputError, match="me/mine: the hub refuses it"):
        push(run, "me/mine")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"me/mine: the hub refuses it \(.*refused"):
        push(run, "me/mine")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="run `hf auth login`"):
        push(run, "me/mine")
