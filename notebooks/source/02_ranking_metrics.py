# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# <!-- literature -->
# Two papers report the same model on the same films and the same 6,040 people (SASRec on MovieLens 1M). In 82 of 100 cases, says the first, it has the film that was really watched next among its first ten. In 25 of 100, says the second. Neither of them lies, and neither made a mistake in the code. What would you have seen in front of that list?
#
# Before you can build a model that is better, you must be able to say what *better* means. This lesson takes the three numbers that everybody uses, computes them by hand, and then shows five ways in which they mislead: ties, random candidates, too few people, stars instead of lists, and a comparison in which only one side was tuned. At the end you will know which of the two papers describes your list.

# %% [markdown] id="puzzle-zh" lang="zh" en="9c68e018"
# <!-- literature -->
# 两篇论文报告的是同一个模型、同一批电影、同样的 6,040 个人（MovieLens 1M 上的 SASRec）。第一篇说：100 次里有 82 次，它把那个人接下来真正看的电影排进了前十。第二篇说：100 次里有 25 次。谁都没有撒谎，代码也都没有写错。那么，如果你就是看列表的人，看到的会是什么？
#
# 想做出更好的模型，先得说清什么叫**更好**。这一课先把人人都在用的三个数亲手算一遍，再展示它们误导人的五种方式：并列、随机候选、人数太少、用星级代替列表，以及只给一方调参的比较。学完之后，你会知道两篇论文中哪一篇说的才是你眼前的列表。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute HR@K, NDCG@K and MRR by hand, from the rank of one item;
# - treat ties so that a model which knows nothing is judged as knowing nothing;
# - say what a result among 100 random candidates is worth, with a formula and a simulation;
# - tell how many people a test needs to resolve a given difference;
# - explain why a low error in stars says little about a list, and show it.

# %% [markdown] id="objectives-zh" lang="zh" en="a9a00e0f" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 从一个物品的排名出发，手算 HR@K、NDCG@K 和 MRR；
# - 正确处理并列，让一无所知的模型得到一无所知的分数；
# - 用公式和模拟说明，在 100 个随机候选里得到的成绩意味着什么；
# - 算出要分辨某个差距，测试需要多少人；
# - 解释为什么星级误差低并不说明列表好，并用实验展示出来。

# %% id="setup"
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor, nn

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.simulate import ceiling_ranks
from tutorial_lib.data.splits import leave_last_out, make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import (
    Ranks,
    evaluate,
    mrr,
    random_expectation,
    ranks_from_scores,
    sampled_hit_probability,
    target_ranks,
)
from exercises import lesson02
from tutorial_lib.models import SequenceModel, build_model
from tutorial_lib.models.base import initialise
from tutorial_lib.notebook import progress_bar
from tutorial_lib.ratings import predict, rmse, split_ratings, train_ratings
from tutorial_lib.statistics import bootstrap_interval, paired_bootstrap
from tutorial_lib.train import TrainConfig, train

plots.use_style()

# %% [markdown] id="parameters-en" lang="en"
# One cell decides on which data this lesson runs. The text speaks of the simulated `sample`; with `TUTORIAL_DATASET=ml-100k` in the environment the same notebook runs on real ratings.

# %% [markdown] id="parameters-zh" lang="zh" en="2a5c2db3"
# 这一课用什么数据，由下面这一个单元格决定。正文说的是模拟数据 `sample`；在环境变量里设 `TUTORIAL_DATASET=ml-100k`，同一个 notebook 就会在真实评分数据上运行。

# %% id="parameters-code" tags=["parameters", "training"]
DATASET, USERS = settings(dataset="sample", users=None)
ON_SAMPLE = DATASET == "sample" and USERS is None  # the numbers in the text are checked only there

# %% [markdown] id="tiny-en" lang="en"
# ## Three people, five films
#
# A model gives every film a score for every person; the list shows the highest first. Afterwards we learn which film each of them really watched: Mira *Alien*, Ben *Moon*, Ana *Bread*. All that counts for us is **at which place of the list that film stood**, its *rank*. To find it, nothing needs to be sorted: count the films with a higher score and add 1.

# %% [markdown] id="tiny-zh" lang="zh" en="9d5c0098"
# ## 三个人，五部电影
#
# 模型给每个人的每部电影打一个分，列表把得分高的排在前面。事后我们知道了每个人真正看的是哪一部：小米看了《异形》，小斌看了《月球》，小安看了《面包》。对我们来说，重要的只有一件事：**那部电影在列表里排第几位**，也就是它的**排名**。求排名不需要排序：数一数有几部电影的得分更高，再加 1。

# %% id="tiny-ranks"
films = ["Alien", "Cake", "Moon", "Bread", "Mars"]
scores = np.array([[0.9, 0.1, 0.7, 0.2, 0.8], [0.3, 0.6, 0.5, 0.9, 0.1], [0.2, 0.4, 0.8, 0.1, 0.3]])
watched = np.array([0, 2, 3])  # columns: Mira watched Alien, Ben Moon, Ana Bread
own = scores[[0, 1, 2], watched]
ranks = 1 + (scores > own[:, None]).sum(axis=1)
show_matrix(scores, ["Mira", "Ben", "Ana"], films, digits=1)
print("ranks", ranks.tolist())

# %% [markdown] id="metrics-en" lang="en"
# Three questions can be asked about a rank $r$; each gives a *metric*, and each is averaged over the people.
#
# - Was it among the first $K$? **Hit rate**, HR@K: 1 if $r \le K$, else 0. Where among the first $K$ does not matter.
# - How much is its place worth? **Normalised discounted cumulative gain**, NDCG@K: $1 / \log_2(1 + r)$ if $r \le K$, else 0. The first place is worth 1, the third a half, the tenth 0.29.
# - How far down did the person have to read? **Mean reciprocal rank**, MRR: $1 / r$, without any end of the list.
#
# (In a search engine several results may be right, and NDCG divides by the best value that could have been reached: hence *normalised*. With one right item that best value is 1.)

# %% [markdown] id="metrics-zh" lang="zh" en="f1745716"
# 关于排名 $r$ 可以问三个问题，每个问题给出一个**指标**，每个指标都对所有人求平均。
#
# - 它在不在前 $K$ 个里？**命中率**（hit rate），HR@K：若 $r \le K$ 记 1，否则记 0。在前 $K$ 个里的哪一位都一样。
# - 它的位置能得多少分？**归一化折损累计增益**（normalised discounted cumulative gain），NDCG@K：若 $r \le K$ 记 $1 / \log_2(1 + r)$，否则记 0。第一位得 1，第三位得一半，第十位得 0.29。
# - 那个人得往下读多远？**平均倒数排名**（mean reciprocal rank），MRR：$1 / r$，列表没有尽头。
#
# （搜索引擎里可以有好几个正确结果，NDCG 要除以可能达到的最好值，所以叫**归一化**。只有一个正确物品时，最好值就是 1。）

# %% [markdown] id="predict-climb-en" lang="en" tags=["predict"]
# **Predict before you run.** With $K = 3$: what does each of the three people contribute to each metric? And if a new model lifts Ana's film from the last place to the last but one, which of the three averages notice?

# %% [markdown] id="predict-climb-zh" lang="zh" en="3eb89859" tags=["predict"]
# **先猜，再运行。** 取 $K = 3$：三个人对每个指标各贡献多少？如果新模型把小安那部电影从最后一位提到倒数第二位，三个平均值里哪些会有变化？


# %% id="tiny-metrics"
def three_metrics(ranks, k):
    """ranks [N] -> HR@k, NDCG@k and MRR of each person, [N, 3]."""
    hit = ranks <= k
    return np.stack([hit, hit / np.log2(1 + ranks), 1 / ranks], axis=1)


table = three_metrics(ranks, k=3)
lifted = three_metrics(np.array([1, 3, 4]), k=3)
rows = ["Mira", "Ben", "Ana", "mean", "mean, Ana lifted"]
show_matrix(np.vstack([table, table.mean(axis=0), lifted.mean(axis=0)]), rows, ["HR@3", "NDCG@3", "MRR"], digits=3)
expect("worth of the tenth place", 1 / math.log2(11), 0.29, tol=0.005)
expect_true(
    "only MRR notices Ana's film climbing", ((lifted - table).mean(axis=0) > 0).tolist() == [False, False, True]
)

# %% [markdown] id="scratch-en" lang="en"
# HR and NDCG see nothing beyond the end of the list, and that is meant: nobody scrolls to place 400. Keep it in mind, for it is the reason why *where* a model is good decides more than how good it is on average.
#
# ## From scratch, with ties
#
# What if two films have the same score? Then the list may show either first, and an honest rank is the average over the possible orders: count the higher ones, add **half** of the *other* equal ones, add 1. Here it is, next to a witness from `scipy` that sorts and knows nothing of our counting.

# %% [markdown] id="scratch-zh" lang="zh" en="c46f428f"
# 列表末尾之后的事，HR 和 NDCG 一概看不见。这是有意的：没有人会翻到第 400 位。请记住这一点。正因如此，模型**在哪里**好，比它平均有多好更重要。
#
# ## 从零写起，连并列一起
#
# 两部电影得分相同怎么办？列表先放哪一部都行，所以公平的排名应当是各种可能顺序的平均：数出更高的，加上**其余**同分者的**一半**，再加 1。下面就是它的实现，并与 `scipy` 对照；后者用的是排序，与我们的计数方法完全独立。


