"""`tether batch --tensor-parallel`: a model split over two ranks, the same bytes, written once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from checkpoints import save_checkpoint
from command_line import Tether

TORCHRUN = Path(sysconfig.get_path("scripts")) / "torchrun"
RANK = """
import json, os, sys
from pathlib import Path
from tether.decoding.models import ranks
from tether.decoding import models
from tether.decoding import ties
from tether.decoding.loop import Loop
from tether.decoding.request import Request
from tether.decoding.sampling import Sampling

if "LOCAL_RANK" in os.environ:
    ranks.begin()
ties.NEAR = 0.05  # many choices are made again, in float64
model = models.load(sys.argv[1], dtype="float32", backend="transformers")
sampled = [Sampling(temperature=t, seed=7) for t in (0.0, 0.8, 1.5)]
requests = [
    Request(str(n), tuple(range(5, 9 + n)), max_tokens=30, sampling=sampled[n % 3])
    for n in range(7)
]
told = {str(result.key): result.tokens for result in Loop(model, slots=3).run(requests)}
parts = sum(p.to_local().numel() if hasattr(p, "to_local") else p.numel()
            for p in model.network._model.parameters())
out = Path(sys.argv[2]) / os.environ.get("RANK", "whole")
out.write_text(json.dumps({"told": told, "parts": parts}))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("accelerate", reason='not installed: pip install "tether[parallel]"')
    directory = tmp_path_factory.mktemp("split")
    save_checkpoint(directory, "llama")
    return directory


def ran(home: Path, *command: str | Path) -> subprocess.CompletedProcess[bytes]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TETHER_")}
    kept |= {"HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=home, env=kept, capture_output=True, timeout=300)


@pytest.mark.slow
def test_every_rank_draws_the_tokens_of_the_whole_model(home: Path, model: Path) -> None:
    (home / "rank.py").write_text(RANK)
    whole = ran(home, sys.executable, "rank.py", model, home)
    split = ran(home, TORCHRUN, "--nproc-per-node", "2", "rank.py", model, home)
    assert (whole.returncode, split.returncode) == (0, 0), whole.stderr + split.stderr
    found = {name: json.loads((home / name).read_text()) for name in ("whole", "0", "1")}
    assert found["whole"]["told"] == found["0"]["told"] == found["1"]["told"]
    assert sum(map(len, found["whole"]["told"].values())) > 100
    assert found["0"]["parts"] == found["1"]["parts"] < 0.75 * found["whole"]["parts"]


def test_one_rank_writes_what_one_process_would(home: Path, model: Path) -> None:
    rows = [
        {"id": n, "prompt": f"the {n} and", "regex": "[a-z ]{12}", "temperature": n % 3}
        for n in range(6)
    ]  # fmt: skip
    (home / "in.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    args = ("-m", "tether", "batch", "in.jsonl", "--model", str(model), "--slots", "2")
    whole = ran(home, sys.executable, *args)
    split = ran(home, TORCHRUN, "--nproc-per-node", "2", *args, "--tensor-parallel")
    assert whole.returncode == split.returncode == 0, whole.stderr + split.stderr
    assert whole.stdout == split.stdout
    assert len(split.stdout.splitlines()) == 6


def test_without_torchrun(tether: Tether) -> None:
    told = tether("batch", "--tensor-parallel", stdin='{"prompt": "x"}\n')
    assert (told.code, told.out) == (7, "")
    assert "torchrun --nproc-per-node 2" in told.err
    told = tether("batch", "--tensor-parallel", "--workers", "2", stdin='{"prompt": "x"}\n')
    assert (told.code, told.out) == (2, "")
