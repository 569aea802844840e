"""`tether index store`: stores of evidence for an index that is there already.

They are the parts that `tether index build --store` makes: what a model says of the passages, made
once, used by --ground.
"""

from __future__ import annotations

from tether.cli import streams
from tether.cli.commands.index.options import MODEL, Folder, StoreOption
from tether.cli.kinds import SettingValue
from tether.cli.options import takes
from tether.errors import UsageError

EXAMPLES = """
tether index store kb --store states --store transitions
tether index store kb --store transitions:count --model ~/models/qwen
"""


@takes(MODEL)
def run(index: Folder, store: StoreOption = None, **flags: SettingValue) -> None:
    """Make stores of evidence from the passages of an index, or make them again.

    A store belongs to the model it was made with, and to the passages that the index held then.
    """
    from tether.cli.indexing import store_makers
    from tether.cli.meter import Meter
    from tether.grounding.index.layout import PASSAGES
    from tether.grounding.index.store import Passages
    from tether.grounding.index.writing import editing

    if not store:
        raise UsageError("No store is named.", hint="Name one: --store states.")
    makers = store_makers(store, flags)
    with Meter() as meter, editing(index) as edit:
        edit.old.check("size")
        passages = Passages(edit.old.part(PASSAGES).folder)
        for maker in makers:
            maker.make(edit, passages, None, meter)
    streams.say(f"{index}: made {', '.join(maker.name for maker in makers)}.")