# %% id="reference-check" tags=["reference-check"]
def rank_by_counting(scores, target):
    """scores [N, V], target column of each row [N] -> rank [N], ties counted half."""
    own = scores[np.arange(len(scores)), target][:, None]
    return 1 + (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2


rng = np.random.default_rng(0)
many = rng.integers(0, 40, (500, 100)) / 8.0  # 500 people, 100 items, many ties
target = rng.integers(0, 100, 500)
witness = stats.rankdata(-many, method="average", axis=1)[np.arange(500), target]
expect_close("counting gives the average rank of scipy", rank_by_counting(many, target), witness, tol=1e-12)
padded = torch.cat([torch.full((500, 1), -torch.inf), torch.from_numpy(many)], dim=1)  # column 0 is the padding
expect_close("and so does the library", target_ranks(padded, torch.from_numpy(target + 1)), witness, tol=1e-12)

# %% [markdown] id="library-en" lang="en" tags=["library"]
# ## The library version
#
# The course never stores a metric, only **ranks**: for each target how many candidates beat it, how many equal it, how many there were. Every number in every lesson is a function of these. `_expected` is the part worth reading: a target that ties with others takes each of the places with equal chance, so it gets the mean of their gains.

# %% [markdown] id="library-zh" lang="zh" en="a5fb132c" tags=["library"]
# ## 库里的版本
#
# 本课程从不保存指标，只保存**排名**：对每个目标，有几个候选超过它，有几个与它相等，一共有几个候选。每一课里的每个数都由它们算出。最值得一读的是 `_expected`：与别人并列的目标，落在每个可能位置上的机会均等，所以得到这些位置收益的平均。

# %% id="library-code" tags=["library"]
from collections.abc import Callable

from tutorial_lib.ranking import refuse_nan, refuse_no_rank

# show: tutorial_lib.evaluate.count_ahead
# show: tutorial_lib.evaluate._expected
# show: tutorial_lib.evaluate.hit_rate
# show: tutorial_lib.evaluate.ndcg


# %% id="library-check" tags=["reference-check"]
def by_shuffling(ranks, k, draws=4000):
    """NDCG@k with ties broken at random, many times: what `_expected` must average to. [N]"""
    place = ranks.greater + 1 + np.random.default_rng(1).integers(0, ranks.equal + 1, (draws, len(ranks)))
    return np.where(place <= k, 1 / np.log2(1 + place), 0).mean(axis=0)


tied = ranks_from_scores(padded, torch.from_numpy(target + 1))
expect_close("ndcg is the mean over random orders of the ties", ndcg(tied), by_shuffling(tied, 10), tol=0.02)
expect_close("without ties it is the formula", ndcg(np.array([1, 3, 11])), [1, 0.5, 0], tol=1e-12)

# %% [markdown] id="data-en" lang="en"
# ## Four models and a ceiling
#
# Now the sample. Its test part is the newest tenth of the events; each person's last event there is to be predicted, and the candidates are **all** items that the person has not had yet: a *full ranking*. We use models that need no training, because today the measure is under test and not they:
#
# - **popularity**: the same list for everybody;
# - **Markov**: a table that counts what followed the last item;
# - **Markov, compressed**: the same table squeezed into 16 numbers per item (its 16 strongest patterns, by singular value decomposition), so that a score becomes a dot product of two short vectors;
# - **constant**: every item gets the score 0;
# - above them the **clairvoyant**, who knows the laws of this simulated world and the clock, but not the dice.

# %% [markdown] id="data-zh" lang="zh" en="f2455e8b"
# ## 四个模型与一个上限
#
# 现在看 sample。它的测试集是最新的十分之一事件，要预测的是每个人在其中的最后一个事件；候选是这个人还没有过的**全部**物品，这叫**全量排序**（full ranking）。这里用的模型都不需要训练，因为今天要检验的是指标，不是模型：
#
# - **热门基线**：给所有人同一张列表；
# - **马尔可夫**：一张表，数一数上一个物品后面跟过什么；
# - **压缩的马尔可夫**：还是这张表，压缩成每个物品 16 个数（用奇异值分解取最强的 16 个模式），得分就变成两个短向量（vector）的点积（dot product）；
# - **常数**：每个物品都得 0 分；
# - 在它们之上是**先知模型**：知道这个模拟世界的规律和时间，但不知道随机抽取的结果。

# %% id="models-code" tags=["nbval-ignore-output"]
dataset = load_dataset(DATASET, users=USERS)
split = make_split(dataset, "temporal" if dataset.has_times else "leave_last_out")
train_users, train_items = (split.train[column].to_numpy() for column in ("user", "item"))


class Compressed(SequenceModel):
    """score(j | i) = a_i . b_j, with a_i and b_j from the strongest patterns of a table [V + 1, V + 1]."""

    def __init__(self, table, patterns):
        super().__init__(len(table) - 1, max_len=60, dim=patterns)
        u, s, v = torch.linalg.svd(table, full_matrices=False)
        self.source = nn.Embedding.from_pretrained(u[:, :patterns] * s[:patterns])
        self.item_embedding.weight.data = v[:patterns].T.contiguous()

    def forward(self, items, times=None, query_times=None):
        return self.source(items)  # the last item is all that counts


class Constant(SequenceModel):
    def __init__(self, num_items):
        super().__init__(num_items, max_len=60, dim=1)
        self.item_embedding.weight.data.zero_()

    def forward(self, items, times=None, query_times=None):
        return torch.ones(*items.shape, 1)


models = {}
for name in ("popularity", "markov"):
    models[name] = build_model(name, num_items=dataset.num_items, max_len=60)
    models[name].fit(train_users, train_items)
table = torch.zeros(dataset.num_items + 1, dataset.num_items + 1)
table[1:, 1:] = models["markov"].score(torch.arange(1, dataset.num_items + 1)[:, None])[:, 1:]
models["compressed"] = Compressed(table, patterns=16)
models["constant"] = Constant(dataset.num_items)

full = {name: evaluate(model, split, "test", sampled=100) for name, model in models.items()}  # the 100 come later
if dataset.name in ("sample", "control"):
    clock = ceiling_ranks(dataset, split.test.row)["rank_with_clock"].to_numpy().astype(np.int64)
    full["clairvoyant"] = Ranks(split.test.user, clock - 1, 0 * clock, full["markov"].candidates)
print(f"{dataset.name}: {dataset.num_items} items, {len(split.test)} test users")
rows = {
    name: {
        "HR@10, 95 % interval": str(bootstrap_interval(hit_rate(r))),
        "NDCG@10, 95 % interval": str(bootstrap_interval(ndcg(r))),
        "MRR": round(mrr(r).mean(), 4),
    }
    for name, r in full.items()
}
pd.DataFrame(rows).T

# %% id="models-check"
for name, want, tol in (("popularity", 0.015, 0.003), ("markov", 0.124, 0.005), ("compressed", 0.102, 0.005)):
    expect(f"NDCG@10 of {name}", ndcg(full[name]).mean(), want, tol=tol, when=ON_SAMPLE)
if ON_SAMPLE:
    expect("NDCG@10 of the clairvoyant", ndcg(full["clairvoyant"]).mean(), 0.217, tol=0.005)

# %% [markdown] id="curve-en" lang="en"
# One number hides where a model is good. So ask for all list lengths at once: **for how many people is the right item among the first $K$?** Every metric of this lesson is one way of reading this curve.

# %% [markdown] id="curve-zh" lang="zh" en="ed2d8ad3"
# 单独一个数看不出模型好在哪里。那就把所有列表长度一起问：**对多少人来说，正确的物品排在前 $K$ 个里？** 这一课的所有指标，都只是读这条曲线的不同方式。

# %% id="curve-picture" tags=["picture", "nbval-ignore-output"]
lengths = np.unique(np.round(np.geomspace(1, dataset.num_items, 60)).astype(int))
curves = {name: np.array([hit_rate(r, int(k)).mean() for k in lengths]) for name, r in full.items()}
fig, ax = plt.subplots(figsize=(7, 3.8))
for (name, curve), dash in zip(curves.items(), ("-.", "-", "--", ":", (0, (1, 1))), strict=False):
    ax.plot(lengths, curve, linestyle=dash, label=name)
ax.axvline(10, color="#555555", lw=1)
ax.set(xscale="log", xlabel="length K of the list (items)", ylabel="HR@K (share of test users)", ylim=(0, 1))
ax.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
ax.legend()
plt.show()

# %% [markdown] id="curve-alt-en" lang="en" tags=["alt"]
# Share of people whose item is among the first K, against K from 1 to 1,000 on a logarithmic axis. The clairvoyant is highest throughout. Markov and its compressed twin cross: up to about ten places Markov is ahead, at a hundred places the compressed one is far ahead, near 0.66 against 0.51. Popularity and the constant lie far below.

# %% [markdown] id="curve-alt-zh" lang="zh" en="86130ded" tags=["alt"]
# 正确物品排在前 K 个的人所占的比例，横轴 K 从 1 到 1,000，对数刻度。先知模型始终最高。马尔可夫与压缩后的马尔可夫相交：十个位置以内马尔可夫领先，到一百个位置时压缩的遥遥领先，约 0.66 对 0.51。热门基线和常数远在下面。

# %% id="curve-check"
at = {name: {k: hit_rate(full[name], k).mean() for k in (1, 10, 100)} for name in ("markov", "compressed")}
expect("HR@100 of markov", at["markov"][100], 0.51, tol=0.02, when=ON_SAMPLE)
expect("HR@100 of compressed", at["compressed"][100], 0.66, tol=0.02, when=ON_SAMPLE)
expect_true(
    "at K = 1 and at K = 10 markov is ahead",
    all(at["markov"][k] > at["compressed"][k] for k in (1, 10)),
    when=ON_SAMPLE,
)

# %% [markdown] id="ties-en" lang="en" tags=["break-it"]
# ## Break it, 1: a model that knows nothing, and ties
#
# The constant model gives every item the score 0. Such models exist: a network whose last units have died does just this. What is its HR@10? It depends on how the code finds a rank. Four ways come to mind, and each looks reasonable:
#
# - **optimistic**: 1 plus the number of items with a *higher* score;
# - **pessimistic**: the number of items with a score *at least as high*;
# - **by sorting**: the place in the sorted list; equal scores stay in the order of the item numbers;
# - **the library**: each place with equal chance.

# %% [markdown] id="ties-zh" lang="zh" en="b7988bef" tags=["break-it"]
# ## 破坏实验一：一无所知的模型，与并列
#
# 常数模型给每个物品都打 0 分。这种模型真的存在：最后一层神经元全部“死掉”的网络就是这样。它的 HR@10 是多少？要看代码怎样求排名。容易想到的写法有四种，看上去都挺合理：
#
# - **乐观**：得分**更高**的物品个数，加 1；
# - **悲观**：得分**不低于**它的物品个数；
# - **靠排序**：在排好序的列表里的位置；同分的保持物品编号的顺序；
# - **本库**：每个可能的位置机会均等。

# %% [markdown] id="predict-ties-en" lang="en" tags=["predict"]
# **Predict.** What do the four report for the constant model, with 1,000 items? One more thing to think about: many data sets number their items by popularity, the most popular first. What does sorting report then?

# %% [markdown] id="predict-ties-zh" lang="zh" en="eea9c2c8" tags=["predict"]
# **猜一猜。** 共有 1,000 个物品，四种写法分别会给常数模型报出多少？再多想一步：许多数据集按热度给物品编号，最热门的是 1 号。这时靠排序会报出多少？

# %% id="ties-code" tags=["break-it"]
test_items = dataset.events["item"].to_numpy()[split.test.row]
by_popularity = np.argsort(np.argsort(-np.bincount(train_items, minlength=dataset.num_items + 1)[1:], kind="stable"))
renumbered = by_popularity[test_items - 1]  # 0 = the most popular item
zeros = np.zeros((len(test_items), dataset.num_items), dtype=np.float32)
own = zeros[np.arange(len(zeros)), renumbered][:, None]
place_by_sorting = 1 + np.argmax(np.argsort(-zeros, axis=1, kind="stable") == renumbered[:, None], axis=1)
hits = {
    "optimistic": (1 + (zeros > own).sum(axis=1) <= 10).mean(),
    "pessimistic": ((zeros >= own).sum(axis=1) <= 10).mean(),
    "by sorting, numbered by popularity": (place_by_sorting <= 10).mean(),
    "the library": hit_rate(full["constant"]).mean(),
}
expect("HR@10 of the constant model, optimistic", hits["optimistic"], 1.0, tol=1e-9)
expect("pessimistic", hits["pessimistic"], 0.0, tol=1e-9)
expect(
    "by sorting, numbered by popularity", hits["by sorting, numbered by popularity"], 0.035, tol=0.005, when=ON_SAMPLE
)
expect("mended: the library", hits["the library"], random_expectation(dataset.num_items)[0], tol=0.002, when=ON_SAMPLE)
print("HR@10 of a random order of 1,000 items:", random_expectation(1000)[0])
expect(
    "share of targets that tie under popularity", (full["popularity"].equal > 0).mean(), 0.85, tol=0.02, when=ON_SAMPLE
)

# %% [markdown] id="ties-why-en" lang="en"
# Perfect, worthless, as good as popularity, or what it is: random, 10 of 1,000. A test that a constant scorer passes is no test. And ties are not a freak of broken models: popularity counts whole numbers, so 85 % of its targets share their score with some other item.

# %% [markdown] id="ties-why-zh" lang="zh" en="9c28bd0b"
# 满分、零分、与热门基线一样好，或者它真正的水平：随机，1,000 个里中 10 个。常数打分器（constant scorer）能通过的测试不算测试。并列也不是坏模型才有的怪事：热门基线数的是整数，85% 的目标都与别的物品同分。

# %% [markdown] id="sampled-en" lang="en"
# ## A hundred random candidates
#
# Ranking all items used to be slow, so many papers rank the right item among **100 random ones** only, and call the result HR@10 all the same: a *sampled metric*. When is such a hit a hit?
#
# Let the right item have the true rank $r$ among $V$ items. Of the $V - 1$ others $r - 1$ are ahead of it. Draw 100 of the others; it is a hit if at most 9 of those ahead are drawn. The number drawn is *hypergeometric* (coloured balls without putting back), so
#
# $$P(\text{hit}) = \sum_{x=0}^{9} \binom{r-1}{x} \binom{V-r}{100-x} \bigg/ \binom{V-1}{100} .$$
#
# The symbol $\binom{n}{x}$ counts the ways to choose $x$ of $n$.

# %% [markdown] id="sampled-zh" lang="zh" en="3d63fc57"
# ## 一百个随机候选
#
# 给全部物品排名曾经很慢，于是许多论文只让正确物品与 **100 个随机物品**比高低，结果照样叫 HR@10：这就是**采样指标**（sampled metric）。这样的“命中”什么时候才算真的命中？
#
# 设正确物品在 $V$ 个物品中的真实排名是 $r$。其余 $V - 1$ 个里，有 $r - 1$ 个排在它前面。从其余物品中抽 100 个，只要抽到的“前面的”不超过 9 个，就算命中。抽到的个数服从**超几何分布**（从袋中摸彩球，摸出不放回），所以
#
# $$P(\text{hit}) = \sum_{x=0}^{9} \binom{r-1}{x} \binom{V-r}{100-x} \bigg/ \binom{V-1}{100} .$$
#
# 记号 $\binom{n}{x}$ 表示从 $n$ 个里选 $x$ 个的选法数。

# %% [markdown] id="predict-sampled-en" lang="en" tags=["predict"]
# **Predict.** MovieLens 1M has 3,416 films. A model puts the right one on place 340: nobody will ever see it there. How often is that a hit among 100 random ones: never, in one case of ten, or in nearly half of all cases? And how often does a model hit that orders films at random?

# %% [markdown] id="predict-sampled-zh" lang="zh" en="15e8f8d1" tags=["predict"]
# **猜一猜。** MovieLens 1M 有 3,416 部电影。某个模型把正确的那部排在第 340 位，没有人会在那里看到它。放进 100 个随机候选里，它有多大机会算命中：从不、十次一次，还是将近一半？完全随机排列电影的模型，又能命中多少？

# %% id="sampled-code" tags=["reference-check"]
V, r = 3416, 340


def hit_probability(rank, num_items, negatives=100, k=10):
    """The formula above, with whole numbers of any size."""
    ways = sum(math.comb(rank - 1, x) * math.comb(num_items - rank, negatives - x) for x in range(k))
    return ways / math.comb(num_items - 1, negatives)


rng = np.random.default_rng(2)
drawn = np.argpartition(rng.random((4000, V - 1), dtype=np.float32), 100, axis=1)[:, :100]  # 4,000 draws of 100 others
simulated = ((drawn < r - 1).sum(axis=1) <= 9).mean()  # the others 0..r-2 are those ahead
expect("chance of a hit at rank 340, by the formula", hit_probability(r, V), 0.46, tol=0.005)
expect("the same, simulated 4,000 times", simulated, 0.46, tol=0.03)
expect_close("the formula equals scipy's", hit_probability(r, V), stats.hypergeom.cdf(9, V - 1, r - 1, 100), tol=1e-12)
some = np.array([1, 10, 100, 340, 1000])
expect_close(
    "the library equals the formula",
    sampled_hit_probability(some, V),
    [hit_probability(int(x), V) for x in some],
    tol=1e-9,
)
everywhere = sampled_hit_probability(np.arange(1, V + 1), V).mean()
expect("HR@10 of a random order, among 100", everywhere, 0.099, tol=0.0005)
expect("HR@10 of a random order, full ranking", random_expectation(V)[0], 0.0029, tol=0.0001)
expect_true("more than thirty times as much", everywhere > 30 * random_expectation(V)[0])

# %% [markdown] id="sampled-why-en" lang="en"
# Nearly half: a film on place 340 counts as found in 46 of 100 cases. And a random order hits in 0.099 of the cases among 100, against 0.0029 in the full ranking: the floor alone has risen by a factor of more than thirty. How far down does a "hit" reach?

# %% [markdown] id="sampled-why-zh" lang="zh" en="3a1a5094"
# 将近一半：排在第 340 位的电影，100 次里有 46 次算是找到了。随机排列在 100 个候选里的命中率是 0.099，在全量排序里是 0.0029：光是起点就抬高了三十多倍。那么“命中”究竟能深到第几位？

# %% id="sampled-picture" tags=["picture", "nbval-ignore-output"]
true_ranks = np.unique(np.round(np.geomspace(1, V, 200)).astype(int))
fig, ax = plt.subplots(figsize=(7, 3.4))
ax.step(true_ranks, true_ranks <= 10, where="post", color="black", label="full ranking")
for negatives, dash in ((1000, "--"), (100, "-")):
    ax.plot(
        true_ranks, sampled_hit_probability(true_ranks, V, negatives), dash, label=f"among {negatives:,} random items"
    )
ax.set(xscale="log", xlabel="true rank among 3,416 films", ylabel="chance of counting as a hit at 10")
ax.set_xticks([1, 10, 100, 340, 1000, 3416], ["1", "10", "100", "340", "1,000", "3,416"])
ax.minorticks_off()
ax.legend(loc="upper right")
plt.show()

# %% [markdown] id="sampled-alt-en" lang="en" tags=["alt"]
# Chance of a hit at 10 against the true rank on a logarithmic axis. The full ranking is a step: 1 up to rank 10, 0 after it. Among 1,000 random items the chance falls from 1 to 0 between rank 15 and 70. Among 100 it stays at 1 up to about rank 130, is a half near rank 330 and reaches 0 only near rank 700.

# %% [markdown] id="sampled-alt-zh" lang="zh" en="3b0692bf" tags=["alt"]
# 在 10 处命中的机会，横轴是真实排名，对数刻度。全量排序是一个台阶：第 10 位以内为 1，之后为 0。在 1,000 个随机物品里，机会从第 15 位到第 70 位之间由 1 降到 0。在 100 个里，直到约第 130 位都还接近 1，第 330 位附近是一半，第 700 位左右才降到 0。

# %% id="sampled-picture-check"
expect("chance at rank 130 among 100", sampled_hit_probability(130, V), 0.99, tol=0.01)
expect("chance at rank 330 among 100", sampled_hit_probability(330, V), 0.5, tol=0.03)
expect_true("chance at rank 700 among 100 is below 1 in 200", sampled_hit_probability(700, V) < 0.005)
expect("chance at rank 15 among 1,000", sampled_hit_probability(15, V, 1000), 0.99, tol=0.015)
expect_true("chance at rank 70 among 1,000 is below 1 in 200", sampled_hit_probability(70, V, 1000) < 0.005)

# %% [markdown] id="reversal-en" lang="en" tags=["break-it"]
# ## Break it, 2: the order of two models turned round
#
# You might say: the numbers are larger, but larger for all; the better model still wins. Look at the last figure again. The sampled metric does not look at the first ten places. It looks at **roughly the first tenth of the catalogue**, and does not care where in it the item stands. Take two assistants and 3,416 films:
#
# - the *specialist* puts the right film on place 5 for three people of ten, and on place 2,000 for the others;
# - the *generalist* puts it on place 150, for everybody.

# %% [markdown] id="reversal-zh" lang="zh" en="2fc1999a" tags=["break-it"]
# ## 破坏实验二：两个模型的高下颠倒过来
#
# 你也许会说：数字是变大了，可大家一起变大，好的模型还是会赢。再看看上一幅图。采样指标看的不是最前面的十个位置，而是**大约全部物品的前十分之一**；物品在其中排第几位，它并不区分。假设有两位助手和 3,416 部电影：
#
# - **专才**给十个人里的三个人把正确的电影排在第 5 位，给其他人排在第 2,000 位；
# - **通才**给每个人都排在第 150 位。

# %% id="reversal-toy" tags=["break-it"]
specialist, generalist = np.array([5] * 3 + [2000] * 7), np.array([150] * 10)
expect("full HR@10 of the specialist", hit_rate(specialist).mean(), 0.3, tol=1e-9)
expect("full HR@10 of the generalist", hit_rate(generalist).mean(), 0.0, tol=1e-9)
expect("sampled HR@10 of the specialist", sampled_hit_probability(specialist, V).mean(), 0.3, tol=0.001)
expect("sampled HR@10 of the generalist", sampled_hit_probability(generalist, V).mean(), 0.98, tol=0.01)

# %% [markdown] id="predict-reversal-en" lang="en" tags=["predict"]
# The generalist never helped anybody and gets 0.98. That was invented. Now for the two real models whose curves crossed above: **Markov** and its **compressed** twin, on the same test events, with the same 100 random items for both.
#
# **Predict.** Which of them wins under full ranking, which among 100, and does either interval of the difference exclude 0?

# %% [markdown] id="predict-reversal-zh" lang="zh" en="cd6f3a67" tags=["predict"]
# 通才一个人也没帮到，却得了 0.98。这个例子是编的。现在看上面曲线相交的那两个真实模型：**马尔可夫**和**压缩的马尔可夫**，用同样的测试事件，两者面对同样的 100 个随机物品。
#
# **猜一猜。** 全量排序下谁赢？100 个候选里谁赢？差值的区间会不会不含 0？

# %% id="reversal-code" tags=["break-it", "nbval-ignore-output"]
a, b = full["markov"], full["compressed"]
differences = {
    "NDCG@10, full": paired_bootstrap(ndcg(a), ndcg(b)),
    "NDCG@10, among 100": paired_bootstrap(ndcg(a.sampled), ndcg(b.sampled)),
    "HR@10, among 100": paired_bootstrap(hit_rate(a.sampled), hit_rate(b.sampled)),
}
print("Markov minus compressed, with 95 % interval over users")
for name, difference in differences.items():
    print(f"{name:20s} {difference}")
foretold, seen_hits = [], []
for name in ("markov", "compressed"):
    r = full[name]
    foretold.append(sampled_hit_probability(r.rank.astype(int), int(max(r.candidates.max(), r.rank.max()))).mean())
    seen_hits.append(hit_rate(r.sampled).mean())
    print(f"{name:12s} HR@10 among 100: measured {seen_hits[-1]:.3f}, foretold from the true ranks {foretold[-1]:.3f}")

# %% id="reversal-check"
expect("full NDCG@10, markov minus compressed", differences["NDCG@10, full"].mean, 0.022, tol=0.006, when=ON_SAMPLE)
expect("among 100", differences["NDCG@10, among 100"].mean, -0.047, tol=0.01, when=ON_SAMPLE)
expect("HR@10 among 100, markov", hit_rate(a.sampled).mean(), 0.51, tol=0.02, when=ON_SAMPLE)
expect("HR@10 among 100, compressed", hit_rate(b.sampled).mean(), 0.64, tol=0.02, when=ON_SAMPLE)
expect_true("full ranking: the interval lies above 0", differences["NDCG@10, full"].low > 0, when=ON_SAMPLE)
expect_true(
    "among 100: both intervals lie below 0",
    max(differences[n].high for n in ("NDCG@10, among 100", "HR@10, among 100")) < 0,
    when=ON_SAMPLE,
)
expect_close("measured is what the formula foretells", seen_hits, foretold, tol=0.03, when=ON_SAMPLE)

# %% [markdown] id="reversal-why-en" lang="en"
# Both verdicts are significant, and they contradict each other. Sixteen numbers per item are enough to find the group of similar items to which the next one belongs, and too few to say which of the group it is. Among 100 random items hardly any belong to that group, so the second question is never asked. Krichene and Rendle showed in 2020 that this is so for every metric but the area under the curve.
#
# The mend costs nothing today: rank all items. In this course the sampled numbers stand beside it only where a paper must be compared with.

# %% [markdown] id="reversal-why-zh" lang="zh" en="61119656"
# 两个结论都显著，却互相矛盾。每个物品 16 个数，足以判断下一个物品属于哪一组相似的物品，却不足以说出是组里的哪一个。100 个随机物品里几乎没有同组的物品，所以后一个问题根本没有被问到。Krichene 和 Rendle 在 2020 年证明：除了曲线下面积，所有指标都有这个问题。
#
# 如今修正并不费力：对全部物品排名。在本课程里，采样得到的数字只在必须与论文对照时才放在旁边。

# %% [markdown] id="size-en" lang="en"
# ## How many people does it take?
#
# A metric is a mean over people, and other people would have given another mean. Its *standard error* says by how much: the standard deviation of the single values divided by $\sqrt{N}$, with $N$ people. For a hit rate $p$ this is $\sqrt{p(1-p)/N}$. A 95 % interval reaches about two standard errors to each side; the bootstrap of the library, which draws people again and again with replacement, must come to the same.

# %% [markdown] id="size-zh" lang="zh" en="f8e736d7"
# ## 需要多少人？
#
# 指标是对人求的平均，换一批人，平均就会变。变化的大小用**标准误**（standard error）来衡量，即单个数值的标准差除以 $\sqrt{N}$，其中 $N$ 是人数。对命中率 $p$ 来说，它就是 $\sqrt{p(1-p)/N}$。95% 的区间向两边各延伸约两个标准误；库里的自助法（bootstrap）反复有放回地抽取人，结果也应当一致。


# %% id="size-code" tags=["reference-check"]
def standard_error(values):
    return values.std() / len(values) ** 0.5


values = hit_rate(full["markov"])
interval = bootstrap_interval(values)
half_width = (interval.high - interval.low) / 2
expect("part of a bell curve within 1.96 standard errors of its middle", 1 - 2 * stats.norm.cdf(-1.96), 0.95, tol=0.001)
expect(
    "half of the bootstrap interval, in standard errors",
    half_width / standard_error(values),
    1.96,
    tol=0.1,
    when=ON_SAMPLE,
)
clear = values.round()  # 0 or 1 for everybody, as without ties
p = clear.mean()
expect_close(
    "for hits without ties the formula holds", standard_error(clear), (p * (1 - p) / len(clear)) ** 0.5, tol=1e-9
)
sizes = pd.DataFrame({"people": [943, 6040], "HR@10": [0.12, 0.30]}, index=["ML-100K", "ML-1M"])
sizes["standard error"] = np.sqrt(sizes["HR@10"] * (1 - sizes["HR@10"]) / sizes["people"])
print(sizes.round(3))
expect("standard error of HR@10 = 0.30 with 6,040 people", sizes.loc["ML-1M", "standard error"], 0.006, tol=0.0005)
expect("standard error of HR@10 = 0.12 with 943 people", sizes.loc["ML-100K", "standard error"], 0.011, tol=0.0005)

# %% [markdown] id="paired-en" lang="en"
# On MovieLens 100K a hit rate of 0.12 is known to within about 0.02. A gain of 5 % on top of it would be 0.006: far inside.
#
# But two models are tested on the **same** people, and most people are easy or hard for both. What counts is only those for whom the two disagree. Let a share $d$ of the people be hit by exactly one of the two models, and let the mean difference be $\delta$; then the standard error of the *paired* difference is $\sqrt{(d - \delta^2)/N}$. A comparison is worth making if the difference is large against that. The share of comparisons in which the interval would exclude 0 is the *power* of the test.

# %% [markdown] id="paired-zh" lang="zh" en="e6274330"
# 在 MovieLens 100K 上，0.12 的命中率只能确定到 0.02 左右。在此之上提升 5% 是 0.006，完全在误差之内。
#
# 不过，两个模型是在**同一批**人身上测的，而多数人对两者来说要么都容易，要么都难。起作用的只是两者结果不同的那些人。设恰好被其中一个模型命中的人占比例 $d$，平均差值为 $\delta$，那么**配对**差值的标准误就是 $\sqrt{(d - \delta^2)/N}$。只有差值比它大得多，比较才有意义。在所有这样的比较中，区间不含 0 的比例叫做检验的**功效**（power）。

# %% [markdown] id="predict-power-en" lang="en" tags=["predict"]
# **Predict.** Two models, hit rates 0.30 and 5 % more; they disagree on every tenth person. With the 943 people of ML-100K, in how many of 100 studies would the better model be recognised? With the 6,040 of ML-1M? And with 943 people, if you compare two *different* groups of people instead of the same?

# %% [markdown] id="predict-power-zh" lang="zh" en="bb8d91fc" tags=["predict"]
# **猜一猜。** 两个模型，命中率一个是 0.30，一个高出 5%；每十个人里有一个人，两者结果不同。用 ML-100K 的 943 个人，100 次研究里有几次能认出更好的那个？用 ML-1M 的 6,040 个人呢？如果还是 943 个人，但两个模型测的是**不同**的两批人呢？


# %% id="power-code" tags=["reference-check", "nbval-ignore-output"]
def simulated_power(gain, people, disagree=0.10, studies=4000, seed=3):
    """Share of simulated studies whose 95 % interval of the paired difference excludes 0 on the right side."""
    probabilities = [
        (disagree + gain) / 2,
        (disagree - gain) / 2,
        1 - disagree,
    ]  # only B hits, only A hits, no difference
    only_b, only_a, _ = np.random.default_rng(seed).multinomial(people, probabilities, studies).T
    mean = (only_b - only_a) / people
    error = np.sqrt(((only_b + only_a) / people - mean**2) / people)
    return (mean > 1.96 * error).mean()


def power(gain, people, disagree=0.10):
    """The same by the normal approximation."""
    return stats.norm.cdf(gain / np.sqrt((disagree - gain**2) / people) - 1.96)


people = np.unique(np.round(np.geomspace(200, 50_000, 25)).astype(int))
base = 0.30
measured = {share: np.array([simulated_power(share * base, n) for n in people]) for share in (0.02, 0.05, 0.10)}
print(
    "largest difference of simulation and formula",
    max(np.abs(m - power(s * base, people)).max() for s, m in measured.items()),
)
unpaired = stats.norm.cdf(0.05 * base / np.sqrt(2 * base * (1 - base) / 943) - 1.96)

# %% id="power-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7, 3.6))
for (share, values), marker in zip(measured.items(), "os^", strict=True):
    (line,) = ax.plot(people, power(share * base, people))
    ax.plot(people, values, marker, color=line.get_color(), ms=5, label=f"{share:.0%} better")
for n, name in ((943, "ML-100K"), (6040, "ML-1M")):
    ax.axvline(n, color="#555555", lw=1, ls="--")
    ax.annotate(name, (n, 1.01), xycoords=("data", "axes fraction"), ha="center", fontsize=9)
ax.set(
    xscale="log",
    xlabel="people in the test (log scale)",
    ylabel="power (share of studies\nthat find the better model)",
    ylim=(0, 1.02),
)
ax.set_xticks([300, 1000, 3000, 10_000, 30_000], ["300", "1,000", "3,000", "10,000", "30,000"])
ax.minorticks_off()
ax.legend(title="HR@10 0.30, and", loc="lower right")
plt.show()

# %% [markdown] id="power-alt-en" lang="en" tags=["alt"]
# Share of studies that recognise the better model, against the number of people from 200 to 50,000, for gains of 2, 5 and 10 per cent; dots are simulated, lines are the formula, and they agree. At 943 people the three are near 0.07, 0.3 and 0.8; at 6,040 people near 0.3, 0.96 and 1.

# %% [markdown] id="power-alt-zh" lang="zh" en="87386d90" tags=["alt"]
# 能认出更好模型的研究所占的比例，横轴是人数，从 200 到 50,000，分别对应百分之 2、5、10 的提升；点是模拟，线是公式，两者一致。943 人时三者约为 0.07、0.3、0.8；6,040 人时约为 0.3、0.96、1。

# %% id="power-check"
for share, small, large in ((0.02, 0.07, 0.31), (0.05, 0.31, 0.96), (0.10, 0.83, 1.0)):
    expect(f"power, {share:.0%} better, 943 people", simulated_power(share * base, 943), small, tol=0.03)
    expect(f"power, {share:.0%} better, 6,040 people", simulated_power(share * base, 6040), large, tol=0.03)
expect("power, 5% better, 943 other people for each model", unpaired, 0.11, tol=0.01)
expect_true(
    "simulation and formula agree", all(np.abs(m - power(s * base, people)).max() < 0.05 for s, m in measured.items())
)

# %% [markdown] id="power-why-en" lang="en"
# A gain of 5 %, which many a paper is proud of, is recognised in about 31 of 100 studies on ML-100K, and in 96 of 100 on ML-1M. With different people for each model it would be 11. So always compare on the same people, and before you believe a gain on a small data set, compute what it *could* have resolved. One warning more: this counts people only. Another seed of the same model would shift the numbers again, and that is why this course trains several.

# %% [markdown] id="power-why-zh" lang="zh" en="be7036c0"
# 5% 的提升，是许多论文引以为豪的幅度，在 ML-100K 上 100 次研究里大约只有 31 次能认出来，在 ML-1M 上是 96 次。如果两个模型测的是不同的人，就只剩 11 次。所以，永远在同一批人身上比较；在相信小数据集上的提升之前，先算一算它**究竟能**分辨多大的差距。还要提醒一句：这里只计入了人的差异带来的波动。同一个模型换个种子（seed），数字还会再变，所以本课程总是训练好几个。

# %% [markdown] id="stars-en" lang="en"
# ## Stars are not a list
#
# For years the field asked another question: *how many stars will this person give?* The measure was the root of the mean squared error, **RMSE**, in stars. Surely whoever knows the stars can also make the list? Try it on three films that Mira has not seen. She would give *Moon* 5 stars, *Mars* 4, *Cake* 3.

# %% [markdown] id="stars-zh" lang="zh" en="11aefd70"
# ## 星级不等于列表
#
# 有很多年，这个领域问的是另一个问题：“这个人会打几颗星？”衡量办法是均方根误差，**RMSE**，单位是星。知道星级的人，想必也能列出好的列表吧？用小米没看过的三部电影来试试：她会给《月球》5 星，《火星》4 星，《蛋糕》3 星。

# %% id="stars-tiny"
true_stars = np.array([5.0, 4.0, 3.0])
near = np.array([4.4, 4.5, 3.1])  # close to the truth
low = np.array([3.0, 2.0, 1.0])  # always 2 stars too low
for name, guess in (("near", near), ("low", low)):
    error = np.sqrt(np.mean((guess - true_stars) ** 2))
    first = ["Moon", "Mars", "Cake"][guess.argmax()]
    print(f"{name:5s} RMSE {error:.2f} stars, first on the list: {first}")

# %% [markdown] id="stars-why-en" lang="en"
# The guesses that are always 2 stars too low have a huge error and the perfect list. The near ones have a small error and put *Mars* first. A list asks for differences within one person, RMSE for absolute heights.
#
# That is the small reason. The large one is **which films are asked about**. RMSE is computed on ratings that were given, and people rate what they chose to watch. What they would choose is exactly what a list must guess, and no star is ever given for a film that somebody passed by.
#
# ## Two models that know people
#
# To see both questions answered by the same models we need models that can do either. *Matrix factorization* (MF) gives each person $u$ a vector $p_u$ and each item $i$ a vector $q_i$ and a bias $b_i$, and takes the dot product:
#
# $$\text{score}(u, i) = p_u \cdot q_i + b_i .$$
#
# To predict stars, add the mean of all stars and a bias for each person. *NeuMF* ("neural collaborative filtering") keeps a product for half of the numbers and hands the other half of both vectors to a small network, in the hope that it finds a better way than a dot product to join them.

# %% [markdown] id="stars-why-zh" lang="zh" en="4ab475ae"
# 总是低 2 星的预测误差巨大，列表却完美无缺。接近真值的预测误差很小，却把《火星》放在了第一位。列表只关心同一个人的评分谁高谁低，RMSE 关心的是评分的绝对大小。
#
# 这还只是小原因。大原因在于**问的是哪些电影**。RMSE 是在已有的评分上算的，而人们只给自己选择去看的电影评分。他们会选什么，恰恰是列表要猜的；对于没有选择的电影，谁也不会留下一颗星。
#
# ## 两个考虑用户的模型
#
# 想让同样的模型回答两种问题，就需要两种都能做的模型。**矩阵分解**（matrix factorization，MF）给每个人 $u$ 一个向量 $p_u$，给每个物品 $i$ 一个向量 $q_i$ 和一个偏置 $b_i$，再取点积：
#
# $$\text{score}(u, i) = p_u \cdot q_i + b_i .$$
#
# 要预测星级，就再加上所有星级的均值和每个人的偏置。*NeuMF*（“神经协同过滤”）对一半的数仍然做乘积，把两个向量的另一半交给一个小网络，希望它能找到比点积更好的结合方式。

# %% id="mf-code" tags=["library"]
from tutorial_lib import kernels
from tutorial_lib.models.mf import UserModel
from tutorial_lib.ratings import Ratings, rating_task

# show: tutorial_lib.models.mf.MF
# show: tutorial_lib.models.mf.NeuMF
# show: tutorial_lib.ratings.train_ratings

# %% [markdown] id="world-en" lang="en"
# And a world in which we know why people watch what they watch. It has 600 people and 300 films. Each person has a taste, each film a character, a **quality** (which shows in the stars) and a **fame** (which does not). People watch what is famous and what they like, 30 films each; they rate all they watched, and the stars depend on taste, quality, the strictness of the person and chance. The last film of each person is the test.

# %% [markdown] id="world-zh" lang="zh" en="3f896334"
# 再造一个我们知道“人们为什么看”的世界。里面有 600 个人、300 部电影。每个人有偏好；每部电影有风格，有**质量**（会体现在星级里），有**名气**（不会体现在星级里）。人们看的是有名的和自己喜欢的，每人看 30 部；看过的全都评分，星级取决于偏好、质量、这个人的严格程度和偶然。每个人的最后一部电影用作测试。


# %% id="world-code"
def star_world(seed, people=600, films=300, watched=30):
    rng = np.random.default_rng(seed)
    liking = rng.normal(size=(people, 4)) @ rng.normal(size=(4, films)) / 2
    fame, quality, strictness = rng.normal(size=films), 0.3 * rng.normal(size=films), 0.4 * rng.normal(size=(people, 1))
    stars = np.clip(3.5 + strictness + quality + 0.6 * liking + 0.4 * rng.normal(size=liking.shape), 1, 5)
    wish = fame + 1.5 * liking + rng.gumbel(size=liking.shape)  # the largest wishes are the films watched
    film = rng.permuted(np.argsort(-wish, axis=1)[:, :watched], axis=1).ravel()
    person = np.repeat(np.arange(people), watched)
    events = pd.DataFrame(
        {"user": person, "item": film, "timestamp": np.arange(len(film)), "rating": stars[person, film]}
    )
    return leave_last_out(make_dataset("stars", events))


def fit(name, task, split, learning_rate, weight_decay, seed=0, dim=16):
    """Trains on stars (squared error) or on choices (softmax over all films) -> model and its quality on validation."""
    data = split.dataset
    sizes = {"num_items": data.num_items, "num_users": data.num_users, "max_len": 40, "dim": dim}
    model = build_model(name, **sizes, seed=seed, ratings=task == "stars")
    settings = {
        "epochs": 12,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "schedule": "cosine",
        "seed": seed,
    }
    if task == "stars":
        parts = split_ratings(split, "train"), split_ratings(split, "valid")
        rows = train_ratings(model, *parts, TrainConfig(batch_size=512, **settings))
        return model, -min(row["rmse"] for row in rows)
    return model, train(model, split, TrainConfig(batch_size=32, **settings), progress=False).best_ndcg


# %% [markdown] id="tune-en" lang="en"
# **Tuned alike.** A comparison of two models in which only one was tuned measures the tuning. So MF and NeuMF get the same grid: two learning rates, three strengths of weight decay, the same width, epochs and objective. The best setting is chosen on the validation part of one world. The comparison is then made in **five other worlds**, on test events that nothing was chosen with.

# %% [markdown] id="tune-zh" lang="zh" en="ab8a1a6f"
# **同样地调参。** 比较两个模型而只给一方调参，比出来的其实是调参。所以 MF 和 NeuMF 用同一个网格：两种学习率（learning rate）、三种权重衰减（weight decay）强度，宽度、轮数和目标函数都相同。最佳设置在一个世界的验证集上选出；比较则在**另外五个世界**里进行，所用的测试事件没有参与过任何选择。

# %% id="tune-code" tags=["nbval-ignore-output"]
practice = star_world(seed=0)
grid = [(rate, decay) for rate in (0.01, 0.03) for decay in (0.3, 1.0, 3.0)]
chosen = {}
cases = [(name, task) for task in ("stars", "choices") for name in ("mf", "neumf")]
tried = {(*case, setting): 0.0 for case in cases for setting in grid}
for name, task, setting in progress_bar(tried, "setting"):
    tried[name, task, setting] = fit(name, task, practice, *setting)[1]
for name, task in cases:
    quality = {setting: tried[name, task, setting] for setting in grid}
    chosen[name, task] = max(quality, key=quality.get)
    shown = "  ".join(f"{abs(value):.3f}" for value in quality.values())
    print(
        f"{name:5s} on {task:7s} {'RMSE' if task == 'stars' else 'NDCG@10'} on validation: {shown}   best {chosen[name, task]}"
    )

# %% [markdown] id="predict-stars-en" lang="en" tags=["predict"]
# **Predict.** Five ways to make a list: the films watched most (popularity); MF and NeuMF trained on stars, ordered by the stars they predict; MF and NeuMF trained on choices, which never see a star. Which has the lowest RMSE, which the best list? And where does popularity stand?
#
# (Ways that predict no stars get their RMSE from a straight line that turns a score into stars, fitted on the training part.)

# %% [markdown] id="predict-stars-zh" lang="zh" en="a075a2c7" tags=["predict"]
# **猜一猜。** 生成列表有五种办法：按观看次数（热门基线）；用星级训练的 MF 和 NeuMF，按预测的星级排；用选择训练的 MF 和 NeuMF，它们从没见过一颗星。谁的 RMSE 最低？谁的列表最好？热门基线又排在哪里？
#
# （不预测星级的办法，用一条把得分换成星级的直线来算 RMSE，直线在训练集上拟合。）


# %% id="stars-run" tags=["break-it", "nbval-ignore-output"]
@torch.no_grad()
def scores_of(model, ratings):
    users, items = torch.from_numpy(ratings.users), torch.from_numpy(ratings.items)
    return model.score_items(model.user_embedding(users), items[:, None])[:, 0].numpy()


@torch.no_grad()
def fame_of_lists(model, world, counts):
    """How often were the ten films at the top of each list watched? Mean over people."""
    scores = model.score(model.user_embedding.weight)
    seen = world.train
    scores[seen["user"].to_numpy(copy=True), seen["item"].to_numpy(copy=True)] = -torch.inf
    return counts[scores.topk(10).indices].mean()


squared, gains, fame = {}, {}, {}  # way -> one array or number for each world; arrays hold one value for each person
for seed in progress_bar(range(1, 6), "world"):
    world = star_world(seed)
    known, asked = split_ratings(world, "train"), split_ratings(world, "test")
    counts = np.bincount(known.items, minlength=world.dataset.num_items + 1)
    popularity = build_model("popularity", num_items=world.dataset.num_items, max_len=40)
    popularity.fit(known.users, known.items)
    ways = {"popularity": (popularity, counts[known.items], counts[asked.items])}
    for (name, task), setting in chosen.items():
        model, _ = fit(name, task, world, *setting, seed=seed)
        ways[f"{name} on {task}"] = (model, scores_of(model, known), scores_of(model, asked))
        fame.setdefault(f"{name} on {task}", []).append(fame_of_lists(model, world, counts))
    for way, (model, score_known, score_asked) in ways.items():
        if "stars" in way:
            guess = predict(model, asked)
        else:
            slope, level = np.polyfit(score_known, known.values, 1)
            guess = slope * score_asked + level
        squared.setdefault(way, []).append((guess - asked.values) ** 2)
        gains.setdefault(way, []).append(ndcg(evaluate(model, world, "test")))
rows = {
    way: {
        "RMSE (stars)": round(np.mean(squared[way]) ** 0.5, 3),
        "NDCG@10, 95 % interval": str(bootstrap_interval(np.concatenate(gains[way]))),
        "times a listed film was watched": round(np.mean(fame[way])) if way in fame else "",
    }
    for way in squared
}
pd.DataFrame(rows).T

# %% id="stars-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.4, 3.6))
for way, marker in zip(squared, "*osD^", strict=True):
    ax.plot([e.mean() ** 0.5 for e in squared[way]], [g.mean() for g in gains[way]], marker, ms=7, label=way)
ax.set(xlabel="RMSE on the test ratings (stars; left is better)", ylabel="NDCG@10 (up is better)", ylim=(0, None))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown] id="stars-alt-en" lang="en" tags=["alt"]
# Each way of making a list as five points, one for each world: RMSE across, NDCG@10 upwards. MF and NeuMF trained on stars stand at the left, near 0.49 stars, and lowest, with an NDCG@10 of about 0.05 and 0.03. Trained on choices they stand at the right, near 0.7 stars, and highest, above 0.2. Popularity is at the far right with about 0.1.

