"""The tokenizer of an exported folder: the files that PreTrainedTokenizerFast reads. Torch-free."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import TokenizerError
from data.plain_file import UnreadableFileError, read_plain_file
from data.tokenizer import MAX_FILE_BYTES, SPECIAL_TOKENS, Tokenizer, tokenizer_from_json
from models.runs.typed_json import JsonObject

TOKENIZER_FILE = "tokenizer.json"
BEGINS_WITH_BOS = ("documents", "problems")
"""The kinds of text that begin with the bos token."""

_CHAT = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role not in ("system", "user", "assistant") -%}
{{- raise_exception("A message is of the system, the user or the assistant, not of: " + message.role) -}}
{%- endif -%}
{{- "<|" + message.role + "|>" -}}
@content@
{{- eos_token -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- "<|assistant|>" -}}
{%- endif -%}
"""

_TURNS = """\
{%- set text = namespace(last="", first=0) -%}
@begin@
{%- for message in messages[text.first:] if message.role != "system" -%}
{%- set content -%}
@content@
{%- endset -%}
{%- if message.role == "user" and text.last not in ("", "\\n") -%}
{{- "\\n" -}}
{%- set text.last = "\\n" -%}
{%- endif -%}
{{- content -}}
{%- if content -%}
{%- set text.last = content[-1] -%}
{%- endif -%}
{%- endfor -%}
"""

_LAST_QUESTION = """\
{%- for message in messages -%}
{%- if message.role == "user" -%}
{%- set text.first = loop.index0 -%}
{%- endif -%}
{%- endfor -%}
"""

_CONTENT = """\
{%- if message.content is string -%}
{{- message.content -}}
{%- elif message.content is not none -%}
{%- for part in message.content -%}
{%- if part.type == "text" -%}
{{- part.text -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
"""


def tokenizer_files(tokenizer: Tokenizer, kind: str, context_length: int) -> dict[str, str]:
    """The content of the tokenizer's files by name, for a model that learned `kind`."""
    special = {f"{name}_token": SPECIAL_TOKENS[number] for name, number in _NAMED.items()}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special,
        "model_max_length": context_length,
        "padding_side": "left",
        "truncation_side": "left",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    content = json.loads(tokenizer.to_json())
    content["post_processor"] = _post_processor(kind)
    return {
        TOKENIZER_FILE: json.dumps(content, ensure_ascii=False, separators=(",", ":")),
        "tokenizer_config.json": json.dumps(config, indent=2) + "\n",
        "chat_template.jinja": chat_template(kind),
    }


_NAMED = {"pad": Tokenizer.pad_id, "unk": Tokenizer.unk_id, "bos": Tokenizer.bos_id, "eos": Tokenizer.eos_id}


def chat_template(kind: str) -> str:
    """The template that makes the prompt which rlm makes of the same messages: roles for a model that learned
    conversations, else the texts one after another, each message of the user on a new line."""
    if kind == "messages":
        return _CHAT.replace("@content@\n", _CONTENT)
    begin = '{{- bos_token -}}\n{%- set text.last = "" -%}\n' if kind in BEGINS_WITH_BOS else ""
    begin += _LAST_QUESTION if kind == "problems" else ""
    return _TURNS.replace("@content@\n", _CONTENT).replace("@begin@\n", begin)


def read_exported_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of an exported folder, as a run has it. Raises TokenizerError.

    What transformers adds when it saves a tokenizer is left out: lengths to cut and to pad to, and a post
    processor that adds nothing.
    """
    path = folder / TOKENIZER_FILE
    try:
        text = read_plain_file(path, MAX_FILE_BYTES, follow_links=True).decode("utf-8-sig")
        content = json.loads(text)
    except FileNotFoundError:
        raise TokenizerError(f"There is no {TOKENIZER_FILE} in '{folder}'.", hint=_WHOLE) from None
    except UnreadableFileError as error:
        raise TokenizerError(error.message, hint=_WHOLE) from error
    except (ValueError, RecursionError):
        raise TokenizerError(f"'{path}' is damaged: it is not JSON.", hint=_WHOLE) from None
    if isinstance(content, dict):
        content |= {"truncation": None, "padding": None}
        if _adds_bos_at_most(content.get("post_processor")):
            content["post_processor"] = None
        text = json.dumps(content, ensure_ascii=False)
    return tokenizer_from_json(text, origin=f"'{path}'")


_WHOLE = "Give a whole folder, as {export RUN} writes it."


def _post_processor(kind: str) -> Mapping[str, Any] | None:
    """What puts the bos token before a text, where the model learned texts that begin with it."""
    if kind not in BEGINS_WITH_BOS:
        return None
    second: JsonObject = {"Sequence": {"id": "B", "type_id": 0}}
    name = SPECIAL_TOKENS[Tokenizer.bos_id]
    return {
        "type": "TemplateProcessing",
        "single": [_BOS, _TEXT],
        "pair": [_BOS, _TEXT, second],
        "special_tokens": {name: {"id": name, "ids": [Tokenizer.bos_id], "tokens": [name]}},
    }


_BOS: JsonObject = {"SpecialToken": {"id": SPECIAL_TOKENS[Tokenizer.bos_id], "type_id": 0}}
_TEXT: JsonObject = {"Sequence": {"id": "A", "type_id": 0}}


def _adds_bos_at_most(post_processor: object) -> bool:
    """Whether a text comes out as it is, or with the bos token before it."""
    return isinstance(post_processor, dict) and (
        post_processor.get("type") == "TemplateProcessing"
        and post_processor.get("single") in ([_TEXT], [_BOS, _TEXT])
    )
