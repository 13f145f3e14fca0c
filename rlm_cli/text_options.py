"""The option of the commands that read text files."""

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
