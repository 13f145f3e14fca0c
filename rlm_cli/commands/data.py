"""`rlm data`: what a model will see of a text, and a tokenizer made from one."""

import os
import shlex
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from data.errors import RlmError, UsageError
from data.nearest import did_you_mean
from data.wording import counted, percent
from rlm_cli.choose_encoding import read_in_chosen_encoding
from rlm_cli.options import ForceOption, JsonOption, QuietOption, RunsDirOption
from rlm_cli.output import Form, Output
from rlm_cli.output_file import require_free
from rlm_cli.plain_help import PlainHelpCommand, PlainHelpGroup
from rlm_cli.program import program
from rlm_cli.text_options import EncodingOption, FilterOption
from rlm_cli.train_options import MixOption

if TYPE_CHECKING:
    from data.corpus import Corpus
    from data.progress import Progress
    from data.tokenizer import Kind, Tokenizer

Result = TypeVar("Result")

data_commands = typer.Typer(
    cls=PlainHelpGroup,
    help="Look at texts as a model sees them, and make tokenizers.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH", help="Text files, folders, or - for standard input.", show_default=False),
]


@data_commands.command(cls=PlainHelpCommand)
def preview(
    paths: PathsArgument = None,
    mix: MixOption = None,
    filters: FilterOption = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            "--tokenizer",
            metavar="RUN|FILE|KIND",
            help="That of a run, a tokenizer.json, or a kind as in rlm train. Without it: the one a "
            "training would make.",
            show_default=False,
        ),
    ] = None,
    documents: Annotated[
        int, typer.Option("--documents", "-d", metavar="N", min=0, max=1000, help="Documents to show.")
    ] = 3,
    encoding: EncodingOption = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show what a model will see of a text.

    Shows how much there is to learn and to measure on, the roles of
    conversations, what the filters drop with an example of each, and the first
    documents cut into tokens. Colours tell these apart; in a pipe, bars do.

    Examples:
      rlm data preview book.txt
      rlm data preview a.jsonl --filter technical
      rlm data preview a.parquet --tokenizer book
      rlm data preview notes.md --tokenizer technical
      rlm data preview --mix mix.toml
      rlm data preview book.txt --documents 9 --json
    """
    from data.mixes.mixed_corpus import MixedCorpus
    from data.token_preview import preview_tokens
    from data.tokenizer import Tokenizer
    from rlm_cli.commands.data_page import preview_as_json, show_preview

    output = Output.of(json=json, quiet=quiet)
    named = None if tokenizer is None else _named_tokenizer(tokenizer, runs_dir)
    corpus = _read(paths, mix, encoding, filters, output)
    if isinstance(named, Tokenizer):
        chosen, reason = named, f"that of {tokenizer}"
    else:
        chosen, reason = _made_tokenizer(named, corpus, output)
    if not isinstance(corpus, MixedCorpus):
        found = _with_progress(preview_tokens(corpus, chosen, documents), output)
        output.json(preview_as_json(corpus, chosen, reason, found))
        show_preview(corpus, chosen, reason, found, output)
        return
    sources = []
    for part in corpus.mix:
        found = _with_progress(preview_tokens(part.corpus, chosen, documents), output)
        sources.append({"share": part.share, **preview_as_json(part.corpus, chosen, reason, found)})
        output.result(f"{percent(part.share)} of the tokens", style="bold")
        show_preview(part.corpus, chosen, reason, found, output)
        output.result()
    output.json({"name": corpus.name, "mix": sources})


@data_commands.command(cls=PlainHelpCommand)
def tokenizer(
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="Where to write the tokenizer.json.", show_default=False),
    ],
    paths: PathsArgument = None,
    mix: MixOption = None,
    vocab_size: Annotated[
        int, typer.Option("--vocab-size", metavar="N", help="The most tokens it may have.")
    ] = 32_000,
    kind: Annotated[
        str,
        typer.Option("--kind", metavar="KIND", help="bpe, technical, or technical:nfkc (lossy)."),
    ] = "bpe",
    filters: FilterOption = None,
    encoding: EncodingOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a tokenizer of byte pairs from a text.

    It is trained on up to 32 MB, spread evenly over the part to learn from.
    Every text can be encoded with it, and decodes to itself. The tokenizers
    library reads the file too.
    Of kind technical, no token reaches into a code fence, a formula's marks, an
    address or a number from outside. technical:nfkc also writes a text in the
    form NFKC first, and decodes to that: ² is read as 2.

    Examples:
      rlm data tokenizer wiki/ --out wiki.json
      rlm data tokenizer book.txt --vocab-size 4096 --out book.json
      rlm data tokenizer docs/ --kind technical --out docs.json
      rlm train book.txt --tokenizer wiki.json
    """
    from data.bpe_tokenizer import require_vocab_size, train_bpe_tokenizer
    from data.word_rules import WORD_RULES

    output = Output.of(json=json, quiet=quiet)
    if kind not in WORD_RULES:
        raise UsageError(
            f"There is no tokenizer of kind '{kind}' to make.", hint=did_you_mean(kind, WORD_RULES)
        )
    require_vocab_size(vocab_size, kind)
    require_free(out, force=force)
    corpus = _read(paths, mix, encoding, filters, output)
    output.say("making the tokenizer...")
    made = train_bpe_tokenizer(corpus, vocab_size, kind=kind)
    made.save(Path(os.path.expanduser(out)))
    measured = _characters_per_token(corpus, made)
    output.json(
        {
            "file": str(out),
            "kind": made.kind,
            "vocab_size": made.vocab_size,
            "hash": made.hash,
            "characters_per_token": measured,
        }
    )
    few = f", all that {corpus.name} gives" if made.vocab_size < vocab_size else ""
    output.pairs([("tokenizer", f"{out}: {counted(made.vocab_size, 'token')}{few}")])
    output.table(
        ("characters per token", "to learn", "held out"),
        [(one["name"], f"{one['train']:.2f}", f"{one['validation']:.2f}") for one in measured],
        right=("to learn", "held out"),
    )
    source = f"--mix {shlex.quote(mix)}" if mix is not None else shlex.join(paths or ())
    output.say(f"\nUse it:  {program()} train {source} --tokenizer {shlex.quote(str(out))}")


