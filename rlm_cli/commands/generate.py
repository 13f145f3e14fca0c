"""`rlm generate`: continue or answer each prompt."""

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.document import without_surrogates
from data.errors import UsageError
from data.wording import counted
from models.depth import depth_of
from models.generation.answer_stats import ENDINGS
from models.generation.depth_notes import extrapolates, halt_note, measured_note, mode_note
from models.generation.prompt import prompt_of_text, room_for_prompt, unknown_characters, unknown_note
from models.generation.run_defaults import mode_losses
from rlm_cli.generation_options import (
    HaltOption,
    HaltThresholdOption,
    MaxTokensOption,
    MinPOption,
    NaturalOption,
    NgramOption,
    PenaltyOption,
    PromptArgument,
    StopOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
    WriterDeviceOption,
    WriterSeedOption,
    check_threads,
    load_model,
    new_seed,
    read_piped_text,
    resolve_settings,
    run_and_prompt,
)
from rlm_cli.options import (
    JsonOption,
    QuietOption,
    RunArgument,
    RunsDirOption,
    ThreadsOption,
    WriterModeOption,
)
from rlm_cli.output import Output
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.generation.generate import GeneratedToken
    from models.generation.settings import GenerationConfig
    from models.runs.load import LoadedModel

_BATCH_SIZE = 32  # prompts generated together; more would only take memory


