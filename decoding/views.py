"""The views of the rows: which networks and prompts hold a row, and the forwards over them.

The model's own lanes and those of its other prompts run in one forward. Other networks run only
for rows that ask for them; then they catch up with everything that was said since, in one short
forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from tether.decoding.drafts.draft import Draft
from tether.decoding.knob.steer import Steer, Turning
from tether.decoding.lane import Lane, Reading
from tether.decoding.lanes import Lanes
from tether.decoding.models.base import Head, Network
from tether.decoding.nudge import Retelling
from tether.decoding.request import Request
from tether.decoding.row import Row
from tether.decoding.terms.parse import check_roles
from tether.decoding.terms.term import OWN, SHORT, Role, Variant, View
from tether.errors import LimitReached, UsageError

_Key = tuple[Role, Variant]


class Views:
    """All lanes of the running rows, over the model and the other networks.

    Attributes:
        depths: The number of layers of each network.

    Args:
        networks: The model's, and those of the other roles that were loaded.
        num_slots: Rows at once; lanes of views come on top.
    """

    def __init__(self, networks: Mapping[Role, Network], num_slots: int) -> None:
        self.networks = networks
        self.depths = {role: network.num_layers for role, network in networks.items()}
        self._tracks = {role: Lanes(network, num_slots) for role, network in networks.items()}
        self._lanes: dict[Row, dict[_Key, Lane]] = {}

    def check(self, request: Request) -> None:
        """Refuse what cannot be run.

        Raises:
            UsageError: A term needs a model that is not loaded, or a layer that is not there.
        """
        check_roles(request.terms, self.networks)
        for view in self.wanted(request):
            if (view.layer or 0) >= self.depths[view.role]:
                last = self.depths[view.role] - 1
                raise UsageError(
                    f"There is no layer {view.layer} below the last of {self.depths[view.role]}.",
                    hint=f"Name a layer from 0 to {last}." if last >= 0 else "Leave the layer out.",
                )

    def open(self, row: Row, *, waits: bool = False) -> None:
        """Give a row its lanes; none has seen a token yet.

        Args:
            row: It has none.
            waits: Its prompt is read apart: it does not run before `start`.
        """
        lanes: dict[_Key, Lane] = {}
        short = [SHORT] if _reads_short(row.request) else []
        for view in (OWN, *self.wanted(row.request), *short):
            key = _key(view, row.request)
            if key not in lanes:
                steer = _steer(row.request) if key == ("model", "main") else None
                lanes[key] = Lane(row, _prompt(key[1], row.request), steer)
                lanes[key].waits = waits and view.role == "model"
                self._tracks[view.role].add(lanes[key])
        self._lanes[row] = lanes
        row.lanes += lanes.values()

    def close(self, row: Row) -> None:
        """Take a row's lanes back."""
        for (role, _), lane in self._lanes.pop(row).items():
            self._tracks[role].remove(lane)
            row.lanes.remove(lane)

    def close_all(self) -> None:
        """Take back the lanes of all rows: of none, unless a run was given up."""
        for row in list(self._lanes):
            self.close(row)

    def check_room(self, row: Row) -> None:
        """End a row where a network has no position left for it."""
        for (role, _), lane in self._lanes[row].items():
            most = self.networks[role].max_positions
            if len(lane) >= most:
                row.fail(LimitReached(f"The {role}'s {most} positions are used up."))

    def wanted(self, request: Request) -> list[View]:
        """The views that the request's terms weigh, each once."""
        return list(dict.fromkeys(v for term in request.terms for v in term.views(self.depths)))

    def lane(self, row: Row, view: View) -> Lane:
        """The lane that a view reads."""
        return self._lanes[row][_key(view, row.request)]

    def soften(self, row: Row, mixture: Tensor) -> None:
        """Feed a mixture [vocab] for the row's newest token in the next forward."""
        self.lane(row, OWN).mixture = mixture

    def softened(self, row: Row) -> bool:
        """Whether the row has been fed mixtures."""
        return self.lane(row, OWN).mixed

    def unread(self, row: Row) -> int:
        """Tokens of a row's prompts that the model is still to read, itself."""
        return sum(map(self._tracks["model"].unread, self._own_lanes(row)))

    def read_on(self, row: Row, most: int) -> int:
        """Read a piece of a prompt that has more tokens left; how many it had, or 0."""
        pieces = (self._tracks["model"].read_on(lane, most) for lane in self._own_lanes(row))
        return next((read for read in pieces if read), 0)

    def beside(self, row: Row, other: Row) -> bool:
        """Whether a row can start in one forward with the one before it."""
        lanes = [*self._own_lanes(row), *self._own_lanes(other)]
        if len(lanes) > 2 or any(r.request.sources or r.request.extract for r in (row, other)):
            return False
        return lanes[1].slot == lanes[0].slot + 1

    def start(self, rows: Sequence[Row]) -> Reading:
        """The first forward of rows: of one and of its other prompts, or of some side by side."""
        taps, heads = self._taps(rows, "model"), self._heads(rows)
        track = self._tracks["model"]
        if len(rows) > 1:
            return track.start([self.lane(row, OWN) for row in rows], taps)
        lanes = self._own_lanes(rows[0])
        return Reading.join([track.start([lane], taps, heads) for lane in lanes])

    def _own_lanes(self, row: Row) -> list[Lane]:
        """A row's lanes of the model."""
        return [lane for (role, _), lane in self._lanes[row].items() if role == "model"]

    def run(self, drafts: Mapping[Row, Draft] | None = None) -> Reading:
        """One forward of the model over all rows and their other prompts.

        Args:
            drafts: What may follow some of the rows, to be read after them.
        """
        taps, heads = self._taps(self._lanes, "model"), self._heads(self._lanes)
        given = {
            lane: draft for row, draft in (drafts or {}).items() for lane in self._own_lanes(row)
        }
        return self._tracks["model"].run_all(taps, heads, given)

    def drafted(self, row: Row, reading: Reading) -> Tensor:
        """What the head reads after the tokens of a row's draft, [nodes, width]."""
        return reading.drafted[self.lane(row, OWN)][0]

    def after(self, nodes: Mapping[Row, int], reading: Reading) -> Reading:
        """As read of some rows and of their other prompts, each after a node of its draft."""
        return reading.after(
            {lane: node for row, node in nodes.items() for lane in self._own_lanes(row)}
        )

    def keep(self, row: Row, nodes: Sequence[int]) -> None:
        """Of what was drafted after a row, hold a path that it has said."""
        for lane in self._own_lanes(row):
            self._tracks["model"].keep(lane, nodes)

    def num_pending(self, rows: Sequence[Row]) -> int:
        """How many tokens the model has to read next for these rows, in all their prompts."""
        lanes = (lane for row in rows for lane in self._own_lanes(row))
        return sum(max(1, len(lane) - lane.held) for lane in lanes)

    def num_prompts(self, row: Row) -> int:
        """How many prompts of a row the model reads on."""
        return len(self._own_lanes(row))

    def held(self, row: Row) -> int:
        """How many of the row's tokens its own lane holds."""
        return self.lane(row, OWN).held

    def ask(self, role: Role, rows: Sequence[Row]) -> Reading:
        """One forward of another network over what it has not seen of these rows."""
        lanes = [lane for row in rows for key, lane in self._lanes[row].items() if key[0] == role]
        return self._tracks[role].run(lanes, self._taps(rows, role))

    def own(self, rows: Sequence[Row], reading: Reading) -> Tensor:
        """What the head reads of the rows themselves, [rows, width]."""
        return reading.of([(self.lane(row, OWN), None) for row in rows])

    def looks(self, rows: Sequence[Row], reading: Reading) -> Tensor | None:
        """What the copying heads look at in each row, [rows, length]; None where nobody asked."""
        return reading.looks([self.lane(row, OWN) for row in rows])

    def shorts(self, rows: Sequence[Row], reading: Reading) -> dict[int, Tensor]:
        """The logits [vocab] given the short prompts, by place; rows without another have none."""
        places = [
            place
            for place, row in enumerate(rows)
            if _reads_short(row.request) and not same("short", row.request)
        ]
        if not places:
            return {}
        hidden = reading.of([(self.lane(rows[place], SHORT), None) for place in places])
        return dict(zip(places, self.networks["model"].head(hidden), strict=True))

    def retelling(self, row: Row) -> Retelling:
        """The last token of a row that has just run, to be read again."""
        return self._tracks["model"].retelling(self.lane(row, OWN))

    def _heads(self, rows: Iterable[Row]) -> tuple[Head, ...]:
        """The heads that sources of these rows ask for; all sources of a model ask for the same."""
        sources = (source for row in rows for source in row.request.sources)
        return next((s.heads for s in sources if "attention" in s.needs), ())

    def _taps(self, rows: Iterable[Row], role: Role) -> tuple[int, ...]:
        """The layers that some view of these rows reads."""
        views = {view for row in rows for view in self.wanted(row.request)}
        return tuple(sorted({v.layer for v in views if v.role == role and v.layer is not None}))


def _reads_short(request: Request) -> bool:
    return any("short" in source.needs for source in request.sources)


def same(variant: Variant, request: Request) -> bool:
    """Whether a prompt is the row's own, word for word."""
    return _prompt(variant, request) == request.prompt


def _steer(request: Request) -> Steer | None:
    """What a source changes inside the model; it does so for the row itself, not for its views."""
    return next((source.steer for source in request.sources if isinstance(source, Turning)), None)


def _key(view: View, request: Request) -> _Key:
    """Equal prompts of one network are one lane."""
    return view.role, "main" if same(view.prompt, request) else view.prompt


def _prompt(variant: Variant, request: Request) -> tuple[int, ...]:
    if variant == "last":
        return request.prompt[-1:]
    return request.prompts.get(variant, request.prompt)