# %% [markdown] id="stars-alt-zh" lang="zh" en="03456e41" tags=["alt"]
# 每种生成列表的办法画五个点，每个世界一个：横轴是 RMSE，纵轴是 NDCG@10。用星级训练的 MF 和 NeuMF 在最左边，约 0.49 星，却也最低，NDCG@10 约为 0.05 和 0.03。用选择训练的在右边，约 0.7 星，却最高，在 0.2 以上。热门基线在最右边，约 0.1。

# %% id="stars-check"
error = {way: np.mean(values) ** 0.5 for way, values in squared.items()}
quality = {way: np.concatenate(values) for way, values in gains.items()}  # 3,000 people of five worlds
for way, stars, gain in (
    ("mf on stars", 0.49, 0.05),
    ("neumf on stars", 0.49, 0.03),
    ("mf on choices", 0.70, 0.24),
    ("neumf on choices", 0.69, 0.215),
    ("popularity", 0.74, 0.10),
):
    expect(f"RMSE of {way}", error[way], stars, tol=0.02)
    expect(f"NDCG@10 of {way}", quality[way].mean(), gain, tol=0.012)
for way in ("mf on stars", "neumf on stars"):
    nearer = paired_bootstrap(np.concatenate(squared["popularity"]), np.concatenate(squared[way]))
    worse = paired_bootstrap(quality["popularity"], quality[way])
    expect_true(
        f"{way}: smaller error and worse list than popularity, both intervals above 0", min(nearer.low, worse.low) > 0
    )
    expect_true(
        "and a worse list in each of the five worlds",
        all(p.mean() > m.mean() for p, m in zip(gains["popularity"], gains[way], strict=True)),
    )
