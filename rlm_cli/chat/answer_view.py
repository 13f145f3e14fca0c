"""Shows an answer: while it is generated, when it is complete, or token by token."""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from models.generation.answer_stats import token_details
from rlm_cli.chat.stop_keys import StopKeys
from rlm_cli.output import Output

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyPress

    from models.generation.chat_session import ChatModel
    from models.generation.chat_settings import ChatSettings
    from models.generation.generate import GeneratedToken


class AnswerView:
    """Writes answers to stdout, and details of tokens to stderr."""

    def __init__(self, output: Output, chat_model: "ChatModel") -> None:
        self.output = output
        self.typed: list[KeyPress] = []
        """Keys typed during the last answer."""
        self._chat_model = chat_model

    def show(self, tokens: "Iterator[GeneratedToken]", settings: "ChatSettings") -> bool:
        """Show an answer until it ends or the user stops it. Returns whether it was stopped.

        Always closes the iterator. A second Ctrl-C raises KeyboardInterrupt.
        """
        write = self.output.result_writer()
        stream = settings.interactive and not settings.debug
        pieces: list[str] = []
        stopped = ended = False
        try:
            with StopKeys() as keys:
                for token in tokens:
                    pieces.append(token.text)
                    if settings.debug:
                        self._show_token(token)
                    elif stream:
                        write(token.text)
                    if keys.pressed():
                        stopped = True
                        break
            ended = True
        finally:
            if isinstance(tokens, Generator):
                tokens.close()
            self.typed = keys.typed
            text = "".join(pieces)
            if not stream:
                write(text)
            # If `tokens` raised an error before its first token, print no empty line.
            if (pieces or ended) and not text.endswith("\n"):
                write("\n")
        return stopped

    def _show_token(self, token: "GeneratedToken") -> None:
        text = self._chat_model.tokenizer.token_text(token.id)
        ending = f"  {token.finished}" if token.finished else ""
        self.output.say(token_details(token, text) + ending)
