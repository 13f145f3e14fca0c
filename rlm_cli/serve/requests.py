"""What a client may send: the fields of both kinds of requests, and what their values must be.

A field that OpenAI's API has and this server lacks is refused unless its value asks for nothing. Fields that
change no answer, such as `user`, are ignored.
"""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from data.document import Message, without_surrogates
from data.errors import UsageError
from data.nearest import did_you_mean
from models.generation.settings import MAX_SEED, GenerationConfig
from rlm_cli.serve.api_error import ApiError, api_error

MAX_TOKENS = 16_384
"""The longest answer that can be requested, in tokens."""
MAX_CHOICES = 64
"""Texts in one request: its prompts, times `n`."""
MAX_ALTERNATIVES = 20
_MOST_STOPS = 16
_LONGEST_NGRAM = 64  # each token compares so many with all before
_LONGEST_STOP = 200  # characters; every token is compared with all of them

_Choices = Annotated[int, Field(ge=1, le=MAX_CHOICES)]
_Alternatives = Annotated[int, Field(ge=0, le=MAX_ALTERNATIVES)]
_Length = Annotated[int, Field(ge=1, le=MAX_TOKENS)]

_IGNORED = (
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention", "parallel_tool_calls", "prediction",
)  # fmt: skip
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),
    "reasoning_effort": (),
    "verbosity": (),
    "suffix": ("",),
    "echo": (False,),
    "best_of": (1,),
}
"""Fields that this server lacks, with the values that ask for nothing. None is always one of them."""
_INSTEAD = {
    "frequency_penalty": "Use repetition_penalty.",
    "presence_penalty": "Use repetition_penalty.",
    "best_of": "Use n.",
    "reasoning_effort": "Use mode.",
}


class StreamOptions(BaseModel):
    """How a streamed answer is sent."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class TextRequest(BaseModel):
    """The fields that both kinds of requests have. None everywhere means the run's own setting."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    model: str | None = None
    max_tokens: _Length | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: _Choices | None = None
    stop: Any = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    # Fields of rlm, and of other local servers.
    mode: str | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    no_repeat_ngram: Annotated[int, Field(ge=0, le=_LONGEST_NGRAM)] | None = None
    halt: bool | None = None
    halt_threshold: float | None = None

    @property
    def longest(self) -> int | None:
        """The longest answer, in tokens."""
        return self.max_tokens

    @property
    def alternatives(self) -> int | None:
        """How many of the likeliest tokens each token comes with. None: no log-probabilities at all."""
        raise NotImplementedError

    def settings(self, base: GenerationConfig) -> GenerationConfig:
        """`base` with what the request asks for. Raises ApiError for a value out of range."""
        wanted = {
            "max_tokens": self.longest,
            "temperature": self.temperature,
            # OpenAI's API allows 0, which leaves the likeliest token.
            "top_p": None if self.top_p is None else max(self.top_p, 1e-6) if self.top_p >= 0 else self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
            "no_repeat_ngram": self.no_repeat_ngram,
            "halt": self.halt if self.halt_threshold is None else self.halt is not False,
            "halt_threshold": self.halt_threshold,
            "stop": None if self.stop is None else _stop_strings(self.stop),
            "seed": None if self.seed is None else _unsigned(self.seed),
        }
        settings = base
        for name, value in wanted.items():
            if value is not None:
                try:
                    settings = settings.changed(**{name: value})
                except UsageError as error:
                    raise api_error(error, param=name) from None
        return settings if settings.max_tokens is not None else settings.changed(max_tokens=MAX_TOKENS)


class CompletionRequest(TextRequest):
    """A request that continues texts."""

    prompt: Any
    logprobs: _Alternatives | None = None

    @property
    def alternatives(self) -> int | None:
        return self.logprobs

    def prompts(self) -> list[str] | list[list[int]]:
        """The texts, or the tokens of each. Raises ApiError."""
        prompt = self.prompt
        if isinstance(prompt, str):
            return [without_surrogates(prompt)]
        if isinstance(prompt, list) and prompt:
            if all(isinstance(one, str) for one in prompt):
                return [without_surrogates(one) for one in prompt]
            if all(type(one) is int for one in prompt):
                return [prompt]
            if all(isinstance(one, list) and all(type(token) is int for token in one) for one in prompt):
                return prompt
        raise ApiError(
            400, "The field 'prompt' must be a text, a list of texts, or one or more lists of tokens.",
            param="prompt",
        )  # fmt: skip


class ChatMessage(BaseModel):
    """A message. Clients send answers back whole, so other fields are allowed and not read."""

    model_config = ConfigDict(extra="ignore", strict=True)

    role: str
    content: Any = None
    tool_calls: Any = None
    function_call: Any = None


