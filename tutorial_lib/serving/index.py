"""Finding the best items without scoring them all: an index over the item vectors, beside the exact
search that it is measured against.

usearch's HNSW under the inner product (Malkov and Yashunin, 2018). It finds most of the exact best
and not always all, so its recall is measured at the start. Only models whose score is an inner
product with the item table can be searched like this. Taught in lesson 21.
"""

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.errors import TutorialError
from tutorial_lib.models import SequenceModel
from tutorial_lib.ranking import has_table

PROBES, K = 200, 10  # of the measured recall


class ItemIndex:
    """The items of a model, by their vectors."""

    def __init__(self, model: SequenceModel):
        try:
            from usearch.index import Index
        except ImportError:
            raise TutorialError(
                "usearch is not installed: pip install -e '.[serving]', or search exactly"
            ) from None
        if not has_table(model):
            raise TutorialError(
                "the scores of {name} are no inner products with an item table, so no"
                " index can find them: search exactly",
                name=type(model).__name__,
            )
        self.vectors = model.item_vectors().detach().numpy()[1:]  # without PAD
        self.index = Index(ndim=self.vectors.shape[1], metric="ip", dtype="f32")
        self.index.add(np.arange(1, len(self.vectors) + 1), self.vectors, threads=1)

    def search(self, states: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Scores and items of the best k that it finds: [B, k], -inf and 0 where they are fewer."""
        k = min(k, len(self.vectors))
        found = self.index.search(states.numpy(), k, threads=1)
        keys = np.atleast_2d(found.keys).astype(np.int64)
        counts = np.atleast_1d(getattr(found, "counts", keys.shape[1]))
        real = np.arange(keys.shape[1]) < counts[:, None]
        items = torch.from_numpy(np.where(real, keys, 0))
        vectors = torch.from_numpy(self.vectors)[(items - 1).clamp(min=0)]
        # its own distances are rounded otherwise than the model's scores
        scores = (vectors * states[:, None]).sum(-1).masked_fill(items == 0, -torch.inf)
        return scores, items

    def answer(self, states: Tensor, seen: list[np.ndarray], k: int) -> tuple[Tensor, Tensor]:
        """As `search`, without the items that each user has had: as many more are looked for."""
        more = max((len(set(items.tolist())) for items in seen), default=0)
        scores, items = self.search(states, k + more)
        for row, had in enumerate(seen):
            scores[row, torch.from_numpy(np.isin(items[row].numpy(), had))] = -torch.inf
        best = scores.topk(min(k, scores.shape[1]), dim=1)
        return best.values, items.gather(1, best.indices)


def recall(index: ItemIndex, states: Tensor, k: int = K) -> float:
    """Share of the exact best k that the index finds, over states [N, d]."""
    exact = (states @ torch.from_numpy(index.vectors).T).topk(min(k, len(index.vectors)), dim=1)
    found = index.search(states, k)[1]
    hits = (found[:, :, None] == exact.indices[:, None] + 1).any(1)
    return hits.float().mean().item()
