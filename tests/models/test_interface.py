"""What every sequence model must satisfy: causality, padding invariance, independence, no dead
parameters, overfitting.

Models that know users and read no history (mf, neumf) have no order and no padding to test: see
test_mf.py.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.sequences import Batch
from tutorial_lib.errors import TutorialError
from tutorial_lib.models import MODELS, blind_twin, build_model, model_options

NUM_ITEMS, LENGTH = 30, 12
READ_HISTORIES = [name for name, cls in MODELS.items() if not cls.uses_users]
TRAINED = [name for name in READ_HISTORIES if MODELS[name].trains_by_gradient]


def make(name, **options):
    model = build_model(name, num_items=NUM_ITEMS, max_len=LENGTH + 7, dim=16, seed=1, **options)
    if not model.trains_by_gradient:
        generator = torch.Generator().manual_seed(0)
        items = torch.randint(1, NUM_ITEMS + 1, (400,), generator=generator).numpy()
        model.fit(torch.arange(40).repeat_interleave(10).numpy(), items)
    elif name in TRAINED:
        with torch.no_grad():  # larger weights than at the start, so that a leak would show
            for parameter in model.parameters():
                parameter.mul_(5)
                if not parameter.any():  # what starts at zero would hide the path behind it
                    parameter.normal_(0, 0.5, generator=torch.Generator().manual_seed(2))
    return model.eval()


def histories(batch=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    items = torch.randint(1, NUM_ITEMS + 1, (batch, LENGTH), generator=generator)
    gaps = torch.randint(0, 100_000, (batch, LENGTH + 1), generator=generator)
    times = 1_700_000_000 + gaps.cumsum(1)
    return items, times[:, :-1], times[:, 1:]


def loss_of(model, items, times, query_times, targets):
    """Of the model's own objective; what is random about it is drawn anew."""
    lengths = (items > 0).sum(1)
    batch = Batch(items, times, query_times, targets, torch.arange(len(items)), lengths)
    return model.loss(batch, TrainConfig(), torch.default_generator)


@pytest.mark.parametrize("name", READ_HISTORIES)
class TestEveryModel:
    def test_the_future_changes_nothing(self, name):
        model = make(name)
        if not model.causal:  # says that only the last state is for use
            pytest.skip("reads from both sides: see its own tests")
        items, times, query_times = histories()
        before = model(items, times, query_times)
        for cut in (1, 5, LENGTH - 1):
            changed = items.clone()
            changed[:, cut:] = changed[:, cut:] % NUM_ITEMS + 1
            later_times, later_queries = times.clone(), query_times.clone()
            later_times[:, cut:] += 12_345
            later_queries[:, cut:] += 12_345
            after = model(changed, later_times, later_queries)
            assert torch.equal(after[:, :cut], before[:, :cut])
            if name != "popularity":  # and the test can fail: the present does count
                assert not torch.equal(after[:, cut], before[:, cut])

    def test_padding_and_batch_mates_change_nothing(self, name):
        model = make(name)
        items, times, query_times = histories()
        alone = model(items[:1, :5], times[:1, :5], query_times[:1, :5])[:, 4]
        padded = torch.zeros(6, LENGTH + 7, dtype=torch.long)
        padded[:, :LENGTH] = items
        padded[0, 5:] = 0
        padded_times = times[:, -1:].repeat(1, LENGTH + 7)
        padded_times[:, :LENGTH] = times
        padded_times[0, 5:] = times[0, 4]
        padded_queries = padded_times.clone()
        padded_queries[:, :LENGTH] = query_times
        padded_queries[0, 5:] = times[0, 4]
        together = model(padded, padded_times, padded_queries)[:1, 4]
        torch.testing.assert_close(model.score(together), model.score(alone), atol=1e-5, rtol=1e-5)
        order = torch.tensor([3, 0, 5, 1, 2, 4])
        full = model(items, times, query_times)
        torch.testing.assert_close(
            model(items[order], times[order], query_times[order]), full[order], atol=1e-5, rtol=1e-5
        )

    def test_pad_never_scores_and_scores_are_deterministic(self, name):
        model = make(name)
        items, times, query_times = histories()
        scores = model.score(model(items, times, query_times))
        assert scores.shape == (6, LENGTH, NUM_ITEMS + 1)
        assert (scores[..., 0] == -torch.inf).all() and scores[..., 1:].isfinite().all()
        assert torch.equal(scores, model.score(model(items, times, query_times)))

    def test_seed_decides_the_weights(self, name):
        first, again = (build_model(name, num_items=9, max_len=5, dim=4, seed=3) for _ in range(2))
        assert all(
            torch.equal(a, b)
            for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True)
        )
        if name in TRAINED:
            other = build_model(name, num_items=9, max_len=5, dim=4, seed=4)
            assert not torch.equal(first.item_embedding.weight, other.item_embedding.weight)

    def test_unknown_options_are_refused(self, name):
        with pytest.raises(TutorialError, match="no option 'heats'"):
            build_model(name, num_items=9, max_len=5, heats=2)


