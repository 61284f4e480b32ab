"""Which models the suite compares: every model of the registry, by itself where nothing else is
said, and a twin without clock for each that reads one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tutorial_lib.data.corrupt import CLOCKS
from tutorial_lib.errors import TutorialError
from tutorial_lib.models import MODELS, blind_twin, build_model, model_options


@dataclass(frozen=True)
class Entry:
    """One row of every table. `twin`: the label of the same model without a clock; who names one
    claims to use time. `clock`: under which it is trained and tested; other than "real", it is a
    control, LABEL@CLOCK, of the entry LABEL. `item_clock`: of `runs.Run`.
    """

    label: str
    model: str
    options: dict[str, object] = field(default_factory=dict)
    twin: str | None = None
    clock: str = "real"
    item_clock: str = "none"

    @property
    def control_of(self) -> str | None:
        """The label of the same model under the real clock; None: this one."""
        return None if self.clock == "real" else self.label.removesuffix(f"@{self.clock}")

    @property
    def uses_time(self) -> bool:
        """Does the model read times at all? Then it cannot run on data that know only an order."""
        return (
            self.item_clock != "none"
            or build_model(
                self.model, num_items=1, max_len=1, dim=16, num_users=1, **self.options
            ).uses_time
        )

    @property
    def trained(self) -> bool:
        return MODELS[self.model].trains_by_gradient


def with_twins(*entries: Entry) -> tuple[Entry, ...]:
    """The same entries, each that reads the clock held against the entry of its blind twin."""

    def key(name: str, options: dict[str, object]) -> tuple:
        chosen = model_options(name) | options
        return name, tuple(sorted(chosen.items(), key=str))

    labels = {
        key(entry.model, entry.options): entry.label
        for entry in entries
        if entry.item_clock == "none"
    }
    for_each = []
    for entry in entries:
        twin = blind_twin(entry.model, entry.options)
        if key(*twin) not in labels:
            raise TutorialError(
                "{label!r} is held against its twin without a clock, which has no entry:"
                " add one of {twin!r} with the options {twin2}",
                label=entry.label,
                twin=twin[0],
                twin2=twin[1],
            )
        label = labels[key(*twin)]
        for_each.append(replace(entry, twin=None if label == entry.label else label))
    return tuple(for_each)


SMALL = {"state": 8, "expand": 1}  # of SS4Rec: as many parameters as the others have
QUERY = {"query_time": True}
ENTRIES = with_twins(
    Entry("popularity", "popularity"),
    Entry("popularity-recent", "popularity", {"half_life": 2.0}),
    Entry("popularity-live", "popularity", {"half_life": 1.0, "live": True}),
    Entry("markov", "markov"),
    Entry("mf", "mf"),
    Entry("neumf", "neumf"),
    Entry("gru4rec", "gru4rec"),
    Entry("sasrec", "sasrec"),
    Entry("sasrec+items", "sasrec", item_clock="frozen"),
    Entry("sasrec+items-live", "sasrec", item_clock="live"),
    Entry("bert4rec", "bert4rec"),
    Entry("tisasrec", "tisasrec"),
    Entry("tisasrec+query", "tisasrec", QUERY),
    Entry("sasrec_mhc", "sasrec_mhc"),
    Entry("tisasrec_mhc", "tisasrec_mhc"),
    Entry("tisasrec_mhc+query", "tisasrec_mhc", QUERY),
    Entry("caser", "caser"),
    Entry("hstu-position", "hstu", {"bias": "position"}),
    Entry("hstu", "hstu"),
    Entry("hstu+query", "hstu", QUERY),
    Entry("lrurec", "lrurec"),
    Entry("lrurec+time", "lrurec", {"time_aware": True}),
    Entry("lrurec+query", "lrurec", {"time_aware": True} | QUERY),
    Entry("mamba4rec", "mamba4rec"),
    Entry("ssd4rec", "ssd4rec", {"mask": 0.1}),
    Entry("tim4rec", "tim4rec"),
    Entry("tim4rec+query", "tim4rec", QUERY),
    Entry("ss4rec-none", "ss4rec", SMALL | {"clock": "none"}),
    Entry("ss4rec", "ss4rec", SMALL | {"query_time": False}),
    Entry("ss4rec+query", "ss4rec", SMALL | QUERY),
    Entry("deepm3-none", "deepm3", {"solver": "none"}),
    Entry("deepm3-rk4", "deepm3"),
    Entry("deepm3-euler", "deepm3", {"solver": "euler"}),
    Entry("deepm3-published", "deepm3", {"flow": "published"}),
    Entry("deepm3-attractor", "deepm3", {"flow": "attractor"}),
    Entry("deepm3-attractor+query", "deepm3", {"flow": "attractor"} | QUERY),
    Entry("deepm3-gap+query", "deepm3", {"flow": "gap_feature"} | QUERY),
)
ENTRIES += tuple(
    Entry(name, name) for name in MODELS if name not in {entry.model for entry in ENTRIES}
)


def select(names: Sequence[str] | None, entries: Sequence[Entry] = ENTRIES) -> tuple[Entry, ...]:
    """The entries with these labels or models, and those they are held against: twins, and for a
    control such as "tisasrec@shuffled" the model under the real clock. None: all, no controls.
    """
    by_label = {entry.label: entry for entry in entries}
    for entry in entries:
        for clock in CLOCKS[1:] if entry.twin else ():
            label = f"{entry.label}@{clock}"
            by_label.setdefault(label, replace(entry, label=label, clock=clock))
    if lost := sorted({entry.twin for entry in entries} - {None, *by_label}):
        raise TutorialError(
            "{lost!r} is named as a twin and is no entry; known are {by_label}",
            lost=lost[0],
            by_label=", ".join(by_label),
        )
    if names is None:
        return tuple(entries)
    known = set(by_label) | {entry.model for entry in entries}
    if unknown := [name for name in names if name not in known]:
        shown = sorted(label for label in known if "@" not in label)
        raise TutorialError(
            "unknown model {unknown!r}; known are {shown}, and with @shuffled or @constant"
            " behind it each that reads the clock",
            unknown=unknown[0],
            shown=", ".join(shown),
        )
    chosen = {
        label
        for label, entry in by_label.items()
        if label in names
        or (entry.model in names and entry.model not in by_label and not entry.control_of)
    }
    chosen |= {by_label[label].control_of for label in chosen} - {None}
    chosen |= {by_label[label].twin for label in chosen}
    return tuple(entry for label, entry in by_label.items() if label in chosen)