expect("times the films were watched that mf on stars recommends", np.mean(fame["mf on stars"]), 61, tol=9)
expect("times, mf on choices", np.mean(fame["mf on choices"]), 143, tol=15)
expect_true(
    "lists of mf on choices: more than four times as good as on stars",
    quality["mf on choices"].mean() > 4 * quality["mf on stars"].mean(),
)

# %% [markdown] id="stars-lesson-en" lang="en"
# The two models with the lowest RMSE, near 0.49 stars against 0.74 for guessing by popularity, make the worst lists: worse than popularity, which tells nobody anything about themselves. Look at what they recommend. The films at the top of the lists of MF on stars were watched by about 61 of 600 people, those of MF on choices by about 143. The star model looks for what you would *love if you watched it*, and finds obscure films that you would never pick. That may be a worthy aim, but then it must be tested as such; RMSE on given ratings tests neither.
#
# The mend was to train on what is asked: the model that learns choices is worse at stars and more than four times as good at lists. It needs no stars at all, which is why the rest of this course has none.

# %% [markdown] id="stars-lesson-zh" lang="zh" en="83f1bd90"
# RMSE 最低的两个模型，误差约 0.49 星，而按热度来猜是 0.74 星；可它们排出的列表最差，连热门基线都不如，而热门基线给每个人的列表都一样。看看它们推荐了什么：用星级训练的 MF，列表前列的电影在 600 人里平均只有约 61 人看过；用选择训练的 MF，约 143 人。星级模型找的是你**一旦看了就会喜欢**的电影，于是翻出一堆你根本不会点开的冷门片。这也许是个值得追求的目标，但那就应当按这个目标来检验；已有评分上的 RMSE，两样都没有检验。
#
# 修正的办法是：问什么就学什么。学习选择的模型，星级猜得差，列表却好到四倍以上。它完全不需要星级，所以本课程后面不再出现星级。

