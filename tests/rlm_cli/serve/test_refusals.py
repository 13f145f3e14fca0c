"""What the endpoint refuses: a clear sentence in OpenAI's shape, and nothing is lost."""

import asyncio
import json
import random

import pytest

from data.errors import RlmError
from models.depth import MODES
from models.generation.continuation import Continuation
from models.generation.settings import GenerationConfig
from rlm_cli.serve import body
from tests.rlm_cli.serve.conftest import Endpoint
from tests.rlm_cli.serve.malformed import malformed_requests

USER = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("fields", "status", "param", "words"),
    [
        ({}, 400, "prompt", "The field 'prompt' is missing."),
        ({"prompt": 5}, 400, "prompt", "must be a text, a list of texts"),
        ({"prompt": []}, 400, "prompt", "must be a text"),
        ({"prompt": ["a", 1]}, 400, "prompt", "must be a text"),
        ({"prompt": [True]}, 400, "prompt", "must be a text"),
        ({"prompt": [10**6]}, 400, "prompt", "not in the model's vocabulary"),
        ({"prompt": "a", "temprature": 1}, 400, "temprature", "Did you mean temperature?"),
        ({"prompt": "a", "temperature": "hot"}, 400, "temperature", "valid number"),
        ({"prompt": "a", "temperature": 11}, 400, "temperature", "between 0 (greedy) and 10"),
        ({"prompt": "a", "top_p": 1.5}, 400, "top_p", "at most 1"),
        ({"prompt": "a", "top_p": -1}, 400, "top_p", "above 0"),
        ({"prompt": "a", "max_tokens": 0}, 400, "max_tokens", "greater than or equal to 1"),
        ({"prompt": "a", "max_tokens": 10**9}, 400, "max_tokens", "less than or equal to 16384"),
        ({"prompt": "a", "n": 65}, 400, "n", "less than or equal to 64"),
        ({"prompt": ["a", "b"], "n": 40}, 400, "n", "more than 64 texts"),
        ({"prompt": "a", "n": 64, "logprobs": 20, "max_tokens": 16384}, 400, "logprobs", "too many"),
        ({"prompt": "a", "no_repeat_ngram": 65}, 400, "no_repeat_ngram", "less than or equal to 64"),
        ({"prompt": "a", "logprobs": 21}, 400, "logprobs", "less than or equal to 20"),
        ({"prompt": "a", "seed": 2**64}, 400, "seed", "64 bits"),
        ({"prompt": "a", "stop": ""}, 400, "stop", "1 to 200 characters"),
        ({"prompt": "a", "stop": ["x"] * 17}, 400, "stop", "up to 16"),
        ({"prompt": "a", "stop": {"a": 1}}, 400, "stop", "must be a text"),
        ({"prompt": "a", "frequency_penalty": 0.5}, 400, "frequency_penalty", "Use repetition_penalty."),
        ({"prompt": "a", "echo": True}, 400, "echo", "This server has no 'echo'."),
        ({"prompt": "a", "best_of": 3}, 400, "best_of", "Use n."),
        ({"prompt": "a", "mode": "depe"}, 400, "mode", "Did you mean deep?"),
        ({"prompt": "a", "model": "gpt-4"}, 404, "model", "There is no model 'gpt-4'. Models here: tiny,"),
        ({"prompt": "a", "model": "tiny:huge"}, 404, "model", "There is no model 'tiny:huge'."),
        ({"prompt": "a", "model": "tiny:deep", "mode": "fast"}, 400, "mode", "asks for mode deep"),
    ],
)
def test_a_completion_that_cannot_be_written(text, fields, status, param, words) -> None:
    assert text.refusal(**fields)[::2] == (status, param)
    assert words in text.refusal(**fields)[1]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"messages": []}, "messages", "is empty"),
        ({"messages": "hello"}, "messages", "valid array"),
        ({"messages": ["hello"]}, "messages.0", "is wrong"),
        ({"messages": [{"content": "a"}]}, "messages.0.role", "is missing"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages.0.role", "is not one of"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content", "must be text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages.0.content",
            "must be text",
        ),
        (
            {"messages": [*USER, {"role": "system", "content": "a"}]},
            "messages.1",
            "Instructions must come before",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [1]}]}, "messages.0.tool_calls", "no tools"),
        ({"messages": USER, "tools": [{"type": "function"}]}, "tools", "This server has no 'tools'."),
        ({"messages": USER, "response_format": {"type": "json_object"}}, "response_format", "has no"),
        ({"messages": USER, "top_logprobs": 2}, "top_logprobs", "needs logprobs"),
        ({"messages": USER, "logprobs": 2}, "logprobs", "valid boolean"),
        ({"messages": USER, "stream_options": 1}, "stream_options", "is wrong"),
    ],
)
def test_a_conversation_that_cannot_be_answered(chat, fields, param, words) -> None:
    status, message, found = chat.refusal("chat/completions", **fields)
    assert (status, found) == (400, param)
    assert words in message


def post(endpoint, content, **headers):
    response = endpoint.client.post(
        "/v1/completions", content=content, headers={"content-type": "application/json", **headers}
    )
    return response.status_code, response.json()["error"]["message"]


def test_bodies_that_are_not_read(text, monkeypatch) -> None:
    assert post(text, b"{") == (400, "The body is not JSON: EOF while parsing an object at line 1 column 1.")
    assert post(text, b"[1]") == (400, "The body is not a JSON object.")
    assert post(text, b"\xff\xfe")[0] == 400
    assert post(text, b"[" * 10_000)[0] == 400
    assert post(text, b'{"prompt": "' + b"a" * body.MAX_BODY_BYTES + b'"}')[0] == 413

    def endless():
        for _ in range(40):
            yield b" " * 100_000

    assert post(text, endless())[0] == 413
    assert post(text, b"{}", **{"content-type": "text/plain"})[0] == 415
    assert post(text, b"{}", **{"content-encoding": "gzip"})[0] == 415