@pytest.mark.parametrize("name", TRAINED)
class TestTrainedModels:
    def test_every_parameter_is_live_and_pad_gets_no_gradient(self, name):
        model = make(name).train()
        items, times, query_times = histories()
        items[:, 8:] = 0
        targets = torch.randint(1, NUM_ITEMS + 1, items.shape) * (items > 0)
        loss_of(model, items, times, query_times, targets).backward()
        for label, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), label
            assert parameter.grad.abs().sum() > 0, label
        assert model.item_embedding.weight.grad[0].abs().sum() == 0
        assert model.item_embedding.weight[0].abs().sum() == 0

    def test_overfits_eight_sequences(self, name):
        model = build_model(
            name, num_items=NUM_ITEMS, max_len=LENGTH, dim=32, seed=0, dropout=0.0
        ).train()
        if not model.causal:
            pytest.skip("learns no shifted targets: see its own tests")
        items, times, query_times = histories(batch=8, seed=5)
        targets = items.roll(-1, dims=1)[:, :-1]
        # the first position cannot tell the eight sequences apart when two start alike
        targets[:, 0] = 0
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(150):
            loss = loss_of(model, items[:, :-1], times[:, :-1], query_times[:, :-1], targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert loss.item() < 0.1

    def test_score_items_agrees_with_score(self, name):
        model = make(name)
        states = model(*histories())[:, -1]
        chosen = torch.tensor([[1, 7, NUM_ITEMS]]).repeat(6, 1)
        for some in (chosen, chosen[:, 1:2]):
            torch.testing.assert_close(
                model.score_items(states, some),
                model.score(states).gather(1, some),
                atol=1e-5,
                rtol=1e-5,
            )


def everything(name, **options):
    """A model of every kind with a clock where it can have one, and what it may be given."""
    sizes = {"num_items": NUM_ITEMS, "max_len": LENGTH, "dim": 16, "num_users": 6, **options}
    if name == "lrurec":
        sizes["time_aware"] = True
    items, times, query_times = histories()
    known = {"users": torch.arange(6)} if MODELS[name].takes_users else {}
    return build_model(name, **sizes).eval(), {
        "items": items,
        "times": times,
        "query_times": query_times,
        **known,
    }


def put(x, row, column, value):
    x = x.clone()
    x[row, column] = value
    return x


# what is changed in the six histories of 12 events, and the sentence after the name of the model
REFUSED = {
    "items of float": ({"items": lambda x: x.float()}, "got items float32 [6, 12]: give ids int64"),
    "items of int32": ({"items": lambda x: x.int()}, "got items int32 [6, 12]: give ids int64"),
    "a single history": ({"items": lambda x: x[0]}, "got items int64 [12]: give ids int64 [B, L]"),
    "an array": ({"items": lambda x: x.numpy()}, "got items ndarray: give ids int64 [B, L]"),
    "no history": (
        dict.fromkeys(("items", "times", "query_times", "users"), lambda x: x[:0]),
        "got items int64 [0, 12]: give ids int64 [B, L], 0 = PAD, of at least one user and one",
    ),
    "no event": (
        dict.fromkeys(("items", "times", "query_times"), lambda x: x[:, :0]),
        "got items int64 [6, 0]: give ids int64 [B, L], 0 = PAD, of at least one user and one",
    ),
    "an id below 0": (
        {"items": lambda x: put(x, 2, 3, -1)},
        "got the item id -1 and knows 1 to 30 (0 = PAD): number the items",
    ),
    "an id too large": (
        {"items": lambda x: put(x, 2, 3, 31)},
        "got the item id 31 and knows 1 to 30 (0 = PAD): number the items",
    ),
    "times of float": (
        {"times": lambda x: x.float()},
        "got times float32 [6, 12]: give unix seconds int64 [6, 12], one for each of the items",
    ),
    "one time a user": (
        {"times": lambda x: x[:, :1]},
        "got times int64 [6, 1]: give unix seconds int64 [6, 12], one for each of the items",
    ),
    "query times of float": (
        {"query_times": lambda x: x.float()},
        "got query_times float32 [6, 12]: give unix seconds int64 [6, 12], one for each",
    ),
    "one query time a user": (
        {"query_times": lambda x: x[:, :1]},
        "got query_times int64 [6, 1]: give unix seconds int64 [6, 12], one for each",
    ),
    "times of other users": (
        {"times": lambda x: x[:5]},
        "got times int64 [5, 12]: give unix seconds int64 [6, 12], one for each of the items",
    ),
}
OF_HISTORIES = {
    "an empty history": ({"items": lambda x: put(x, 4, slice(None), 0)}, "row 4 of the items of"),
    "pads on the left": ({"items": lambda x: put(x, 1, 0, 0)}, "row 1 of the items of"),
    "a pad in the middle": ({"items": lambda x: put(x, 5, 6, 0)}, "row 5 of the items of"),
}
OF_USERS = {
    "users in a column": (
        {"users": lambda x: x[:, None]},
        "got users int64 [6, 1]: give users int64 [6], one a row of items",
    ),
    "users of int32": ({"users": lambda x: x.int()}, "got users int32 [6]: give users int64 [6]"),
}


def refused(model, given, changes):
    given = {name: changes.get(name, lambda x: x)(value) for name, value in given.items()}
    with pytest.raises(TutorialError) as caught:
        model(**given)
    return str(caught.value)


@pytest.mark.parametrize("name", MODELS)
class TestTheDoor:
    def test_one_sentence_for_all_models(self, name):
        model, given = everything(name)
        assert model(**given) is not None
        assert model(*list(given.values())[:3], **dict(list(given.items())[3:])) is not None
        kind = type(model).__name__
        for case, (changes, words) in REFUSED.items():
            assert refused(model, given, changes).startswith(f"{kind} {words}"), case
        for case, (changes, words) in OF_HISTORIES.items():
            if model.uses_users:  # they ignore the histories
                continue
            want = f"{words} {kind} is empty or has a PAD before an event: leave out"
            assert refused(model, given, changes).startswith(want), case

    def test_users(self, name):
        model, given = everything(name)
        kind = type(model).__name__
        if not model.takes_users:
            said = refused(model, given | {"users": torch.arange(6)}, {})
            assert said == f"{kind} got users int64 [6]: give no users"
            return
        for case, (changes, words) in OF_USERS.items():
            assert refused(model, given, changes).startswith(f"{kind} {words}"), case
        model, given = (
            everything(name) if model.uses_users else everything(name, bucketing="linear")
        )
        for wrong in (-1, 6):
            said = refused(model, given, {"users": lambda x, wrong=wrong: x.clone().fill_(wrong)})
            assert said.startswith(f"{kind} got the user {wrong} and knows 0 to 5: number"), wrong
        without = {key: value for key, value in given.items() if key != "users"}
        if model.uses_users:
            assert refused(model, without, {}) == f"{kind} got users None: give users int64 [B]"
        else:
            model(**without)

    def test_times_where_the_clock_is_read(self, name):
        model, given = everything(name)
        for key in ("times", "query_times"):
            del given[key]
        if not model.uses_time:
            model(**given)
            return
        assert refused(model, given, {}) == (
            f"{type(model).__name__} got times None: give unix seconds int64 [B, L], as it reads"
            " the clock"
        )

    def test_length(self, name):
        # the published TiM4Rec mixes the gaps of a window of fixed length
        for options in ({}, {"literal": True}) if name == "tim4rec" else ({},):
            model, given = everything(name, **options)
            longer = {
                key: torch.cat([value, value[:, -1:]], 1) if value.dim() > 1 else value
                for key, value in given.items()
            }
            if not model.limited:
                assert len(model(**longer)) == 6
                continue
            assert refused(model, longer, {}) == (
                f"{type(model).__name__} got histories of 13 events and reads at most max_len=12:"
                " give the last 12 of each"
            )

    def test_the_door_costs_no_more_than_a_look(self, name):
        """Counted, as a clock would be noisy: the passes over the ids, for full and for padded."""
        model, given = everything(name)
        users = "users" in given
        assert operations(model, given) <= 3 + users
        given["items"] = put(given["items"], 0, slice(9, None), 0)
        assert operations(model, given) <= 14 + users


def operations(model, given):
    """Kernels that the door alone starts; views and reading a number are none."""

    class Counted(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            name = func.overloadpacket.__name__
            self.count += name not in ("view", "slice", "_local_scalar_dense", "unbind", "select")
            return func(*args, **(kwargs or {}))

    with Counted() as mode:
        model.check_events(**given)
    return mode.count


def test_the_door_of_a_stream():
    model = build_model("deepm3", num_items=NUM_ITEMS, max_len=LENGTH, dim=8).eval()
    items, times = torch.tensor([3, 4]), torch.tensor([1_700_000_000, 1_700_000_500])
    state = model.step(model.step(None, items, times), items, times + 60)
    assert state.fast.shape == (2, 8)
    for wrong, words in (
        ((items[:, None], times), "got items int64 [2, 1]: give ids int64 [B]"),
        ((items, times.float()), "got times float32 [2]: give unix seconds int64 [2]"),
        ((items, times[:1]), "got times int64 [1]: give unix seconds int64 [2]"),
        ((items, None), "got times None: give unix seconds int64 [B], as it reads the clock"),
        ((items + NUM_ITEMS, times), "got the item id 34 and knows 1 to 30"),
        ((items[:0], times[:0]), "got items int64 [0]"),
        ((items - 3, times), "row 0 of the items of DeepM3 is empty"),
    ):
        with pytest.raises(TutorialError) as caught:
            model.step(state, *wrong)
        assert words in str(caught.value)


def test_compiled_and_exported_models_have_no_door():
    model, given = everything("sasrec")
    items = given["items"]
    program = torch.export.export(model, (items,))
    torch.testing.assert_close(program.module()(items), model(items))
    ops = {str(node.target) for node in program.graph.nodes}
    assert not any("aminmax" in op for op in ops)
    # one graph without a break: no number is read on the way
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(items), model(items))


def test_unknown_model_lists_the_known():
    with pytest.raises(TutorialError, match="known are popularity, markov"):
        build_model("sasrek", num_items=5, max_len=5)
    with pytest.raises(TutorialError, match="num_items"):
        build_model("sasrec", num_items=0, max_len=5)
    assert model_options("sasrec")["blocks"] == 2


def test_building_leaves_the_global_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build_model("sasrec", num_items=5, max_len=5)
    assert torch.equal(torch.rand(1), expected)


class TestTwins:
    @pytest.mark.parametrize("name", MODELS)
    def test_it_reads_no_clock_and_is_its_own_twin(self, name):
        for options in ({}, {"dropout": 0.3}, {"blocks": 3}, {"query_time": True}):
            if set(options) - set(model_options(name)):
                continue
            twin, kept = blind_twin(name, options)
            assert not build_model(
                twin, num_items=9, max_len=5, dim=16, num_users=3, **kept
            ).uses_time
            assert blind_twin(twin, kept) == (twin, kept)
            # what both know is alike
            shared = set(options) & set(model_options(twin)) - {"query_time"}
            assert all((model_options(twin) | kept)[key] == options[key] for key in shared)

    def test_by_name(self):
        assert blind_twin("tisasrec", {"blocks": 3, "query_time": True}) == (
            "sasrec",
            {"blocks": 3},
        )
        assert blind_twin("deepm3", {"flow": "attractor", "size": "light"}) == (
            "deepm3",
            {"solver": "none", "size": "light"},
        )
        assert blind_twin("lrurec", {"time_aware": True}) == ("lrurec", {})
        assert blind_twin("gru4rec", {"blocks": 2}) == ("gru4rec", {"blocks": 2})