# %% [markdown] id="dot-en" lang="en"
# ## Is the network better than the dot product?
#
# NeuMF was published in 2017 with the claim that a learned network joins two vectors better than a fixed dot product, and it became the baseline that everybody had to beat. Three years later Rendle and others tuned plain MF with the same care, and it won. Both were tuned alike above; here is the comparison.

# %% [markdown] id="dot-zh" lang="zh" en="0ae9040a"
# ## 网络比点积更好吗？
#
# NeuMF 发表于 2017 年，它主张：学出来的网络比固定的点积更会结合两个向量。此后它成了人人都要战胜的基线（baseline）。三年后，Rendle 等人用同样的细心去调普通的 MF，结果 MF 赢了。上面的两个模型是同样调过参的，比较结果如下。

# %% id="dot-code" tags=["nbval-ignore-output"]
lists = paired_bootstrap(quality["mf on choices"], quality["neumf on choices"])
stars = paired_bootstrap(np.concatenate(squared["neumf on stars"]), np.concatenate(squared["mf on stars"]))
print("MF minus NeuMF, NDCG@10 of the models trained on choices:", lists)
print("NeuMF minus MF, squared error of the models trained on stars:", stars)
# NeuMF keeps a dot product for half of its 16 numbers: an MF of that width, tuned by the same grid, is its nearest kin
half = {setting: fit("mf", "choices", practice, *setting, dim=8)[1] for setting in progress_bar(grid, "setting")}
best = max(half, key=half.get)
narrow = []
for seed in progress_bar(range(1, 6), "world"):
    world = star_world(seed)
    narrow.append(ndcg(evaluate(fit("mf", "choices", world, *best, seed=seed, dim=8)[0], world, "test")))
