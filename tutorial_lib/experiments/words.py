"""Tables and names in the reader's language. Files of results are English in every language; what
people read of them says heads and cells in words. In English these are the names in the files.
"""

import numpy as np
import pandas as pd

from tutorial_lib.experiments.protocol import AGAINST, FOR, NONE, OPEN, UNTESTABLE
from tutorial_lib.language import language, mark, retold, say

# column -> what it says
HEADS = {
    "a": mark("model a"),
    "against": mark("held against"),
    "answer": mark("the answer"),
    "b": mark("model b"),
    "best_epoch": mark("best epoch"),
    "best_place": mark("best place"),
    "blind": mark("without the clock"),
    "ceiling": mark("largest possible difference"),
    "clean": mark("undisturbed"),
    "clock": mark("the clock"),
    "code_version": mark("version of the code"),
    "collapsed": mark("did it collapse?"),
    "condition": mark("what was destroyed"),
    "corrupted": mark("disturbed"),
    "corruption": mark("the disturbance"),
    "cv_from": mark("CV from"),
    "cv_to": mark("CV to"),
    "data_fingerprint": mark("fingerprint of the data"),
    "dataset": mark("the data set"),
    "delta": mark("the change"),
    "device": mark("the device"),
    "difference": mark("the difference"),
    "effect": mark("effect size"),
    "epoch": mark("the epoch"),
    "epochs": mark("the epochs"),
    "evaluation": mark("the evaluation"),
    "events": mark("the events"),
    "gain": mark("the gain"),
    "gain_left": mark("the gain that is left"),
    "gain_percent": mark("the gain in %"),
    "group": mark("the group"),
    "helps": mark("does it help?"),
    "item_clock": mark("the item clock"),
    "label": mark("the entry"),
    "latency_ms_batch_1": mark("milliseconds for one user"),
    "latency_ms_batch_256": mark("milliseconds for 256 users"),
    "learning_rate": mark("the learning rate"),
    "live_parameters": mark("parameters that learn"),
    "loss": mark("the loss"),
    "margin": mark("margin of equivalence"),
    "max_len": mark("length of the window"),
    "model": mark("the model"),
    "one_more_event_ms": mark("milliseconds for one more event"),
    "options": mark("the options"),
    "parameters": mark("the parameters"),
    "place": mark("the place"),
    "reference": mark("the reference"),
    "run": mark("the run"),
    "sampled": mark("sampled negatives"),
    "sd": mark("standard deviation"),
    "sd_over_seeds": mark("standard deviation over seeds"),
    "seed": mark("the seed"),
    "seeds": mark("the seeds"),
    "seeds_high": mark("the gain with seeds drawn anew, upper end"),
    "seeds_low": mark("the gain with seeds drawn anew, lower end"),
    "serve_bytes_per_user": mark("served: bytes of a user"),
    "serve_events_per_second": mark("served: events in a second"),
    "serve_p50_ms": mark("served: median in milliseconds"),
    "serve_p99_ms": mark("served: p99 in milliseconds"),
    "shuffled": mark("with a shuffled clock"),
    "significant": mark("is it significant?"),
    "split": mark("the split"),
    "streams": mark("does it stream?"),
    "targets": mark("the targets"),
    "threads": mark("the threads"),
    "train_seconds": mark("seconds of training"),
    "train_seconds_per_epoch": mark("seconds of training in an epoch"),
    "twin": mark("its twin"),
    "twin_delta": mark("the change of the twin"),
    "users": mark("the users"),
    "uses_time": mark("does it use time?"),
    "verdict": mark("the verdict"),
    "wall_seconds": mark("seconds in all"),
    "worst_place": mark("worst place"),
}
ENDS = {"_low": mark("{what}, lower end"), "_high": mark("{what}, upper end")}
PARTS = {"valid_": mark("{what} on validation"), "sampled_": mark("{what} among sampled negatives")}
# column -> cell -> what it says
CELLS = {
    "answer": {
        FOR: mark("the answer is: for"),
        AGAINST: mark("the answer is: against"),
        NONE: mark("the answer is: no difference"),
        OPEN: mark("the answer is: open"),
        UNTESTABLE: mark("the answer is: not testable here"),
    },
    "clock": {
        "gaps": mark("the gaps inside the history"),
        "query": mark("the gap from the last event to the question"),
        "calendar": mark("the hour and the weekday"),
        "recency": mark("which items are popular now"),
        "order": mark("the order of events"),
        "real": mark("the real clock"),
        "shuffled": mark("a shuffled clock"),
        "constant": mark("a constant clock"),
        "none": mark("no clock"),
    },
    "condition": {
        "gaps shuffled": mark("the gaps are shuffled"),
        "order shuffled": mark("the order is shuffled"),
        "gaps constant": mark("the gaps are constant"),
    },
    "evaluation": {"frozen": mark("a frozen model"), "live": mark("a model that counts on")},
    "group": {
        "short histories": mark("a short history"),
        "middle": mark("in the middle"),
        "long histories": mark("a long history"),
        "regular": mark("regular gaps"),
        "irregular": mark("irregular gaps"),
    },
    "stage": {
        "tune": mark("stage tune: learning rates"),
        "sensitivity": mark("stage sensitivity: a destroyed clock or order"),
        "robustness": mark("stage robustness: disturbed clocks, lost events"),
        "efficiency": mark("stage efficiency: costs"),
        "significance": mark("stage significance: who is better than whom"),
        "irregularity": mark("stage irregularity: irregular users"),
        "stability": mark("stage stability: seeds"),
    },
    "verdict": {
        "does not use time: proves nothing": mark("does not use time: proves nothing"),
        "robust: uses time, no significant loss": mark("robust: uses time, no significant loss"),
        "loses, still ahead of its twin": mark("loses, still ahead of its twin"),
        "loses its gain": mark("loses its gain"),
    },
}
AMOUNTS = {  # of a corruption
    "jitter": mark("jitter of strength {amount}"),
    "quantised": mark("clock rounded to {amount} seconds"),
    "dropped": mark("a share of {amount} of the events lost"),
}
SPANS = {"seeds": mark("{first} and {second}"), "events": mark("{first} to {last}")}
YES, NO = mark("yes, it is so"), mark("no, it is not so")


def head(column: str) -> str:
    """What the head of a column says."""
    if language() == "en":
        return column
    if column in HEADS:
        return say(HEADS[column])
    for end, text in ENDS.items():
        if column.endswith(end):
            return say(text, what=head(column.removesuffix(end)))
    for part, text in PARTS.items():
        if column.startswith(part):
            return say(text, what=head(column.removeprefix(part)))
    return column


def cell(column: str, value: object) -> object:
    """What a cell of a column says; numbers stay numbers."""
    if language() == "en":
        return value
    if isinstance(value, bool | np.bool_):
        return say(YES if value else NO)
    if not isinstance(value, str):
        return value
    if column in SPANS:
        return retold(value, SPANS[column])
    if column == "corruption":
        name, _, amount = value.partition(" ")
        return say(AMOUNTS[name], amount=amount) if name in AMOUNTS else value
    text = CELLS.get(column, {}).get(value)
    return say(text) if text else value


def printed(table: pd.DataFrame) -> str:
    """A table as lines of text; a Chinese character has two columns."""
    with pd.option_context("display.unicode.east_asian_width", language() != "en"):
        return table.to_string(index=False)


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """The same table as people read it."""
    if language() == "en":
        return table
    said = {
        head(column): [cell(column, value) for value in table[column]] for column in table.columns
    }
    return pd.DataFrame(said, index=table.index)