def _characters_per_token(corpus: "Corpus", tokenizer: "Tokenizer") -> list[dict[str, Any]]:
    """How much a token holds in both parts of a text, or of each source of a mix."""
    from data.mixes.mixed_corpus import MixedCorpus
    from data.token_preview import characters_per_token

    parts = [part.corpus for part in corpus.mix] if isinstance(corpus, MixedCorpus) else [corpus]
    return [
        {
            "name": part.name,
            "train": characters_per_token(part, tokenizer, "train"),
            "validation": characters_per_token(part, tokenizer, "validation"),
        }
        for part in parts
    ]


def _read(
    paths: list[str] | None, mix: str | None, encoding: str | None, filters: str | None, output: Output
) -> "Corpus":
    """The text at the paths, or the mix; progress and what was assumed go to stderr."""
    if not paths and mix is None:
        raise UsageError("Missing argument 'PATH'.", hint="Name a text, or a mix: --mix FILE")
    from models.planning.mix_request import mix_of_request, read_mix
    from models.planning.request import TrainRequest
    from models.runs.progress import read_corpus
    from rlm_cli.training_session import show_progress

    request = TrainRequest(paths=tuple(paths or ()), mix=mix, filters=filters, encoding=encoding)
    names = request.filter_names
    if (spec := mix_of_request(request)) is not None:
        return show_progress(read_mix(spec), _progress(output))

    def read(encoding: str | None, guess: bool) -> "Corpus":
        encodings = () if encoding is None else (encoding,)
        return show_progress(read_corpus(request.paths, encodings, names, guess=guess), _progress(output))

    return read_in_chosen_encoding(read, encoding, output)


def _with_progress(work: "Generator[Progress, None, Result]", output: Output) -> Result:
    from models.runs.progress import with_progress_events
    from rlm_cli.training_session import show_progress

    return show_progress(with_progress_events(work), _progress(output))


def _progress(output: Output) -> Output:
    """Where progress goes: the result alone is JSON."""
    return Output(Form.QUIET) if output.is_json else output


def _named_tokenizer(name: str, runs_dir: Path | None) -> "Tokenizer | Kind":
    """The tokenizer of a run, or in a file, or the kind of that name. A run wins over a kind, and a kind over
    a file."""
    from data.tokenizer import KINDS, load_tokenizer, load_tokenizer_file
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    try:
        run = Run.open(name, find_runs_dir(runs_dir))
    except RlmError:
        if (kind := next((one for one in KINDS if one == name), None)) is not None:
            return kind
        if not os.path.lexists(os.path.expanduser(name)):
            raise
        return load_tokenizer(os.path.expanduser(name))
    return load_tokenizer_file(run.tokenizer_path)


def _made_tokenizer(chosen: "Kind | None", corpus: "Corpus", output: Output) -> "tuple[Tokenizer, str]":
    """The tokenizer that a training on this text would make, of the `chosen` kind if any, and why it."""
    from data.bpe_tokenizer import train_bpe_tokenizer
    from data.character_tokenizer import train_character_tokenizer
    from data.tokenizer import FEWEST_SUGGESTED, suggest_tokenizer

    kind, size, reason = suggest_tokenizer(corpus)
    if chosen is not None:
        size = size if kind == "bpe" else FEWEST_SUGGESTED
        kind, reason = chosen, "your choice"
    if kind == "character":
        return train_character_tokenizer(corpus), reason
    output.say("making the tokenizer...")
    return train_bpe_tokenizer(corpus, size, kind=kind), reason
