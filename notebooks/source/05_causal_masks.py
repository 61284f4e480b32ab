# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Two colleagues train the same small attention model on the same histories. After four passes over the data, Ana's model has the right next item among its first ten for 98 of 100 events of the training set. Ben's has it for 20. Whose model would you put on the site?
#
# Ben's. On the site Ana's model is hardly better than a list of the most popular items. She has lost one line of code, and with it her model learned to **read the answer** instead of guessing it. No error was raised, every shape was right, and the loss curve was the most beautiful she had ever seen.
#
# In this lesson you will build both models, see the leak as a picture, and take home a test of ten lines that finds such a look ahead in any model that turns a list of items into one state for each position.

# %% [markdown] id="puzzle-zh" lang="zh" en="58965c37"
# 两位同事用同样的历史训练同一个小小的注意力模型。把数据过了四遍之后，在训练集的每 100 个事件里，小安的模型有 98 次把正确的下一个物品排进前十；小斌的模型只有 20 次。你会让谁的模型上线？
#
# 让小斌的上线。到了线上，小安的模型比一张热门榜好不了多少。她的代码里少了一行，于是模型学会的是**偷看答案**，而不是猜答案。没有任何报错，形状全都对得上，损失曲线漂亮得前所未见。
#
# 这一课里，你会把两个模型都做出来，把泄漏画成一张图，并带走一个十行的测试：只要模型把一串物品变成每个位置一个状态，就可以用它查出这种偷看。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - say why all positions of a sequence are trained at once, and why that needs a causal mask;
# - write the mask, apply it at the right place, and recognise three wrong masks;
# - test a sequence model for looks ahead, by changing the future and watching the past, and say what this test cannot see;
# - handle padding: why pads on the right need no mask of their own, and pads on the left do; and keep pads out of the loss;
# - tell PyTorch's two opposite mask conventions apart;
# - read a training result that is too good to be true.

# %% [markdown] id="objectives-zh" lang="zh" en="e4b74877" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 说明为什么要同时训练一个序列的所有位置，以及为什么这样做离不开因果掩码（causal mask）；
# - 写出掩码，用在正确的地方，并认出三种错误的掩码；
# - 用“改动未来、观察过去”的办法，检查序列模型有没有偷看，并说出这个检查看不到什么；
# - 处理填充：为什么填充放在右边不需要另加掩码，放在左边却需要；以及怎样不让填充进入损失；
# - 分清 PyTorch 里两种相反的掩码约定；
# - 看穿好得不真实的训练结果。

# %% id="setup"
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.sequences import training_batches
from tutorial_lib.data.simulate import ceiling_ranks
from tutorial_lib.data.splits import make_split
from tutorial_lib.evaluate import evaluate, hit_rate, ndcg, target_ranks
from exercises import lesson05
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import SequenceModel, build_model
from tutorial_lib.notebook import progress_bar
from tutorial_lib.statistics import paired_bootstrap

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="parameters-en" lang="en"
# One cell decides on which data this lesson runs. The text speaks of the simulated `sample`; with the environment variables `TUTORIAL_DATASET` and `TUTORIAL_USERS` the same notebook runs on other data. There the numbers of the text are not checked, and with few users or few epochs even the order of the three trained models may be another one.

# %% [markdown] id="parameters-zh" lang="zh" en="17a43a1c"
# 这一课用什么数据，由下面这一个单元格决定。正文说的是模拟数据 `sample`；设置环境变量 `TUTORIAL_DATASET` 和 `TUTORIAL_USERS`，同一个 notebook 就能在别的数据上运行。那时不再核对正文里的数；如果用户少或训练轮数少，连三个模型的高下都可能不同。

# %% id="parameters-code"
DATASET, USERS = settings(dataset="sample", users=None)
ON_SAMPLE = DATASET == "sample" and USERS is None  # the numbers in the text are checked only there

# %% [markdown] id="tiny-en" lang="en"
# ## One history, three questions
#
# Take the evening of lesson 04: *Alien*, *Cake*, *Moon*. A model that recommends must answer three questions about it:
#
# | it has seen | it must guess |
# |---|---|
# | Alien | Cake |
# | Alien, Cake | Moon |
# | Alien, Cake, Moon | whatever comes next |
#
# We could run the model three times. It is far cheaper to run it **once**, read the answer to question $i$ off the output at position $i$, and train on all of them together. But look where the answers are: the answer to the first question, *Cake*, stands at position 2 **of the input**. Plain attention looks at all positions. It would find *Cake* there and hand it over.

# %% [markdown] id="tiny-zh" lang="zh" en="5e28c059"
# ## 一段历史，三个问题
#
# 还是第 04 课那个晚上：《异形》《蛋糕》《月球》。做推荐的模型要回答关于它的三个问题：
#
# | 已经看到 | 要猜的 |
# |---|---|
# | 异形 | 蛋糕 |
# | 异形、蛋糕 | 月球 |
# | 异形、蛋糕、月球 | 接下来的那个 |
#
# 可以让模型跑三遍。便宜得多的办法是只跑**一遍**，从位置 $i$ 的输出读出第 $i$ 个问题的答案，所有问题一起训练。可是看看答案在哪儿：第一个问题的答案《蛋糕》就在**输入的**第 2 个位置上。不加限制的注意力会看所有位置，它会在那里找到《蛋糕》，直接作为答案。

# %% id="tiny-scores"
names = ["Alien", "Cake", "Moon"]
x = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 1.0]])
scores = x @ x.T / 2**0.5
show_matrix(scores, names, names, digits=2)
expect("score of Cake with itself", scores[1, 1], 2.83, tol=0.005)

# %% [markdown] id="mask-en" lang="en"
# The remedy is one triangle. Position $i$ may look at position $j$ only if $j \le i$: at itself and at what lies before it. A forbidden score is set to $-\infty$ **before** the softmax. Since $e^{-\infty} = 0$, the forbidden event gets the weight 0 exactly, and the allowed ones share the whole among themselves.

# %% [markdown] id="mask-zh" lang="zh" en="6f9bb701"
# 修正的办法是一个三角形。位置 $i$ 只有在 $j \le i$ 时才可以看位置 $j$：也就是看自己，看自己之前的。被禁止的得分在 softmax **之前**改成 $-\infty$。因为 $e^{-\infty} = 0$，被禁止的事件得到的权重恰好是 0，被允许的事件分掉全部份额。

# %% [markdown] id="predict-row-en" lang="en" tags=["predict"]
# **Predict before you run.** What are the three weights in the first row, *Alien*? And in the second row: *Cake* scored 0 with *Alien* and 2.83 with itself. Does it give *Alien* about a half, about a quarter, or about a twentieth?

# %% [markdown] id="predict-row-zh" lang="zh" en="20557b79" tags=["predict"]
# **先猜，再运行。** 第一行《异形》的三个权重各是多少？再看第二行：《蛋糕》与《异形》的得分是 0，与自己的得分是 2.83。它分给《异形》的，是大约一半、四分之一，还是二十分之一？

