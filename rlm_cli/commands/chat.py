"""`rlm chat`: talk to a model, or let it continue your text."""

import contextlib
import dataclasses
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from models.generation.run_defaults import mode_losses
from rlm_cli.chat.terminal_mode import unechoed_keys
from rlm_cli.environment import runs_dir as find_runs_dir
from rlm_cli.exit_codes import ExitCode
from rlm_cli.generation_options import (
    SAMPLING_PANEL,
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
    open_run,
    read_piped_text,
    refuse_system,
    resolve_settings,
    run_and_prompt,
)
from rlm_cli.options import QuietOption, RunArgument, RunsDirOption, ThreadsOption, WriterModeOption
from rlm_cli.output import Output
from rlm_cli.streams import is_terminal
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.generation.chat_session import ChatModel, ChatSession
    from models.generation.conversation import Conversation, ConversationStore
    from models.runs.load import LoadedModel
    from models.runs.run import Run
    from rlm_cli.chat.loading_model import LoadingModel


def chat(
    context: typer.Context,
    run_name: RunArgument = None,
    text: PromptArgument = None,
    resume: Annotated[
        bool, typer.Option("--continue", "-c", help="Continue the last conversation of this run.")
    ] = False,
    mode: WriterModeOption = None,
    temperature: TemperatureOption = None,
    max_tokens: MaxTokensOption = None,
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
    system: Annotated[
        str | None,
        typer.Option(
            "--system",
            metavar="TEXT",
            help="Instructions at the start of the conversation.",
            rich_help_panel=SAMPLING_PANEL,
        ),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Short for --mode fast.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="A plain loop: each message starts anew, nothing is saved.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show each token: id, text, probability, passes.")
    ] = False,
    tui: Annotated[bool, typer.Option("--tui", help="Talk in the full-screen application.")] = False,
    device: WriterDeviceOption = None,
    threads: ThreadsOption = None,
    runs_dir: RunsDirOption = None,
    quiet: QuietOption = False,
) -> None:
    """Talk to a model.

    A model trained on conversations answers in turns; one trained on plain
    text continues what you write. /help lists the commands. Piped text is
    answered as one message, and not saved.

    \b
    Examples:
      rlm chat
      rlm chat book "Good morning" --mode deep
      rlm chat book -c
      rlm chat book --tui
      cat prompt.txt | rlm chat book --temp 0.5 > answer.txt
    """  # fmt: skip
    if tui:
        _open_application(context, run_name, runs_dir)
        return
    output = Output.of(quiet=quiet)
    if plain and resume:
        raise UsageError("--plain and --continue exclude each other.", hint="Give one of them.")
    if fast and mode not in (None, "fast"):
        raise UsageError(f"--fast and --mode {mode} exclude each other.", hint="Give one of them.")
    run, message = run_and_prompt(run_name, text, runs_dir, output)
    if system is not None:
        refuse_system(run)
    store, conversation = _conversation(run, resume, output)
    chosen_mode, generation = resolve_settings(
        run, mode="fast" if fast else mode, natural=natural, halt=halt, halt_threshold=halt_threshold,
        stop=stop,
        conversation=_saved_settings(conversation),
        max_tokens=max_tokens, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
        repetition_penalty=penalty, no_repeat_ngram=ngram, seed=seed,
    )  # fmt: skip
    conversation.settings = dataclasses.replace(
        conversation.settings, mode=chosen_mode, generation=generation, debug=debug
    )
    check_threads(threads)
    one_turn = not is_terminal(sys.stdin)
    if one_turn and message is None:
        # Read the pipe last, so that mistakes are reported before waiting for its end.
        message = _piped_turn(output)
    saves = not plain and (resume or not one_turn)
    plain_input = plain or one_turn or not is_terminal(sys.stdout)
    from models.generation.chat_session import ChatSession

    # Keep keys typed during loading for the input line.
    with contextlib.nullcontext() if plain_input else unechoed_keys(mark_pastes=True):
        model, loading = _model(run, device, threads, output, in_thread=not plain_input and message is None)
        conversation.kind = model.kind  # the run may have learned another kind of text since then
        session = ChatSession(model, conversation, store if saves else None, mode_losses(run))
        if system is not None:
            session.set_system(system)
        _greet(run, session, output)
        if loading is None:
            _tell_notes(session, (), output)
        if one_turn:
            _one_turn(session, output, message or "")
        else:
            _talk(session, output, message, loading, plain_input=plain_input, independent=plain)