kin = paired_bootstrap(quality["neumf on choices"], np.concatenate(narrow))
print("NeuMF minus MF of width 8, NDCG@10 of the models trained on choices:", kin)

# %% id="dot-check"
expect("NDCG@10, MF minus NeuMF", lists.mean, 0.025, tol=0.01)
expect("the same as a share of NeuMF", lists.mean / quality["neumf on choices"].mean(), 0.11, tol=0.045)
expect_true("the interval over people lies above 0", lists.low > 0)
expect("NDCG@10, NeuMF minus MF of width 8", kin.mean, -0.02, tol=0.012)
expect_true("its interval over people lies below 0", kin.high < 0)
expect_true("squared error on stars: the interval of the difference contains 0", stars.low < 0 < stars.high)

# %% [markdown] id="dot-lesson-en" lang="en"
# On lists the dot product wins by about a tenth; on stars the interval of the difference contains 0. Read this with care. In these worlds liking *is* a dot product, which favours MF, and NeuMF has only 600 people to learn from. Nor is NeuMF a network alone: half of its numbers meet in a dot product. So ask what the network adds to that half. Here it adds nothing: an MF that has only those 8 numbers, tuned by the same grid, makes better lists than NeuMF with 16, by about 0.02. All this holds for width 16, six settings and one practice world; a wider NeuMF has not been tried here, and would be the next thing to try. Whether real films behave like that is for real data to say, with both models tuned; the last part of the course returns to it.

