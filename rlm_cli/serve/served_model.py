"""The model that is served: its names, and what it has to write for a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.nearest import did_you_mean
from models.depth import AUTO_MODE, MODES
from models.generation.continuation import Continuation
from models.generation.prompt import Prompt, conversation_prompt, prompt_of_text, room_for_prompt
from models.generation.settings import MAX_SEED, GenerationConfig
from rlm_cli.serve.api_error import ApiError
from rlm_cli.serve.requests import MAX_CHOICES, MAX_TOKENS, ChatRequest, CompletionRequest, TextRequest

if TYPE_CHECKING:
    from models.runs.load import LoadedModel

_MOST_ALTERNATIVES = 2**20
"""Of all tokens of a request together: about a gigabyte of memory at its worst."""


@dataclass(frozen=True, slots=True)
class Work:
    """What has to be written for a request."""

    continuations: list[Continuation]
    prompt_tokens: int
    mode: str
    dropped: int
    """Turns at the start that do not fit in the model's context, or prompts that are cut there."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A loaded model with the mode and the settings that it has where a request names none."""

    loaded: LoadedModel
    mode: str
    generation: GenerationConfig

    @property
    def name(self) -> str:
        return self.loaded.run.name

    def names(self) -> list[str]:
        """The names that a request can give: the run, and the run at each mode that differs."""
        return [self.name, *(f"{self.name}:{mode}" for mode in self.loaded.model.modes())]

    def mode_of(self, model: str | None, mode: str | None = None) -> str:
        """The mode that the name of a model, such as `book:deep`, and the field ask for.

        Raises ApiError for a name or a mode that is not there, and for two different modes.
        """
        name, _, suffix = (model if model is not None else self.name).partition(":")
        if name != self.name or (suffix and suffix not in (*MODES, AUTO_MODE)):
            raise ApiError(
                404, f"There is no model '{str(model)[:100]}'. Models here: {', '.join(self.names())}.",
                param="model", code="model_not_found",
            )  # fmt: skip
        if mode is not None and mode not in (*MODES, AUTO_MODE):
            hint = did_you_mean(mode[:40], [*MODES, AUTO_MODE])
            raise ApiError(400, f"There is no mode '{mode[:40]}'. {hint}", param="mode")
        if suffix and mode is not None and suffix != mode:
            raise ApiError(
                400, f"The model's name asks for mode {suffix}, the field for {mode}.", param="mode"
            )
        chosen = mode or suffix or AUTO_MODE
        return self.mode if chosen == AUTO_MODE else chosen

    def completions(self, request: CompletionRequest) -> Work:
        """The texts of a request to continue texts. Raises ApiError."""
        settings, length = request.settings(self.generation), self.loaded.model.config.context_length
        # A message must stay whole. Text may fill the context, because the window then slides.
        texts = request.prompts()
        _require_few(len(texts) * (request.n or 1))
        is_chat = self.loaded.kind == "messages"
        room = room_for_prompt("messages", length, settings.max_tokens) if is_chat else length
        prompts = [
            prompt_of_text(self.loaded.tokenizer, self.loaded.kind, prompt, room)
            if isinstance(prompt, str)
            else Prompt(prompt[-length:], int(len(prompt) > length))
            for prompt in texts
        ]
        return self._work(request, settings, prompts)

    def chat(self, request: ChatRequest) -> Work:
        """The answers to a conversation. Raises ApiError."""
        settings, length = request.settings(self.generation), self.loaded.model.config.context_length
        system, turns = request.conversation()
        kind = self.loaded.kind
        if system and kind != "messages":
            raise ApiError(
                400, f"Run '{self.name}' continues text and takes no instructions. Leave them out.",
                param="messages",
            )  # fmt: skip
        room = room_for_prompt(kind, length, settings.max_tokens)
        prompt = conversation_prompt(self.loaded.tokenizer, kind, system, turns, room)
        return self._work(request, settings, [prompt])

    def _work(self, request: TextRequest, settings: GenerationConfig, prompts: list[Prompt]) -> Work:
        mode, copies = self.mode_of(request.model, request.mode), request.n or 1
        _require_few(len(prompts) * copies)
        tokens = len(prompts) * copies * (settings.max_tokens or MAX_TOKENS)
        if tokens * (request.alternatives or 0) > _MOST_ALTERNATIVES:
            raise ApiError(400, "This asks for too many log-probabilities at once.", param="logprobs")
        texts = [prompt.ids for prompt in prompts for _ in range(copies)]
        seeds = [
            None if settings.seed is None else (settings.seed + number) % (MAX_SEED + 1)
            for number in range(len(texts))
        ]
        continuations = [
            Continuation(
                ids, MODES[mode], settings.changed(seed=seed), number, alternatives=request.alternatives or 0
            )
            for number, (ids, seed) in enumerate(zip(texts, seeds, strict=True))
        ]
        prompt_tokens = sum(len(prompt.ids) for prompt in prompts)
        return Work(continuations, prompt_tokens, mode, sum(prompt.dropped for prompt in prompts))


def _require_few(texts: int) -> None:
    """Raise ApiError for more texts than one request may have."""
    if texts > MAX_CHOICES:
        raise ApiError(400, f"This asks for more than {MAX_CHOICES} texts at once.", param="n")
