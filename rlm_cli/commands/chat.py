"""`rlm chat`: talk to a model, or let it go on with your text, line by line."""

import contextlib
import dataclasses
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from rlm_cli.chat.stop_keys import keys_kept_for_prompt
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
    StopOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
    WriterDeviceOption,
    WriterSeedOption,
    check_threads,
    chosen_settings,
    load_model,
    open_run,
    read_piped_text,
    refuse_system,
)
from rlm_cli.options import ModeOption, QuietOption, RunArgument, RunsDirOption, ThreadsOption
from rlm_cli.output import Output
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.generation.chat_session import ChatSession
    from models.generation.conversation import Conversation, ConversationStore
    from models.runs.load import LoadedModel
    from models.runs.run import Run


def chat(
    run: RunArgument = None,
    resume: Annotated[
        bool, typer.Option("--continue", "-c", help="Go on with the last conversation of this run.")
    ] = False,
    mode: ModeOption = None,
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
            "--system", help="Instructions in front of the conversation.", rich_help_panel=SAMPLING_PANEL
        ),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="A bare loop: every message stands alone, nothing is kept.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Token by token: id, text, probability, passes.")
    ] = False,
    device: WriterDeviceOption = None,
    threads: ThreadsOption = None,
    runs_dir: RunsDirOption = None,
    quiet: QuietOption = False,
) -> None:
    """Talk to a model.

    One trained on conversations answers in turns, one trained on plain text
    continues what you write. /help lists the commands. Text that is piped in
    is one turn, and then it ends.

    \b
    Examples:
      rlm chat
      rlm chat book --mode deep
      rlm chat book -c
      cat prompt.txt | rlm chat book --temp 0.5 > answer.txt
    """  # fmt: skip
    output = Output.of(quiet=quiet)
    if fast and resume:
        raise UsageError("--fast keeps nothing, so there is nothing to --continue.", hint="Leave out one.")
    opened = open_run(run, runs_dir)
    if system is not None:
        refuse_system(opened)
    store, conversation = _conversation(opened, resume, output)
    chosen_mode, generation = chosen_settings(
        opened, mode=mode, natural=natural, halt=halt, halt_threshold=halt_threshold, stop=stop,
        earlier=_earlier(conversation),
        max_tokens=max_tokens, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
        repetition_penalty=penalty, no_repeat_ngram=ngram, seed=seed,
    )  # fmt: skip
    conversation.settings = dataclasses.replace(
        conversation.settings, mode=chosen_mode, generation=generation, debug=debug
    )
    check_threads(threads)
    # Last: what was typed wrong is told before anyone waits for a pipe to end.
    piped = None if _is_terminal(sys.stdin) else _piped_turn(output)
    bare = fast or piped is not None or not _is_terminal(sys.stdout)
    # What is typed while the model loads is meant for the input line.
    with contextlib.nullcontext() if bare else keys_kept_for_prompt():
        trained = load_model(opened, device, threads)
        for note in trained.notes:
            output.warn(note)
        session = _session(trained, conversation, None if fast else store)
        if system is not None:
            session.set_system(system)
        _greet(session, output)
        if piped is None:
            _talk(session, output, bare=bare, forgetful=fast)
        else:
            _one_turn(session, output, piped)


def _session(
    trained: "LoadedModel", conversation: "Conversation", store: "ConversationStore | None"
) -> "ChatSession":
    from models.generation.chat_session import ChatSession

    conversation.kind = trained.kind  # a run may have been trained on something else since
    return ChatSession(trained, conversation, store)


def _conversation(run: "Run", resume: bool, output: Output) -> "tuple[ConversationStore, Conversation]":
    """Where conversations of this run are kept, and the last one or a new one."""
    from models.generation.conversation import Conversation, ConversationStore

    store = ConversationStore(run.path / "conversations")
    if resume:
        names = store.names()
        if names:
            return store, store.load(names[0])
        output.say("There is no conversation to go on with: this is the first.", style="dim")
    return store, Conversation(store.new_name(), run.name, "text")


def _earlier(conversation: "Conversation") -> dict[str, Any] | None:
    """The settings a conversation was left with, for `chosen_settings`; None for a new one."""
    if not conversation.turns:
        return None
    return {**conversation.settings.generation.to_dict(), "mode": conversation.settings.mode}


def _greet(session: "ChatSession", output: Output) -> None:
    """What this model is, and what the mode means for it."""
    from rlm_cli.chat.line_chat import fitted, resumed_note

    model = session.speaker.model
    total, _ = model.parameter_counts()
    name = f"{session.conversation.run}: {model.config.architecture}, {total:,} parameters."
    width = output.stderr.width
    output.say(fitted(f"{name} {session.greeting()}", width))
    if note := session.mode_note():
        output.say(fitted(in_cli_words(note), width), style="yellow")
    if session.conversation.turns:
        output.say(resumed_note(session), style="dim")


def _one_turn(session: "ChatSession", output: Output, text: str) -> None:
    """Answer what was piped in, and end."""
    from rlm_cli.chat.line_chat import LineChat
    from rlm_cli.chat.readers import PlainReader

    if LineChat(session, output, PlainReader()).send(text):
        raise typer.Exit(ExitCode.PAUSED)


def _talk(session: "ChatSession", output: Output, *, bare: bool, forgetful: bool) -> None:
    """Answer until the user leaves."""
    from rlm_cli.chat.line_chat import LineChat, fitted
    from rlm_cli.chat.readers import PlainReader, TerminalReader, history_path

    advice = "/help lists the commands, Esc stops an answer, Ctrl-D leaves."
    output.say(fitted(advice, output.stderr.width), style="dim")
    reader = PlainReader() if bare else TerminalReader(history_path())
    LineChat(session, output, reader, forgetful=forgetful).run()


def _piped_turn(output: Output) -> str:
    """The one turn that standard input is."""
    text, exact = read_piped_text()
    if not exact:
        output.warn("Standard input is not all UTF-8: what is not was replaced.")
    if not text.strip():
        raise UsageError(
            "There is no terminal to chat on, and nothing was piped in.",
            hint="Pipe a prompt in: cat prompt.txt | rlm chat",
        )
    return text


def _is_terminal(stream: Any) -> bool:
    return stream is not None and not stream.closed and bool(stream.isatty())
