"""Puts a trained checkpoint into the package: `python -m tether.decoding.builtin.ship RUN REPORT`.

Copies config, weights and tokenizer from RUN/model (or `--model`), and writes the model card from
RUN's settings and log and from the report of `evaluate.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from string import Template
from typing import Any

from tether.decoding.builtin.tokenizer import load_tokenizer, save_tokenizer

HOME = Path(__file__).resolve().parent
FILES = ("config.json", "model.safetensors")


def ship(run: Path, report: Path, model: Path, home: Path = HOME) -> None:
    """Write home/model from a finished run, its evaluation report and the checkpoint it judged."""
    target = home / "model"
    target.mkdir(exist_ok=True)
    for name in FILES:
        shutil.copyfile(model / name, target / name)
    save_tokenizer(load_tokenizer(model), target)
    shutil.copyfile(report, target / "evaluation.json")
    (target / "README.md").write_text(card(run, report, target, home), encoding="utf-8")


def card(run: Path, report: Path, target: Path, home: Path) -> str:
    """The model card: `card.md` with the run's figures filled in."""
    settings = json.loads((run / "settings.json").read_text())
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    figures = json.loads(report.read_text())
    weights = (target / "model.safetensors").read_bytes()
    values = {
        "tokens": f"{last['tokens'] / 1e6:.1f}",
        "cpu_minutes": f"{last['cpu_minutes']:.0f}",
        "loss": f"{last['loss']:.3f}",
        "seed": settings["seed"],
        "versions": ", ".join(
            f"{k} {settings[k]}" for k in ("torch", "transformers", "tokenizers")
        ),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "megabytes": f"{len(weights) / 1e6:.1f}",
        "count": figures["count"],
        "json_rows": json_table(figures["json"]),
        "short_rows": short_table(figures["short"]),
        "graph_count": figures["graph_count"],
        "graph_rows": graph_table(figures["graph"]),
    }
    return Template((home / "card.md").read_text(encoding="utf-8")).substitute(values)


def json_table(rows: list[dict[str, Any]]) -> str:
    """Markdown lines of the JSON rows."""
    return "\n".join(
        f"| {row['row']} | {row['mask']} | {row['parses']['share']:.3f} "
        f"| {share(row['leaf_fields'])} | {row['whole']['share']:.3f} |"
        for row in rows
    )


def short_table(rows: list[dict[str, Any]]) -> str:
    """Markdown lines of the SPARQL and question rows."""
    return "\n".join(
        f"| {row['task']}: {row['row']} | {share(row['exact'])} | "
        + (share(row["memory"]) if row["row"].startswith("contradict") else "")
        + " |"
        for row in rows
    )


def graph_table(rows: list[dict[str, Any]]) -> str:
    """Markdown lines of the rows over a graph."""
    return "\n".join(
        f"| {row['row']} | {'nothing' if row['mask'] == 'none' else 'the graph'} "
        f"| {'yes' if row['linked'] else 'no'} | {share(row['exact'])} | {row['f1']:.3f} |"
        for row in rows
    )


def share(value: dict[str, float]) -> str:
    """A share with its interval."""
    return f"{value['share']:.3f} [{value['low']:.2f}, {value['high']:.2f}]"


def main() -> None:
    """Reads the flags and ships."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument("--model", type=Path, help="default: RUN/model")
    flags = parser.parse_args()
    ship(flags.run, flags.report, flags.model or flags.run / "model")


if __name__ == "__main__":
    main()
