"""A model that answers: its weights, what it keeps of every user, how it numbers the items.

Several versions may live at the same time; each event reaches all of them, and a request ends with
the one that it began with. Taught in lesson 21.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.data.datasets import load_items
from tutorial_lib.data.events import Dataset
from tutorial_lib.data.simulate import WORLDS, item_clusters
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.digests import damaged
from tutorial_lib.experiments.runs import Run, load_model, load_split, read_run
from tutorial_lib.models import SequenceModel
from tutorial_lib.ranking import has_table
from tutorial_lib.serving.export import full_pass as make_full_pass
from tutorial_lib.serving.index import PROBES, ItemIndex, recall
from tutorial_lib.serving.states import StreamStates, states_of
from tutorial_lib.serving.streams import stream_of


class Version:
    """One model with its states.

    `item_ids[i - 1]` is the original id, as text, of item i. `seen_out`: items of a history are not
    recommended again. `full_pass`: how windows are read, one of `export.WAYS`; streams need none.
    `search`: "exact" scores every item, "index" asks an `ItemIndex`.
    """

    def __init__(
        self,
        name: str,
        model: SequenceModel,
        item_ids: Sequence[str],
        *,
        seen_out: bool = True,
        full_pass: str = "eager",
        search: str = "exact",
    ):
        if model.uses_users:
            raise TutorialError(
                "{name} knows users instead of histories, so it cannot take in new events:"
                " serve a sequence model",
                name=type(model).__name__,
            )
        self.name, self.model, self.seen_out = name, model.eval(), seen_out
        self.item_ids = list(item_ids)
        self.number = {item: number for number, item in enumerate(self.item_ids, 1)}
        way = "eager" if stream_of(model) else full_pass
        self.states = states_of(model, make_full_pass(model, way))
        self.index: ItemIndex | None = None
        self.search, self.recall = search, None  # of the index, once it is measured
        self._numbers = np.zeros(0, np.int64)

    def facts(self) -> dict[str, object]:
        """What is shown of it."""
        return {
            "name": self.name,
            "model": type(self.model).__name__,
            "items": len(self.item_ids),
            "streams": isinstance(self.states, StreamStates),
            "reads_query_time": self.states.asks,
            "seen_out": self.seen_out,
            "bytes_per_user": self.states.rows.bytes_per_user,
            "search": self.search,
            "index_recall": self.recall,
        }

    def numbers(self, items: Sequence[str]) -> np.ndarray:
        """This model's number of each item, 0 where it does not know it. A list that has been given
        before may have grown, at its end.
        """
        if len(self._numbers) < len(items):
            more = [self.number.get(item, 0) for item in items[len(self._numbers) :]]
            self._numbers = np.append(self._numbers, more).astype(np.int64)
        return self._numbers

    def knows(self, row: int) -> bool:
        """Has it met an event of this user?"""
        return self.states.rows.met(row)

    def replay(self, histories: dict[int, tuple[np.ndarray, np.ndarray]]) -> None:
        """Reads whole histories, row -> (items, times) int64: event k of all users at once."""
        lengths = {row: len(items) for row, (items, _) in histories.items() if len(items)}
        if not lengths:
            return
        order = sorted(lengths, key=lengths.get, reverse=True)
        self.states.rows.grow(max(order) + 1)
        rows = torch.tensor(order)
        self.states.rows.forget(rows)
        counts = np.array([lengths[row] for row in order])
        items, times = (np.concatenate([histories[row][part] for row in order]) for part in (0, 1))
        start = np.cumsum(counts) - counts
        for k in range(counts[0]):
            still = int(np.searchsorted(-counts, -k))  # users with more than k events
            at = start[:still] + k
            self.states.add(rows[:still], torch.from_numpy(items[at]), torch.from_numpy(times[at]))

    @torch.inference_mode()
    def answer(
        self, rows: Sequence[int], query_times: Sequence[int], seen: Sequence[np.ndarray], k: int
    ) -> tuple[Tensor, Tensor]:
        """The best k of each user: scores and items, [B, k]. A score of -inf: no item is left."""
        vectors = self.states.read(torch.tensor(rows), torch.tensor(query_times))
        if self.search == "index":
            seen = seen if self.seen_out else [np.zeros(0, np.int64)] * len(rows)
            return self.index.answer(vectors, seen, k)
        scores = self.model.score(vectors)  # [B, V + 1]
        if self.seen_out:
            self.hide(scores, seen)
        return best(scores, min(k, len(self.item_ids)))

    def build_index(self, query_time: int) -> None:
        """Beside the exact search, where the scores allow one; its recall is measured with the
        states of some users at `query_time`. To be called when the histories have been read.
        """
        if self.search == "exact" and not has_table(self.model):
            return
        self.index = ItemIndex(self.model)
        rows = self.states.rows.count.nonzero()[:PROBES, 0]
        if len(rows):
            with torch.inference_mode():
                states = self.states.read(rows, torch.full_like(rows, query_time))
                self.recall = recall(self.index, states)

    @staticmethod
    def hide(scores: Tensor, seen: Sequence[np.ndarray]) -> None:
        """Sets the scores [B, V + 1] of the items that each user has had to -inf."""
        lengths = torch.tensor([len(items) for items in seen])
        row = torch.repeat_interleave(torch.arange(len(seen)), lengths)
        scores[row, torch.from_numpy(np.concatenate(seen))] = -torch.inf


def best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """`scores.topk(k)` of [B, n], in less time where n is large: the k best stand in those k
    columns of a table [rows, 128] whose largest numbers are the largest.
    """
    size, width = len(scores), scores.shape[1]
    columns = width // 128
    if columns < 2 * k:
        return scores.topk(k, dim=1)
    # column c holds the items c, c + columns, ..., so a maximum runs over whole rows
    table = scores[:, : 128 * columns].view(size, 128, columns)
    chosen = table.amax(1).topk(k, dim=1).indices  # [B, k]
    some = table.gather(2, chosen[:, None].expand(-1, 128, -1)).flatten(1)  # [B, 128 k]
    rest = scores[:, 128 * columns :]
    values, place = torch.cat([some, rest], dim=1).topk(k, dim=1)
    inside = place.clamp(max=128 * k - 1)
    items = inside // k * columns + chosen.gather(1, inside % k)
    return values, items.where(place < 128 * k, place + 128 * (columns - k))


def load_version(
    folder: Path | str, name: str | None = None, **options
) -> tuple[Version, Dataset, Run]:
    """The version of a finished run, its data set and settings. `options`: of `Version`."""
    folder = Path(folder).resolve()
    if lost := damaged(folder):
        raise TutorialError(
            "{folder}: {lost} damaged or missing; the command that trained it makes it again",
            folder=folder,
            lost=", ".join(lost),
        )
    run = read_run(folder)
    split = load_split(run)
    model = load_model(run, split, folder.parent)
    seen_out = run.config.hides_seen(split.dataset)
    ids = [str(item) for item in split.dataset.item_ids]
    version = Version(
        name or f"{run.model}-{run.name[-6:]}", model, ids, seen_out=seen_out, **options
    )
    return version, split.dataset, run


def labels(dataset: Dataset) -> dict[str, dict[str, object]]:
    """What is known of items besides their ids: title and genres, or the cluster in a simulated
    world. Item id -> facts; empty where there are none.
    """
    ids = [str(item) for item in dataset.item_ids]
    if dataset.name in WORLDS:
        clusters = item_clusters(WORLDS[dataset.name]).tolist()
        kinds = {item: clusters[int(item) - 1] for item in ids}
        return {
            item: {"label": f"item {item}, kind {kind}", "cluster": kind}
            for item, kind in kinds.items()
        }
    try:
        table = load_items(dataset)
    except TutorialError:
        return {}
    return {
        item: {"label": row.title or item, "genres": row.genres}
        for item, row in zip(ids, table.itertuples(), strict=True)
    }