def test_a_body_that_never_ends_is_not_waited_for(text, monkeypatch) -> None:
    monkeypatch.setattr(body, "BODY_TIMEOUT_S", 0.05)
    sent = []

    async def stalled():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/completions", "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip
    asyncio.run(text.gate(scope, stalled, send))
    assert sent[0]["status"] == 408


def test_paths_and_methods(text) -> None:
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/v1/completions", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/v1/models/", 404),
    ):
        response = text.client.request(method, path)
        assert response.status_code == status
        assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "header", [None, "sesame", "Bearer", "Bearer wrong", "Basic sesame", "Bearer sésame"]
)
def test_a_request_without_the_key(header) -> None:
    pytest.importorskip("starlette")
    with Endpoint(key="sesame") as endpoint:
        headers = {} if header is None else {"authorization": header.encode()}
        for path in ("/v1/models", "/nowhere"):
            response = endpoint.client.get(path, headers=headers)
            assert response.status_code == 401
            assert response.json()["error"]["code"] == "invalid_api_key"
        good = endpoint.client.get("/v1/models", headers={"authorization": "Bearer sesame"})
        assert good.status_code == 200


def test_a_page_of_another_name_reaches_nothing() -> None:
    pytest.importorskip("starlette")
    with Endpoint(hosts=frozenset({"localhost", "127.0.0.1", "::1"})) as endpoint:
        for host, status in (
            ("evil.example", 403),
            ("localhost.evil.example", 403),
            ("localhost:8000", 200),
            ("[::1]:8000", 200),
            ("127.0.0.1", 200),
        ):
            response = endpoint.client.get("/v1/models", headers={"host": host})
            assert response.status_code == status, host


def test_a_full_queue_asks_to_come_back() -> None:
    testclient = pytest.importorskip("starlette.testclient")
    endpoint = Endpoint(max_waiting=2)  # its thread is not started, so what is submitted waits
    waiting = [Continuation([20], MODES["fast"], GenerationConfig()) for _ in range(2)]
    endpoint.thread.submit(waiting, lambda results: None)
    response = testclient.TestClient(endpoint.gate).post("/v1/completions", json={"prompt": "a"})
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["error"]["code"] == "queue_full"


def test_a_server_that_stops_says_so() -> None:
    pytest.importorskip("starlette")
    with Endpoint() as endpoint:
        endpoint.thread.stop()
        response = endpoint.client.post("/v1/completions", json={"prompt": "a"})
    assert response.status_code == 503
    assert "Retry-After" in response.headers


def test_a_failure_is_reported_and_told_without_its_details(text, monkeypatch) -> None:
    monkeypatch.setattr(type(text.served), "completions", lambda self, request: 1 / 0)
    before = len(text.reported)
    response = text.client.post("/v1/completions", json={"prompt": "a"})
    assert response.status_code == 500
    assert (
        response.json()["error"]["message"] == "The server failed to answer this request. Its log says why."
    )
    assert isinstance(text.reported[before], ZeroDivisionError)
    del text.reported[before:]


def test_weights_that_give_no_numbers(text, monkeypatch) -> None:
    from models.generation.sampler import Sampler

    def fail(self, logits, rows):
        return [RlmError("The model's output is not a number.") for _ in rows]

    with monkeypatch.context() as patch:
        patch.setattr(Sampler, "choose", fail)
        response = text.client.post("/v1/completions", json={"prompt": "a"})
        assert (response.status_code, response.json()["error"]["type"]) == (500, "server_error")
        streamed = text.client.post("/v1/completions", json={"prompt": "a", "stream": True})
        *_, last = (line for line in streamed.text.split("\n\n") if line)
        assert json.loads(last.removeprefix("data: "))["error"]["type"] == "server_error"
    text.complete()


def test_malformed_requests_end_nothing(text, chat) -> None:
    for endpoint, seed in ((text, 1), (chat, 2)):
        send_malformed(endpoint, 120, seed)


def send_malformed(endpoint, count, seed):
    """Send requests that are wrong in some way. Returns how many had which status."""
    statuses: dict[int, int] = {}
    for method, path, headers, content in malformed_requests(random.Random(seed), count):
        response = endpoint.client.request(method, path, headers=headers, content=content)
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        assert response.status_code == 200 or 400 <= response.status_code < 500, (content, response.text)
        if response.status_code != 200 and method != "HEAD":
            error = response.json()["error"]
            assert 0 < len(error["message"]) <= 401
            assert "Traceback" not in error["message"]
    assert endpoint.reported == []
    assert endpoint.thread.load == (0, 0)
    endpoint.chat("hello")
    return statuses


def test_too_many_prompts_are_refused_before_one_is_read(text, monkeypatch) -> None:
    from rlm_cli.serve import served_model

    monkeypatch.setattr(served_model, "prompt_of_text", lambda *_: pytest.fail("a prompt was read"))
    assert text.refusal(prompt=["a"] * 65)[0] == 400


def test_a_path_cannot_write_a_line_of_the_log(text) -> None:
    text.client.get("/x%0APOST%20/v1/completions%20200%1b")
    assert "\n" not in text.lines[-1] and "\x1b" not in text.lines[-1]


def test_a_tiny_temperature_is_greedy(text) -> None:
    coldest = text.complete(temperature=1e-300)["choices"][0]["text"]
    assert coldest == text.complete(temperature=0)["choices"][0]["text"]
