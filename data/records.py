"""A record of named columns to a text or a conversation: the forms that data sets are published in.

| columns | becomes |
|---|---|
| `messages`: a list of `{"role", "content"}` | a conversation |
| `conversations` or `conversation`: a list of `{"from", "value"}` (ShareGPT) | a conversation |
| `instruction`, perhaps `input` or `context`, with `output` or `response` (Alpaca, Dolly) | user, assistant |
| `prompt` with `completion` or `response`, and the other PAIRS | user, assistant |
| `text`, or `content` | a text |

The first form counts whose columns are all there; null is absent. A conversation may also have a `system` or
`system_prompt` column. Calls of tools, what tools answered, and parts that are no text (images, sound) are
left out and counted. A value that is not a text is an error and is never written as Python or JSON has it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from data.document import ROLES, Message, without_surrogates
from data.errors import CorpusError
from data.safe_text import safe_text

PAIRS = (
    *(("prompt", answer) for answer in ("completion", "response")),
    *(("query", answer) for answer in ("response", "answer")),
    *(("question", answer) for answer in ("answer", "response", "code")),
    ("problem", "solution"),
)
"""The columns of a question and of its answer."""
TOOL_CALLS, TOOL_ANSWERS = "tool calls", "answers of tools"
OTHER_PARTS, NO_CONTENT = "parts that are no text", "messages without content"
"""What `read_record` can leave out of a conversation."""

_TURNS = ("messages", "conversations", "conversation")
_TEXTS = ("text", "content")
_SYSTEM = ("system", "system_prompt")
_INPUTS = ("input", "context")
_ANSWERS = ("output", "response", "completion")
_CONTENTS = ("content", "value", "text")
_ROLES = {
    **{role: role for role in ROLES},
    **dict.fromkeys(("developer",), "system"),
    **dict.fromkeys(("human", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bot", "ai", "model"), "assistant"),
}
_LEFT_OUT = {
    **dict.fromkeys(("tool", "function", "observation", "ipython", "tool_response"), TOOL_ANSWERS),
    **dict.fromkeys(("function_call", "tool_call"), TOOL_CALLS),
}
_TEXT_PARTS = (None, "text", "input_text", "output_text")
_PARTS = {
    **dict.fromkeys(("tool_use", "tool_call", "function_call"), TOOL_CALLS),
    **dict.fromkeys(("tool_result", "tool_response"), TOOL_ANSWERS),
}
COLUMNS = frozenset(
    (
        *_TURNS,
        *_TEXTS,
        *_SYSTEM,
        "instruction",
        *_INPUTS,
        *_ANSWERS,
        "role",
        *(one for pair in PAIRS for one in pair),
    )
)
"""Every column that a record is read from."""
_SHOWN_CHARACTERS = 40
_SHOWN_COLUMNS = 12


class UnusableRecordError(CorpusError):
    """A record that holds neither text nor conversation. `reason` is why, as part of a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"A record cannot be used: {reason}.")
        self.reason = reason


class UnknownRecordError(UnusableRecordError):
    """A record none of whose forms is known. `columns` are those that are there and not null."""

    def __init__(self, columns: Iterable[str]) -> None:
        self.columns = tuple(columns)
        form = "no 'text', no 'messages', no 'prompt' with 'completion' or the like"
        super().__init__(f"{form}, but {named_columns(self.columns)}" if self.columns else form)


def read_record(
    record: Mapping[str, object], left_out: Counter[str] | None = None
) -> str | tuple[Message, ...]:
    """The text or the conversation that a record holds.

    What is left out of a conversation is counted in `left_out`, by TOOL_CALLS and the names beside it. Raises
    UnknownRecordError where no form fits its columns, UnusableRecordError where what they hold is no text.
    """
    columns = {key: value for key, value in record.items() if value is not None}
    found: Counter[str] = Counter()
    content = _read(columns, found)
    if left_out is not None:
        left_out.update(found)
    return content


def named_columns(columns: Sequence[str]) -> str:
    """The first of the columns for a sentence, safe to show, and how many more there are."""
    named = ", ".join(f"'{_shown(one)}'" for one in columns[:_SHOWN_COLUMNS])
    more = len(columns) - _SHOWN_COLUMNS
    return named + (f" and {more} more" if more > 0 else "")


def fits_columns(columns: Collection[str]) -> bool:
    """Whether records of these columns can have one of the forms."""
    return _pair(columns) is not None or any(name in columns for name in (*_TURNS, *_TEXTS))