def _open_application(context: typer.Context, run_name: str | None, runs_dir: Path | None) -> None:
    """Talk in the full-screen application."""
    from rlm_cli.commands.tui import open_application, require_terminal

    for parameter in context.command.params:
        source = getattr(context.get_parameter_source(str(parameter.name)), "name", None)
        if source == "COMMANDLINE" and parameter.name not in ("run_name", "runs_dir", "tui"):
            flag = next((flag for flag in parameter.opts if flag.startswith("--")), "a prompt")
            raise UsageError(f"--tui and {flag} exclude each other.", hint="Type it in the application.")
    require_terminal("talk line by line:  {chat}")
    run = open_run(run_name, runs_dir)
    open_application(find_runs_dir(runs_dir), chat=run.path)


def _model(
    run: "Run", device: str | None, threads: int | None, output: Output, *, in_thread: bool
) -> "tuple[ChatModel, LoadingModel | None]":
    """The model of a run. If `in_thread`, it is given while it is still being loaded, twice."""
    from models.runs.learned_kind import learned_kind

    config = run.config()
    if in_thread and config.data is not None and run.weights_path.exists():
        from rlm_cli.chat.loading_model import LoadingModel

        config.require_text(run.path)
        kind = learned_kind(run, config)
        loading = LoadingModel(lambda: load_model(run, device, threads, output), kind)
        return loading, loading
    loaded = load_model(run, device, threads, output)
    for note in loaded.notes:
        output.warn(note)
    return loaded, None


def _conversation(run: "Run", resume: bool, output: Output) -> "tuple[ConversationStore, Conversation]":
    """The store of this run, and its last conversation or a new one."""
    from models.generation.conversation import Conversation, ConversationStore

    store = ConversationStore(run.path / "conversations")
    if resume:
        names = store.names()
        if names:
            return store, store.load(names[0])
        output.say("No conversation to continue. This is the first.", style="dim")
    return store, Conversation(store.new_name(), run.name, "text")


def _saved_settings(conversation: "Conversation") -> dict[str, Any] | None:
    """The settings of a saved conversation, for `resolve_settings`; None for a new one."""
    if not conversation.turns:
        return None
    return {**conversation.settings.generation.to_dict(), "mode": conversation.settings.mode}


def _greet(run: "Run", session: "ChatSession", output: Output) -> None:
    """Describe the model. Does not wait for it."""
    from rlm_cli.chat.line_chat import resume_note, wrap_text

    config = run.config()
    size = "" if config.parameters is None else f", {config.parameters:,} parameters"
    name = f"{session.conversation.run}: {config.model.architecture}{size}."
    output.say(wrap_text(f"{name} {session.greeting()}", output.stderr.width))
    if session.conversation.turns:
        output.say(resume_note(session), style="dim")


def _tell_notes(session: "ChatSession", warnings: Iterable[str], output: Output) -> None:
    """Print what is known when the model is loaded: the `warnings`, and how its mode measures."""
    from rlm_cli.chat.line_chat import wrap_text

    for warning in warnings:
        output.warn(warning)
    if note := session.measured_note():
        output.say(wrap_text(note, output.stderr.width), style="dim")
    if note := session.mode_note():
        output.say(wrap_text(in_cli_words(note), output.stderr.width), style="yellow")


def _one_turn(session: "ChatSession", output: Output, text: str) -> None:
    """Answer a piped message."""
    from rlm_cli.chat.line_chat import LineChat
    from rlm_cli.chat.line_readers import PlainReader

    if LineChat(session, output, PlainReader()).send(text):
        raise typer.Exit(ExitCode.PAUSED)


def _talk(
    session: "ChatSession",
    output: Output,
    message: str | None,
    loading: "LoadingModel | None",
    *,
    plain_input: bool,
    independent: bool,
) -> None:
    """Chat until the user leaves. Answer `message` first."""
    from rlm_cli.chat.line_chat import LineChat, wrap_text
    from rlm_cli.chat.line_readers import LineReader, PlainReader, TerminalReader, history_path

    keys = "/help lists the commands, Esc stops an answer, Ctrl-D leaves."
    output.say(wrap_text(keys, output.stderr.width), style="dim")
    reader: LineReader = PlainReader() if plain_input else TerminalReader(history_path())
    if loading is not None and isinstance(reader, TerminalReader):
        from rlm_cli.chat.loading_model import LoadingReader

        def tell(loaded: "LoadedModel") -> None:
            _tell_notes(session, loaded.notes, output)

        reader = LoadingReader(reader, loading, tell, output)
        loading.start()
    LineChat(session, output, reader, independent=independent).run(message)


def _piped_turn(output: Output) -> str:
    """The message on standard input."""
    text, is_utf8 = read_piped_text()
    if not is_utf8:
        output.warn("Standard input is not all UTF-8; invalid bytes were replaced.")
    if not text.strip():
        raise UsageError(
            "There is no terminal and no piped text.",
            hint="Pipe a prompt in: cat prompt.txt | {chat}",
        )
    return text
