"""Stage 4: parameters and time."""

import statistics
import timeit
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from tutorial_lib.data.sequences import Batch, evaluation_batches, training_batches
from tutorial_lib.data.splits import Split
from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.stages.shared import Stage, listed
from tutorial_lib.experiments.stages.work import one_thread
from tutorial_lib.language import mark, say
from tutorial_lib.models import SequenceModel
from tutorial_lib.plots import BLUE, ORANGE
from tutorial_lib.serving.states import states_of
from tutorial_lib.train import TrainConfig

REPEATS, WARM_UP, BATCHES = 30, 3, (1, 256)
QUESTIONS = 200  # of which the second slowest is the p99


def live_parameters(model: SequenceModel, split: Split, config: TrainConfig) -> int:
    """Numbers in those tensors that get a gradient other than 0 from one training batch; 0 for
    models that count.
    """
    if not model.trains_by_gradient:
        return 0
    batch = next(
        training_batches(
            split, max_len=model.max_len, batch_size=config.batch_size, seed=0, epoch=1
        )
    )
    model.zero_grad(set_to_none=True)
    model.train().loss(batch, config, torch.Generator().manual_seed(0)).backward()
    model.eval()
    return sum(p.numel() for p in model.parameters() if p.grad is not None and bool(p.grad.any()))


def milliseconds(calls: Sequence[Callable[[], object]], repeats: int = REPEATS) -> list[float]:
    """Median time of each call over rounds in which each is called once, so that whatever else the
    machine does strikes all alike; the first rounds warm up.
    """
    rounds = [[timeit.timeit(call, number=1) for call in calls] for _ in range(WARM_UP + repeats)]
    return [1000 * statistics.median(times) for times in zip(*rounds[WARM_UP:], strict=True)]


def longest_histories(split: Split, max_len: int, size: int) -> Batch:
    """A batch of exactly `size` test histories, the longest first, repeated where there are
    fewer."""
    batch, _ = next(evaluation_batches(split, "test", max_len=max_len, batch_size=size))
    rows = torch.arange(size) % len(batch.items)
    return Batch(*(None if part is None else part[rows] for part in vars(batch).values()))


def answer(model: SequenceModel, batch: Batch) -> torch.Tensor:
    """Scores of the whole catalogue after the last event of each history, the whole window read
    again: [B, V + 1].
    """
    states = model.states(batch)
    return model.score(
        states[torch.arange(len(states)), batch.lengths - 1] if states.dim() == 3 else states
    )


def stream(model: SequenceModel, batch: Batch) -> Callable[[], torch.Tensor] | None:
    """One more event of one user and the scores after it, from a kept state; None where the model
    keeps none.
    """
    if not hasattr(model, "step"):
        return None
    kept = None
    for place in range(int(batch.lengths[0]) - 1):
        kept = model.step(kept, batch.items[:1, place], batch.times[:1, place])
    item, moment, query = (
        part[:1, batch.lengths[0] - 1] for part in (batch.items, batch.times, batch.query_times)
    )
    return lambda: model.score(model.read(model.step(kept, item, moment), query))


def delivered(model: SequenceModel, split: Split, max_len: int) -> dict[str, float]:
    """What the service makes of a model (`serving.states`), without its web: milliseconds from a
    question of one user to the ten best items, median and p99; events that are taken in a second,
    one at a time; bytes kept of a user. NaN for models that know users and cannot be served.
    """
    names = "serve_p50_ms", "serve_p99_ms", "serve_events_per_second", "serve_bytes_per_user"
    if model.uses_users:
        return dict.fromkeys(names, float("nan"))
    batch, states = longest_histories(split, max_len, 1), states_of(model)
    row, length = torch.zeros(1, dtype=torch.int64), int(batch.lengths[0])
    for place in range(length):
        states.add(row, batch.items[:, place], batch.times[:, place])
    last, query = (part[:, length - 1] for part in (batch.items, batch.query_times))

    def question() -> None:
        model.score(states.read(row, query)).topk(min(10, model.num_items))

    def event() -> None:  # as many as it takes; the state grows no further
        states.add(row, last, query)

    asked, taken = (
        1000 * np.array([timeit.timeit(call, number=1) for _ in range(WARM_UP + count)][WARM_UP:])
        for call, count in ((question, QUESTIONS), (event, QUESTIONS))
    )
    found = *np.quantile(asked, (0.5, 0.99)), 1000 / np.median(taken), states.rows.bytes_per_user
    return dict(zip(names, map(float, found), strict=True))