def generate(
    run_name: RunArgument = None,
    text: PromptArgument = None,
    prompts: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt", "-p", metavar="TEXT", help="Text to continue. May be repeated.", show_default=False
        ),
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Each line of standard input is a prompt.")] = False,
    mode: WriterModeOption = None,
    max_tokens: MaxTokensOption = None,
    temperature: TemperatureOption = None,
    top_k: TopKOption = None,
    top_p: TopPOption = None,
    min_p: MinPOption = None,
    penalty: PenaltyOption = None,
    ngram: NgramOption = None,
    stop: StopOption = None,
    natural: NaturalOption = False,
    halt: HaltOption = None,
    halt_threshold: HaltThresholdOption = None,
    seed: WriterSeedOption = None,
    device: WriterDeviceOption = None,
    threads: ThreadsOption = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Let a model write.

    A model of plain text prints the prompt and its continuation; a model of
    conversations prints only its answer. Statistics go to stderr.

    \b
    Examples:
      rlm generate -p "Once upon a time"
      rlm generate book -p "The door" -p "The window" --mode deep --seed 1
      cat beginning.txt | rlm generate book --max-tokens 500
      rlm generate book -p "She said" --temp 0 --json
    """  # fmt: skip
    output = Output.of(json=json, quiet=quiet)
    run, prompt = run_and_prompt(run_name, text, runs_dir, output)
    if prompt is not None:
        prompts = [prompt, *(prompts or [])]
    chosen_mode, config = resolve_settings(
        run, mode=mode, natural=natural, halt=halt, halt_threshold=halt_threshold, stop=stop,
        max_tokens=max_tokens, temperature=temperature,
        top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=penalty, no_repeat_ngram=ngram, seed=seed,
    )  # fmt: skip
    check_threads(threads)
    if config.seed is None:
        config = config.changed(seed=new_seed())
    texts = _all_prompts(prompts, lines, output)
    loaded = load_model(run, device, threads, output, texts=len(texts))
    for warning in loaded.notes:
        output.warn(warning)
    if loaded.model.recursive and (note := measured_note(chosen_mode, mode_losses(run), loaded.kind)):
        output.say(note, style="dim")
    # A mode without effect matters only if the user typed it.
    if (mode is not None or loaded.model.recursive) and (note := mode_note(loaded.model, chosen_mode)):
        output.say(in_cli_words(note), style="dim")
    if config.halt and (note := halt_note(loaded.model, chosen_mode, config.halt_threshold)):
        output.say(in_cli_words(note), style="dim")
    _Generation(loaded, chosen_mode, config, texts, output).run()


def _all_prompts(typed: list[str] | None, lines: bool, output: Output) -> list[str]:
    """The typed prompts and the piped ones. Piped text is read only if needed."""
    no_prompt = UsageError(
        "There is no prompt.",
        hint='Give one with -p "TEXT", or pipe one in: cat FILE | {generate}',
    )
    if typed and not lines:
        return [without_surrogates(text) for text in typed]
    if sys.stdin is None or sys.stdin.isatty():
        raise no_prompt
    text, is_utf8 = read_piped_text()
    if not is_utf8:
        output.warn("Standard input is not all UTF-8; invalid bytes were replaced.")
    if not text:
        raise no_prompt
    return [without_surrogates(one) for one in [*(typed or []), *(text.split("\n") if lines else [text])]]


@dataclass(slots=True)
class _Result:
    prompt: str
    pieces: list[str] = field(default_factory=list)
    tokens: int = 0
    passes: float = 0.0
    nats: float = 0.0
    finished: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class _Generation:
    """Generates and prints the results of all prompts in their order."""

    def __init__(
        self,
        loaded: "LoadedModel",
        mode: str,
        config: "GenerationConfig",
        prompts: list[str],
        output: Output,
    ) -> None:
        self.loaded = loaded
        self.mode = mode
        self.depth = depth_of(mode)
        self.config = config
        self.output = output
        self._show = output.result_writer()
        self.results = [_Result(prompt) for prompt in prompts]
        self.seconds = 0.0

    def run(self) -> None:
        if unknown := unknown_characters(self.loaded.tokenizer, "".join(r.prompt for r in self.results)):
            self.output.say(unknown_note(unknown), style="dim")
        start = time.perf_counter()
        try:
            for first in range(0, len(self.results), _BATCH_SIZE):
                self._write_batch(self.results[first : first + _BATCH_SIZE], first)
        except KeyboardInterrupt:
            self.output.result()
            raise
        self.seconds = time.perf_counter() - start
        self.output.json(self._as_json())
        self.output.say(self._stats_line(), style="dim")

    def _write_batch(self, results: list[_Result], offset: int) -> None:
        """Fill `results`. Print the first incomplete one while it is generated."""
        shown_row = 0
        self._begin(results[0])
        for token in self._tokens([result.prompt for result in results], offset):
            result = results[token.row]
            result.pieces.append(token.text)
            result.tokens += 1
            result.passes += token.passes
            result.nats -= math.log(max(token.probability, 1e-30))
            result.finished = token.finished
            if token.row == shown_row:
                self._show(token.text)
            while shown_row < len(results) and results[shown_row].finished:
                self._show("\n")
                shown_row += 1
                if shown_row < len(results):
                    self._begin(results[shown_row])
                    self._show(results[shown_row].text)

    def _tokens(self, prompts: list[str], offset: int) -> "Iterator[GeneratedToken]":
        from models.generation.generate import generate as generate_tokens

        loaded, config = self.loaded, self.config
        length = loaded.model.config.context_length
        ids = []
        for prompt in prompts:
            # A message must stay whole. Text may fill the context, because the window then slides.
            is_chat = loaded.kind == "messages"
            room = room_for_prompt("messages", length, config.max_tokens) if is_chat else length
            prompt_ids = prompt_of_text(loaded.tokenizer, loaded.kind, prompt, room)
            if prompt_ids.dropped:
                self.output.say(f"The prompt is longer than {room} tokens; its start is left out.")
            ids.append(prompt_ids.ids)
        config_with_seed = config.changed(seed=((config.seed or 0) + offset) % 2**62)
        return generate_tokens(loaded.model, loaded.tokenizer, ids, self.depth, config_with_seed)

    def _begin(self, result: _Result) -> None:
        if result is not self.results[0]:
            self._show("\n")  # an empty line between results
        if self.loaded.kind != "messages":
            self._show(result.prompt)

    def _as_json(self) -> dict[str, Any]:
        return {
            "run": self.loaded.run.name,
            "kind": self.loaded.kind,
            "mode": self.mode,
            "depth": str(self.depth),
            "recursive": self.loaded.model.recursive,
            "extrapolates": extrapolates(self.loaded.model, self.depth),
            "settings": self.config.to_dict(),
            "seconds": round(self.seconds, 3),
            "tokens_per_second": round(self._tokens_per_second(), 1),
            "tokens": self._tokens_written(),
            "passes_per_token": self._passes_per_token(),
            **self._cache_bytes(),
            "nats_per_token": round(
                sum(result.nats for result in self.results) / max(1, self._tokens_written()), 4
            ),
            "results": [
                {
                    "prompt": result.prompt,
                    "text": result.text,
                    "tokens": result.tokens,
                    "finished": result.finished,
                    "passes_per_token": result.passes / max(1, result.tokens),
                    "nats_per_token": round(result.nats / max(1, result.tokens), 4),
                }
                for result in self.results
            ],
        }

    def _cache_bytes(self) -> dict[str, int]:
        """Bytes in the cache per token, and per token and attention call."""
        # A cache of one token at the same depth has the same layout.
        cache = self.loaded.model.new_cache(1, 1, self.depth)
        n_bytes = cache.keys.nbytes + cache.values.nbytes
        return {
            "cache_bytes_per_token": n_bytes,
            "cache_bytes_per_token_and_pass": n_bytes // len(cache.keys),
        }

    def _tokens_per_second(self) -> float:
        return self._tokens_written() / max(self.seconds, 1e-9)

    def _tokens_written(self) -> int:
        return sum(result.tokens for result in self.results)

    def _passes_per_token(self) -> float:
        return sum(result.passes for result in self.results) / max(1, self._tokens_written())

    def _stats_line(self) -> str:
        endings = [ENDINGS[one.finished] for one in self.results if one.finished in ENDINGS]
        parts = [
            counted(self._tokens_written(), "token"),
            f"{self.seconds:.1f} s",
            f"{self._tokens_per_second():.0f} tokens/s",
            self.mode,
            f"seed {self.config.seed}",
        ]
        return " · ".join([*parts, *(endings if len(self.results) == 1 else [])])