# %% [markdown] id="dot-lesson-zh" lang="zh" en="fa63dae9"
# 在列表上，点积领先约一成；在星级上，差值的区间包含 0。读这个结果要小心：在这些世界里，喜好**本来就是**点积，这对 MF 有利，而 NeuMF 只有 600 个人的数据可学。而且 NeuMF 也不只是一个网络，它有一半的数仍以点积结合。所以要问：网络在这一半之外又添了什么？在这里什么也没添：只用那 8 个数的 MF，按同一个网格调参，列表比用 16 个数的 NeuMF 还好，高出约 0.02。这些结论只对宽度 16、六种设置和一个练习世界成立；更宽的 NeuMF 这里没有试过，那应当是下一步要试的。真实的电影是否也这样，要由真实数据在两边都调好参之后来回答；课程的最后部分会回到这个问题。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **2.1 Mend · basic.** The rank of the item in column `target` of one list, when the columns in `seen` are no candidates. This version has four faults; one of them shows on negative scores only, one only when you call it twice. Write it right, with ties counted half.
#
# ```python
# def my_rank(scores, target, seen):
#     scores[seen] = 0
#     order = np.argsort(-scores, kind="stable")
#     return list(order).index(target)
# ```

# %% [markdown] id="exercise1-zh" lang="zh" en="daf5239b" tags=["exercise"]
# ## 练习
#
# **2.1 改错 · 基础。** 求一张列表里第 `target` 列那个物品的排名，`seen` 中的各列不参加排名。下面的写法有四处错误，其中一处只在得分为负时出现，另一处只在调用第二次时出现。请写出正确的版本，并列算一半。
#
# ```python
# def my_rank(scores, target, seen):
#     scores[seen] = 0
#     order = np.argsort(-scores, kind="stable")
#     return list(order).index(target)
# ```


# %% id="exercise1-code" tags=["exercise"]
def my_rank(scores, target, seen):
    """scores: array [V]; target: a column; seen: array of other columns -> rank, 1 = best."""
    ...


lesson02.check_rank(my_rank)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def my_rank(scores, target, seen):
    # A seen item with 0 still beats negative scores; it was written into the caller's array; equal scores stood in the
    # order of their columns; and the best rank was 0.
    left = np.delete(scores, np.append(seen, target).astype(int))  # a copy, without the item itself
    return 1 + (left > scores[target]).sum() + (left == scores[target]).sum() / 2


lesson02.check_rank(my_rank)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **2.2 Modify · core.** With a tie the half-way rank is not enough for HR@K: an item that shares the places 9 to 12 with three others is a hit in half of the orders. Write the probability of a hit from the number of items ahead, the number of *other* equal ones, and $K$.

# %% [markdown] id="exercise2-zh" lang="zh" en="0b9a8ed5" tags=["exercise"]
# **2.2 修改 · 进阶。** 有并列时，取中间的排名对 HR@K 来说还不够：一个物品与另外三个共享第 9 到第 12 位，那么一半的顺序里它会命中。用排在前面的个数、**其余**同分者的个数和 $K$，写出命中的概率（probability）。


# %% id="exercise2-code" tags=["exercise"]
def hit_chance(ahead, others_equal, k):
    """Whole numbers -> probability that the item is among the first k."""
    ...


lesson02.check_tied_hit(hit_chance)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def hit_chance(ahead, others_equal, k):
    places = others_equal + 1  # ahead + 1 ... ahead + places, each equally likely
    good = min(max(k - ahead, 0), places)
    return good / places


lesson02.check_tied_hit(hit_chance)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **2.3 Measure · core.** 3,416 films, $K = 10$. What is the worst true rank that still counts as a hit in at least half of the cases, among 100 random films and among 1,000? Use `sampled_hit_probability(ranks, 3416, negatives=...)`.

# %% [markdown] id="exercise3-zh" lang="zh" en="41b41a76" tags=["exercise"]
# **2.3 测量 · 进阶。** 3,416 部电影，$K = 10$。在 100 个随机候选里，至少有一半机会算命中的最差真实排名是多少？在 1,000 个里呢？请用 `sampled_hit_probability(ranks, 3416, negatives=...)`。

# %% id="exercise3-code" tags=["exercise"]
worst_ranks = ..., ...  # among 100, among 1,000

lesson02.check_even_rank(worst_ranks)

# %% id="exercise3-solution" tags=["solution"]
# Solution

all_ranks = np.arange(1, 3417)
worst_ranks = tuple(all_ranks[sampled_hit_probability(all_ranks, 3416, n) >= 0.5].max() for n in (100, 1000))

lesson02.check_even_rank(worst_ranks)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **2.4 Modify · stretch.** Turn the power round: how many people must a test have so that a gain $\delta$ in HR@10 is recognised in 80 of 100 studies, if the models disagree on a share $d$ of the people? The difference must then be as large as 1.96 + 0.84 standard errors (0.84 is where 80 % of a bell curve lie to the left).

# %% [markdown] id="exercise4-zh" lang="zh" en="7a39d25a" tags=["exercise"]
# **2.4 修改 · 挑战。** 把功效反过来算：若两个模型在比例为 $d$ 的人身上结果不同，要让 HR@10 上的提升 $\delta$ 在 100 次研究里有 80 次被认出来，测试需要多少人？这时差值必须达到 1.96 + 0.84 个标准误（0.84 是钟形曲线左侧恰占 80% 的位置）。


# %% id="exercise4-code" tags=["exercise"]
def people_needed(gain, disagree):
    """gain in HR@10 (absolute), share of people on whom the models disagree -> number of people."""
    ...


lesson02.check_users_needed(people_needed)


# %% id="exercise4-solution" tags=["solution"]
# Solution

def people_needed(gain, disagree):
    # gain = (1.96 + 0.84) * sqrt((disagree - gain**2) / N), solved for N
    return math.ceil(((1.96 + 0.84) / gain) ** 2 * (disagree - gain**2))


lesson02.check_users_needed(people_needed)

# %% [markdown] id="exercise5-en" lang="en" tags=["exercise"]
# **2.5 Think · basic.** Which statements are true? One right item for each person; give a set of letters.
#
# - A: HR@1, NDCG@1 and MRR@1 (nothing beyond the first place counts) are the same number
# - B: if one model has the higher HR@10 under full ranking, it has the higher HR@10 among 100 random items as well
# - C: adding the same number to all scores of one person changes no metric of rank
# - D: adding half a star to all predictions changes the RMSE and not the list
# - E: a test with twice as many people has half the standard error
# - F: a model that scores all items alike deserves an HR@10 of 10 divided by the number of items

# %% [markdown] id="exercise5-zh" lang="zh" en="1659ab6e" tags=["exercise"]
# **2.5 思考 · 基础。** 下面哪些结论是对的？每个人只有一个正确物品；用字母的集合作答。
#
# - A：HR@1、NDCG@1 和 MRR@1（第一位之后的都不算）是同一个数
# - B：如果一个模型在全量排序下 HR@10 更高，那么在 100 个随机物品里它的 HR@10 也更高
# - C：给一个人的所有得分加上同一个数，不改变任何基于排名的指标
# - D：给所有预测都加半颗星，会改变 RMSE，但不改变列表
# - E：测试人数加倍，标准误减半
# - F：给所有物品同样得分的模型，HR@10 应得 10 除以物品数

# %% id="exercise5-code" tags=["exercise"]
true_statements = ...

lesson02.check_statements(true_statements)

# %% id="exercise5-solution" tags=["solution"]
# Solution

# B: the specialist and the generalist. E: the standard error falls with the square root of the number of people, so four
# times as many are needed to halve it.
true_statements = {"A", "C", "D", "F"}

lesson02.check_statements(true_statements)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** You run a shop whose page shows 24 items, in four rows of six; a visitor reads the first row and sometimes scrolls. Which number of this lesson would you report to the owner, and does it matter which? Begin with the cell `curve-picture`. Give the curves of **Markov** and its **compressed** twin as a difference with a 95 % interval for each $K$ from 1 to 100. Say from which $K$ to which $K$ the data cannot tell who is better. A good report has that range, one picture, a metric of your own for the page as a function of the rank with a reason for its weights, and a doubt: what would you have to know about visitors to defend it?

# %% [markdown] id="open-zh" lang="zh" en="fcb644bd" tags=["open"]
# **开放任务。** 你经营一家商店，页面上有 24 件物品，四行六列；访客看第一行，有时会往下翻。你会向店主报告这一课里的哪个数？选哪一个有没有影响？从单元格 `curve-picture` 开始，对 1 到 100 的每个 $K$，给出**马尔可夫**与**压缩的马尔可夫**（compressed）两条曲线的差值和 95% 区间，并说明从哪个 $K$ 到哪个 $K$，这些数据分不出谁更好。一份好的报告包括这个范围，一张图，一个你为这个页面设计的、由排名决定的指标（metric）以及各权重（weight）的理由，最后写出一个疑问：要为它辩护，你还需要了解访客的哪些情况？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "differences": ...,  # {K: (mean, low, high)} of Markov - compressed, for K from 1 to 100
    "undecided_from": ...,  # the first K whose interval holds 0
    "undecided_to": ...,  # the last one
    "metric": ...,  # your metric for the page, a function of the rank
    "reason": ...,  # why these weights
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson02.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## The two papers, answered
#
# The first paper ranked the right film among 100 random ones, the second among all 3,416. You would have sat in front of the second list and found your film there once in four times. The first number is not wrong; it answers the question "is your film in the better tenth of all films?", and nobody is shown a tenth of all films. So when you meet a number from now on, ask four things: among how many candidates, what happens to ties, how many people, and was the other model tuned as well?

# %% [markdown] id="answer-zh" lang="zh" en="10028587"
# ## 回答开头的问题
#
# 第一篇论文让正确的电影与 100 部随机电影比，第二篇与全部 3,416 部比。你实际看到的是第二种列表，四次里有一次能在上面找到你要的电影。第一个数字没有错，它回答的是“你的电影是否排在全部电影的前十分之一？”，可没有人会看完全部电影的十分之一。所以，以后再遇到一个数字，请问四件事：有多少候选，并列怎么算，测了多少人，另一个模型调过参没有？

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. HR@K, NDCG@K and MRR are functions of one rank: the number of candidates ahead, half of the ties, plus 1.
# 2. A constant scorer must come out as random; code that finds ranks by sorting may call it perfect.
# 3. Sampled metrics ask whether an item is in the better part of all items, and can turn the order of two models round.
# 4. The standard error falls with the square root of the number of people; compare on the same people and know your power.
# 5. RMSE judges stars that were given, a list must guess choices; tune all models alike before you call one better.