def run(suite: Suite) -> dict[str, pd.DataFrame]:
    """efficiency: a row a model. Times are those of this machine while it did whatever else it did:
    compare within a table.
    """
    suite.train_all()
    rows = []
    with one_thread(say("measuring efficiency")):
        for entry in suite.lineup:
            model = suite.model(entry)
            results = [suite.result(suite.run(entry, seed)) for seed in range(suite.seeds)]
            row = {"model": entry.label, "twin": entry.twin}
            row[suite.metric] = suite.values(entry).mean()
            row["parameters"] = sum(p.numel() for p in model.parameters())
            row["live_parameters"] = live_parameters(model, suite.data, suite.run(entry, 0).config)
            costs = [result["train_seconds"] / max(result["epochs"], 1) for result in results]
            row["train_seconds_per_epoch"] = float(np.median(costs))
            with torch.inference_mode():
                for size in BATCHES:
                    batch = longest_histories(suite.data, suite.max_len, size)
                    (row[f"latency_ms_batch_{size}"],) = milliseconds(
                        [partial(answer, model, batch)]
                    )
                step = stream(model, batch)
                row["one_more_event_ms"] = row["latency_ms_batch_1"]
                if step:
                    (row["one_more_event_ms"],) = milliseconds([step])
                row |= delivered(model, suite.data, suite.max_len)
            rows.append(row | {"streams": step is not None, "threads": torch.get_num_threads()})
            suite.tick()
    return {"efficiency": pd.DataFrame(rows)}


def draw(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> dict[str, Figure]:
    table = tables["efficiency"]
    figure = Figure(figsize=(8, 1.3 + 0.2 * len(table)))
    left, right = figure.subplots(1, 2, sharey=True)
    rows = range(len(table))
    # models that count learn none
    left.plot(table["live_parameters"].replace(0, np.nan) / 1000, rows, "o", color=BLUE)
    window, event = say("one user, whole window"), say("one more event")
    right.plot(table["latency_ms_batch_1"], rows, "o", color=BLUE, label=window)
    right.plot(table["one_more_event_ms"], rows, "|", color=ORANGE, ms=9, mew=2, label=event)
    left.set(xlabel=say("thousand parameters that learn"), ylim=(len(table) - 0.5, -0.5))
    right.set(xscale="log", xlabel=say("milliseconds for an answer"))
    left.set_yticks(rows, table["model"], fontsize=8)
    figure.legend(loc="outside upper right", ncols=2, fontsize=8)
    return {"efficiency": figure}


def verdict(tables: dict[str, pd.DataFrame], metric: str = "NDCG@10") -> list[str]:
    table = tables["efficiency"].set_index("model")
    trained, lines = table[table["live_parameters"] > 0], []
    if idle := list(trained.index[trained["live_parameters"] < trained["parameters"]]):
        lines.append(say("Hold parameters that never learn: {names}.", names=listed(idle)))
    for column, message in (
        (
            "live_parameters",
            mark("Parameters that learn: {small:,.0f} ({least}) to {large:,.0f} ({most})."),
        ),
        (
            "latency_ms_batch_1",
            mark("Milliseconds for one user: {small:,.2f} ({least}) to {large:,.2f} ({most})."),
        ),
    ):
        if len(trained):
            found = trained[column]
            ends = {"small": found.min(), "large": found.max()}
            lines.append(say(message, **ends, least=found.idxmin(), most=found.idxmax()))
    if {"deepm3-euler", "deepm3-rk4"} <= set(table.index):
        euler, rk4 = table.loc["deepm3-euler"], table.loc["deepm3-rk4"]
        lines.append(
            say(
                "Euler answers in {ratio:.0%} of the time of RK4, at {metric} {euler:.4f} against"
                " {rk4:.4f}.",
                ratio=euler["latency_ms_batch_1"] / rk4["latency_ms_batch_1"],
                metric=metric,
                euler=euler[metric.lower()],
                rk4=rk4[metric.lower()],
            )
        )
    for name, row in table[table["streams"]].iterrows():
        lines.append(
            say(
                "{model}: one more event from the kept state costs {share:.1%} of reading the"
                " window again.",
                model=name,
                share=row["one_more_event_ms"] / row["latency_ms_batch_1"],
            )
        )
    if "serve_p99_ms" in table and table["serve_p99_ms"].notna().any():  # not in older tables
        slow, size = table["serve_p99_ms"], table["serve_bytes_per_user"]
        lines.append(
            say(
                "Served, a question takes at most {slow:.1f} ms in 99 of 100 cases ({slowest}), and"
                " a user {small:,.0f} ({smallest}) to {large:,.0f} bytes.",
                slow=slow.max(),
                slowest=slow.idxmax(),
                small=size.min(),
                smallest=size.idxmin(),
                large=size.max(),
            )
        )
    return lines


STAGE = Stage(
    "efficiency",
    mark("Costs"),
    mark(
        "What the models cost: parameters that learn, training, answering one user and 256, one"
        " more event."
    ),
    run,
    draw,
    verdict,
)
