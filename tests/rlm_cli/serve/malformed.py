"""Requests that are wrong in some way, or nearly right."""

import json
import random
from collections.abc import Iterator
from typing import Any

FIELDS = (
    "model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stop",
    "seed", "stream", "stream_options", "logprobs", "top_logprobs", "mode", "top_k", "min_p",
    "repetition_penalty", "no_repeat_ngram", "halt", "halt_threshold", "frequency_penalty", "logit_bias",
    "tools", "response_format", "user", "echo", "best_of", "__class__", "settings", "model_extra", "",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 2**64, 10**400, 0.5, -0.5, 1e308, 5e-324, "", "a",
    "tiny", "tiny:", "tiny:deep", ":", "deep", "é", "\x00", "\x1b[2J", "\ud800", "\u202e", "a" * 5000, [], {},
    [[]], [None], [0], [5, 6], [[5], [6]], ["a", ""], [[[[]]]], {"": {}}, {"include_usage": True},
    [{"role": "user", "content": "a"}], [{"role": "user"}], [{"role": 1, "content": []}],
    [{"role": "assistant", "content": None}], [{"role": "system", "content": [{"text": "a"}]}],
)  # fmt: skip
PATHS = ("/v1/completions", "/v1/chat/completions")
OTHER_PATHS = ("/", "/v1", "/v1/models", "/v1/models/%00", "/v1/models/tiny:x", "/v1//completions", "/%ff")
METHODS = ("GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH")


def malformed_requests(draw: random.Random, count: int) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """Method, path, headers and body of each."""
    for _ in range(count):
        method, path = "POST", draw.choice(PATHS)
        headers = {"content-type": "application/json"}
        content = _body(draw, path)
        match draw.randrange(12):
            case 0:
                method = draw.choice(METHODS)
            case 1:
                path = draw.choice(OTHER_PATHS)
            case 2:
                kinds = ["text/plain", "", "application/json; charset=latin-1", "application/jsonx"]
                headers["content-type"] = draw.choice(kinds)
            case 3:
                headers["content-encoding"] = draw.choice(["gzip", "identity", "x"])
            case 4:
                headers["authorization"] = draw.choice(["", "Bearer", "Bearer x", "Basic eDp5"])
        yield method, path, headers, content


def _body(draw: random.Random, path: str) -> bytes:
    """A right body with some odd values, and perhaps some bytes changed."""
    sound: dict[str, Any] = {"prompt": "a"}
    if "chat" in path:
        sound = {"messages": [{"role": "user", "content": "a"}]}
    fields: dict[str, Any] = {**sound, "max_tokens": 2}
    for _ in range(draw.randrange(4)):
        fields[draw.choice(FIELDS)] = draw.choice(ODD)
    if draw.random() < 0.3:
        fields.pop(draw.choice(list(fields)), None)
    if not isinstance(fields.get("max_tokens", 2), int) or fields.get("max_tokens", 2) > 4:
        fields["max_completion_tokens"] = draw.choice([2, "2"])
    body = json.dumps(fields).encode()
    match draw.randrange(8):
        case 0:
            place = draw.randrange(len(body))
            body = body[:place] + bytes([draw.randrange(256)]) + body[place + 1 :]
        case 1:
            body = body[: draw.randrange(len(body))]
        case 2:
            body = draw.randbytes(draw.randrange(60))
        case 3:
            body = draw.choice(
                [b"[" * 3000, b'{"a":' * 3000, b"null", b'"a"', b"1e999", b"NaN", b"\xef\xbb\xbf{}"]
            )
    return body