# %% id="tiny-masked"
mask = torch.tensor([[True, False, False], [True, True, False], [True, True, True]])
masked = scores.masked_fill(~mask, -torch.inf)
show_matrix(masked, names, names, digits=2)
weights = masked.softmax(dim=1)
show_matrix(weights, names, names, digits=2)
expect_true("the first event can only look at itself", weights[0].tolist() == [1, 0, 0])
expect("weight that Cake gives to Alien", weights[1, 0], 0.056, tol=0.005)

# %% [markdown] id="library-en" lang="en" tags=["library"]
# ## The library version
#
# `causal_mask` makes the triangle, `attention` from lesson 04 takes it, and `CausalSelfAttention` is the fast module that all later models use. It hands the work to PyTorch's fused kernel, which knows the triangle by the name `is_causal` and never builds the $L \times L$ table in memory.

# %% [markdown] id="library-zh" lang="zh" en="31050c3b" tags=["library"]
# ## 库里的版本
#
# `causal_mask` 造出三角形，第 04 课的 `attention` 接收它；`CausalSelfAttention` 是后面所有模型都用的快速模块。它把计算交给 PyTorch 的融合算子：那里的三角形由参数 `is_causal` 指定，而且从不在内存里建出 $L \times L$ 的大表。

# %% id="library-code" tags=["library"]
import torch.nn.functional as F

from tutorial_lib import kernels
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.attention import attention, attention_weights, check_heads
from tutorial_lib.models.base import Dropout

# show: tutorial_lib.models.attention.causal_mask
# show: tutorial_lib.models.attention.causal_attention
# show: tutorial_lib.models.attention.CausalSelfAttention

# %% [markdown] id="reference-en" lang="en"
# **What the mask promises** can be checked without knowing anything about masks: the output at position $i$ must be what plain attention gives when the history is **cut off** after position $i$. So run the unmasked attention $L$ times on $L$ prefixes, and compare. Beside it, the fast module against the obvious form.

# %% [markdown] id="reference-zh" lang="zh" en="de187979"
# **掩码承诺了什么**，不懂掩码也能检查：位置 $i$ 的输出，必须等于把历史在位置 $i$ 之后**切断**、再做普通注意力的结果。所以把无掩码的注意力在 $L$ 个前缀上跑 $L$ 遍，逐一比较。同时，把快速模块与最直白的写法核对一遍。

# %% id="reference-check" tags=["reference-check"]
history = torch.randn(9, 4, dtype=torch.double)
one_pass = attention(history, history, history, causal_mask(9))
prefix_by_prefix = torch.stack([attention(p, p, p)[-1] for p in (history[: i + 1] for i in range(9))])
expect_close("one masked pass equals nine passes over prefixes", one_pass, prefix_by_prefix, tol=1e-12)

module = CausalSelfAttention(dim=4, heads=1).double()
query, key, value = module.qkv(history).chunk(3, dim=1)
obvious = module.out(attention(query, key, value, causal_mask(9)))
expect_close("the fast module equals the obvious form", module(history[None])[0], obvious, tol=1e-12)

# %% [markdown] id="influence-en" lang="en"
# ## A picture of who reaches whom
#
# The mask is a promise about the code. What counts is the behaviour, and that can be **measured**: replace the input at position $j$ by another item and see which outputs change. An output that changes has looked at $j$, by whatever way. The result is a table of yes and no, and for a causal model it must be empty above the diagonal.

# %% [markdown] id="influence-zh" lang="zh" en="c85ba7ab"
# ## 谁能影响到谁：一张图
#
# 掩码只是代码的承诺，真正重要的是行为，而行为可以**测量**：把位置 $j$ 的输入换成另一个物品，看哪些输出变了。输出变了，就说明它看过 $j$，不管走的是哪条路。结果是一张“是/否”的表；对因果的模型来说，对角线以上必须全空。

# %% id="influence-code"
from collections.abc import Callable

# show: tutorial_lib.checks.influence

# %% [markdown] id="one-block-en" lang="en"
# Here is the small model of Ana and Ben: item embedding plus position, one attention, scores by the item table. The mask is an argument, so that we can break it.

# %% [markdown] id="one-block-zh" lang="zh" en="a3b03cd2"
# 这就是小安和小斌的小模型：物品嵌入加位置，一层注意力，再用物品表打分。掩码是个参数，方便我们弄坏它。


