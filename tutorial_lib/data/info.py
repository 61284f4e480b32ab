"""What a data set is, at a glance: counts, span, clock, repeats. Taught in lesson 01."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tutorial_lib.language import say

if TYPE_CHECKING:
    from tutorial_lib.data.events import Dataset


@dataclass(frozen=True)
class Info:
    """Facts of one data set; printed, a line each. Times are None where only the order is known.

    first, last: unix seconds. resolution: seconds, the largest step of which all times are
    multiples (from the first on); 86400 = the clock knows days only. zero_gaps: share of the gaps
    between a user's consecutive events that are 0 s. repeats: share of the events whose item the
    user had before. duplicates: exact repetitions of rows that were dropped.
    """

    name: str
    users: int
    items: int
    events: int
    first: int | None
    last: int | None
    resolution: int | None
    zero_gaps: float | None
    median_gap: float | None
    repeats: float
    repeats_declared: bool
    duplicates: int
    fingerprint: str
    notes: tuple[str, ...]

    def __str__(self) -> str:
        timed, unknown = self.first is not None, say("unknown (order only)")
        span = unknown
        if timed:
            first, last = (str(np.datetime64(second, "s").astype("datetime64[D]"))
                           for second in (self.first, self.last))  # fmt: skip
            span = say("{first} to {last}, {days:,.1f} days", first=first, last=last,
                       days=(self.last - self.first) / 86400)  # fmt: skip
        lines = say(
            "name            {name}\n"
            "users           {users:,}\n"
            "items           {items:,}\n"
            "events          {events:,}\n"
            "span            {span}\n"
            "resolution      {resolution}\n"
            "zero gaps       {zero_gaps}\n"
            "median gap      {median_gap}\n"
            "repeats         {repeats:.1%} of the events ({declared})\n"
            "duplicate rows  {duplicates}\n"
            "fingerprint     {fingerprint}",
            name=self.name, users=self.users, items=self.items, events=self.events,
            span=span,
            resolution=f"{self.resolution:,} s" if timed else unknown,
            zero_gaps=f"{self.zero_gaps:.1%}" if timed else unknown,
            median_gap=f"{self.median_gap:,.0f} s" if timed else unknown,
            repeats=self.repeats,
            declared=say("declared") if self.repeats_declared else say("not declared"),
            duplicates=say("{count:,} (dropped)", count=self.duplicates)
            if self.duplicates else "0",
            fingerprint=self.fingerprint,
        )  # fmt: skip
        notes = [say("note            {note}", note=note) for note in self.notes]
        return "\n".join([lines, *notes])


def describe(dataset: "Dataset") -> Info:
    """The facts of `dataset.info`."""
    times, ends = dataset.events["timestamp"].to_numpy(), dataset.offsets[1:-1]
    gaps = np.delete(np.diff(times), ends - 1)
    timed = dataset.has_times
    return Info(
        name=dataset.name,
        users=dataset.num_users,
        items=dataset.num_items,
        events=len(times),
        first=int(times.min()) if timed else None,
        last=int(times.max()) if timed else None,
        resolution=int(np.gcd.reduce(times - times.min())) or None if timed else None,
        zero_gaps=float((gaps == 0).mean()) if timed else None,
        median_gap=float(np.median(gaps)) if timed else None,
        repeats=float(dataset.events.duplicated(["user", "item"]).mean()),
        repeats_declared=dataset.repeats,
        duplicates=dataset.duplicates,
        fingerprint=dataset.fingerprint,
        notes=dataset.notes,
    )
