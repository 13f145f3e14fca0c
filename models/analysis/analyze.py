"""How good a text or a model is: everything that `rlm analyze` finds."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from data.errors import UsageError
from models.analysis.likelihood import Likelihood, all_modes, likelihood_by_mode
from models.analysis.memorisation import Memorisation, memorisation
from models.analysis.quality import LEAST_CHARACTERS, LEAST_HELD_OUT, Quality, Reference
from models.analysis.repetition import Repetition, repetition
from models.analysis.run_texts import RunTexts, texts_of
from models.analysis.written_text import Writing, write
from models.depth import Depth
from models.runs.events import Event, PreparationAdvanced
from models.runs.load import LoadedModel


@dataclass(frozen=True, slots=True)
class TextAnalysis:
    """What was found about one text."""

    quality: Quality | None
    """None where the run's own text is too short to compare with."""
    repetition: Repetition
    memorisation: Memorisation | None = None
    """None where it is not known what the text may have been copied from."""


@dataclass(frozen=True, slots=True)
class WrittenAnalysis:
    """What a model wrote at one mode."""

    text: str
    analysis: TextAnalysis


@dataclass(frozen=True, slots=True)
class RunAnalysis:
    """What was found about a model."""

    by_mode: Mapping[str, WrittenAnalysis]
    likelihood: Mapping[str, Likelihood]
    of_held_out: TextAnalysis
    """What the same instruments say of text that people wrote: the ceiling."""
    unscored: UsageError | None = None
    """Why there are no scores."""


def analyze_text(text: str, reference: str) -> TextAnalysis:
    """Judge `text` by a reference of its language. Raises UsageError where one is too short."""
    return TextAnalysis(Reference(reference).quality(text), repetition(text))


def analyze_run(
    loaded: LoadedModel, modes: Mapping[str, Depth], writing: Writing, reference_text: str | None = None
) -> Generator[Event, None, RunAnalysis]:
    """Let the model write at each of `modes`, and judge what it writes by the text it learned, or by
    `reference_text`. A text that it learned and that is too short to compare with gives no scores.

    Raises CorpusError where its text is gone, UsageError where `reference_text` is too short.
    """
    texts = yield from texts_of(loaded)
    yield PreparationAdvanced(stage="reading the reference", done=0, total=1)
    reference, unscored = reference_of(texts, reference_text)
    likelihood = yield from likelihood_by_mode(loaded, texts.held_out_tokens, all_modes(loaded))
    by_mode = {}
    for mode, depth in modes.items():
        text = yield from write(loaded, texts.held_out_tokens, depth, writing)
        if not text.strip():
            raise UsageError(
                f"The model wrote nothing at mode {mode}, so there is nothing to judge.",
                hint="Train it for longer, or analyze a file.",
            )
        yield PreparationAdvanced(stage="judging", done=0, total=0)
        analysis = TextAnalysis(
            None if reference is None else reference.quality(text),
            repetition(text),
            memorisation(text, texts.learned, texts.held_out),
        )
        by_mode[mode] = WrittenAnalysis(text, analysis)
    held_out = TextAnalysis(
        None if reference is None or len(texts.held_out) < LEAST_CHARACTERS
        else reference.quality(texts.held_out),
        repetition(texts.held_out[: writing.characters]),
    )  # fmt: skip
    return RunAnalysis(by_mode, likelihood, held_out, unscored)


def reference_of(
    texts: RunTexts, reference_text: str | None
) -> tuple[Reference, None] | tuple[None, UsageError]:
    """What the run is compared with, or why it is compared with nothing. Raises UsageError where
    `reference_text` is too short."""
    if reference_text is not None:
        return Reference(reference_text), None
    try:
        if len(texts.held_out) >= LEAST_HELD_OUT:
            return Reference(texts.learned, texts.held_out), None
        return Reference(f"{texts.learned}\n\n{texts.held_out}"), None  # a larger part of it is held out
    except UsageError as error:
        return None, UsageError(error.message, hint="Give a longer text of its kind with {reference}.")
