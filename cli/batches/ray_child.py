"""Drives Ray Data for a batch, in a process of its own: shards on stdin, finished rows on stdout.

A shard is one row of a dataset and one call of an actor. Where an actor is lost, Ray makes another
and calls it again; a shard that Ray gives up is run once more, row by row, and the rows that it
gives up then fail. So each row comes out once, and one that kills its actor takes nobody with it.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ray
import ray.data
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tether.cli.batches.child import Inbox, Say, main
from tether.cli.batches.ray_actor import Actor, Source, decide
from tether.cli.batches.shards import Run, Shard, read_shard
from tether.cli.batches.workers import failed, unpacked_error
from tether.errors import UnavailableError, UsageError

_CALLS = 3
"""How often Ray calls actors for the same shard, where they are lost."""
_REACH_S = 10.0


def serve(inbox: Inbox, say: Say) -> None:
    """Run all shards of a batch."""
    told = inbox.get()
    share = _join(told["address"], told["num"], on_cpu=told["on_cpu"])
    ready = ray.get(ray.remote(**share)(decide).remote(told["job"]))
    say(ready)
    shards = [[Run(*run) for run in runs] for runs in iter(inbox.get, None)]
    if "ready" in ready:
        _Drive(told, ready["ready"], share, say).run(shards)
        say({"done": True})
    inbox.get()  # until stdin ends


@dataclass(frozen=True, slots=True)
class _Drive:
    """The parts of a run: what its actors are told, what each takes of the cluster, who listens."""

    told: dict[str, Any]
    decided: dict[str, Any]
    share: dict[str, Any]
    say: Say

    def run(self, shards: list[Shard]) -> None:
        """Run every row; those of lost shards alone, those that are lost alone fail."""
        source = self._source()

        def read(start: int, end: int) -> bytes:
            data: bytes = ray.get(source.read.remote(start, end))
            return data

        lost = self._round(shards, source)
        alone = [
            [Run(place, line.index, 1, line.start, line.end)]
            for shard in lost
            for place, line in read_shard(shard, read)
        ]
        for shard in self._round(alone, source):
            for pending in read_shard(shard, read):
                self.say({"row": failed(pending, "as Ray saw it").packed()})

    def _round(self, shards: list[Shard], source: Any) -> list[Shard]:  # noqa: ANN401
        """Run the shards; the ones that Ray gave up."""
        left = dict(enumerate(shards))
        for number, said in self._results(shards, source):
            if "error" in said:
                raise unpacked_error(said["error"])
            for row in said["rows"]:
                self.say({"row": row})
            del left[number]
        return [*left.values()]

    def _results(self, shards: list[Shard], source: Any) -> Iterator[tuple[int, dict[str, Any]]]:  # noqa: ANN401
        if not shards:
            return
        items = [{"number": at, "runs": json.dumps(shard)} for at, shard in enumerate(shards)]
        done = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            Actor,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=self.told["num"]),
            fn_constructor_args=(self.told["job"], self.decided, source),
            ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": _CALLS - 1},
            **self.share,
        )
        for batch in done.iter_batches(prefetch_batches=0, batch_size=None):
            for number, said in zip(batch["number"], batch["said"], strict=True):
                yield int(number), json.loads(said)

    def _source(self) -> Any:  # noqa: ANN401
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(num_cpus=0, scheduling_strategy=here)(Source)
        return actor.remote(self.told["source"])


def _join(address: str, num: int, *, on_cpu: bool) -> dict[str, Any]:
    """Join the cluster, or make one; what one of `num` workers takes of it.

    Raises:
        UnavailableError: There is no cluster at this address.
        UsageError: It is too small.
    """
    if address == "local":
        ray.init(num_cpus=max(num, os.cpu_count() or 1), include_dashboard=False)
    else:
        try:
            _reach(address)
            ray.init(address=address)
        except (OSError, ValueError, RuntimeError) as error:
            raise UnavailableError(
                f"No Ray cluster can be joined at {address!r}: {str(error).splitlines()[0]}.",
                hint="Start one with `ray start --head`, or use --ray local.",
            ) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # what is lost is seen by what does not come back
    return _share(num, ray.cluster_resources(), on_cpu=on_cpu, local=address == "local")


def _reach(address: str) -> None:
    """Find out in seconds whether anybody listens there; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host, int(port)), _REACH_S).close()


def _share(num: int, whole: dict[str, float], *, on_cpu: bool, local: bool) -> dict[str, Any]:
    kind = "GPU" if whole.get("GPU") and not on_cpu else "CPU"
    if whole.get(kind, 0) < num:
        raise UsageError(
            f"The cluster has {whole.get(kind, 0):g} {kind}; {num} workers need one each.",
            hint="Take fewer --workers.",
        )
    if kind == "GPU":
        return {"num_gpus": 1}
    return {"num_cpus": int(whole["CPU"]) // num if local else 1}  # Ray sets the threads by it


if __name__ == "__main__":
    main(serve, leave=ray.shutdown)
