"""`rlm serve`: answer requests in the form of OpenAI's API."""

import contextlib
import json
import time
from typing import TYPE_CHECKING, Annotated

from data.errors import RlmError, UsageError
from rlm_cli.generation_options import (
    WriterDeviceOption,
    check_threads,
    load_model,
    open_run,
    resolve_settings,
)
from rlm_cli.options import (
    QuietOption,
    RunArgument,
    RunsDirOption,
    ThreadsOption,
    WriterModeOption,
    env_option,
)
from rlm_cli.output import Output
from rlm_cli.streams import OutputError
from rlm_cli.wording import in_cli_words

if TYPE_CHECKING:
    from models.runs.load import LoadedModel
    from rlm_cli.serve.served_model import ServedModel

DEFAULT_PORT = 8000


def serve(
    run_name: RunArgument = None,
    port: Annotated[
        int,
        env_option("--port", metavar="N", min=0, max=65535, help="Port to listen on; 0 finds a free one."),
    ] = DEFAULT_PORT,
    host: Annotated[
        str,
        env_option("--host", metavar="NAME", help="Address to listen on. 0.0.0.0 lets other machines in."),
    ] = "127.0.0.1",
    key: Annotated[
        str | None,
        env_option("--key", metavar="KEY", help="Answer only requests that carry this key. Default: all."),
    ] = None,
    mode: WriterModeOption = None,
    batch: Annotated[
        int,
        env_option("--batch", metavar="N", min=1, max=256, help="Texts written at the same time."),
    ] = 16,
    device: WriterDeviceOption = None,
    threads: ThreadsOption = None,
    runs_dir: RunsDirOption = None,
    quiet: QuietOption = False,
) -> None:
    """Serve a model to programs that speak OpenAI's API.

    Clients choose the depth by the model's name, such as book:deep, or with
    the field "mode". The address goes to stdout, a line for each request to
    stderr. Ctrl-C ends it.

    \b
    Examples:
      rlm serve
      rlm serve book --port 8080
      RLM_KEY=secret rlm serve book --host 0.0.0.0
    """  # fmt: skip
    from rlm_cli.serve.server import LOOPBACK, address_of, listen, require_web_framework, web_server

    output = Output.of(quiet=quiet)
    require_web_framework()
    _require_usable_key(key)
    run = open_run(run_name, runs_dir)
    run.config().require_text(run.path)
    chosen_mode, generation = resolve_settings(run, mode=mode, natural=False, halt=None, stop=None)
    check_threads(threads)
    with contextlib.closing(listen(host, port)) as listener:
        loaded = load_model(run, device, threads, output, texts=batch)
        for note in loaded.notes:
            output.warn(note)
        from models.generation.batch_decoder import BatchDecoder
        from models.generation.decoding_thread import DecodingThread
        from rlm_cli.serve.app import build_app
        from rlm_cli.serve.gate import Gate, failure_line
        from rlm_cli.serve.served_model import ServedModel

        def log(line: str) -> None:
            with contextlib.suppress(OutputError):  # nobody reads the log any more
                output.say(line, style="dim")

        def report(error: Exception) -> None:
            with contextlib.suppress(OutputError):
                output.warn(failure_line(error))

        served = ServedModel(loaded, chosen_mode, generation)
        thread = DecodingThread(BatchDecoder(loaded.model, loaded.tokenizer, max_rows=batch), report=report)
        app = build_app(served, thread, int(time.time()))
        hosts = LOOPBACK if host in LOOPBACK else None
        gate = Gate(app, key=key, hosts=hosts, log=log, report=report)
        thread.start()
        try:
            _greet(served, address_of(listener, host), key is not None, output)
            if host not in LOOPBACK and key is None:
                output.warn("Whoever reaches this machine can use the model. --key asks for a key.")
            web_server(gate, thread.stop).run(sockets=[listener])
        finally:
            thread.stop()
            thread.join(10)


def _require_usable_key(key: str | None) -> None:
    """Raise UsageError for a key that a client cannot send in a header."""
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key and key):
        raise UsageError(
            "The key must have at least one character, of ASCII, and no blank at its ends.",
            hint="Give another with --key or RLM_KEY.",
        )


def _greet(served: "ServedModel", address: str, has_key: bool, output: Output) -> None:
    """The address on stdout; on stderr the model, and a request to try."""
    from models.generation.depth_notes import mode_note

    model, is_chat = served.loaded.model, served.loaded.kind == "messages"
    total, _ = model.parameter_counts()
    output.say(
        f"{served.name}: {model.config.architecture}, {total:,} parameters, mode {served.mode}. "
        "Ctrl-C ends this server."
    )
    if note := mode_note(model, served.mode):
        output.say(in_cli_words(note), style="yellow")
    output.say(f"Models: {', '.join(served.names())}", style="dim")
    path = "/v1/chat/completions" if is_chat else "/v1/completions"
    asked = (
        {"messages": [{"role": "user", "content": "Hello"}]}
        if is_chat
        else {"prompt": _example_prompt(served.loaded)}
    )
    body = json.dumps({"model": served.name, **asked})
    header = ' -H "Authorization: Bearer $RLM_KEY"' if has_key else ""
    # In one line, however wide the terminal is, so that it can be copied.
    curl = f"curl {address}{path}{header} -H 'Content-Type: application/json' -d '{body}'"
    output.styled_lines([[("Try: ", "dim"), (curl, "")]], to_stderr=True)
    output.result(f"{address}/v1")


def _example_prompt(loaded: "LoadedModel") -> str:
    """A problem of the kind that the model learned, or the beginning of a text."""
    from models.runs.problems import load_problems

    if loaded.kind == "problems":
        with contextlib.suppress(RlmError):  # it is only an example
            length = loaded.model.config.context_length
            return load_problems(loaded.run, loaded.config, length, same=False).example
    return "One morning"
