"""The options of the commands that read text files."""

from typing import Annotated

from rlm_cli.options import env_option

EncodingOption = Annotated[
    str | None,
    env_option(
        "--encoding",
        metavar="NAME",
        help="Encoding of the text files, for example cp1252. Without it: UTF-8, or detected.",
    ),
]
FilterOption = Annotated[
    str | None,
    env_option(
        "--filter",
        metavar="NAMES",
        help="Drop texts: technical, or length:50-400, words, symbols, url, punctuation, noise, "
        "script:latin, duplicates, near-duplicates, with commas between.",
    ),
]
