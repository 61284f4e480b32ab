"""The training loop: exact resume, selection on validation alone, and every number of the loop by
hand.
"""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch

import tutorial_lib.train as loop
from tutorial_lib import distributed, tasks
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.sequences import num_training_batches
from tutorial_lib.data.splits import Split, leave_last_out
from tutorial_lib.errors import TutorialError
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import SequenceModel, base, build_model
from tutorial_lib.train import (
    TrainConfig,
    learning_rate_at,
    make_optimizer,
    pick_device,
    train,
    train_epoch,
    update_average,
)

ITEMS = 15
EVERYTHING = TrainConfig(
    loss="bce",
    negatives=2,
    epochs=4,
    batch_size=8,
    learning_rate=0.02,
    weight_decay=0.1,
    schedule="cosine",
    warmup_epochs=1.5,
    averaging=0.8,
    windows="all",
    seed=3,
)


def test_a_task_decides_what_is_learned_and_what_is_kept():
    """Batches of epoch k, and the weights with the largest score; no checkpoint, as no split."""
    split, model, asked = toy_split(), toy_model(), []
    usual = tasks.ranking(model, split, TrainConfig(batch_size=8))
    scores = iter([-3.0, -1.0, -2.0])

    def score(model):
        asked.append({name: value.clone() for name, value in model.state_dict().items()})
        return next(scores)

    task = replace(usual, score=score, column="score")
    config = TrainConfig(epochs=3, batch_size=8)
    history = train(model, task, config, progress=False)
    assert [row["score"] for row in history.rows] == [-3, -1, -2] and history.best_epoch == 2
    assert same(model.state_dict(), asked[1]) and not same(asked[1], asked[2])
    by_split, by_task = (toy_model() for _ in range(2))
    histories = [
        train(one, data, config, progress=False)
        for one, data in ((by_split, split), (by_task, usual))
    ]
    assert same(by_split.state_dict(), by_task.state_dict())
    assert without_seconds(histories[0]) == without_seconds(histories[1])
    with pytest.raises(TutorialError, match="a checkpoint belongs to a split"):
        train(toy_model(), task, config, checkpoint="c.pt", progress=False)


def test_a_task_may_have_its_own_seed_optimizer_and_rate():
    """A rate of 0 leaves the weights alone; the same random numbers in every epoch give the same
    loss, and a stream that goes on does not.
    """
    split, asked, losses = toy_split(), [], {}
    usual = replace(
        tasks.ranking(toy_model(), split, TrainConfig(batch_size=8)), score=lambda m: 0.0
    )
    same_order = replace(usual, batches=lambda epoch: usual.batches(1))
    for name, seed in (
        ("again", lambda epoch: 7),
        ("goes on", lambda epoch: 7 if epoch == 1 else None),
    ):
        model = toy_model()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        task = replace(
            same_order,
            seed=seed,
            optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=1.0),
            rate=lambda done: asked.append(done) or 0.0,
        )
        history = train(model, task, TrainConfig(epochs=2), progress=False)
        losses[name] = [row["loss"] for row in history.rows]
        assert same(model.state_dict(), before)
    assert losses["again"][0] == losses["again"][1] == losses["goes on"][0] != losses["goes on"][1]
    assert asked[: task.steps] == [step / task.steps for step in range(1, task.steps + 1)]


def test_filter_seen_is_a_setting_of_validation(monkeypatch):
    asked, original = [], distributed.evaluate

    def watch(model, split, part, **options):
        asked.append(options["filter_seen"])
        return original(model, split, part, **options)

    monkeypatch.setattr(distributed, "evaluate", watch)
    best = []
    for choice in (None, True, False):
        config = TrainConfig(epochs=1, filter_seen=choice)
        best.append(train(toy_model(), toy_split(), config, progress=False).best_ndcg)
    assert asked == [True, True, False]
    # each user of this data set repeats items, which is worth more where they stay candidates
    assert best[0] == best[1] != best[2]
    with pytest.raises(TutorialError, match="filter_seen must be true or false, got 'yes'"):
        TrainConfig(filter_seen="yes")


