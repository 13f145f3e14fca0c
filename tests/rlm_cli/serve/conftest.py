"""The endpoint in front of tiny models that were never trained."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from data.character_tokenizer import CharacterTokenizer
from models.architectures import build_model, model_config
from models.generation.batch_decoder import BatchDecoder
from models.generation.decoding_thread import DecodingThread
from models.generation.settings import GenerationConfig
from rlm_cli.serve.served_model import ServedModel

CHARACTERS = "\n abcdefghijklmnopqrstuvwxyz.,éü"


class Endpoint:
    """A served model with its thread, and what it logged and reported."""

    def __init__(self, kind: str = "text", max_waiting: int = 64, **gate: Any) -> None:
        from rlm_cli.serve.app import build_app
        from rlm_cli.serve.gate import Gate

        self.tokenizer = CharacterTokenizer("".join(sorted(CHARACTERS)))
        torch.manual_seed(1)
        shape = {"d_model": 16, "n_heads": 2, "context_length": 48, "vocab_size": self.tokenizer.vocab_size}
        self.model = build_model(model_config({"architecture": "looped", **shape})).eval()
        for parameter in self.model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        never = torch.tensor([self.tokenizer.eos_id])  # so that texts are as long as they may be
        self.model.head.register_forward_hook(lambda head, x, logits: logits.index_fill(-1, never, -1e9))
        loaded: Any = SimpleNamespace(
            model=self.model, tokenizer=self.tokenizer, run=SimpleNamespace(name="tiny"), kind=kind
        )
        self.served = ServedModel(loaded, "normal", GenerationConfig(max_tokens=8, temperature=1))
        self.reported: list[Exception] = []
        self.lines: list[str] = []
        self.thread = DecodingThread(
            BatchDecoder(self.model, self.tokenizer, max_rows=4), max_waiting, self.reported.append
        )
        app = build_app(self.served, self.thread, 1_700_000_000)
        self.gate = Gate(app, log=self.lines.append, report=self.reported.append, **gate)

    def __enter__(self) -> "Endpoint":
        from starlette.testclient import TestClient

        torch.set_num_threads(1)
        self.thread.start()
        self.client = TestClient(self.gate, base_url="http://localhost")
        return self

    def __exit__(self, *error: object) -> None:
        self.thread.stop()
        self.thread.join(10)

    def complete(self, prompt: Any = "the fox", **fields: Any) -> Any:
        """The answer of /v1/completions, which must succeed."""
        response = self.client.post("/v1/completions", json={"model": "tiny", "prompt": prompt, **fields})
        assert response.status_code == 200, response.text
        return response.json()

    def chat(self, *contents: str, **fields: Any) -> Any:
        """The answer of /v1/chat/completions to these contents, of user and assistant in turns."""
        messages = [
            {"role": ("user", "assistant")[number % 2], "content": text}
            for number, text in enumerate(contents)
        ]
        response = self.client.post("/v1/chat/completions", json={"messages": messages, **fields})
        assert response.status_code == 200, response.text
        return response.json()

    def refusal(self, path: str = "completions", **fields: Any) -> tuple[int, str, str | None]:
        """The status, the message and the field of an error."""
        response = self.client.post(f"/v1/{path}", json=fields)
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return response.status_code, error["message"], error["param"]


@pytest.fixture(scope="package")
def text() -> Iterator[Endpoint]:
    """A model of plain text."""
    pytest.importorskip("starlette")
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="package")
def chat() -> Iterator[Endpoint]:
    """A model of conversations."""
    pytest.importorskip("starlette")
    with Endpoint("messages") as endpoint:
        yield endpoint


class RunningServer:
    """The endpoint behind a real web server, on a port of its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        from rlm_cli.serve.server import address_of, listen, web_server

        self.endpoint = endpoint
        self._listener = listen("127.0.0.1", 0)
        self.port = self._listener.getsockname()[1]
        self.address = address_of(self._listener, "127.0.0.1")
        self._server = web_server(endpoint.gate, endpoint.thread.stop)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture(scope="package")
def server(text: Endpoint) -> Iterator[RunningServer]:
    pytest.importorskip("uvicorn")
    running = RunningServer(text)
    yield running
    running.stop()
