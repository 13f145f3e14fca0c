"""Train a preset of every architecture on one text for the same time, and write the table.

    python docs/compare_architectures.py tiny_shakespeare.txt --minutes 3

Each preset is one `rlm train` of its own, one after the other, with nothing else running. The
table goes to docs/architectures.md, behind the text that stands there above its marker.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PRESETS = (
    "dense-small",
    "looped-base",
    "hrm-4m",
    "trm-small",
    "ouroboros-small",
    "router-small",
    "mor-small",
    "looped-small",
)
DENSE = "dense-small"
MARKER = "<!-- below: written by docs/compare_architectures.py -->"
COLUMNS = ("preset", "architecture", "loss", "against dense", "parameters", "tokens/s", "passes/token")


def trained(corpus: str, preset: str, minutes: float, folder: str) -> dict[str, Any]:
    """The first and the last event of one training, and its evaluation.json."""
    command = [sys.executable, "-m", "rlm_cli", "train", corpus, "--preset", preset]
    command += ["--minutes", str(minutes), "--name", preset, "--runs-dir", folder, "--json"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    events = [json.loads(line) for line in lines]
    started = next(event for event in events if event["event"] == "run_started")
    evaluation = json.loads((Path(folder) / preset / "evaluation.json").read_text(encoding="utf-8"))
    return {**started, **events[-1], "evaluation": evaluation}


def row(preset: str, result: dict[str, Any], dense_loss: float | None) -> tuple[str, ...]:
    loss = result["validation_loss"]
    passes = result["evaluation"]["passes_per_token"]
    return (
        preset,
        result["architecture"],
        f"{loss:.4f}",
        "—" if preset == DENSE or dense_loss is None else f"{loss - dense_loss:+.4f}",
        f"{result['parameters']:,}",
        f"{result['tokens_per_second']:,.0f}",
        f"{passes:.2f}",
    )


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (columns, ("---",) * len(columns), *rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--only", nargs="+", default=PRESETS, help="these presets alone")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("architectures.md"))
    chosen = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for preset in chosen.only:
            print(f"{preset} …", file=sys.stderr, flush=True)
            results[preset] = trained(chosen.corpus, preset, chosen.minutes, folder)
            print(f"  {results[preset]['validation_loss']:.4f}", file=sys.stderr, flush=True)
            write(results, chosen)


def write(results: dict[str, dict[str, Any]], chosen: argparse.Namespace) -> None:
    """Put the table of what is there so far into the file."""
    dense = results[DENSE]["validation_loss"] if DENSE in results else None
    order = sorted(results, key=lambda preset: results[preset]["validation_loss"])
    modes = list(dict.fromkeys(mode for r in results.values() for mode in r["validation_loss_by_mode"]))
    by_mode = [
        (name, *(f"{losses[mode]:.4f}" if mode in losses else "" for mode in modes))
        for name in order
        for losses in (results[name]["validation_loss_by_mode"],)
    ]
    text = chosen.output.read_text(encoding="utf-8").partition(MARKER)[0] if chosen.output.exists() else ""
    command = f"python docs/compare_architectures.py {Path(chosen.corpus).name} --minutes {chosen.minutes:g}"
    chosen.output.write_text(
        f"{text.rstrip()}\n\n{MARKER}\n\n    {command}\n\n"
        f"{table(COLUMNS, [row(name, results[name], dense) for name in order])}\n\n"
        f"Loss by mode:\n\n{table(('preset', *modes), by_mode)}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
