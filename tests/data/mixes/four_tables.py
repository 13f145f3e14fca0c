"""Four small data sets with the columns of the reasoning recipe, in four file formats."""

import random
from dataclasses import dataclass
from pathlib import Path

SHARES = {"gsm": 40, "codes": 30, "cosmo": 15, "meta": 15}
ALPHABETS = {"gsm": "abcdef", "codes": "ghijkl", "cosmo": "mnopqr", "meta": "stuvwx"}
"""No letter is in two of them, so a token tells which source it comes from."""
HELD_OUT = 3


@dataclass(frozen=True)
class Tables:
    """The folder, the mix file in it, and the documents that each source must give."""

    folder: Path
    mix: Path
    documents: dict[str, list[str]]


def write_tables(folder: Path, *, rows: int = 30, seed: int = 0) -> Tables:
    """Write them through `datasets`, and a mix of them at 40/30/15/15. Some documents are longer than a
    context, and some have two letters."""
    import datasets

    datasets.disable_progress_bars()
    draw = random.Random(seed)

    def text(name: str) -> str:
        letters = draw.choices(ALPHABETS[name], k=draw.choice((1, 5, 40, 300)))
        return "".join(letter + draw.choice(("", "", " ")) for letter in letters)

    def table(name: str, columns: tuple[str, ...], rows: int) -> list[dict[str, str]]:
        return [{column: text(name) for column in columns} for _ in range(rows)]

    gsm = table("gsm", ("question", "code"), rows)
    codes = table("codes", ("prompt", "response"), rows // 2)
    cosmo = table("cosmo", ("text",), rows)
    meta = table("meta", ("query", "response"), rows // 2)
    datasets.Dataset.from_list(gsm).to_parquet(folder / "gsm.parquet")
    datasets.Dataset.from_list(codes).to_json(folder / "codes.jsonl")
    datasets.Dataset.from_list(cosmo).save_to_disk(str(folder / "cosmo"))
    datasets.Dataset.from_list(meta).to_csv(folder / "meta.csv")
    mix = folder / "four.toml"
    mix.write_text(
        f"""
[[source]]
path = "gsm.parquet"
weight = 40
columns = ["question", "code"]
held_out = {HELD_OUT}

[[source]]
path = "codes.jsonl"
weight = 30
columns = ["prompt", "response"]
held_out = {HELD_OUT}

[[source]]
path = "cosmo"
weight = 15
columns = "text"
held_out = {HELD_OUT}

[[source]]
path = "meta.csv"
weight = 15
template = "Q: {{query}}\\nA: {{response}}"
held_out = {HELD_OUT}
""",
        encoding="utf-8",
    )
    return Tables(
        folder,
        mix,
        {
            "gsm": [f"{row['question']}\n\n{row['code']}" for row in gsm],
            "codes": [f"{row['prompt']}\n\n{row['response']}" for row in codes],
            "cosmo": [row["text"] for row in cosmo],
            "meta": [f"Q: {row['query']}\nA: {row['response']}" for row in meta],
        },
    )