# %% [markdown] id="summary-zh" lang="zh" en="8d48cdab" tags=["summary"]
# ## 小结
#
# 1. HR@K、NDCG@K 和 MRR 都只是一个排名的函数：排在前面的候选个数，加上并列的一半，再加 1。
# 2. 常数打分器必须得到随机的成绩；靠排序求排名的代码，可能会给它满分。
# 3. 采样指标问的是物品是否排在全部物品的前面一部分，它能把两个模型的高下颠倒过来。
# 4. 标准误随人数的平方根下降；要在同一批人身上比较，并且清楚检验的功效。
# 5. RMSE 评判的是已经打出的星级，列表要猜的是选择；说一个模型更好之前，先给所有模型同样地调参。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> Three people have the ranks 1, 3 and 20. What are HR@10, NDCG@10 and MRR? Which of them change if the third rank becomes 12?</summary>
#
# HR@10 is 2/3. NDCG@10 is (1 + 1/2 + 0) / 3, a half. MRR is (1 + 1/3 + 1/20) / 3, about 0.46. Only MRR changes: the other two see nothing beyond place 10.
#
# </details>
#
# <details><summary><b>2.</b> The loss of a network became NaN, and its HR@10 is 1.0. How does the code find ranks?</summary>
#
# It counts the higher scores and adds 1. No number is higher than NaN, so every item gets rank 1, as with the optimistic count of the constant model. The library refuses such scores.
#
# </details>
#
# <details><summary><b>3.</b> A dead model gives all 500 items the same score. What HR@10 does it deserve, and what do you suspect if your code reports the HR@10 of popularity?</summary>
#
# 10 of 500, so 2 people of 100. The ranks come from a sort: equal scores stay in the order of the item numbers, and the items are numbered by popularity.
#
# </details>
#
# <details><summary><b>4.</b> 20,000 items, 100 random candidates. Roughly which true rank counts as a hit at 10 in half of the cases?</summary>
#
# Nine or ten of the 100 must stand ahead, so a rank near the first tenth, a little below 2,000 (the formula gives 1,927). Nobody scrolls that far.
#
# </details>
#
# <details><summary><b>5.</b> 3,416 films. A model puts the right one on place 150 for 60 of 100 people and on place 2,000 for the others. What are HR@10 among 100 and under full ranking?</summary>
#
# At place 150 nearly every draw is a hit (0.98), at 2,000 none: about 59 of 100. Under full ranking 0. Nobody is served.
#
# </details>
#
# <details><summary><b>6.</b> The HR@10 of 0.30 has a standard error of 0.006 with 6,040 people. How many people halve it? And why is half of the interval not the yardstick for a gain of a second model?</summary>
#
# Four times as many, 24,160. The second model is tested on the same people; only those on whom the two disagree count, and the error of the paired difference is often much smaller.
#
# </details>
#
# <details><summary><b>7.</b> 943 people, a gain of 2 hits in 100. In study A the models disagree on 4 people of 100, in study B on 40 of 100. Which study finds the gain?</summary>
#
# The error is $\sqrt{(d - \delta^2)/N}$. In A the gain is about 3 standard errors, in B about 1. A finds it in almost nine studies of ten, B in one of six. Report $d$ with the gain.
#
# </details>
#
# <details><summary><b>8.</b> After training, the bias of each person is removed from MF. What happens to the RMSE and to the lists?</summary>
#
# The RMSE grows, because the heights are wrong. The lists stay as they are: the same number is taken from all items of one person. The bias of an **item** would change the lists.
#
# </details>
#
# <details><summary><b>9.</b> A site wants to recommend films that people would love but would never have picked. Neither RMSE nor HR@10 of this lesson tests that. What would?</summary>
#
# Both look at films that people chose by themselves. Show some people films drawn by the model or at random, ask for stars afterwards, and compare these stars: the choice of the film must not be the person's.
#
# </details>
#
# <details><summary><b>10.</b> A paper tries 48 settings of its new model and takes six settings of MF from an old paper; both are chosen on validation, and the new one wins by a twentieth. What does that show, and what is the smallest repair?</summary>
#
# It shows the effect of tuning at least as much as the model. Give both the same grid, or the same number of trials, on the same validation part, and test once; then give the interval of the paired difference.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="e5bda858" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 三个人的排名是 1、3 和 20。HR@10、NDCG@10 和 MRR 各是多少？如果第三个排名变成 12，哪些会变？</summary>
#
# HR@10 是 2/3。NDCG@10 是 1 + 1/2 + 0 的三分之一，即一半。MRR 是 1 + 1/3 + 1/20 的三分之一，约 0.46。只有 MRR 会变，另外两个看不到第 10 位之后。
#
# </details>
#
# <details><summary><b>2.</b> 某个网络的损失变成了 NaN，它的 HR@10 却是 1.0。代码是怎样求排名的？</summary>
#
# 它数出更高的得分，再加 1。没有哪个数比 NaN 更大，所以每个物品的排名都是 1，与常数模型的乐观写法一样。库会拒绝这样的得分。
#
# </details>
#
# <details><summary><b>3.</b> 一个失效的模型给全部 500 个物品同样的得分。它的 HR@10 应当是多少？如果你的代码报出的是热门基线的 HR@10，你会怀疑什么？</summary>
#
# 500 个里中 10 个，也就是 100 个人里 2 个。排名是靠排序得到的：同分时保持物品编号的顺序，而物品恰好按热度编号。
#
# </details>
#
# <details><summary><b>4.</b> 共有 20,000 个物品，100 个随机候选。真实排名大约是多少时，有一半机会算作前 10 命中？</summary>
#
# 100 个候选里要有九到十个排在它前面，所以大约在前十分之一处，略低于 2,000（公式给出 1,927）。没有人会翻那么远。
#
# </details>
#
# <details><summary><b>5.</b> 共有 3,416 部电影。某个模型对 100 个人里的 60 个把正确的电影排在第 150 位，对其余的人排在第 2,000 位。在 100 个候选里和全量排序下，HR@10 各是多少？</summary>
#
# 排在第 150 位时，几乎每次抽取都算命中（0.98）；排在第 2,000 位时从不命中。所以约为 100 个人里 59 个。全量排序下是 0，谁也没有得到帮助。
#
# </details>
#
# <details><summary><b>6.</b> 6,040 个人时，HR@10 为 0.30，标准误为 0.006。要让它减半，需要多少人？为什么不能用这个区间的一半去衡量另一个模型的提升？</summary>
#
# 四倍，即 24,160 人。另一个模型是在同一批人身上测的，起作用的只有两者结果不同的那些人，配对差值的误差往往小得多。
#
# </details>
#
# <details><summary><b>7.</b> 共有 943 个人，提升为每 100 人多命中 2 个。研究 A 里，两个模型在 100 个人里的 4 个身上结果不同；研究 B 里是 40 个。哪项研究能发现这个提升？</summary>
#
# 误差是 $\sqrt{(d - \delta^2)/N}$。在 A 里，提升约为 3 个标准误；在 B 里约为 1 个。A 这样的研究十次里近九次能发现，B 六次里只有一次。报告提升时也要给出 $d$。
#
# </details>
#
# <details><summary><b>8.</b> 训练之后，把 MF 里每个人的偏置去掉。RMSE 和列表会怎样？</summary>
#
# RMSE 会变大，因为评分的绝对大小错了。列表不变，因为同一个人的所有物品减去的是同一个数。如果去掉的是**物品**的偏置，列表就会变。
#
# </details>
#
# <details><summary><b>9.</b> 一个网站想推荐人们会喜欢、但自己绝不会去选的电影。这一课的 RMSE 和 HR@10 都检验不了这一点。怎样才能检验？</summary>
#
# 两者看的都是人们自己选择的电影。应当给一部分人展示由模型挑选的电影，给另一部分人展示随机抽取的电影，事后请他们打星，再比较这些星级。关键在于，看哪部电影不能由本人来选。
#
# </details>
#
# <details><summary><b>10.</b> 一篇论文给新模型试了 48 种设置，而 MF 只用了旧论文里的六种；两者都在验证集（validation part）上选择，新模型高出二十分之一。这说明了什么？最小的修正是什么？</summary>
#
# 至少有一部分反映的是调参，而不是模型。应当给两者同样的网格，或者同样的试验次数，在同一个验证集上选择，只测试一次，再给出配对差值的区间。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - W. Krichene, S. Rendle, *On Sampled Metrics for Item Recommendation*, KDD 2020.
# - W.-C. Kang, J. McAuley, *Self-Attentive Sequential Recommendation*, ICDM 2018: table III, among 100 random items. [arXiv 1808.09781](https://arxiv.org/abs/1808.09781)
# - A. Klenitskiy, A. Vasilev, *Turning Dross Into Gold Loss*, RecSys 2023: the same model under full ranking. [arXiv 2309.07602](https://arxiv.org/abs/2309.07602)
# - X. He et al., *Neural Collaborative Filtering*, WWW 2017: section 3.4 (NeuMF). [arXiv 1708.05031](https://arxiv.org/abs/1708.05031)
# - S. Rendle, W. Krichene, L. Zhang, J. Anderson, *Neural Collaborative Filtering vs. Matrix Factorization Revisited*, RecSys 2020. [arXiv 2005.09683](https://arxiv.org/abs/2005.09683)
# - Y. Koren, R. Bell, C. Volinsky, *Matrix Factorization Techniques for Recommender Systems*, IEEE Computer 2009.
# - In this repository: `tutorial_lib/evaluate.py`, `tutorial_lib/statistics.py`, `tutorial_lib/models/mf.py`, `tutorial_lib/ratings.py`.

# %% [markdown] id="references-zh" lang="zh" en="d5b66841" tags=["references"]
# ## 参考文献
#
# - W. Krichene、S. Rendle，*On Sampled Metrics for Item Recommendation*，KDD 2020。
# - W.-C. Kang、J. McAuley，*Self-Attentive Sequential Recommendation*，ICDM 2018：表 III，在 100 个随机物品中排名。[arXiv 1808.09781](https://arxiv.org/abs/1808.09781)
# - A. Klenitskiy、A. Vasilev，*Turning Dross Into Gold Loss*，RecSys 2023：同一个模型在全量排序下的成绩。[arXiv 2309.07602](https://arxiv.org/abs/2309.07602)
# - X. He 等，*Neural Collaborative Filtering*，WWW 2017：第 3.4 节（NeuMF）。[arXiv 1708.05031](https://arxiv.org/abs/1708.05031)
# - S. Rendle、W. Krichene、L. Zhang、J. Anderson，*Neural Collaborative Filtering vs. Matrix Factorization Revisited*，RecSys 2020。[arXiv 2005.09683](https://arxiv.org/abs/2005.09683)
# - Y. Koren、R. Bell、C. Volinsky，*Matrix Factorization Techniques for Recommender Systems*，IEEE Computer 2009。
# - 本仓库：`tutorial_lib/evaluate.py`，`tutorial_lib/statistics.py`，`tutorial_lib/models/mf.py`，`tutorial_lib/ratings.py`。