# %% id="one-block-code"
class OneBlock(SequenceModel):
    """items [B, L] -> states [B, L, d]; `weights` turns queries and keys into attention weights."""

    def __init__(self, num_items, max_len, dim, weights):
        super().__init__(num_items, max_len, dim)
        self.position_embedding = nn.Embedding(max_len, dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.weights = weights

    def forward(self, items, times=None, query_times=None):
        length = items.shape[1]
        x = self.item_embedding(items) * self.dim**0.5 + self.position_embedding.weight[:length]  # [B, L, d]
        x = self.norm1(x)
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        return self.norm2(x + self.out(self.weights(query, key) @ value))


def causal(query, key):
    return attention_weights(query, key, causal_mask(query.shape[-2]))


def no_mask(query, key):
    return attention_weights(query, key)


def off_by_one(query, key):
    return attention_weights(
        query, key, torch.ones(query.shape[-2], query.shape[-2], dtype=torch.bool).tril(diagonal=1)
    )


def mask_after_softmax(query, key):
    return attention_weights(query, key) * causal_mask(query.shape[-2])


rules = {"causal": causal, "no mask": no_mask, "off by one": off_by_one, "mask after softmax": mask_after_softmax}

# %% [markdown] id="predict-influence-en" lang="en" tags=["predict"]
# **Predict.** Four versions: the causal mask; no mask; `tril(diagonal=1)`, off by one; and a mask that is multiplied on **after** the softmax, so that all forbidden weights are exactly 0 as well. Which of the four leak? Think about the last one twice.

# %% [markdown] id="predict-influence-zh" lang="zh" en="3da4b44d" tags=["predict"]
# **猜一猜。** 四个版本：因果掩码；没有掩码；`tril(diagonal=1)`，差了一位；还有一个是在 softmax **之后**才乘上掩码，被禁止的权重同样恰好为 0。四个里面哪些会泄漏？最后一个请多想一遍。

# %% id="influence-picture" tags=["picture", "nbval-ignore-output"]
items = torch.tensor([3, 14, 15, 9, 2, 6, 5, 35])
reach = {}
fig, axes = plt.subplots(1, 4, figsize=(11, 3))
for ax, (name, rule) in zip(axes, rules.items(), strict=True):
    torch.manual_seed(0)
    reach[name] = influence(OneBlock(num_items=40, max_len=8, dim=16, weights=rule), items)
    ax.imshow(reach[name], cmap="cividis", vmin=0, vmax=1)
    ax.plot([-0.5, 7.5], [-0.5, 7.5], color="white", linewidth=1)
    ax.set(
        title=name,
        xlabel="input position changed",
        xticks=range(8),
        xticklabels=range(1, 9),
        yticks=range(8),
        yticklabels=range(1, 9),
    )
    ax.grid(False)
axes[0].set_ylabel("output position")
plt.show()

# %% [markdown] id="influence-alt-en" lang="en" tags=["alt"]
# Four square tables, output position down, input position across, bright where a change of the input changes the output. Causal: only the diagonal and below is bright. No mask: everything is bright. Off by one: also the first cell above the diagonal. Mask after softmax: everything is bright, exactly as without a mask.

# %% [markdown] id="influence-alt-zh" lang="zh" en="3707f7d6" tags=["alt"]
# 四张方形的表，纵向是输出位置，横向是输入位置；改动输入会改变输出的格子是亮的。因果：只有对角线及以下是亮的。无掩码：全亮。差一位：对角线上方第一格也亮。softmax 之后加掩码：全亮，与没有掩码一模一样。

# %% id="influence-check" tags=["break-it"]
above = torch.ones(8, 8, dtype=torch.bool).triu(1)
for name, table in reach.items():
    verdict = "looks ahead: yes" if table[above].any() else "looks ahead: no"
    print(f"{name:20s} {verdict}, pairs above the diagonal: {int(table[above].sum())} of {int(above.sum())}")

# %% [markdown] id="after-softmax-en" lang="en"
# Three of four leak. In the last version the future event gets the weight 0, yet it still stands **in the denominator** of the softmax: a strong future event makes all the allowed weights smaller. The information gets through by the size of what is left. This is why the mask belongs before the softmax, and why looking at the weights alone is not enough.

# %% [markdown] id="after-softmax-zh" lang="zh" en="8ce97274"
# 四个里有三个泄漏。最后那个版本里，未来的事件权重虽然是 0，却仍然出现在 softmax 的**分母**里：未来的事件得分越高，允许看的那些权重就越小。信息就通过这些权重的大小泄漏过来。因此，掩码必须放在 softmax 之前；也因此，只看权重是不够的。

# %% [markdown] id="limits-en" lang="en"
# Three things this test does not tell you.
#
# - **How bad a leak is.** Off by one has the fewest pairs above the diagonal, and they are the worst: each of them leads straight to the answer.
# - **Chance.** In training mode dropout throws dice, and two calls differ although nothing leaks. Call `.eval()` first, or the test accuses an innocent model.
# - **The clock.** Only items are changed here. A model that reads the times of later events passes; lesson 12 moves the times instead.

# %% [markdown] id="limits-zh" lang="zh" en="c6c3df43"
# 有三件事，这个检查不会告诉你。
#
# - **泄漏有多严重。** “差一位”在对角线以上的配对最少，却最严重：每一对都直接通向答案。
# - **随机性。** 训练模式下，dropout 每次随机丢弃，即使没有泄漏，两次调用的结果也不同。先调用 `.eval()`，否则会冤枉没有问题的模型。
# - **时间。** 这里只改动了物品。如果模型读取的是后面事件的时间，它也能通过检查；第 12 课会改为移动时间。

# %% id="limits-code" tags=["break-it"]
from tutorial_lib.models import build_model

innocent = build_model("sasrec", num_items=40, max_len=8, dim=16, blocks=1, dropout=0.2, seed=0)
torch.manual_seed(0)
expect_true("in training mode a correct model is accused", influence(innocent.train(), items)[above].any())
expect_true("mended by .eval(): nothing above the diagonal", not influence(innocent.eval(), items)[above].any())
expect_true("off by one has the fewest pairs of the three", reach["off by one"][above].sum() == 7)

# %% [markdown] id="train-en" lang="en" tags=["break-it"]
# ## Break it: train with a leak
#
# Now for the two colleagues. We train `causal` (Ben), `no mask` and `off by one` (Ana) on the sample, with the same seed, the same loss and the same four epochs, and look at each model twice: **in the training pass**, ranking the true next item at every position, as a careless progress report would; and **when serving**, at the last position of a history whose next event does not exist yet. The clairvoyant knows the laws of the simulated world and cannot be beaten honestly.

# %% [markdown] id="train-zh" lang="zh" en="d277e3af" tags=["break-it"]
# ## 破坏实验：带着泄漏去训练
#
# 现在轮到那两位同事。我们在 sample 上训练 `causal`（小斌）、`no mask` 和 `off by one`（小安），随机种子、损失、四轮训练全都相同，每个模型看两次：一次在**训练时**，给每个位置上真实的下一个物品排名，一份粗心的进度报告就会这么做；一次在**上线时**，只看历史的最后一个位置，下一个事件此刻还不存在。先知模型掌握模拟世界的全部规律，没有泄漏的模型不可能胜过它。

# %% id="data"
dataset = load_dataset(DATASET, users=USERS)
split = make_split(dataset)  # by time: the newest tenth of all events is the test part
MAX_LEN, DIM, EPOCHS = 60, 64, 4
print(f"{dataset.name}: {dataset.num_users} users, {dataset.num_items} items, {len(dataset.events)} events")


@torch.no_grad()
def quality_in_training_pass(model):
    """NDCG@10 and HR@10 over all positions of one training batch, with whatever the model can see there."""
    batch = next(training_batches(split, max_len=MAX_LEN, batch_size=64, seed=0, epoch=0))
    real = batch.targets > 0
    ranks = target_ranks(model.score(model(batch.items)[real]), batch.targets[real])
    return ndcg(ranks).mean(), hit_rate(ranks).mean()


def fit(model):
    """Full softmax over all positions; returns training loss, and NDCG@10 and HR@10 in the training pass, of each epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    rows = []
    for epoch in progress_bar(range(1, EPOCHS + 1), "epoch"):
        model.train()
        losses = []
        for batch in training_batches(split, max_len=MAX_LEN, batch_size=32, seed=0, epoch=epoch):
            real = batch.targets > 0
            loss = full_softmax(model(batch.items)[real], model.item_embedding.weight, batch.targets[real])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        rows.append((np.mean(losses), *quality_in_training_pass(model.eval())))
    return np.array(rows)


# %% [markdown] id="predict-train-en" lang="en" tags=["predict"]
# **Predict.** Which of the three has the lowest training loss, and which the highest NDCG@10 when serving?

# %% [markdown] id="predict-train-zh" lang="zh" en="87eb972d" tags=["predict"]
# **猜一猜。** 三个模型中，谁的训练损失最低？上线时谁的 NDCG@10 最高？

# %% id="train-run" tags=["nbval-ignore-output"]
curves, serving, per_test_user = {}, {}, {}
for name in progress_bar(("causal", "no mask", "off by one"), "model"):
    torch.manual_seed(0)
    model = OneBlock(dataset.num_items, MAX_LEN, DIM, rules[name])
    nn.init.normal_(model.item_embedding.weight[1:].data, std=0.05)
    curves[name] = fit(model)
    per_test_user[name] = ndcg(evaluate(model, split, "test"))
    serving[name] = per_test_user[name].mean()
for name in curves:
    print(
        f"{name:12s} loss {curves[name][-1, 0]:.2f}  NDCG@10 in the training pass {curves[name][-1, 1]:.3f}  when serving {serving[name]:.4f}"
    )

popularity = build_model("popularity", num_items=dataset.num_items, max_len=MAX_LEN)
popularity.fit(split.train["user"].to_numpy(), split.train["item"].to_numpy())
serving["popularity"] = ndcg(evaluate(popularity, split, "test")).mean()
if dataset.name in ("sample", "control"):
    serving["clairvoyant"] = ndcg(ceiling_ranks(dataset, split.test.row)["rank_with_clock"].to_numpy()).mean()

# %% id="train-picture" tags=["picture", "nbval-ignore-output"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.3))
for name, marker in zip(curves, "os^", strict=True):
    left.plot(range(1, EPOCHS + 1), curves[name][:, 0], marker=marker, label=name)
left.set(xlabel="epoch", ylabel="training loss (nats per event)", xticks=range(1, EPOCHS + 1))
left.legend()
labels = list(serving)
right.barh(labels, [serving[name] for name in labels], color=["C0", "C1", "C2", "0.6", "0.3"][: len(labels)])
right.invert_yaxis()
right.set(xlabel="NDCG@10 when serving (test part)")
plt.show()

# %% [markdown] id="train-alt-en" lang="en" tags=["alt"]
# Left: training loss over the epochs. The causal model falls slowly and flattens between 5 and 6; both leaking models fall below 1 within a few epochs. Right: NDCG@10 when serving, as bars. The causal model reaches more than half of the clairvoyant's bar; both leaking models stay near the short bar of popularity.

# %% [markdown] id="train-alt-zh" lang="zh" en="a01b0d96" tags=["alt"]
# 左图：各轮的训练损失。因果模型慢慢下降，在 5 到 6 之间变平；两个泄漏的模型几轮之内就降到 1 以下。右图：上线时的 NDCG@10，条形图。因果模型达到先知模型的一半以上；两个泄漏的模型和热门基线那根短条差不多。

# %% id="train-check"
expect("HR@10 of 'off by one' in the training pass", curves["off by one"][-1, 2], 0.98, tol=0.02, when=ON_SAMPLE)
expect("HR@10 of 'causal' in the training pass", curves["causal"][-1, 2], 0.2, tol=0.03, when=ON_SAMPLE)
expect("NDCG@10 of 'causal' when serving", serving["causal"], 0.125, tol=0.02, when=ON_SAMPLE)
expect("NDCG@10 of 'off by one' when serving", serving["off by one"], 0.02, tol=0.012, when=ON_SAMPLE)
expect("NDCG@10 of 'no mask' when serving", serving["no mask"], 0.02, tol=0.012, when=ON_SAMPLE)
expect("NDCG@10 of popularity", serving["popularity"], 0.015, tol=0.004, when=ON_SAMPLE)
for name in ("no mask", "off by one"):
    difference = paired_bootstrap(per_test_user["causal"], per_test_user[name])
    expect_true(
        f"causal minus {name}: the 95 % interval over users lies above 0.08", difference.low > 0.08, when=ON_SAMPLE
    )
expect_true(
    "training loss of both leaking models ends below 1",
    max(curves[n][-1, 0] for n in ("no mask", "off by one")) < 1,
    when=ON_SAMPLE,
)
expect_true("training loss of the causal model ends between 5 and 6", 5 < curves["causal"][-1, 0] < 6, when=ON_SAMPLE)

# %% [markdown] id="train-lesson-en" lang="en"
# That is the story of Ana and Ben. In the training pass her model has the answer among its first ten for 98 events of 100 and his for about 20; when serving, his reaches an NDCG@10 of about 0.125 and hers about 0.02, little more than popularity with 0.015. (One seed of each; the 95 % interval of the difference, over users, stays above 0.08.) Her model has learned one thing well: *copy the next input*. When there is no next input, it has nothing to say.
#
# Two signs would have warned her before any test set was touched:
#
# - **The number is impossible.** The clairvoyant, who knows how these users choose, does not come near a perfect score. A training loss close to zero on fresh human choices means the answer was in the input.
# - **The dependency picture.** It takes a second, needs no training and no data.
#
# To mend Ana's model, change the one argument that differs: `causal` in place of `off_by_one`. Then it is Ben's.

# %% [markdown] id="train-lesson-zh" lang="zh" en="ab27c32f"
# 这就是小安和小斌的故事。训练时，她的模型对 100 个事件里的 98 个都把答案排进了前十，他的大约 20 个；上线时，他的 NDCG@10 约为 0.125，她的约为 0.02，比热门基线的 0.015 高不了多少。（各一个种子；差值对用户求出的 95% 区间始终高于 0.08。）她的模型只学会了一件事：**照抄下一个输入**。没有下一个输入时，它就无从预测。
#
# 其实不用碰测试集，就有两个征兆可以提醒她：
#
# - **数字好得不可能。** 先知模型知道这些用户怎样做选择，连它都离满分很远。面对人的新选择，训练损失却接近零，只能说明答案就在输入里。
# - **那张依赖图。** 画它只要一秒钟，不用训练，也不用数据。
#
# 要修好小安的模型，只需换掉那唯一不同的参数：用 `causal` 代替 `off_by_one`。这样它就和小斌的一样了。

# %% [markdown] id="padding-en" lang="en"
# ## Padding
#
# Histories differ in length, a batch is a rectangle. The empty places are filled with item 0, the *padding*, and nobody may learn anything from them. On which side should they stand? This course puts them on the **right**, after the real events, and gets the protection for free: a real event at position $i$ may look only at $j \le i$, and there are no pads there. What stands at the pads themselves comes out as nonsense and is never read: the state of the history is the one at its last **real** event.
#
# Many code bases pad on the **left**, so that the last event is always in the last column. Then every real event has pads before it, the causal mask lets them through, and a second mask is needed that hides them as keys.

# %% [markdown] id="padding-zh" lang="zh" en="b82d829b"
# ## 填充
#
# 历史有长有短，一个批次却是矩形。空位用物品 0 填上，这就是**填充**，谁也不许从它那里学到东西。填充该放在哪一边？本课程放在**右边**，在真实事件之后，因此不需要额外的保护：位置 $i$ 上的真实事件只能看 $j \le i$，那里没有填充。填充位置自己的输出没有意义，但没有人去读：整段历史的状态，取的是最后一个**真实**事件处的状态。
#
# 许多代码把填充放在**左边**，好让最后一个事件总在最后一列。这样一来，每个真实事件前面都有填充，因果掩码会放它们进来，必须再加一个掩码，不许它们当键。

# %% [markdown] id="predict-padding-en" lang="en" tags=["predict"]
# **Predict.** The same three events: alone; with four pads on the right; with four pads on the left and only the causal mask. Which of the three outputs for the last event agree? (The pads have the zero vector as embedding. Does that make them harmless?)

# %% [markdown] id="predict-padding-zh" lang="zh" en="38173a40" tags=["predict"]
# **猜一猜。** 同样三个事件：单独放；右边加四个填充；左边加四个填充、只用因果掩码。最后一个事件的三份输出，哪些会一致？（填充的嵌入是零向量。这样它们就无害了吗？）

# %% id="padding-code" tags=["break-it"]
real = torch.randn(3, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
pads = torch.zeros(4, 4, dtype=torch.double)  # the embedding of PAD
alone = attention(real, real, real, causal_mask(3))[-1]
right_padded = torch.cat([real, pads])
left_padded = torch.cat([pads, real])
on_the_right = attention(right_padded, right_padded, right_padded, causal_mask(7))[2]
on_the_left = attention(left_padded, left_padded, left_padded, causal_mask(7))[6]
expect_close("pads on the right change nothing", on_the_right, alone, tol=1e-12)
expect_true("pads on the left change the output", (on_the_left - alone).abs().max() > 0.05)
weights = attention_weights(left_padded, left_padded, causal_mask(7))[6]
expect_true("they take a share although their vectors are zero", weights[:4].sum() > 0.1)

is_real = torch.tensor([False] * 4 + [True] * 3)
no_pads = causal_mask(7) & is_real  # the columns of the pads are forbidden as well
mended = attention(left_padded, left_padded, left_padded, no_pads)
expect_close("mended: pads hidden as keys", mended[6], alone, tol=1e-12)
expect_true("but the rows of the pads are now empty: softmax of nothing but -inf is nan", mended[:4].isnan().all())

# %% [markdown] id="padding-why-en" lang="en"
# A zero vector gives the score 0, and $e^0 = 1$ is not nothing: pads take a share of the weight, more of it the shorter the history. So a user's list would depend on who else is in the batch. And the mend has a trap of its own: a row in which everything is forbidden becomes `nan`, and with one `nan` in the gradient every weight of the model becomes `nan`. Exercise 5.2 is about this. We keep pads on the right and have neither problem.

# %% [markdown] id="padding-why-zh" lang="zh" en="cbed30df"
# 零向量的得分是 0，而 $e^0 = 1$ 并不是没有：填充会占走一份权重，历史越短占得越多。于是一个用户的推荐列表竟取决于同一批次里还有谁。而且这种修正自身也有陷阱：一整行都被禁止时，结果是 `nan`，而梯度里只要有一个 `nan`，模型的所有权重就都会变成 `nan`。练习 5.2 说的就是这件事。我们把填充放在右边，这两个问题都不会出现。

# %% [markdown] id="loss-en" lang="en"
# **Pads and the loss.** Every place of the rectangle has a target, and at a pad it is 0. `F.cross_entropy` takes the mean over all places unless you forbid it, and a pad is the easiest target there is. Take two histories with 3 and 12 targets, so 24 places, and a model that gives each of 1,000 items the same probability but is sure of every pad.

# %% [markdown] id="loss-zh" lang="zh" en="8bca3c6b"
# **填充与损失。** 矩形的每个位置都有目标，填充处的目标是 0。除非你禁止，`F.cross_entropy` 会对所有位置求平均，而填充是最容易猜的目标。设有两段历史，分别有 3 个和 12 个目标，共 24 个位置；某个模型给 1,000 个物品同样的概率，但对每个填充都猜得准。

# %% [markdown] id="predict-loss-en" lang="en" tags=["predict"]
# **Predict.** The model knows nothing of items, so its loss should be $\ln 1000$. What does the plain mean say? And how does the gradient at a real event change?

# %% [markdown] id="predict-loss-zh" lang="zh" en="6d2d42a6" tags=["predict"]
# **猜一猜。** 这个模型对物品一无所知，所以损失应当是 $\ln 1000$。直接求平均会得到多少？真实事件处的梯度又会怎样变化？

# %% id="loss-code" tags=["break-it"]
targets = torch.zeros(2, 12, dtype=torch.long)
targets[0, :3], targets[1] = torch.tensor([105, 108, 102]), torch.arange(101, 113)
logits = torch.zeros(2, 12, 1001)
logits[..., 0] = torch.where(targets == 0, 50.0, -50.0)  # sure of pads; 1,000 items alike
logits.requires_grad_()
losses = {
    "over all places": F.cross_entropy(logits.flatten(0, 1), targets.flatten()),
    "over real events": F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0),  # mended
}
gradients = {name: torch.autograd.grad(value, logits)[0] for name, value in losses.items()}
expect("loss over all places", losses["over all places"].item(), 4.32, tol=0.01)
expect("loss over real events, ln 1000", losses["over real events"].item(), 6.91, tol=0.01)
share = gradients["over all places"][1, 0].norm() / gradients["over real events"][1, 0].norm()
expect("gradient at a real event, as a share of what it should be", share, 0.625, tol=0.001)
right = (logits.argmax(dim=-1) == targets).float().mean()
expect("share of right answers over all places, of a model that knows no item", right, 0.375, tol=0.001)
places = [batch.targets > 0 for batch in training_batches(split, max_len=MAX_LEN, batch_size=32, seed=0, epoch=1)]
expect("fewest real events in a batch, share of its places", min(p.float().mean() for p in places), 0.64, tol=0.02, when=ON_SAMPLE)

# %% [markdown] id="loss-why-en" lang="en"
# A loss of 4.32 looks like progress, and 37.5% of all answers are "right"; both are pads. The gradient of the real events shrinks to 15/24, so the effective learning rate depends on who else is in the batch. In the sample a batch of 32 has as few as 64 % real events. `ignore_index=0` takes pads out of the sum **and** of the count. The training loop above does the same when it keeps only the places with a target above 0.

# %% [markdown] id="loss-why-zh" lang="zh" en="58ab37d5"
# 4.32 的损失看上去像是有了进步，全部答案里还有 37.5% 是“对的”，而这些都来自填充。真实事件的梯度（gradient）缩小为原来的 15/24，因此实际的学习率（learning rate）取决于同一批里还有谁。在 sample 里，32 段历史的一批中，真实事件最少只占 64%。`ignore_index=0` 把填充既从总和里、**也**从个数里去掉。上面的训练循环只保留目标大于 0 的位置，作用相同。

# %% [markdown] id="conventions-en" lang="en"
# ## Two opposite conventions
#
# PyTorch reads a Boolean mask in two ways. In `F.scaled_dot_product_attention` True means *may look*, as everywhere in this course. In `nn.MultiheadAttention` and the `nn.Transformer` layers built on it, True means *must not look*, in `attn_mask` and in `key_padding_mask`. Nothing warns you if you mix them up: the shapes are the same.

# %% [markdown] id="conventions-zh" lang="zh" en="dba08170"
# ## 两种相反的约定
#
# PyTorch 对布尔掩码有两种读法。在 `F.scaled_dot_product_attention` 里，True 表示**可以看**，与本课程一致。在 `nn.MultiheadAttention` 以及以它为基础的 `nn.Transformer` 各层里，`attn_mask` 和 `key_padding_mask` 的 True 表示**不可以看**。弄反了也没有任何警告，因为形状完全相同。

# %% [markdown] id="predict-conventions-en" lang="en" tags=["predict"]
# **Predict.** You hand our `causal_mask(5)` to `nn.MultiheadAttention`. At which positions does event 2 look then, and at which the last one?

# %% [markdown] id="predict-conventions-zh" lang="zh" en="453e9b4e" tags=["predict"]
# **猜一猜。** 把我们的 `causal_mask(5)` 直接交给 `nn.MultiheadAttention`。这时第 2 个事件会看哪些位置？最后一个事件呢？

# %% id="conventions-code" tags=["break-it", "reference-check"]
five = torch.randn(1, 5, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
may_look = causal_mask(5)
torch.manual_seed(0)
layer = nn.MultiheadAttention(4, 1, bias=False, batch_first=True, dtype=torch.double)
query, key, value = (five @ layer.in_proj_weight.T).chunk(3, dim=-1)
ours = attention(query, key, value, may_look)
operator = F.scaled_dot_product_attention(query, key, value, attn_mask=may_look)
expect_close("scaled_dot_product_attention: True = may look", operator, ours, tol=1e-12)

mixed_up, weights = layer(five, five, five, attn_mask=may_look)
show_matrix(weights[0].detach(), range(1, 6), range(1, 6), digits=2)
only_ahead = ~may_look  # of the first four rows; the last has no key left
expect_true("mixed up: each event looks at later ones only", ((weights[0] > 0) == only_ahead)[:4].all())
expect_true("and the last one at nothing, which gives nan", mixed_up[0, 4].isnan().all())

mended = layer(five, five, five, attn_mask=~may_look)[0]
expect_close("mended: ~mask", mended, layer.out_proj(ours), tol=1e-12)
added = torch.zeros(5, 5, dtype=torch.double).masked_fill(~may_look, -torch.inf)
both = (
    layer.out_proj(F.scaled_dot_product_attention(query, key, value, attn_mask=added)),
    layer(five, five, five, attn_mask=added)[0],
)
expect_close("a mask of numbers, 0 and -inf, means the same to both", *both, tol=1e-12)

# %% [markdown] id="conventions-why-en" lang="en"
# Event 2 looks at 3, 4 and 5, the last one at nothing: a perfect leak, with `nan` at the end. (Asked for no weights, the layer returns 0 there instead of `nan`, and even that sign is gone.) `influence` finds the fault at once. Two habits avoid it: write `~mask` where a Boolean mask goes into `nn.MultiheadAttention`, or hand over numbers, 0 and $-\infty$, which both operators **add** to the scores.

# %% [markdown] id="conventions-why-zh" lang="zh" en="96185b23"
# 第 2 个事件看的是 3、4、5，最后一个什么也看不到：这是彻底的泄漏，末尾还有 `nan`。（如果不要求返回权重，这一层在那里返回 0 而不是 `nan`，连这个征兆也没有了。）`influence` 一下就能发现。有两种办法可以避免：布尔掩码交给 `nn.MultiheadAttention` 时写成 `~mask`；或者交给它数值掩码，即 0 和 $-\infty$，两个算子都把它**加**到得分上。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **5.1 Implement · basic.** A window mask: position $i$ may look at itself and at the `width - 1` events before it, no further. With `width >= length` it must equal `causal_mask`.

# %% [markdown] id="exercise1-zh" lang="zh" en="ab7131f9" tags=["exercise"]
# ## 练习
#
# **5.1 实现 · 基础。** 窗口掩码：位置 $i$ 可以看自己和前面的 `width - 1` 个事件，再远就不行。当 `width >= length` 时，它必须等于 `causal_mask`。


# %% id="exercise1-code" tags=["exercise"]
def window_mask(length, width):
    """bool [length, length], True = may look."""
    ...


lesson05.check_window_mask(window_mask)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def window_mask(length, width):
    allowed = torch.ones(length, length, dtype=torch.bool)
    return allowed.tril() & allowed.triu(1 - width)  # not ahead, and not more than width - 1 back


lesson05.check_window_mask(window_mask)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **5.2 Modify · core.** Make left padding safe. From `is_real` (bool, one row per history) build a mask for a whole batch: causal, pads hidden as keys, and no row without a single allowed key, so that no `nan` can arise. Let a pad look at itself.

# %% [markdown] id="exercise2-zh" lang="zh" en="6c7e8343" tags=["exercise"]
# **5.2 修改 · 进阶。** 让左填充变得安全。根据 `is_real`（布尔值，每段历史一行）为整个批次造一个掩码：因果、填充不能当键，而且没有哪一行是全被禁止的，这样就不会出现 `nan`。让填充看它自己。


# %% id="exercise2-code" tags=["exercise"]
def padded_mask(is_real):
    """is_real bool [B, L] -> bool [B, L, L], True = may look."""
    ...


lesson05.check_padded_mask(padded_mask)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def padded_mask(is_real):
    length = is_real.shape[1]
    return (causal_mask(length) & is_real[:, None, :]) | torch.eye(length, dtype=torch.bool)


lesson05.check_padded_mask(padded_mask)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **5.3 Measure · core.** Five sealed models, `lesson05.sealed["A"]` to `["E"]`. Each takes items, int64 [B, L], and returns states [B, L, d]. Use `influence` to find those that look ahead. One of them leaks only over a distance, so use a history long enough, say 12 events.

# %% [markdown] id="exercise3-zh" lang="zh" en="bc71e6ca" tags=["exercise"]
# **5.3 测量 · 进阶。** 有五个预先做好的模型，`lesson05.sealed["A"]` 到 `["E"]`。每个都接收物品 int64 [B, L]，返回状态 [B, L, d]。用 `influence` 找出偷看未来的那些。其中有一个只在隔得较远时才泄漏，所以历史要够长，比如 12 个事件。

# %% id="exercise3-code" tags=["exercise"]
leaking = ...  # a set of letters

lesson05.check_leaking(leaking)

# %% id="exercise3-solution" tags=["solution"]
# Solution

history = torch.arange(1, 13)
ahead = torch.ones(12, 12, dtype=torch.bool).triu(1)
leaking = {name for name, model in lesson05.sealed.items() if influence(model, history)[ahead].any()}

lesson05.check_leaking(leaking)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **5.4 Think · stretch.** Someone adds a part to a causal model that is trained on all positions. Which parts let the future in? Give a set of letters.
#
# - A: `LayerNorm` over the $d$ numbers of each position
# - B: normalising each channel by its mean over all positions of the history
# - C: a convolution of width 3 that pads one place on each side
# - D: a convolution of width 3 that pads two places on the left
# - E: a bidirectional GRU
# - F: a feed-forward network applied to each position alone

# %% [markdown] id="exercise4-zh" lang="zh" en="93c69fa6" tags=["exercise"]
# **5.4 思考 · 挑战。** 有人给一个在所有位置上训练的因果模型加了一个模块。哪些模块会让未来的信息进来？用字母的集合作答。
#
# - A：在每个位置的 $d$ 个数上做 `LayerNorm`
# - B：用整段历史所有位置的均值，对每个通道做归一化
# - C：宽度为 3、左右各补一格的卷积（convolution）
# - D：宽度为 3、左边补两格的卷积
# - E：双向 GRU
# - F：对每个位置单独作用的前馈网络（feed-forward network）

# %% id="exercise4-code" tags=["exercise"]
lets_future_in = ...

lesson05.check_parts(lets_future_in)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# B: the mean contains later events. C: the right neighbour is one step ahead. E: one of its two directions comes from the
# future. A and F see one position only; D looks at the position itself and the two before it.
lets_future_in = {"B", "C", "E"}

lesson05.check_parts(lets_future_in)

# %% [markdown] id="exercise5-en" lang="en" tags=["exercise"]
# **5.5 Mend · core.** This loss takes logits [B, L, V + 1] and targets [B, L] with 0 for pads, and should be the mean cross-entropy over the real targets. It runs, and an untrained model shows a plausible number. Find the two faults, and let a batch without a single real target give 0 instead of `nan`.
#
# ```python
# def next_item_loss(logits, targets):
#     flat = logits.transpose(1, 2).reshape(-1, logits.shape[-1])
#     loss = F.cross_entropy(flat, targets.flatten(), ignore_index=0, reduction="sum")
#     return loss / len(flat)
# ```

# %% [markdown] id="exercise5-zh" lang="zh" en="e88f67d8" tags=["exercise"]
# **5.5 改错 · 进阶。** 下面的损失接收 logits [B, L, V + 1] 和 targets [B, L]（填充为 0），应当是真实目标上的平均交叉熵（cross-entropy）。它能运行，未训练的模型也给出看似合理的数。找出两处错误；并且，如果一批里没有任何真实目标，应当返回 0，而不是 `nan`。
#
# ```python
# def next_item_loss(logits, targets):
#     flat = logits.transpose(1, 2).reshape(-1, logits.shape[-1])
#     loss = F.cross_entropy(flat, targets.flatten(), ignore_index=0, reduction="sum")
#     return loss / len(flat)
# ```


# %% id="exercise5-code" tags=["exercise"]
def next_item_loss(logits, targets):
    """logits [B, L, V + 1], targets int64 [B, L], 0 = PAD -> one number."""
    ...


lesson05.check_loss(next_item_loss)


# %% id="exercise5-solution" tags=["solution"]
# Solution

def next_item_loss(logits, targets):
    # Transposing before the reshape gave each target the numbers of another place; and the sum was divided by all places.
    flat = logits.flatten(0, 1)  # [B * L, V + 1], in the order of targets.flatten()
    loss = F.cross_entropy(flat, targets.flatten(), ignore_index=0, reduction="sum")
    return loss / (targets > 0).sum().clamp(min=1)


lesson05.check_loss(next_item_loss)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** Build a model that passes `influence` and still knows the future, then a probe that finds it. Ways in: the times of later events, statistics over the batch in training mode, an item table made from later events, targets that were never shifted. Begin with `OneBlock` and `influence`. Change as little as possible in the model, and let the new probe also run on five correct models of the course. A good report has the score of the leaking model in training and when serving, the table of the old and of the new probe, the false alarms on the correct models, and one leak that your probe still cannot see.

# %% [markdown] id="open-zh" lang="zh" en="6dd8ebab" tags=["open"]
# **开放任务。** 做一个能通过 `influence` 却仍然知道未来的模型，再做一个能发现它的检查。可以从这些地方入手：后面事件的时间，训练模式下对整批计算的统计量，用后来的事件做成的物品表，从来没有错位的目标。从 `OneBlock` 和 `influence` 开始，对模型的改动越少越好，并让新的检查也在课程里五个正确的模型上运行。一份好的报告包括泄漏的模型在训练时和上线时的成绩，新旧两种检查的表，在正确模型上的误报（false alarm），以及你的检查仍然看不到的一种泄漏。

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "training": ...,  # score of the leaking model in training, 0 to 1
    "serving": ...,  # and when serving
    "old_probe": ...,  # does `influence` find the leak? True or False
    "new_probe": ...,  # does yours?
    "false_alarms": ...,  # {correct model: True if your probe sounds}, five models
    "unseen": ...,  # a leak that your probe cannot see
}
lesson05.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## The two colleagues, answered
#
# You put Ben's model on the site, because you know what Ana's numbers are made of. Keep two habits from this lesson: change the future and watch the past, before you train; and when a result is too good to be true, look for the answer in the input.

# %% [markdown] id="answer-zh" lang="zh" en="179bbc2d"
# ## 回答开头的问题
#
# 你会让小斌的模型上线，因为你知道小安的数字是怎么来的。请把这一课的两个习惯带走：训练之前，改动未来、观察过去；结果好得不真实时，到输入里去找答案。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. One masked pass answers all questions of a history at once; it equals running the model on every prefix.
# 2. The causal mask sets forbidden scores to $-\infty$ before the softmax; after the softmax it leaks through the denominator.
# 3. `influence` measures who reaches whom: change an input, watch the outputs, look above the diagonal.
# 4. A model that can copy its answer shines in training and fails when serving; a smaller leak may cost next to nothing and is a fault all the same. A score above the clairvoyant's is an alarm.
# 5. With pads on the right the causal mask is enough; on the left they must be hidden as keys. Pads never belong in the loss, and a Boolean mask means the opposite in `nn.MultiheadAttention`.

# %% [markdown] id="summary-zh" lang="zh" en="7526def5" tags=["summary"]
# ## 小结
#
# 1. 带掩码跑一遍，就同时回答了一段历史的所有问题；结果等于在每个前缀上各跑一遍。
# 2. 因果掩码在 softmax 之前把被禁止的得分改成 $-\infty$；放到 softmax 之后，就会从分母泄漏。
# 3. `influence` 测量谁能影响到谁：改一个输入，观察各个输出，看对角线以上。
# 4. 能照抄答案的模型，训练时成绩极好，上线时成绩极差；较小的泄漏也许几乎不影响成绩，但同样是错误。成绩超过先知模型，就是警报。
# 5. 填充在右边，有因果掩码就够了；填充在左边，必须不许它们当键。填充绝不能进入损失；布尔掩码在 `nn.MultiheadAttention` 里的含义正好相反。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> `influence` shows nothing above the diagonal, in `.eval()` and with long histories. Still the training loss falls to almost 0. Where can the answer be?</summary>
#
# In the targets: if they were not shifted, the target of position $i$ is the input at $i$, and a causal model may look there. Or in something that the probe does not change, such as the times.
#
# </details>
#
# <details><summary><b>2.</b> Somebody multiplies the mask on after the softmax and then divides each row by its new sum. Does it leak? Is it a good idea?</summary>
#
# It does not leak: the denominator with the future cancels, and the result is the masked softmax. But it can lose everything to rounding: where a future score is far larger, all allowed weights are 0, and 0/0 is `nan`.
#
# </details>
#
# <details><summary><b>3.</b> Forbidden scores are set to -10 instead of $-\infty$; allowed scores are near 3. How large is the weight of a future event, and what does `influence` say?</summary>
#
# About $e^{-13}$ of an allowed one, two in a million. Training hardly profits, but `influence` shows a change wherever it exceeds rounding. If allowed scores ever reach -10 too, the mask is gone.
#
# </details>
#
# <details><summary><b>4.</b> A causal model gets batch normalisation: in training it uses the mean over all positions of the batch, in `.eval()` fixed numbers. The probe in `.eval()` is clean. Is the model safe?</summary>
#
# Not in training: there each position is shifted by a mean that contains later events, and the model learns with them. Test such a module in the mode in which it learns, with dropout switched off.
#
# </details>
#
# <details><summary><b>5.</b> You train a model **without** a causal mask (it guesses hidden events from both sides). Pads stand on the right. Is the protection of this lesson still free?</summary>
#
# No. It came from $j \le i$: without the triangle every real event sees the pads on its right. They must be hidden as keys.
#
# </details>
#
# <details><summary><b>6.</b> `nn.TransformerEncoder` is called with `src_key_padding_mask=items > 0`. What does the model look at, and what does it still know?</summary>
#
# True means *must not look* here, so real events are hidden as keys and only pads are seen. What is left is each position's own item, which goes past the attention: the model knows the last item and nothing before it. A history without pads gives `nan`. Write `items == 0`.
#
# </details>
#
# <details><summary><b>7.</b> A batch holds one history of 60 targets and 31 of 5. The model is sure of pads and blind for 1,000 items. What loss is printed without `ignore_index`? And if batches are made of equally long histories?</summary>
#
# 215 of 1,920 places are real, so about a ninth of $\ln 1000$, below 1. With equal lengths there are no pads and the loss is $\ln 1000$. The same model, so the number says nothing.
#
# </details>
#
# <details><summary><b>8.</b> Two blocks of attention with a window mask of width 5 stand on each other. How far back does the last output reach, and may something leak?</summary>
#
# Each block reaches 4 events back, two reach 8. Nothing leaks: both masks are causal, and so is one after the other. `influence` shows a band of nine below the diagonal, the diagonal included.
#
# </details>
#
# <details><summary><b>9.</b> When serving, somebody reads the state in the **last column** of the batch. For whom is it right with pads on the right, and with pads on the left?</summary>
#
# With pads on the right only for the longest history; the others get the meaningless output of a pad. Take position `length - 1`. With pads on the left the last column is right for all, if pads are hidden as keys.
#
# </details>
#
# <details><summary><b>10.</b> Pads on the left, hidden as keys, and one position vector for each column. Does a user's list still depend on the others in the batch?</summary>
#
# Yes. With a longer neighbour his first event stands in a later column and gets another position vector. Count positions from the first real event, or pad on the right.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="02554ccb" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> `influence` 在对角线以上什么也没有，已经调用 `.eval()`，历史也够长。训练损失却降到几乎为 0。答案可能在哪里？</summary>
#
# 在目标里：如果目标没有错位，位置 $i$ 的目标就是 $i$ 处的输入，因果模型可以看到那里。也可能在检查没有改动的地方，例如时间。
#
# </details>
#
# <details><summary><b>2.</b> 有人在 softmax 之后乘上掩码，再把每一行除以新的和。会泄漏吗？这样做好吗？</summary>
#
# 不会泄漏：含有未来的分母被约掉了，结果就是带掩码的 softmax。但可能因舍入而全部丢失：如果未来的得分大得多，允许的权重全为 0，而 0/0 是 `nan`。
#
# </details>
#
# <details><summary><b>3.</b> 被禁止的得分设为 -10，而不是 $-\infty$；允许的得分在 3 左右。未来事件的权重有多大？`influence` 会怎么说？</summary>
#
# 约为允许事件的 $e^{-13}$，即百万分之二。训练几乎得不到好处，但只要变化超过舍入误差，`influence` 就会显示出来。如果允许的得分也到了 -10，掩码就失效了。
#
# </details>
#
# <details><summary><b>4.</b> 给因果模型加上批归一化：训练时用整批所有位置的均值，`.eval()` 时用固定的数。检查在 `.eval()` 下没有发现问题。模型安全吗？</summary>
#
# 训练时不安全：每个位置都减去了含有后面事件的均值，模型就是带着这些信息学习的。这样的模块应当在训练模式下检查，同时关掉 dropout。
#
# </details>
#
# <details><summary><b>5.</b> 你训练一个**没有**因果掩码的模型（它根据两侧猜被遮住的事件）。填充在右边。这一课里不用另加掩码的好处还在吗？</summary>
#
# 不在。这个好处来自 $j \le i$：没有三角形，每个真实事件都会看到右边的填充，所以必须不许填充当键。
#
# </details>
#
# <details><summary><b>6.</b> 调用 `nn.TransformerEncoder` 时写了 `src_key_padding_mask=items > 0`。模型看的是什么？它还知道什么？</summary>
#
# 这里 True 表示**不可以看**，所以真实事件不能当键，只看得到填充。剩下的只有每个位置自己的物品，它绕过注意力直接传过去：模型只知道最后一个物品，此前的一概不知。没有填充的历史则得到 `nan`。应当写 `items == 0`。
#
# </details>
#
# <details><summary><b>7.</b> 一批里有一段 60 个目标的历史和 31 段 5 个目标的历史。模型对填充都猜得准，对 1,000 个物品一无所知。没有 `ignore_index` 时，印出的损失是多少？如果每一批都由同样长的历史组成呢？</summary>
#
# 1,920 个位置里有 215 个是真实的，所以约为 $\ln 1000$ 的九分之一，不到 1。历史同样长时没有填充，损失是 $\ln 1000$。模型是同一个，所以这个数说明不了什么。
#
# </details>
#
# <details><summary><b>8.</b> 两个注意力块叠在一起，窗口（window）掩码的宽度都是 5。最后一个输出能看到多远？会泄漏吗？</summary>
#
# 每个块往回看 4 个事件，两个块看 8 个。不会泄漏：两个掩码都是因果的，叠起来也是。`influence` 会显示一条宽为九的带，包括对角线。
#
# </details>
#
# <details><summary><b>9.</b> 上线时，有人读取一批的**最后一列**的状态。填充在右边时，这对谁是对的？填充在左边时呢？</summary>
#
# 填充在右边时，只对最长的历史是对的，其余的得到填充位置上没有意义的输出。应当取位置 `length - 1`。填充在左边时，如果不许填充当键，最后一列对所有人都是对的。
#
# </details>
#
# <details><summary><b>10.</b> 填充在左边，不许当键，每一列有一个位置向量。一个用户的列表还取决于同一批里的别人吗？</summary>
#
# 仍然取决于。如果同一批里有更长的历史，他的第一个事件就落在更靠后的列，得到另一个位置向量。应当从第一个真实事件开始数位置，或者把填充放在右边。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - A. Vaswani et al., *Attention Is All You Need*, NeurIPS 2017: section 3.2.3, the mask of the decoder. [arXiv 1706.03762](https://arxiv.org/abs/1706.03762)
# - W.-C. Kang, J. McAuley, *Self-Attentive Sequential Recommendation*, ICDM 2018: section III-B, causality. [arXiv 1808.09781](https://arxiv.org/abs/1808.09781)
# - In this repository: `tutorial_lib/models/attention.py`, `tutorial_lib/checks.py`, `tests/models/test_interface.py`, where every model of the course passes the test of the changed future.

# %% [markdown] id="references-zh" lang="zh" en="77af4b03" tags=["references"]
# ## 参考文献
#
# - A. Vaswani 等，*Attention Is All You Need*，NeurIPS 2017：3.2.3 节，解码器的掩码。[arXiv 1706.03762](https://arxiv.org/abs/1706.03762)
# - W.-C. Kang、J. McAuley，*Self-Attentive Sequential Recommendation*，ICDM 2018：III-B 节，因果性。[arXiv 1808.09781](https://arxiv.org/abs/1808.09781)
# - 本仓库：`tutorial_lib/models/attention.py`，`tutorial_lib/checks.py`，以及 `tests/models/test_interface.py`：课程里的每个模型都要通过“改动未来”的检查。
