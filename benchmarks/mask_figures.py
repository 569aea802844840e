"""Outcomes of MaskBench as figures: counts of schemas, and quantiles of times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from mask_walk import Outcome

Result = dict[str, list[Outcome]]
"""Engine -> an outcome for each schema, in the same order."""


def common(result: Result) -> Result:
    """The outcomes of those schemas that every engine walked: they may be compared in time."""
    held = [
        all(outcome.status == "walked" for outcome in row)
        for row in zip(*result.values(), strict=True)
    ]
    return {name: [o for o, h in zip(os, held, strict=True) if h] for name, os in result.items()}


def counts(outcomes: list[Outcome]) -> dict[str, float]:
    """How many schemas fared how; one that errs both ways is counted in both."""
    status = [outcome.status for outcome in outcomes]
    return {
        "schemas": len(outcomes),
        "passed": sum(outcome.passed for outcome in outcomes),
        "refused": status.count("refused"),
        "rejects_valid": sum(bool(outcome.rejects) for outcome in outcomes),
        "accepts_invalid": sum(bool(outcome.accepts) for outcome in outcomes),
        "timeouts": status.count("timeout"),
        "crashes": status.count("crash"),
    }


def speeds(outcomes: list[Outcome]) -> dict[str, float]:
    """Quantiles over the schemas that were walked; none where no schema was."""
    walked = [outcome for outcome in outcomes if outcome.status == "walked"]
    if not walked:
        return {}
    compiled = np.array([outcome.compile_ms for outcome in walked])
    ready = np.array([outcome.ready_ms for outcome in walked])
    steps = np.concatenate([np.asarray(outcome.steps_us) for outcome in walked])
    return {
        **_quantiles("compile", "ms", compiled, (50, 99)),
        **_quantiles("ready", "ms", ready, (50, 99)),
        "steps": len(steps),
        **_quantiles("step", "us", steps, (50, 99, 99.9)),
    }


def _quantiles(
    name: str, unit: str, values: npt.NDArray[np.floating], at: tuple[float, ...]
) -> dict[str, float]:
    found = {f"{name}_p{q:g}_{unit}": float(np.percentile(values, q)) for q in at}
    return {**found, f"{name}_max_{unit}": float(values.max())}
