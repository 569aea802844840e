"""Runs the ```console blocks of the pages, so that every output shown is a real one.

    python docs/console.py            rewrite the outputs in place
    python docs/console.py --check    exit 1 and name the pages whose outputs are stale

A page's commands run in order in one empty folder (with a link to docs/), with a home of its own
and no network settings; stdout and stderr are shown as they come.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PAGES = [
    DOCS.parent / "README.md",
    *sorted(DOCS.glob("tutorial/*.md")),
    *sorted(DOCS.glob("how-to/*.md")),
]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[str]:
    """The commands of a block: lines after `$ `, with continuation lines after `> `."""
    found: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif line.startswith("> ") and found:
            found[-1] += "\n" + line[2:]
    return found


def shown(command: str) -> str:
    """A command as the page writes it."""
    first, *rest = command.split("\n")
    return "\n".join([f"$ {first}", *(f"> {line}" for line in rest)]) + "\n"


def run(command: str, folder: Path) -> str:
    """What a command prints in `folder`."""
    scripts = Path(sys.executable).parent
    home = {"HOME": str(folder / ".home"), "PATH": f"{scripts}:{os.environ['PATH']}"}
    plain = {"NO_COLOR": "1", "COLUMNS": "90", "TERM": "dumb"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TETHER_", "XDG_"))}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**kept, **home, **plain},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    text = done.stdout.replace(str(folder), ".")
    return text if not text or text.endswith("\n") else text + "\n"


def refreshed(page: str) -> str:
    """The page with every console block's output as it is today."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "docs").symlink_to(DOCS)

        def again(match: re.Match[str]) -> str:
            parts = [shown(c) + run(c, folder) for c in commands(match[1])]
            return "```console\n" + "".join(parts) + "```"

        return BLOCK.sub(again, page)


def main() -> int:
    """Rewrite or check all pages; the exit code."""
    stale = []
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        if (fresh := refreshed(page)) != page:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(fresh, encoding="utf-8")
    for path in stale:
        print(("stale: " if "--check" in sys.argv else "rewritten: ") + str(path))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