def toy_events(users: int = 30, seed: int = 0) -> pd.DataFrame:
    """4 to 12 events a user; the next item is mostly the last plus one, so that there is something
    to learn.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        item = int(rng.integers(ITEMS))
        for place in range(int(rng.integers(4, 13))):
            item = (item + 1 if rng.random() < 0.8 else int(rng.integers(ITEMS))) % ITEMS
            rows.append((user, item, 1_600_000_000 + 1000 * place + user))
    return pd.DataFrame(rows, columns=["user", "item", "timestamp"])


def toy_split(**options) -> Split:
    return leave_last_out(make_dataset("toy", toy_events(), **options))


def toy_model(**options) -> SequenceModel:
    return build_model(
        "sasrec", num_items=ITEMS, max_len=6, dim=8, **{"dropout": 0.3, "blocks": 1} | options
    )


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def without_seconds(history: loop.History) -> tuple:
    rows = [
        {name: value for name, value in row.items() if name != "seconds"} for row in history.rows
    ]
    return rows, history.best_epoch, history.best_ndcg


class TestResume:
    def kill(self, monkeypatch, where):
        """Plants an interruption: between two epochs, in the middle of the third, or while the
        second checkpoint is written.
        """
        steps = num_training_batches(toy_split(), max_len=6, batch_size=8, windows="all")
        assert steps >= 3  # or no step is in the middle
        target, name, calls = {
            "between epochs": (loop, "train_epoch", 2),
            "within an epoch": (SequenceModel, "loss", 2 * steps + 1),
            "before the first epoch ends": (SequenceModel, "loss", 2),
            "while saving": (torch, "save", 2),  # the first save is that of the start
        }[where]
        original, count = getattr(target, name), 0

        def dying(*args, **kwargs):
            nonlocal count
            count += 1
            if count > calls:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        monkeypatch.setattr(target, name, dying)

    @pytest.mark.parametrize(
        "where",
        ["between epochs", "within an epoch", "before the first epoch ends", "while saving"],
    )
    def test_same_bits_as_an_uninterrupted_run(self, where, tmp_path, monkeypatch):
        split, whole = toy_split(), toy_model()
        expected = train(whole, split, EVERYTHING, checkpoint=tmp_path / "whole.pt", progress=False)
        with monkeypatch.context() as patch:
            self.kill(patch, where)
            with pytest.raises(KeyboardInterrupt):
                train(
                    toy_model(), split, EVERYTHING, checkpoint=tmp_path / "cut.pt", progress=False
                )
        torch.manual_seed(99)  # another process has other random numbers
        resumed = toy_model(seed=5)  # even the initial weights come from the checkpoint
        found = train(resumed, split, EVERYTHING, checkpoint=tmp_path / "cut.pt", progress=False)
        assert without_seconds(found) == without_seconds(expected) and len(found.rows) == 4
        assert same(resumed.state_dict(), whole.state_dict())
        cut, straight = (
            torch.load(tmp_path / name, weights_only=True) for name in ("cut.pt", "whole.pt")
        )
        for part in ("model", "average", "best"):
            assert same(cut[part], straight[part])
        for number, state in straight["optimizer"]["state"].items():
            assert same(cut["optimizer"]["state"][number], state)

    def test_the_comparison_can_fail(self, tmp_path, monkeypatch):
        """Were the random numbers of an epoch not set anew, the resumed run would differ: dropout
        is in use.
        """
        split, whole, resumed = toy_split(), toy_model(), toy_model()
        monkeypatch.setattr(torch, "manual_seed", lambda seed: None)
        train(whole, split, EVERYTHING, progress=False)
        torch.rand(1)
        train(resumed, split, EVERYTHING, progress=False)
        assert not same(whole.state_dict(), resumed.state_dict())

    def test_a_finished_run_is_not_trained_again(self, tmp_path, monkeypatch):
        split, first = toy_split(), toy_model()
        history = train(first, split, EVERYTHING, checkpoint=tmp_path / "c.pt", progress=False)
        monkeypatch.setattr(
            loop, "train_epoch", lambda *args, **kwargs: pytest.fail("trained again")
        )
        second = toy_model()
        again = train(second, split, EVERYTHING, checkpoint=tmp_path / "c.pt", progress=False)
        assert again.rows == history.rows and same(first.state_dict(), second.state_dict())
        assert again.wall_seconds >= history.wall_seconds >= history.seconds > 0

    def test_a_folder_that_cannot_be_written_to_shows_before_training(self, tmp_path, monkeypatch):
        monkeypatch.setattr(
            loop, "train_epoch", lambda *args, **kwargs: pytest.fail("trained for nothing")
        )
        (tmp_path / "file").touch()
        with pytest.raises(TutorialError, match="could not write"):
            train(
                toy_model(),
                toy_split(),
                EVERYTHING,
                checkpoint=tmp_path / "file" / "c.pt",
                progress=False,
            )


class TestSelection:
    def test_stops_after_patience_and_keeps_the_best(self, tmp_path, monkeypatch):
        values, weights = [0.1, 0.3, 0.3, 0.2, 0.9], []

        def scripted(model, split, *_):
            weights.append({name: value.clone() for name, value in model.state_dict().items()})
            return values[len(weights) - 1]

        monkeypatch.setattr(tasks, "validate", scripted)
        config, model = TrainConfig(epochs=5, batch_size=8, patience=2), toy_model()
        history = train(model, toy_split(), config, checkpoint=tmp_path / "c.pt", progress=False)
        # equal is not better, and the fifth is never seen
        assert [row["ndcg"] for row in history.rows] == values[:4]
        assert (history.best_epoch, history.best_ndcg) == (2, 0.3)
        assert same(model.state_dict(), weights[1]) and not same(model.state_dict(), weights[3])
        train(model, toy_split(), config, checkpoint=tmp_path / "c.pt", progress=False)
        assert len(weights) == 4  # the stop holds for a run that is taken up again

    def test_the_last_epoch_is_always_validated(self):
        history = train(
            toy_model(),
            toy_split(),
            TrainConfig(epochs=5, evaluate_every=2, batch_size=32),
            progress=False,
        )
        assert [row["epoch"] for row in history.rows] == [2, 4, 5]

    @pytest.mark.parametrize("averaging", [0.0, 0.8])
    def test_leaves_the_weights_that_were_validated(self, averaging, monkeypatch):
        seen, original = [], tasks.validate

        def watch(model, *others):
            seen.append({name: value.clone() for name, value in model.state_dict().items()})
            return original(model, *others)

        monkeypatch.setattr(tasks, "validate", watch)
        split, model = toy_split(), toy_model()
        history = train(
            model,
            split,
            TrainConfig(epochs=6, batch_size=8, learning_rate=0.05, averaging=averaging),
            progress=False,
        )
        # the first, where two are equal
        best = max(range(6), key=lambda i: history.rows[i]["ndcg"])
        assert history.best_epoch == best + 1 and same(model.state_dict(), seen[best])
        assert original(model, split) == history.best_ndcg == history.rows[best]["ndcg"]
        assert not model.training

    def test_the_test_part_is_never_looked_at(self):
        """Every test event replaced by another item: the same weights and the same history, bit for
        bit.
        """
        split = toy_split()
        events = split.dataset.events.copy()
        events.loc[split.test.row, "item"] = events["item"].to_numpy()[split.test.row] % ITEMS + 1
        other = leave_last_out(make_dataset("toy", events))
        assert other.dataset.num_items == ITEMS and not other.dataset.events.equals(
            split.dataset.events
        )
        first, second = toy_model(), toy_model()
        histories = [
            train(model, part, EVERYTHING, progress=False)
            for model, part in ((first, split), (second, other))
        ]
        assert without_seconds(histories[0]) == without_seconds(histories[1]) and same(
            first.state_dict(), second.state_dict()
        )

    def test_it_learns(self):
        """A step to the next item four times out of five: NDCG@10 of about 0.8, where an untrained
        model has about 0.5.
        """
        split, model = toy_split(), toy_model(dropout=0.0)
        before = tasks.validate(model, split)
        history = train(
            model, split, TrainConfig(epochs=20, batch_size=8, learning_rate=0.02), progress=False
        )
        assert (
            before < 0.6
            and history.best_ndcg > 0.7
            and history.rows[-1]["loss"] < 0.7 * math.log(ITEMS)
        )


class TestSeeds:
    def test_same_seed_same_bits(self):
        split, runs = toy_split(), []
        for seed in (3, 3, 4):
            model = toy_model()
            runs.append(
                (
                    train(model, split, replace(EVERYTHING, seed=seed), progress=False),
                    model.state_dict(),
                )
            )
        assert without_seconds(runs[0][0]) == without_seconds(runs[1][0]) and same(
            runs[0][1], runs[1][1]
        )
        assert without_seconds(runs[0][0]) != without_seconds(runs[2][0]) and not same(
            runs[0][1], runs[2][1]
        )

    def test_the_callers_random_numbers_stay(self):
        torch.manual_seed(12)
        before = torch.get_rng_state()
        numpy_before = np.random.get_state()[1].copy()  # noqa: NPY002
        train(toy_model(), toy_split(), EVERYTHING, progress=False)
        assert torch.equal(torch.get_rng_state(), before)
        assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002

    def test_epochs_and_seeds_differ_in_order_dropout_and_negatives(self, monkeypatch):
        seen, original = [], base.training_loss

        def watch(name, model, states, targets, *, generator, **options):
            seen.append((targets, torch.initial_seed(), generator.initial_seed()))
            return original(name, model, states, targets, generator=generator, **options)

        monkeypatch.setattr(base, "training_loss", watch)
        for seed in (0, 1):
            train(
                toy_model(),
                toy_split(),
                TrainConfig(loss="bce", epochs=2, batch_size=64, seed=seed),
                progress=False,
            )
        assert len(seen) == 4  # two seeds, two epochs, one batch each
        assert (
            len({number for _, dropout, negatives in seen for number in (dropout, negatives)}) == 8
        )
        for (first, *_), (second, *_) in combinations(seen, 2):
            assert not torch.equal(first, second) and torch.equal(
                first.sort().values, second.sort().values
            )


class TestByHand:
    def test_loss_is_the_mean_over_all_targets(self):
        """Learning rate 0: the loss of an epoch is that of the fixed weights, target by target; two
        users have no target.
        """
        events = pd.concat(
            [
                toy_events(),
                toy_events(2, seed=1)
                .groupby("user")
                .head(3)
                .assign(user=lambda e: e["user"] + 100),
            ]
        )
        split = leave_last_out(make_dataset("toy", events))
        assert sorted(split.train.groupby("user").size())[:3] == [1, 1, 2]
        model = toy_model(dropout=0.0)
        config = TrainConfig(batch_size=8, learning_rate=0.0)
        found = train_epoch(model, split, config, make_optimizer(model, config), 1)
        losses = []
        for _, history in split.train.groupby("user"):
            row = torch.from_numpy(history["item"].to_numpy()[-7:].copy())
            for end in range(1, len(row)):
                state = model(row[None, :end])[:, -1]
                losses.append(
                    full_softmax(state, model.item_embedding.weight, row[end : end + 1]).item()
                )
        assert found == pytest.approx(np.mean(losses), rel=1e-5)

    def test_learning_rate(self):
        cosine = TrainConfig(learning_rate=2.0, schedule="cosine", epochs=10)
        halfway = 2 * (0.02 + 0.49)
        assert [learning_rate_at(cosine, x) for x in (0, 5, 10, 11)] == pytest.approx(
            [2.0, halfway, 0.04, 0.04]
        )
        assert learning_rate_at(cosine, 2.5) == pytest.approx(
            2 * (0.02 + 0.49 * (1 + math.sqrt(0.5)))
        )
        warm = TrainConfig(learning_rate=2.0, warmup_epochs=4.0)
        assert [learning_rate_at(warm, x) for x in (0, 1, 4, 9)] == [0.0, 0.5, 2.0, 2.0]
        assert learning_rate_at(TrainConfig(learning_rate=2.0), 7) == 2.0

    def test_every_step_gets_its_learning_rate(self):
        model, split = toy_model(), toy_split()
        config = TrainConfig(epochs=2, batch_size=8, schedule="cosine", warmup_epochs=0.5)
        optimizer, seen = make_optimizer(model, config), []
        for epoch in (1, 2):
            train_epoch(
                model,
                split,
                config,
                optimizer,
                epoch,
                on_step=lambda: seen.append(optimizer.param_groups[0]["lr"]),
            )
        steps = len(seen) // 2
        assert seen == [learning_rate_at(config, (step + 1) / steps) for step in range(2 * steps)]
        assert seen[-1] == pytest.approx(0.02 * config.learning_rate)

    def test_weight_decay_shrinks_matrices_only(self):
        model = toy_model()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(1.0)
                parameter.grad = torch.zeros_like(parameter)
        make_optimizer(model, TrainConfig(learning_rate=0.1, weight_decay=0.5)).step()
        for name, parameter in model.named_parameters():
            matrix = parameter.dim() == 2 and "embedding" not in name
            expected = torch.full_like(parameter, 0.95 if matrix else 1.0)
            assert torch.equal(parameter, expected), name

    def test_moving_average(self):
        model, average = torch.nn.Linear(1, 1, bias=False), {"weight": torch.zeros(1, 1)}
        expected = 0.0
        for step, value in enumerate([4.0, 2.0, -3.0, 7.0], start=1):
            model.weight.data.fill_(value)
            update_average(average, model, 0.2, step)
            decay = [1 / 11, 2 / 12, 0.2, 0.2][step - 1]
            expected = decay * expected + (1 - decay) * value
            assert average["weight"].item() == pytest.approx(expected)

    def test_steps_of_the_average_are_counted_through_all_epochs(self, monkeypatch):
        seen = []
        monkeypatch.setattr(
            loop, "update_average", lambda average, model, decay, step: seen.append((decay, step))
        )
        train(
            toy_model(),
            toy_split(),
            TrainConfig(epochs=3, batch_size=16, averaging=0.9),
            progress=False,
        )
        assert seen == [
            (0.9, step + 1)
            for step in range(3 * num_training_batches(toy_split(), max_len=6, batch_size=16))
        ]

    def test_averaging_changes_what_is_validated_and_not_the_training(self):
        split, plain, averaged = toy_split(), toy_model(), toy_model()
        first = train(
            plain, split, TrainConfig(epochs=3, batch_size=8, learning_rate=0.05), progress=False
        )
        second = train(
            averaged,
            split,
            TrainConfig(epochs=3, batch_size=8, learning_rate=0.05, averaging=0.99),
            progress=False,
        )
        assert [row["loss"] for row in first.rows] == [row["loss"] for row in second.rows]
        assert [row["ndcg"] for row in first.rows] != [row["ndcg"] for row in second.rows]

    def test_counting_models_see_the_training_part_only(self):
        split = toy_split()
        events = split.dataset.events.copy()
        later = np.arange(len(events)) >= split.train_end[events["user"]]
        events.loc[later, "item"] = events.loc[later, "item"] % ITEMS + 1
        other = leave_last_out(make_dataset("toy", events))
        for name in ("popularity", "markov"):
            models = [build_model(name, num_items=ITEMS, max_len=6) for _ in range(2)]
            histories = [
                train(model, part, progress=False)
                for model, part in zip(models, (split, other), strict=True)
            ]
            assert same(models[0].state_dict(), models[1].state_dict()) and histories[0].rows == []
            whole = build_model(name, num_items=ITEMS, max_len=6)
            whole.fit(events["user"].to_numpy(), events["item"].to_numpy())
            assert not same(models[0].state_dict(), whole.state_dict())


class Clock(SequenceModel):
    uses_time = True

    def forward(self, items, times=None, query_times=None):
        return (
            self.item_embedding(items) + (query_times - times).double().log1p()[..., None].float()
        )


class TestErrors:
    def test_time_needs_timestamps(self):
        with pytest.raises(TutorialError, match="Clock needs timestamps and toy has none"):
            train(Clock(ITEMS, 6, 8), toy_split(has_times=False), progress=False)
        assert (
            train(Clock(ITEMS, 6, 8), toy_split(), TrainConfig(epochs=1), progress=False).best_epoch
            == 1
        )

    def test_other_data_than_the_model_was_built_for(self):
        model = build_model("sasrec", num_items=ITEMS - 1, max_len=6, dim=8)
        with pytest.raises(
            TutorialError,
            match="built for 14 items and toy has 15; give num_items=dataset.num_items",
        ):
            train(model, toy_split(), progress=False)

    @pytest.mark.parametrize("name", ["gpu", "meta", "cuda:99", "cpus"])
    def test_unknown_device(self, name):
        with pytest.raises(
            TutorialError, match=f"device '{name}' is not available here; use 'auto' or 'cpu'"
        ):
            pick_device(name)
        assert pick_device("auto").type in ("cuda", "cpu") and pick_device("cpu").type == "cpu"

    @pytest.mark.parametrize("cuda", [True, False])
    def test_auto_leaves_apples_device_out(self, cuda, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
        asked, real = [], torch.zeros
        monkeypatch.setattr(
            torch, "zeros", lambda *size, device: asked.append(device) or real(*size)
        )
        pick_device("auto"), pick_device("mps")
        assert asked == ["cuda" if cuda else "cpu", "mps"]

    def test_a_model_that_reads_later_times_trains_on_prefixes_alone(self):
        sizes = {"num_items": ITEMS, "max_len": 6, "dim": 8, "heads": 2, "blocks": 1}
        model = build_model("tim4rec", **sizes, literal=True)
        with pytest.raises(
            TutorialError,
            match="windows='prefixes' alone and got windows='all': give windows='prefixes', or",
        ):
            train(model, toy_split(), TrainConfig(windows="all"), progress=False)
        found = []
        for given in ({}, {"windows": "prefixes"}):  # left out, it gets what it needs
            config = TrainConfig(**given, epochs=4, learning_rate=0.01, batch_size=8)
            fresh = build_model("tim4rec", **sizes, literal=True)
            found.append([row["loss"] for row in train(fresh, toy_split(), config).rows])
        assert found[0] == found[1] and found[0][-1] < 0.9 * found[0][0]

    def test_a_loss_that_is_not_finite(self):
        model = toy_model()
        torch.nn.init.constant_(model.position_embedding.weight, torch.nan)
        with pytest.raises(
            TutorialError, match="the loss became nan in epoch 1; lower the learning rate"
        ):
            train(model, toy_split(), progress=False)

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"loss": "mse"}, "unknown loss 'mse'; known are ce, sampled_ce, bce, gbce, bpr"),
            ({"schedule": "step"}, "unknown schedule 'step'"),
            ({"windows": "first"}, "unknown windows 'first'"),
            ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
            ({"epochs": 1e3}, "epochs must be a whole number of at least 1, got 1000.0"),
            ({"batch_size": 0}, "batch_size"),
            ({"negatives": 0}, "negatives"),
            ({"evaluate_every": 0}, "evaluate_every"),
            ({"patience": -1}, "patience must be a whole number of at least 0"),
            ({"seed": -1}, "seed"),
            ({"learning_rate": -1e-3}, "learning_rate must be a number of at least 0"),
            ({"learning_rate": math.nan}, "learning_rate"),
            ({"weight_decay": "a"}, "weight_decay"),
            ({"warmup_epochs": -1.0}, "warmup_epochs"),
            ({"averaging": 1.0}, "averaging must be a number of at least 0 and below 1, got 1.0"),
            ({"shared_negatives": "yes"}, "shared_negatives must be true or false, got 'yes'"),
            ({"filter_seen": 1}, "filter_seen must be true or false, got 1"),
            ({"seed": True}, "seed must be a whole number of at least 0, got True"),
        ],
    )
    def test_settings_out_of_range(self, setting, message):
        with pytest.raises(TutorialError) as caught:
            TrainConfig(**setting)
        assert message in str(caught.value)


def test_progress_bar_tells_epoch_loss_and_metric(capsys):
    train(toy_model(), toy_split(), TrainConfig(epochs=2, batch_size=8), progress=True)
    shown = capsys.readouterr().err
    steps = 2 * num_training_batches(toy_split(), max_len=6, batch_size=8)
    assert (
        "100%" in shown
        and f"{steps}/{steps}" in shown
        and "epoch 2 loss" in shown
        and "validation NDCG@10" in shown
    )
    train(toy_model(), toy_split(), TrainConfig(epochs=1), progress=False)
    assert capsys.readouterr() == ("", "")