def has_known_columns(columns: Collection[str]) -> bool:
    """Whether an object of these columns is a record and nothing else."""
    return _pair(columns) is not None or any(name in columns for name in (*_TURNS, "text"))


def _read(columns: Mapping[str, object], left_out: Counter[str]) -> str | tuple[Message, ...]:
    for name in _TURNS:
        if name in columns:
            return _with_system(columns, _conversation(columns[name], name, left_out))
    if pair := _pair(columns):
        question, answer = pair
        asked = _turns(columns, question, "user", left_out)
        return _with_system(columns, asked + _turns(columns, (answer,), "assistant", left_out))
    for name in _TEXTS:
        if name in columns and not (name == "content" and "role" in columns):
            text = _text(columns[name], name)
            if not text:
                raise UnusableRecordError(f"'{name}' is empty")
            return text
    raise UnknownRecordError(map(str, columns))


def _pair(columns: Collection[str]) -> tuple[tuple[str, ...], str] | None:
    """The columns of a question, and the one of its answer."""
    if "instruction" in columns:
        answers = [name for name in _ANSWERS if name in columns]
        if answers:
            return ("instruction", *(name for name in _INPUTS if name in columns)), answers[0]
    found = ((question, answer) for question, answer in PAIRS if question in columns and answer in columns)
    return next((((question,), answer) for question, answer in found), None)


def _turns(
    columns: Mapping[str, object], names: tuple[str, ...], role: str, left_out: Counter[str]
) -> tuple[Message, ...]:
    """What the columns of one side hold: a text as one message of that role, or a list of messages."""
    first = columns[names[0]]
    if isinstance(first, list) and any(isinstance(item, dict) and _role_of(item) for item in first):
        return _conversation(first, names[0], left_out)
    parts = (_content(columns[name], name, left_out) for name in names)
    return (Message(role, "\n\n".join(part for part in parts if part)),)


def _with_system(columns: Mapping[str, object], messages: tuple[Message, ...]) -> tuple[Message, ...]:
    system = next((_text(columns[name], name) for name in _SYSTEM if name in columns), "")
    if not system or messages[0].role == "system":
        return messages
    return (Message("system", system), *messages)


def _conversation(turns: object, name: str, left_out: Counter[str]) -> tuple[Message, ...]:
    if not isinstance(turns, list) or not turns:
        raise UnusableRecordError(f"'{name}' is not a list of messages")
    messages = tuple(message for turn in turns if (message := _message(turn, left_out)))
    if not messages:
        raise UnusableRecordError(f"no message of '{name}' has a text")
    return messages


def _message(turn: object, left_out: Counter[str]) -> Message | None:
    """A turn of a conversation; None where nothing of it is text."""
    if not isinstance(turn, dict):
        raise UnusableRecordError("a message is not an object")
    named = _role_of(turn)
    known = named.strip().lower() if isinstance(named, str) else ""
    if known in _LEFT_OUT:
        left_out[_LEFT_OUT[known]] += 1
        return None
    if known not in _ROLES:
        raise UnusableRecordError(f"the role '{_shown(named)}' is not one of {', '.join(ROLES)}")
    calls = bool(turn.get("tool_calls") or turn.get("function_call"))
    left_out[TOOL_CALLS] += calls
    content = next((turn[key] for key in _CONTENTS if turn.get(key) is not None), None)
    text = None if content is None else _content(content, "content", left_out)
    if text is None or (calls and not text):
        left_out[NO_CONTENT] += content is None and not calls
        return None
    return Message(_ROLES[known], text)


def _role_of(turn: Mapping[str, object]) -> object:
    role = turn.get("role")
    return turn.get("from") if role is None else role


def _content(content: object, name: str, left_out: Counter[str]) -> str | None:
    """A text, or the texts of a list of parts on lines of their own; None where no part is a text."""
    if not isinstance(content, list):
        return _text(content, name)
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(_text(part, name))
        elif not isinstance(part, dict):
            raise UnusableRecordError(f"a part of '{name}' is not a text")
        elif part.get("type") in _TEXT_PARTS and part.get("text") is not None:
            texts.append(_text(part["text"], name))
        else:
            left_out[_PARTS.get(str(part.get("type")), OTHER_PARTS)] += 1
    return "\n".join(texts) if texts else None


def _text(content: object, name: str) -> str:
    if not isinstance(content, str):
        raise UnusableRecordError(f"'{name}' is not a text")
    return without_surrogates(content)


def _shown(name: object) -> str:
    return safe_text(str(name))[:_SHOWN_CHARACTERS]