class ChatRequest(TextRequest):
    """A request for the next message of a conversation."""

    messages: Annotated[list[ChatMessage], Field(min_length=1), FailFast()]
    max_completion_tokens: _Length | None = None
    logprobs: bool | None = None
    top_logprobs: _Alternatives | None = None

    @property
    def longest(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def alternatives(self) -> int | None:
        if self.top_logprobs and not self.logprobs:
            raise ApiError(400, "The field 'top_logprobs' needs logprobs to be true.", param="top_logprobs")
        return (self.top_logprobs or 0) if self.logprobs else None

    def conversation(self) -> tuple[str, list[Message]]:
        """The instructions at its start, joined, and the messages after them. Raises ApiError."""
        system: list[str] = []
        turns: list[Message] = []
        for number, message in enumerate(self.messages):
            param = f"messages.{number}"
            if message.role not in ("system", "developer", "user", "assistant"):
                raise ApiError(
                    400, f"The role '{message.role}' is not one of system, developer, user and assistant.",
                    param=f"{param}.role",
                )  # fmt: skip
            if message.tool_calls or message.function_call:
                raise ApiError(400, "This server has no tools.", param=f"{param}.tool_calls")
            content = _content(message.content, f"{param}.content")
            if message.role in ("user", "assistant"):
                turns.append(Message(message.role, content))
            elif turns:
                raise ApiError(400, "Instructions must come before all other messages.", param=param)
            else:
                system.append(content)
        return "\n\n".join(system), turns


RequestType = TypeVar("RequestType", bound=TextRequest)


def read_request(kind: type[RequestType], body: bytes) -> RequestType:
    """The request in `body`, JSON. Raises ApiError if it is malformed or asks for what is not there."""
    try:
        request = kind.model_validate_json(body)
    except ValidationError as error:
        raise _malformed(error) from None
    for name, value in (request.model_extra or {}).items():
        if name in _IGNORED:
            continue
        if name not in _HARMLESS:
            hint = did_you_mean(name[:80], kind.model_fields, "The fields are")
            raise ApiError(400, f"There is no field '{name[:80]}'. {hint}", param=name[:80])
        if value is not None and value not in _HARMLESS[name]:
            instead = f" {_INSTEAD[name]}" if name in _INSTEAD else ""
            raise ApiError(400, f"This server has no '{name}'.{instead}", param=name)
    return request


def _malformed(error: ValidationError) -> ApiError:
    """The first mistake in words. It repeats no value, which can be long."""
    mistake = error.errors(include_url=False, include_context=True, include_input=False)[0]
    where = ".".join(str(part) for part in mistake["loc"])
    match mistake["type"]:
        case "json_invalid":
            message = f"The body is not JSON: {mistake['ctx']['error']}."
        case "missing":
            message = f"The field '{where}' is missing."
        case "too_short":
            message = f"The field '{where}' is empty."
        case _ if not where:
            message = "The body is not a JSON object."
        case _:
            message = f"The field '{where}' is wrong: {mistake['msg'][:1].lower()}{mistake['msg'][1:]}."
    return ApiError(400, message, param=where or None)


def _stop_strings(stop: object) -> tuple[str, ...]:
    texts = [stop] if isinstance(stop, str) else stop
    if (
        not isinstance(texts, list)
        or len(texts) > _MOST_STOPS
        or not all(isinstance(text, str) and 1 <= len(text) <= _LONGEST_STOP for text in texts)
    ):
        raise ApiError(
            400, f"The field 'stop' must be a text of 1 to {_LONGEST_STOP} characters, or a list of up to "
            f"{_MOST_STOPS}.", param="stop",
        )  # fmt: skip
    return tuple(without_surrogates(text) for text in texts)


def _unsigned(seed: int) -> int:
    """The seed as a number of 63 bits. Raises ApiError for one that has more than 64."""
    if not -MAX_SEED - 1 <= seed <= MAX_SEED:
        raise ApiError(400, "The field 'seed' must be a number of at most 64 bits.", param="seed")
    return seed % (MAX_SEED + 1)


def _content(content: object, param: str) -> str:
    """The text of a message, which can come in parts. Raises ApiError for anything but text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return without_surrogates(content)
    if isinstance(content, list):
        texts = [part.get("text") if isinstance(part, dict) else None for part in content]
        if all(isinstance(text, str) for text in texts):
            return without_surrogates("".join(str(text) for text in texts))
    raise ApiError(400, "The content of a message must be text; this server reads no other.", param=param)
