# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Mira opened three things on a streaming site this evening: the film *Alien*, a show about baking a **cake**, and the film *Moon*. *Moon* is still running. What should the site put first in her list?
#
# You would say: something with space in it. The baking show was a detour. But look at how a program sees the evening: three events, one after the other. If it takes the **mean** of the three, baking counts for a third. If it looks at the **last** event only, *Alien* is forgotten, and a single stray click would throw the list over.
#
# What we want is a rule that looks back over the whole history and decides, for this moment, **how much each earlier event matters**. That rule is self-attention. In this lesson you build it, prove it equal to PyTorch's own, break it in two ways, and train it on a task that no mean can solve.

# %% [markdown] id="puzzle-zh" lang="zh" en="e217aa08"
# 今晚，小米在视频网站上点开了三样东西：电影《异形》、一档烤**蛋糕**的节目、电影《月球》。《月球》还在播。网站应该把什么排在她列表的最前面？
#
# 你多半会说：太空题材。烘焙节目只是一段小插曲。可程序看到的只是三个先后发生的事件。如果对三者取**平均**，烘焙占三分之一；如果只看**最后一个**，《异形》就被忘掉了，而且随手误点一次，整个列表就会跑偏。
#
# 我们想要的规则是：回看全部历史，并针对此刻判断**每个过去的事件该占多大分量**。这条规则就是自注意力（self-attention）。这一课里，你会亲手实现它，证明它与 PyTorch 自带的实现完全相等，用两种方式弄坏它，再用它训练一个任何平均都解决不了的任务。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute attention weights by hand, from the dot product to the weighted mean;
# - write self-attention in four lines and check it against a loop and against PyTorch;
# - explain with a measurement why the scores are divided by $\sqrt{d}$;
# - say what the query, key and value matrices add, and what several heads add;
# - count what attention costs in multiplications and in memory, and say how both grow;
# - recognise two classic faults: a softmax along the wrong axis, and a model that cannot see order.

# %% [markdown] id="objectives-zh" lang="zh" en="5ea8163c" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 从点积到加权平均，手算出注意力权重（attention weight）；
# - 用四行代码写出自注意力，并与循环写法、与 PyTorch 逐一核对；
# - 用一次测量说明为什么得分要除以 $\sqrt{d}$；
# - 说清查询、键、值三个矩阵带来了什么，多头又带来了什么；
# - 数出注意力要做多少乘法、占多少内存，并说明两者怎样增长；
# - 认出两种经典错误：softmax 用错了轴，以及模型看不见顺序。

# %% id="setup"
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, show_matrix
from tutorial_lib.notebook import progress_bar
from exercises import lesson04

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="tiny-en" lang="en"
# ## Three events, two numbers each
#
# Give every event two numbers: how much **space** is in it and how much **kitchen**. Such a list of numbers that stands for an item is called its *embedding*. Later a model will learn the embeddings; here we choose them, so that you can follow every step.

# %% [markdown] id="tiny-zh" lang="zh" en="fe7ec015"
# ## 三个事件，每个两个数
#
# 给每个事件两个数：含有多少**太空**，含有多少**厨房**。像这样用一串数来代表一个物品，这串数就叫它的**嵌入**（embedding）。以后模型会自己学出嵌入；这里由我们来定，好让你看清每一步。

# %% id="tiny-events"
names = ["Alien", "Cake", "Moon"]
x = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 1.0]])
show_matrix(x, names, ["space", "kitchen"], digits=1)

# %% [markdown] id="score-en" lang="en"
# **Step 1: scores.** How alike are two events? Multiply number by number and add: the *dot product*. For *Moon* and *Alien* it is $2 \cdot 2 + 1 \cdot 0 = 4$. All pairs at once are one matrix product, $S = X X^\top$, where $X$ holds one event per row and $\top$ swaps rows and columns. Row $i$, column $j$ of $S$ answers: *event $i$ looks at event $j$; how well do they match?*

# %% [markdown] id="score-zh" lang="zh" en="8c003e1a"
# **第一步：打分。** 两个事件有多像？对应的数相乘再相加，就是**点积**。《月球》与《异形》的点积是 $2 \cdot 2 + 1 \cdot 0 = 4$。所有配对合起来就是一次矩阵乘法 $S = X X^\top$：$X$ 的每一行是一个事件，$\top$ 表示行列互换。$S$ 的第 $i$ 行第 $j$ 列回答的是：“事件 $i$ 看向事件 $j$，两者有多合拍？”

# %% id="tiny-scores"
scores = x @ x.T
show_matrix(scores, names, names, digits=1)

# %% [markdown] id="scale-en" lang="en"
# **Step 2: scale.** Divide by the square root of the number of dimensions $d$, here $\sqrt{2}$. Why just that number? You will measure it below.
#
# **Step 3: softmax.** Turn each row into shares that are positive and sum to 1: take $e$ to the power of each entry and divide by the sum of the row,
#
# $$a_{ij} = \frac{e^{s_{ij}}}{\sum_{k} e^{s_{ik}}} .$$
#
# Here $s_{ij}$ is the scaled score and $a_{ij}$ the *attention weight*: the share of event $j$ in what event $i$ takes in.

# %% [markdown] id="scale-zh" lang="zh" en="7d64104b"
# **第二步：缩放。** 除以维数 $d$ 的平方根，这里是 $\sqrt{2}$。为什么偏偏是这个数？下面你会亲自测出来。
#
# **第三步：softmax。** 把每一行变成全为正、总和为 1 的份额：对每个数取 $e$ 的幂，再除以这一行的总和，
#
# $$a_{ij} = \frac{e^{s_{ij}}}{\sum_{k} e^{s_{ik}}} .$$
#
# 这里 $s_{ij}$ 是缩放后的得分，$a_{ij}$ 是**注意力权重**：事件 $i$ 汲取的信息里，事件 $j$ 占的份额。

# %% [markdown] id="predict-row-en" lang="en" tags=["predict"]
# **Predict before you run.** The row *Moon* has the scores 4, 2 and 5. After scaling and softmax: will *Cake* get about a quarter, about a tenth, or less than a tenth of the weight? And which of the three rows will be spread most evenly? Write your answers down.

# %% [markdown] id="predict-row-zh" lang="zh" en="d96a11d2" tags=["predict"]
# **先猜，再运行。** 《月球》这一行的得分是 4、2、5。经过缩放和 softmax，《蛋糕》会分到大约四分之一、大约十分之一，还是不到十分之一的权重？三行之中，哪一行分得最均匀？把你的答案写下来。

# %% id="tiny-weights"
scaled = scores / math.sqrt(2)
weights = scaled.exp() / scaled.exp().sum(dim=1, keepdim=True)
show_matrix(weights, names, names, digits=2)
expect("weight that Moon gives to Cake", weights[2, 1], 0.07, tol=0.01)
expect_true("every row sums to 1", torch.allclose(weights.sum(dim=1), torch.ones(3)))

# %% [markdown] id="mix-en" lang="en"
# *Cake* gets less than a tenth. Which row is spread most evenly? By its largest share it is *Alien*, 49 % for itself and 49 % for *Moon*; by what is left for the last event it is *Moon*, 7 % against 3 %. "Even" needs a measure; you will meet one below, the entropy. *Moon* takes 62 % from itself, 31 % from *Alien* and 7 % from *Cake*. The softmax works on differences. A score that is lower by $3/\sqrt{2}$ is worth $e^{-3/\sqrt 2}$ as much, about an eighth.
#
# **Step 4: mix.** The output for an event is the mean of all events, weighted with its row, $Y = A X$. Compare the last row with the plain mean of the evening.

# %% [markdown] id="mix-zh" lang="zh" en="6deddccc"
# 《蛋糕》分到的不到十分之一。哪一行最均匀？按最大的份额看，是《异形》：自己 49%，《月球》49%；按分给最后一名的份额看，是《月球》：7% 对 3%。“均匀”需要一个度量，下文会讲到其中一个，即熵（entropy）。《月球》从自己那里取 62%，从《异形》取 31%，从《蛋糕》只取 7%。softmax 看的是差值：得分低 $3/\sqrt{2}$，分量就只剩 $e^{-3/\sqrt 2}$，大约八分之一。
#
# **第四步：混合。** 一个事件的输出，是用它那一行权重对所有事件求的加权平均，$Y = A X$。把最后一行和整晚的简单平均比一比。

# %% id="tiny-output"
output = weights @ x
show_matrix(output, names, ["space", "kitchen"], digits=2)
show_matrix(x.mean(dim=0, keepdim=True), ["plain mean"], ["space", "kitchen"], digits=2)
expect("Moon's own share of Moon's row", weights[2, 2], 0.62, tol=0.01)
expect("share of Alien in it", weights[2, 0], 0.31, tol=0.01)
expect("largest share of the row Alien", weights[0].max(), 0.49, tol=0.01)
expect("smallest share of the row Alien", weights[0].min(), 0.03, tol=0.005)
expect("factor of a score lower by 3 / sqrt(2)", math.exp(-3 / math.sqrt(2)), 0.12, tol=0.01)

# %% [markdown] id="scratch-en" lang="en"
# ## From scratch: a loop that nobody can misread
#
# Before we trust matrices, here is the same rule as a loop. In general three different vectors play three parts, and it pays to name them now:
#
# - the **query** $q_i$: what event $i$ asks for;
# - the **key** $k_j$: what event $j$ offers to be found by;
# - the **value** $v_j$: what event $j$ hands over when it is looked at.
#
# So far all three were the event itself.

# %% [markdown] id="scratch-zh" lang="zh" en="b307f9f2"
# ## 从零写起：一个谁都不会读错的循环
#
# 在信任矩阵之前，先把同一条规则写成循环。一般情况下，这里会用到三个不同的向量，现在就记住它们的名字：
#
# - **查询** $q_i$：事件 $i$ 想找什么；
# - **键** $k_j$：事件 $j$ 凭什么被找到；
# - **值** $v_j$：事件 $j$ 被看到时交出什么。
#
# 到目前为止，三者都是事件本身。


# %% id="loop"
def attention_by_loop(query, key, value):
    """One output per query: score every key, make shares, mix the values. All [L, d]."""
    outputs = []
    for q in query:
        scores = [float(q @ k) / math.sqrt(len(q)) for k in key]
        top = max(scores)  # subtracting the largest score changes no share and keeps exp() from overflowing
        odds = [math.exp(s - top) for s in scores]
        outputs.append(sum(o / sum(odds) * v for o, v in zip(odds, value, strict=True)))
    return torch.stack(outputs)


expect_close("the loop gives the four steps above", attention_by_loop(x, x, x), output, tol=1e-6)

# %% [markdown] id="reference-en" lang="en"
# A loop that we wrote ourselves and the four steps that we wrote ourselves may share an error. So we call a witness who has nothing to do with us: the operator that PyTorch ships for this purpose. We ask in double precision, so that agreement means twelve digits and not four.

# %% [markdown] id="reference-zh" lang="zh" en="82dfd3b9"
# 循环是我们自己写的，那四步也是我们自己写的，两者可能犯同样的错误。所以需要一个完全独立的参照，也就是 PyTorch 专门为此提供的算子。计算用双精度，这样“一致”就意味着十二位数字相同，而不是四位。

# %% id="reference-check" tags=["reference-check"]
query, key, value = torch.randn(3, 7, 5, dtype=torch.double).unbind(0)  # 7 events, 5 dimensions
witness = F.scaled_dot_product_attention(query, key, value)
expect_close("our loop equals PyTorch", attention_by_loop(query, key, value), witness, tol=1e-12)

# %% [markdown] id="library-en" lang="en" tags=["library"]
# ## The library version
#
# The course's library says it in matrices. What you see is the real source; the same lines run in every later lesson. The argument `mask` forbids pairs; it is the subject of lesson 05, so leave it at `None` for now.

# %% [markdown] id="library-zh" lang="zh" en="20433559" tags=["library"]
# ## 库里的版本
#
# 课程的库用矩阵来写。你看到的就是真正的源码，后面每一课跑的都是这几行。参数 `mask` 用来禁止某些配对，那是第 05 课的主题，现在先让它保持 `None`。

# %% id="library-code" tags=["library"]
from torch import Tensor

# show: tutorial_lib.models.attention.attention_weights
# show: tutorial_lib.models.attention.attention

# %% id="library-check" tags=["reference-check"]
expect_close("the library equals PyTorch", attention(query, key, value), witness, tol=1e-12)

# %% [markdown] id="why-scale-en" lang="en"
# ## Why divide by $\sqrt{d}$?
#
# A dot product is a sum of $d$ terms. If the entries of query and key are independent with mean 0 and variance 1, each term has variance 1, so the sum has variance $d$ and typical size $\sqrt{d}$. In 256 dimensions scores of ±16 are normal, and $e^{16}$ is nine million: one key takes everything. That alone might be acceptable. What hurts is learning: where one weight is almost 1 and the others almost 0, the softmax is saturated and passes almost no gradient back.

# %% [markdown] id="why-scale-zh" lang="zh" en="ef5611cc"
# ## 为什么要除以 $\sqrt{d}$？
#
# 点积是 $d$ 项之和。如果查询和键的各个分量相互独立、均值为 0、方差为 1，那么每一项的方差是 1，总和的方差就是 $d$，典型大小是 $\sqrt{d}$。在 256 维里，±16 的得分很平常，而 $e^{16}$ 约等于九百万，于是一个键会占去几乎全部权重。这本身或许还可以接受，真正的问题在于学习：当一个权重几乎是 1、其余几乎是 0 时，softmax 已经饱和，几乎传不回梯度（gradient）。

# %% [markdown] id="predict-scale-en" lang="en" tags=["predict"]
# **Predict.** 32 random keys, one random query. Without scaling, how large is the largest weight on average at $d = 4$, and how large at $d = 1024$? And with scaling: does it grow, fall, or stay?

# %% [markdown] id="predict-scale-zh" lang="zh" en="e5595a22" tags=["predict"]
# **猜一猜。** 32 个随机的键，一个随机的查询。不缩放时，$d = 4$ 处最大的权重平均有多大？$d = 1024$ 处呢？如果缩放，它会变大、变小，还是不变？

# %% id="why-scale-code" tags=["nbval-ignore-output"]
dims = [4, 16, 64, 256, 1024]
largest = {"raw": [], "scaled": []}
gradient = {"raw": [], "scaled": []}
spread = []
for d in dims:
    q, k = torch.randn(400, 1, d), torch.randn(400, 32, d)
    raw = (q @ k.transpose(1, 2)).squeeze(1)  # [400, 32]: 400 trials
    spread.append(raw.std().item())
    for name, s in {"raw": raw, "scaled": raw / math.sqrt(d)}.items():
        a = s.softmax(dim=1)
        largest[name].append(a.amax(dim=1).mean().item())
        gradient[name].append((a * (1 - a)).sum(dim=1).mean().item())  # d a_i / d s_i = a_i (1 - a_i)
print("d             ", dims)
print("spread of q.k ", [round(s, 1) for s in spread])

# %% id="why-scale-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2))
for ax, table, label in zip(
    axes, [largest, gradient], ["largest weight (mean of 400)", "slope of the softmax, sum over keys"], strict=True
):
    ax.plot(dims, table["raw"], "o-", label="q . k")
    ax.plot(dims, table["scaled"], "s-", label="q . k / sqrt(d)")
    ax.set(xscale="log", xlabel="dimensions d", ylabel=label, ylim=(0, 1.05))
    ax.set_xticks(dims, dims)
axes[0].legend()
plt.show()

# %% [markdown] id="why-scale-alt-en" lang="en" tags=["alt"]
# Two line charts over the number of dimensions from 4 to 1024, on a logarithmic axis. Left: without scaling the largest of 32 weights climbs from about 0.4 to almost 1; with scaling it stays near 0.2. Right: without scaling the slope of the softmax falls from about 0.7 towards 0; with scaling it stays near 0.9.

# %% [markdown] id="why-scale-alt-zh" lang="zh" en="2a800f0e" tags=["alt"]
# 两幅折线图，横轴是维数，从 4 到 1024，对数刻度。左图：不缩放时，32 个权重中最大的一个从约 0.4 升到接近 1；缩放后一直在 0.2 附近。右图：不缩放时，softmax 的斜率从约 0.7 降到接近 0；缩放后一直在 0.9 附近。

# %% id="why-scale-check"
expect("spread of q.k at d = 256, divided by sqrt(256)", spread[3] / 16, 1.0, tol=0.05)
expect("largest weight, d = 4, raw", largest["raw"][0], 0.4, tol=0.08)
expect("largest weight, d = 1024, raw", largest["raw"][4], 0.95, tol=0.05)
expect("largest weight, d = 1024, scaled", largest["scaled"][4], 0.2, tol=0.05)
expect("slope left, d = 4, raw", gradient["raw"][0], 0.7, tol=0.1)
expect("slope left, d = 1024, raw", gradient["raw"][4], 0.05, tol=0.04)
expect("slope left, d = 1024, scaled", gradient["scaled"][4], 0.9, tol=0.05)

# %% [markdown] id="projections-en" lang="en"
# ## What the three matrices add
#
# With $q = k = x$ the score table is symmetric: *Moon* asks of *Cake* exactly what *Cake* asks of *Moon*. And an event can only look for things like itself. Three learned matrices remove both limits:
#
# $$q_i = W_Q x_i, \qquad k_j = W_K x_j, \qquad v_j = W_V x_j .$$
#
# $W_Q$ turns an event into a question, $W_K$ into a label, $W_V$ into a message. Here is a task on which one can watch them at work. Each history holds six events, each with a **genre** (six of them, in random order) and a **mark** from 1 to 4. Then comes a genre alone, and the question: *which mark did this genre get?* This is what a recommender does all day: find the one earlier event that bears on this moment, and bring back what was known about it.

# %% [markdown] id="projections-zh" lang="zh" en="9bb49fc9"
# ## 三个矩阵带来了什么
#
# 当 $q = k = x$ 时，得分表是对称的：《月球》对《蛋糕》的得分，正是《蛋糕》对《月球》的得分。而且一个事件只能寻找与自己相像的事件。三个学出来的矩阵把这两道限制都去掉：
#
# $$q_i = W_Q x_i, \qquad k_j = W_K x_j, \qquad v_j = W_V x_j .$$
#
# $W_Q$ 把事件变成一个问题，$W_K$ 把它变成一个标签，$W_V$ 把它变成一条消息。下面用一个任务来观察它们怎样工作。每段历史有六个事件，每个事件有一个**类型**（共六种，顺序随机）和一个 1 到 4 的**评分**。最后单独给出一个类型，问：“这个类型当时得了几分？”推荐系统整天做的就是这件事：找出与此刻有关的那一个过去的事件，把当时的信息取回来。

# %% id="lookup-data"
GENRES, MARKS = 6, 4


def lookup_batch(size, generator):
    """Histories [size, 7, 10]: six (genre, mark) events and a last event with a genre alone; answers [size]."""
    genre = torch.rand(size, GENRES, generator=generator).argsort(dim=1)  # every genre once, in random order
    mark = torch.randint(MARKS, (size, GENRES), generator=generator)
    asked = torch.randint(GENRES, (size,), generator=generator)  # which of the six events is asked about
    rows = torch.arange(size)
    events = torch.cat([F.one_hot(genre, GENRES), F.one_hot(mark, MARKS)], dim=2).float()
    last = torch.cat([F.one_hot(genre[rows, asked], GENRES), torch.zeros(size, MARKS)], dim=1)  # its mark is hidden
    return torch.cat([events, last[:, None]], dim=1), mark[rows, asked], asked


class OneHead(nn.Module):
    """The question attends to the six events before it; then a linear read-out of the mark."""

    def __init__(self, width=16, uniform=False):
        super().__init__()
        self.w_query, self.w_key, self.w_value = (nn.Linear(GENRES + MARKS, width, bias=False) for _ in range(3))
        self.read_out = nn.Linear(width + GENRES + MARKS, MARKS)
        self.uniform = uniform

    def forward(self, events):
        history, question = events[:, :-1], events[:, -1:]
        query, key, value = self.w_query(question), self.w_key(history), self.w_value(history)
        weights = attention_weights(query, key)  # [B, 1, 6]
        if self.uniform:
            weights = torch.full_like(weights, 1 / history.shape[1])  # the twin: a plain mean of the same values
        mixed = (weights @ value)[:, 0]
        return self.read_out(torch.cat([mixed, question[:, 0]], dim=1)), weights[:, 0]


events, answer, _ = lookup_batch(1, torch.Generator().manual_seed(3))
labels = [f"genre {e[:GENRES].argmax()} mark {e[GENRES:].argmax() + 1}" for e in events[0, :-1]]
print(labels, "| asked:", f"genre {events[0, -1, :GENRES].argmax()}", "| answer:", f"mark {answer.item() + 1}")

# %% [markdown] id="lookup-predict-en" lang="en" tags=["predict"]
# **Predict.** The twin below has the same matrices, the same read-out and the same training; only its weights are fixed at $1/6$. It sees every genre and every mark of the history. How often will it be right? (Guessing gives a quarter.) Both are trained with five random seeds.

# %% [markdown] id="lookup-predict-zh" lang="zh" en="fd9b9b79" tags=["predict"]
# **猜一猜。** 下面的“对照模型”有同样的矩阵、同样的输出层、同样的训练，只是权重固定为 $1/6$。历史里的每个类型、每个评分它都看得到。它能答对多少？（随机猜测是四分之一。）两者各用五个随机种子（random seed）训练。


# %% id="lookup-train" tags=["nbval-ignore-output"]
def train_lookup(model, steps=600, seed=0):
    """Cross-entropy on fresh histories at every step: nothing can be learned by heart."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    losses = []
    for _ in range(steps):
        events, answer, _ = lookup_batch(256, generator)
        loss = F.cross_entropy(model(events)[0], answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def accuracy(model, seed=999):
    events, answer, _ = lookup_batch(4000, torch.Generator().manual_seed(seed))
    return (model(events)[0].argmax(dim=1) == answer).float().mean().item()


right = {"attention": [], "plain mean": []}
for seed in progress_bar(range(5), "seed"):
    for name, uniform in progress_bar((("attention", False), ("plain mean", True)), "model"):
        torch.manual_seed(seed)
        model = OneHead(uniform=uniform)
        train_lookup(model, seed=seed)
        right[name].append(accuracy(model))
        if not uniform:
            head = model  # the last one is looked at below
print({name: [round(value, 3) for value in values] for name, values in right.items()})

# %% id="lookup-check"
expect_true(
    "attention finds the mark in more than 98 of 100 new histories, with every seed", min(right["attention"]) > 0.98
)
expect("the plain mean, mean of five seeds", sum(right["plain mean"]) / 5, 0.44, tol=0.03)
expect_true("the plain mean stays below one half, with every seed", max(right["plain mean"]) < 0.5)

# %% [markdown] id="lookup-why-en" lang="en"
# The mean knows *which* marks occur, so it guesses the most frequent one and is right in somewhat more than four cases of ten. It cannot know which mark belongs to which genre: averaging has cut that tie. Attention keeps it, because it picks one event and takes the whole message of that event.
#
# Look at what it has learned. Each row below is one history; the frame marks the event that was asked about.

# %% [markdown] id="lookup-why-zh" lang="zh" en="e0225aa0"
# 平均知道**出现过**哪些评分，于是猜最常见的那个，十次里能对四次多一点。但它不可能知道哪个评分属于哪个类型：平均把这层联系切断了。注意力把联系留住了，因为它挑出一个事件，取走那个事件的整条消息。
#
# 看看它学到了什么。下图每一行是一段历史，方框标出被问到的事件。

# %% id="lookup-picture" tags=["picture", "nbval-ignore-output"]
events, answer, asked = lookup_batch(8, torch.Generator().manual_seed(5))
torch.manual_seed(1)
with torch.no_grad():
    learned, untrained = head(events)[1], OneHead()(events)[1]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
for ax, table, title in zip(axes, [untrained, learned], ["before training", "after training"], strict=True):
    image = ax.imshow(table, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for row, column in enumerate(asked.tolist()):
        ax.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="white", linewidth=2))
    ax.set(title=title, xlabel="event looked at", xticks=range(6), xticklabels=range(1, 7), yticks=range(8))
    ax.grid(False)
axes[0].set_ylabel("history")
fig.colorbar(image, ax=axes, label="attention weight")
plt.show()

# %% [markdown] id="lookup-alt-en" lang="en" tags=["alt"]
# Two heat maps with eight histories as rows and six events as columns. Before training all weights are alike, about one sixth. After training each row has a single bright cell, and it is the framed one: the event with the genre that was asked about.

# %% [markdown] id="lookup-alt-zh" lang="zh" en="4acf163c" tags=["alt"]
# 两幅热力图，八段历史为行，六个事件为列。训练前所有权重都差不多，约六分之一。训练后每行只有一个亮格，正是方框里的那一格：类型被问到的那个事件。

# %% id="lookup-picture-check"
expect_true(
    "after training the largest weight sits on the event asked about, in all 8 rows",
    (learned.argmax(dim=1) == asked).all(),
)
expect("before training the largest weight, mean of 8 rows", untrained.amax(dim=1).mean(), 0.2, tol=0.05)
expect("after training the largest weight, mean of 8 rows", learned.amax(dim=1).mean(), 0.95, tol=0.05)

# %% [markdown] id="drawing-en" lang="en"
# All of this lesson in one drawing; the numbers give the order.
#
# ![Self-attention in four steps. Step 1: three matrices turn each event into a query, a key and a value. Step 2: each query is multiplied with each key and divided by the root of d, which gives a square table of scores. Step 3: a softmax makes each row of the table a row of weights with sum 1. Step 4: each row of weights mixes the values. No time enters.](../figures/en/attention.svg)
#
# **Read it off the drawing.** Which step is the only one with learned weights, and which step makes each row sum to 1?
#
# <details><summary>Answer</summary>
#
# Step 1 has the three matrices. Step 3, the softmax, makes the rows sum to 1; steps 2 and 4 are products.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="902484b3"
# 这一课的全部内容画成一张图；数字表示先后。
#
# ![自注意力分四步。第 1 步：三个矩阵把每个事件变成查询、键和值。第 2 步：每个查询与每个键相乘，再除以 d 的平方根，得到一张方形的得分表。第 3 步：softmax 把表的每一行变成和为 1 的权重。第 4 步：每一行权重对值做加权平均。时间没有进入。](../figures/zh/attention.svg)
#
# **从图上找答案。** 只有哪一步带有可学习的权重？又是哪一步让每一行的和为 1？
#
# <details><summary>答案</summary>
#
# 第 1 步有三个矩阵。第 3 步的 softmax 让每一行的和为 1；第 2、4 步都只是乘法。
#
# </details>

# %% [markdown] id="heads-en" lang="en"
# ## Several heads
#
# One row of weights makes one mean. If an event needs two things at once, say the last film of the same genre *and* the mood of the evening, one mean blurs them. *Multi-head attention* cuts the $d$ numbers of query, key and value into $H$ slices of $d/H$ numbers, lets every slice attend on its own, puts the results side by side and mixes them with one more matrix. The number of parameters does not change. Note that each head divides by $\sqrt{d/H}$, its own width.
#
# The witness this time is `nn.MultiheadAttention`, with our weights copied into it.

# %% [markdown] id="heads-zh" lang="zh" en="93cc7483"
# ## 多个头
#
# 一行权重只能做一次平均。如果一个事件同时需要两样东西，比如同类型的上一部电影，**以及**今晚的兴趣，一次平均就会把它们混在一起。**多头注意力**（multi-head attention）把查询、键、值的 $d$ 个数切成 $H$ 段，每段 $d/H$ 个数，让每一段各自做注意力，再把结果并排拼起来，用一个矩阵混合。参数（parameter）的个数不变。注意每个头除以的是 $\sqrt{d/H}$，也就是它自己的宽度。
#
# 这次的参照是 `nn.MultiheadAttention`，我们把自己的权重复制进去。


# %% id="heads-code" tags=["reference-check"]
def multi_head(x, w_qkv, w_out, heads):
    """x [L, d] -> [L, d]: slice, attend in every slice, join, mix."""
    query, key, value = (x @ w_qkv.T).chunk(3, dim=1)  # each [L, d]
    width = x.shape[1] // heads
    slices = [slice(h * width, (h + 1) * width) for h in range(heads)]
    joined = torch.cat([attention(query[:, s], key[:, s], value[:, s]) for s in slices], dim=1)  # [L, d]
    return joined @ w_out.T


d, heads = 8, 4
witness = nn.MultiheadAttention(d, heads, bias=False, batch_first=True, dtype=torch.double)
history = torch.randn(6, d, dtype=torch.double)
ours = multi_head(history, witness.in_proj_weight, witness.out_proj.weight, heads)
expect_close(
    "ours equals nn.MultiheadAttention", ours, witness(history, history, history, need_weights=False)[0], tol=1e-12
)
one_head = nn.MultiheadAttention(d, 1, bias=False)
expect_true(
    "4 heads have as many parameters as 1",
    sum(p.numel() for p in witness.parameters()) == sum(p.numel() for p in one_head.parameters()),
)

# %% [markdown] id="cost-en" lang="en"
# ## What attention costs
#
# Count multiplications. Each of the $L^2$ scores of a history takes $d$ of them, and mixing the values takes as many again: $2 L^2 d$. The matrices $W_Q, W_K, W_V$ and the one that mixes the heads take $4 L d^2$ together. For memory, count the bytes that are kept until the gradients have been computed: the plain form keeps the $L \times L$ table of weights, 4 bytes each in single precision, for each head of each history. PyTorch's fused operator goes through the table piece by piece and computes it again for the gradients.

# %% [markdown] id="cost-zh" lang="zh" en="98c22a87"
# ## 注意力的代价
#
# 先数乘法。一段历史有 $L^2$ 个得分，每个要做 $d$ 次乘法，混合值又要同样多，共 $2 L^2 d$ 次。矩阵 $W_Q, W_K, W_V$ 和混合各头的矩阵合起来要 $4 L d^2$ 次。再看内存，也就是在算完梯度之前必须保留的字节数：普通写法要为每段历史的每个头保留 $L \times L$ 的权重表，单精度下每个数 4 字节。PyTorch 的融合算子则一块一块地处理这张表，求梯度时再重新计算。

# %% [markdown] id="predict-cost-en" lang="en" tags=["predict"]
# **Predict.** With $d = 64$: from which length on do scores and mixing take more multiplications than the four matrices? If histories become twice as long, by what factor do the multiplications of attention grow, and the memory of the plain and of the fused form?

# %% [markdown] id="predict-cost-zh" lang="zh" en="fc0438c5" tags=["predict"]
# **猜一猜。** 取 $d = 64$：长度达到多少之后，打分与混合的乘法会超过四个矩阵的乘法？如果历史变为两倍长，注意力的乘法变为几倍？普通写法和融合算子的内存各变为几倍？


# %% id="cost-code" tags=["reference-check"]
from torch.utils.flop_counter import FlopCounterMode


def multiplications(work):
    """Multiplications of matrix products while `work()` runs."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() // 2  # the counter counts an addition with each of them


def bytes_kept(operator, length, width):
    """Bytes that one head keeps for the gradients of one history, its inputs aside."""
    inputs = [torch.ones(1, 1, length, width, requires_grad=True) for _ in range(3)]
    kept = {}

    def keep(tensor):
        if all(tensor.data_ptr() != x.data_ptr() for x in inputs):
            kept[tensor.data_ptr()] = tensor.nelement() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        operator(*inputs)
    return sum(kept.values())


width, lengths = 64, [32, 64, 128, 256, 512, 1024]
matrices, mixing, memory = [], [], {"plain": [], "fused": []}
for length in lengths:
    x_long, four = torch.ones(length, width), [nn.Linear(width, width, bias=False) for _ in range(4)]
    matrices.append(multiplications(lambda x=x_long, layers=four: [layer(x) for layer in layers]))
    mixing.append(multiplications(lambda x=x_long: attention(x, x, x)))
    for name, operator in (("plain", attention), ("fused", F.scaled_dot_product_attention)):
        memory[name].append(bytes_kept(operator, length, width))
expect_true("the four matrices take 4 L d^2 multiplications", matrices == [4 * n * width**2 for n in lengths])
expect_true("scores and mixing take 2 L^2 d", mixing == [2 * n**2 * width for n in lengths])
expect_true("at L = 128 = 2 d the two are equal", mixing[2] == matrices[2])
expect_true("plain: 4 L^2 bytes, four times as many for twice the length", memory["plain"] == [4 * n**2 for n in lengths])
per_row = np.array(memory["fused"]) / np.array(lengths) / 4 - width
expect("fused: numbers kept for each row, beyond d", per_row.mean(), 1, tol=0.5)
growth = [after / before for before, after in zip(memory["fused"], memory["fused"][1:], strict=False)]
expect_close("fused: twice the length, twice the bytes", growth, [2.0] * 5, tol=1e-6)

# %% id="cost-picture" tags=["picture", "nbval-ignore-output"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
left.plot(lengths, mixing, "o-", label="scores and mixing, 2 L^2 d")
left.plot(lengths, matrices, "s-", label="four matrices, 4 L d^2")
left.axvline(2 * width, color="0.5", linestyle="--", linewidth=1)
right.plot(lengths, memory["plain"], "o-", label="plain: keeps the table")
right.plot(lengths, memory["fused"], "s-", label="fused")
for ax, label in ((left, "multiplications for one history"), (right, "bytes kept, one head, one history")):
    ax.set(xscale="log", yscale="log", xlabel="length L of the history", ylabel=label)
    ax.set_xticks(lengths, lengths)
    ax.minorticks_off()
    ax.legend(fontsize=8)
plt.show()

# %% [markdown] id="cost-alt-en" lang="en" tags=["alt"]
# Two charts over the length of the history from 32 to 1024, both axes logarithmic. Left, multiplications: the line of scores and mixing is twice as steep as that of the four matrices, and the two cross at a dashed line at 128. Right, bytes kept: the plain form rises twice as steeply as the fused one and is far above it at 1024.

# %% [markdown] id="cost-alt-zh" lang="zh" en="682659cd" tags=["alt"]
# 两幅图，横轴是历史的长度，从 32 到 1024，两轴都是对数刻度。左图是乘法次数：打分与混合的线比四个矩阵的线陡一倍，两线在 128 处的虚线相交。右图是保留的字节数：普通写法的线比融合算子的线陡一倍，到 1024 时高出许多。

# %% [markdown] id="cost-why-en" lang="en"
# From $L = 2d = 128$ on, attention itself is the larger part, and twice the length costs four times the multiplications. At $L = 1024$ the plain form keeps 4 MB for each head and history: with 32 histories, 2 heads and 2 blocks that makes 512 MB. The fused operator keeps about $d$ numbers for each row instead of $L$, so its memory grows with $L$; its multiplications still grow with $L^2$. When serving, only the last event asks: with keys and values stored, one new event takes $2 L d$. Lessons 10 to 13 build memories that take the same time for each event, however long the history.

# %% [markdown] id="cost-why-zh" lang="zh" en="6a118e43"
# 从 $L = 2d = 128$ 起，注意力本身成为主要部分，历史长一倍，乘法就是四倍。$L = 1024$ 时，普通写法为每段历史的每个头保留 4 MB；如果有 32 段历史、2 个头、2 个块，就是 512 MB。融合算子每行保留的不是 $L$ 个数，而是大约 $d$ 个，所以内存随 $L$ 增长，但乘法仍随 $L^2$ 增长。上线时只有最后一个事件提出查询：如果键和值都已存好，一个新事件只要 $2 L d$ 次。第 10 到 13 课会建立另一类记忆，无论历史多长，每个事件的用时都相同。

# %% [markdown] id="break-axis-en" lang="en" tags=["break-it"]
# ## Break it, 1: softmax along the wrong axis
#
# `softmax(dim=-2)` instead of `softmax(dim=-1)`: the shapes fit, nothing complains, and training even gets somewhere. But now each **column** sums to 1. An event no longer divides its attention; instead the events compete for who may look at *Cake*. Which check finds it?

# %% [markdown] id="break-axis-zh" lang="zh" en="078f57d2" tags=["break-it"]
# ## 破坏实验一：softmax 用错了轴
#
# 把 `softmax(dim=-1)` 写成 `softmax(dim=-2)`：形状对得上，没有任何报错，训练甚至也有点效果。可现在总和为 1 的是每一**列**。事件不再分配自己的注意力，反倒变成几个事件争着去看《蛋糕》。哪一项检查能发现它？

# %% id="break-axis-code" tags=["break-it"]
broken = (x @ x.T / math.sqrt(2)).softmax(dim=-2)
show_matrix(broken, names, names, digits=2)
expect("sum of the row Moon, broken", broken[2].sum(), 1.29, tol=0.02)
expect_true("the check 'rows sum to 1' finds the fault", not torch.allclose(broken.sum(dim=-1), torch.ones(3)))
mended = attention_weights(x, x)
expect_true("mended: rows sum to 1", torch.allclose(mended.sum(dim=-1), torch.ones(3)))

# %% [markdown] id="break-order-en" lang="en" tags=["break-it"]
# ## Break it, 2: shuffle the past
#
# Nothing in the four steps knows *where* an event stands. Shuffle a history, and the outputs come out shuffled in the same way: for each permutation matrix $P$ the map $f$ of attention has $f(PX) = P f(X)$. This is called *permutation equivariance*. So if only the first six events are shuffled, the last event gets the same output but for rounding: it is *invariant*. For attention a history is a **set**. That is a fault only if order matters to you, and in recommendation it does: *Alien, Cake, Moon* is not *Moon, Alien, Cake*. The remedy is to write the position into the event, by adding a vector that belongs to the place in the sequence; SASRec in lesson 07 does so. (And the clock? A position says "third", not "three days ago". From lesson 08 on, the gaps themselves come in.)

# %% [markdown] id="break-order-zh" lang="zh" en="13c4734f" tags=["break-it"]
# ## 破坏实验二：打乱过去
#
# 那四步里没有一步知道事件**在什么位置**。把一段历史打乱，输出也会以同样的方式打乱：对任意置换（permutation）矩阵 $P$，注意力的映射 $f$ 满足 $f(PX) = P f(X)$。这叫做**置换等变性**（permutation equivariance）。因此，如果只打乱前六个事件，最后一个事件的输出除了舍入误差之外完全相同，也就是**不变**的（invariant）。对注意力来说，历史是一个**集合**。如果顺序不重要，这不算错误；但推荐要考虑顺序：“异形、蛋糕、月球”不等于“月球、异形、蛋糕”。修正的办法是把位置写进事件：给序列中的每个位置配一个向量，加到事件上；第 07 课的 SASRec 就是这么做的。（那么时间呢？位置说的是“第三个”，不是“三天前”。从第 08 课起，时间间隔本身也会成为输入。）

# %% id="break-order-code" tags=["break-it"]
generator = torch.Generator().manual_seed(1)
history, position = torch.randn(2, 7, 4, dtype=torch.double, generator=generator).unbind(0)
everything = torch.tensor([3, 6, 0, 5, 1, 4, 2])  # a permutation of all seven
moved = history[everything]
outputs, moved_outputs = attention(history, history, history), attention(moved, moved, moved)
expect_close("equivariant: shuffled in, shuffled out", moved_outputs, outputs[everything], tol=1e-12)
expect_true("row by row the two differ, and that says nothing of order", (moved_outputs - outputs).abs().max() > 0.1)

shuffled = torch.cat([history[[3, 0, 5, 1, 4, 2]], history[6:]])
last, last_shuffled = attention(history, history, history)[-1], attention(shuffled, shuffled, shuffled)[-1]
expect_close("blind to order: the last output is the same", last, last_shuffled, tol=1e-12)
# mended: one vector per place, added to whatever stands there
with_place, shuffled_with_place = history + position, shuffled + position
difference = (
    attention(with_place, with_place, with_place)[-1]
    - attention(shuffled_with_place, shuffled_with_place, shuffled_with_place)[-1]
)
expect_true("with positions the order counts", difference.abs().max() > 0.1)

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# Each check answers *not attempted yet*, *wrong, because ...* or *right*. Replace the `...` and run the cell.
#
# **4.1 Mend · basic.** This version has three faults; one of them hides as long as there are as many events as dimensions, one shows only on large scores. It also fails on a batch. Write `my_weights` so that it works for queries [..., M, d] and keys [..., L, d], without `softmax`.
#
# ```python
# def my_weights(query, key):
#     scores = query @ key.T / math.sqrt(len(query))
#     odds = scores.exp()
#     return odds / odds.sum(dim=0)
# ```

# %% [markdown] id="exercise1-zh" lang="zh" en="7b4be8d2" tags=["exercise"]
# ## 练习
#
# 每个检查会回答 *not attempted yet*（还没做）、*wrong, because ...*（不对，并说明原因）或 *right*（对）。把 `...` 换成你的代码，再运行单元格。
#
# **4.1 改错 · 基础。** 下面的写法有三处错误，其中一处在事件数等于维数时看不出来，另一处只在得分很大时才出现。此外它还不能处理一个批。请写出 `my_weights`，使它适用于查询 [..., M, d] 和键 [..., L, d]，并且不用 `softmax`。
#
# ```python
# def my_weights(query, key):
#     scores = query @ key.T / math.sqrt(len(query))
#     odds = scores.exp()
#     return odds / odds.sum(dim=0)
# ```


# %% id="exercise1-code" tags=["exercise"]
def my_weights(query, key):
    """query [..., M, d], key [..., L, d] -> attention weights [..., M, L]."""
    ...


lesson04.check_weights(my_weights)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def my_weights(query, key):
    # The root is that of the width and not of the number of events; each row is one query, so the rows must sum to 1.
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    odds = (scores - scores.amax(dim=-1, keepdim=True)).exp()  # the largest exponent is 0
    return odds / odds.sum(dim=-1, keepdim=True)


lesson04.check_weights(my_weights)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **4.2 Modify · core.** Give attention a *temperature* $T$: divide the scaled scores by $T$ before the softmax. $T = 1$ must change nothing. What does the output approach when $T$ becomes very large, and when it becomes very small?

# %% [markdown] id="exercise2-zh" lang="zh" en="221c88df" tags=["exercise"]
# **4.2 修改 · 进阶。** 给注意力加一个**温度**（temperature）$T$：softmax 之前，把缩放后的得分再除以 $T$。$T = 1$ 时结果必须不变。当 $T$ 非常大、非常小时，输出分别趋近于什么？


# %% id="exercise2-code" tags=["exercise"]
def attention_at(query, key, value, temperature):
    """All [L, d]; temperature > 0 -> [L, d]."""
    ...


lesson04.check_temperature(attention_at)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def attention_at(query, key, value, temperature):
    # Dividing the queries divides every score. Hot: the plain mean of the values. Cold: the value of the best key alone.
    return attention(query / temperature, key, value)


lesson04.check_temperature(attention_at)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **4.3 Measure · core.** How many events does a row of weights really look at? A good answer is the *effective number*, $e^{E}$ with the entropy $E = -\sum_j a_j \ln a_j$: it is 8 for eight equal weights and 1 when a single event gets everything. Mind $0 \ln 0$, which counts as 0.

# %% [markdown] id="exercise3-zh" lang="zh" en="9d3a22d0" tags=["exercise"]
# **4.3 测量 · 进阶。** 一行权重实际上在看几个事件？一个好的答案是**有效个数** $e^{E}$，其中熵 $E = -\sum_j a_j \ln a_j$：八个相等的权重得 8，全部集中在一个事件上得 1。当心 $0 \ln 0$，它按 0 算。


# %% id="exercise3-code" tags=["exercise"]
def effective_number(weights):
    """weights [..., L], rows sum to 1 -> effective number of events [...]."""
    ...


lesson04.check_effective_number(effective_number)


# %% id="exercise3-solution" tags=["solution"]
# Solution

def effective_number(weights):
    return torch.special.entr(weights).sum(dim=-1).exp()  # entr(a) = -a ln a, with entr(0) = 0


lesson04.check_effective_number(effective_number)
expect("effective number of events before training", effective_number(untrained).mean(), 5.9, tol=0.2)
expect("and after", effective_number(learned).mean(), 1.25, tol=0.2)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **4.4 Think · basic.** Which of these changes leave **all attention weights** as they were, whatever the numbers? Give a set of letters, such as `{"B", "C"}`.
#
# - A: the same vector is added to every key
# - B: the same vector is added to every query
# - C: every query is doubled and every key halved
# - D: every value is doubled
# - E: all queries and keys are turned by the same rotation

# %% [markdown] id="exercise4-zh" lang="zh" en="7c49f9b1" tags=["exercise"]
# **4.4 思考 · 基础。** 下面哪些改动，无论数值如何，都会让**所有注意力权重**保持原样？用字母的集合作答，例如 `{"B", "C"}`。
#
# - A：给每个键加上同一个向量
# - B：给每个查询加上同一个向量
# - C：每个查询乘以 2，每个键除以 2
# - D：每个值乘以 2
# - E：所有查询和键做同一个旋转

# %% id="exercise4-code" tags=["exercise"]
unchanged = ...

lesson04.check_unchanged(unchanged)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A adds q_i . c to the whole row i, which the softmax ignores. B adds c . k_j, which differs from column to column: it
# changes weights. C and E leave every dot product alone. D never touches the weights; it doubles the output.
unchanged = {"A", "C", "D", "E"}

lesson04.check_unchanged(unchanged)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** Make the look-up task harder until one head no longer solves it. Begin with `lookup_batch`: ask for the sum of the marks of two genres, add noise to the genre vectors, let a genre occur twice with the later mark being right, or take 60 genres instead of six. Change one thing at a time, with five seeds, and say beforehand what you expect. A good report has the accuracy with its range over the seeds for each degree of difficulty, the picture of the weights where it fails, one change of the model that mends it (two heads, positions, more width) at an equal number of parameters, and a doubt: would longer training have done the same?

# %% [markdown] id="open-zh" lang="zh" en="59013355" tags=["open"]
# **开放任务。** 把查找任务逐步变难，直到一个头解决不了。从 `lookup_batch` 开始，例如：问两个类型的评分之和；给类型向量加噪声；让一个类型出现两次，以后一次的评分为准；把六个类型改成 60 个。每次只改一处，用五个种子（seed），并事先写下你的预期。一份好的报告包括各种难度下的准确率及其在种子间的范围，失败时的权重图，一处在参数个数相同的条件下能解决问题的模型改动（两个头、位置、更大的宽度），最后写出一个疑问：训练更久会不会也一样？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "expected": ...,  # what you expected beforehand
    "accuracy": ...,  # {difficulty: accuracies of five seeds}, from easy to hard
    "mended": ...,  # accuracies of the changed model at the hardest one, five seeds
    "parameters_before": ...,  # number of parameters
    "parameters_after": ...,  # of the changed model
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson04.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## The evening, answered
#
# Back to Mira. With the rule you built, *Moon* looks back, finds *Alien* alike and *Cake* unlike, and leaves the baking show 7 %. Nobody told it that the show was a detour; the match of query and key decided. The mean would have given it a third, and a look at the last event alone would have thrown *Alien* away.

# %% [markdown] id="answer-zh" lang="zh" en="89868901"
# ## 回答开头的问题
#
# 回到小米的那个晚上。用你写出的规则，《月球》回头一看，发现《异形》与自己相像，《蛋糕》不像，于是只给烘焙节目留了 7%。没有谁告诉它那档节目是插曲，这是由查询与键的匹配程度决定的。取平均会给它三分之一；只看最后一个事件，则会把《异形》丢掉。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. Self-attention replaces each event by a weighted mean of all events; the weights are computed, not fixed.
# 2. Weights: dot products of queries and keys, divided by $\sqrt{d}$, softmax along each row. Rows sum to 1.
# 3. Without the $\sqrt{d}$ the softmax saturates in high dimensions and stops learning.
# 4. $W_Q, W_K, W_V$ let an event ask for something else than itself; heads let it ask several questions at once.
# 5. Attention is equivariant: it sees a set, so order and time must be written into the events. Its cost grows with $L^2$.

# %% [markdown] id="summary-zh" lang="zh" en="44114534" tags=["summary"]
# ## 小结
#
# 1. 自注意力把每个事件换成所有事件的加权平均；权重是算出来的，不是定死的。
# 2. 权重的来历：查询与键的点积，除以 $\sqrt{d}$，再沿每一行做 softmax。每行之和为 1。
# 3. 少了 $\sqrt{d}$，高维时 softmax 会饱和，学习也就停止了。
# 4. $W_Q, W_K, W_V$ 让一个事件能寻找与自己不同的事件；多个头让它能同时问好几个问题。
# 5. 注意力具有等变性，看到的是集合，所以顺序和时间必须写进事件里。它的代价随 $L^2$ 增长。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> The scaled scores of a row are $\ln 1$, $\ln 1$ and $\ln 2$; the values are 0, 4 and 8. What are the weights and the output? What if 100 is added to all three scores?</summary>
#
# The weights are 1/4, 1/4 and 1/2, the output 0 + 1 + 4 = 5. Adding the same number to a whole row changes nothing, since the softmax works on differences.
#
# </details>
#
# <details><summary><b>2.</b> All rows of weights of your trained model have an effective number near $L$. What does the layer compute, and what would you check?</summary>
#
# The plain mean of the values, for every event. The scores are too close to each other: perhaps they are divided by $d$ instead of $\sqrt d$, the temperature is too high, or $W_Q$ and $W_K$ start too small and get no gradient.
#
# </details>
#
# <details><summary><b>3.</b> A test of attention uses a history of one event. Which of the two faults of this lesson can it find?</summary>
#
# Neither. One event gets the weight 1 along either axis, and there is nothing to shuffle. Use several events, and as many queries as keys only once: different numbers show transposed tables.
#
# </details>
#
# <details><summary><b>4.</b> A colleague shuffles a history and finds that the table of outputs has changed. “So attention sees the order.” What is wrong, and how does the right test read?</summary>
#
# The rows have moved with the events; that is equivariance. Compare `attention(h[p], h[p], h[p])` with `attention(h, h, h)[p]`: they agree. Or look at one event that stayed in its place.
#
# </details>
#
# <details><summary><b>5.</b> In the look-up task let each genre occur twice, and let the **later** mark be the answer. Can one head without positions learn it?</summary>
#
# No. To it the history is a set; both events with the genre asked about have the same key, so they get equal weights. With a vector for each place the later one can get the higher score.
#
# </details>
#
# <details><summary><b>6.</b> $d = 64$ is cut into 8 heads, but the code still divides by $\sqrt{64}$ in every head. What happens to shapes, sums and weights?</summary>
#
# Shapes and sums are right, so nothing complains. Each head has 8 numbers, its scores have the typical size $\sqrt 8$; divided by 8 they are too small, and all rows are too even.
#
# </details>
#
# <details><summary><b>7.</b> Histories grow from 200 to 2,000 events at $d = 64$. By what factors grow the multiplications of attention, those of the matrices, and the table of weights? Which part is larger at 200?</summary>
#
# By 100, 10 and 100. At 200 attention takes $2 L^2 d$, 5,120,000, and the matrices $4 L d^2$, 3,276,800: attention, since 200 is more than $2d$.
#
# </details>
#
# <details><summary><b>8.</b> The fused operator keeps little memory. Is it therefore cheap for histories of 100,000 events?</summary>
#
# No. It takes as many multiplications as the plain form, $2 L^2 d$; only the table is not kept. For such lengths one needs fewer pairs, or a memory whose cost grows with $L$.
#
# </details>
#
# <details><summary><b>9.</b> A site serves one user with 500 stored events and asks for one list. How many multiplications do scores and mixing take at $d = 64$ if keys and values are stored, and if everything is computed anew?</summary>
#
# Only the last query is needed: $2 L d$, 64,000. Anew it is $2 L^2 d$, 32,000,000, five hundred times as much, although only one row of the output is used.
#
# </details>
#
# <details><summary><b>10.</b> With $q = k = x$ you want *Alien* to attend to *Cake* but not *Cake* to *Alien*. Is that possible? What do $W_Q$ and $W_K$ change?</summary>
#
# The score of the two is the same in both directions, so only the other entries of each row can make the weights differ. With two matrices the score is $x_i^\top W_Q^\top W_K x_j$, which need not be symmetric.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="0d696626" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 某一行缩放后的得分是 $\ln 1$、$\ln 1$ 和 $\ln 2$，值是 0、4 和 8。权重和输出各是多少？如果三个得分都加上 100 呢？</summary>
#
# 权重是 1/4、1/4 和 1/2，输出是 0 + 1 + 4 = 5。给整行加上同一个数，什么也不会变，因为 softmax 看的是差值。
#
# </details>
#
# <details><summary><b>2.</b> 你训练好的模型里，每一行权重的有效个数都接近 $L$。这一层实际在算什么？你会检查什么？</summary>
#
# 对每个事件都是值的简单平均。得分彼此太接近：可能除以了 $d$ 而不是 $\sqrt d$，可能温度太高，也可能 $W_Q$ 和 $W_K$ 的初始值太小、得不到梯度。
#
# </details>
#
# <details><summary><b>3.</b> 某个注意力的测试只用一个事件的历史。这一课的两种错误，它能发现哪一种？</summary>
#
# 都不能。只有一个事件时，沿哪个轴权重都是 1，也没有可打乱的。应当用多个事件，并让查询的个数与键的个数不同，这样转置的错误也会显出来。
#
# </details>
#
# <details><summary><b>4.</b> 一位同事打乱历史，发现输出的表变了，于是说：“可见注意力看得见顺序。”错在哪里？正确的测试怎么写？</summary>
#
# 各行只是随着事件移动了，这正是等变性。应当比较 `attention(h[p], h[p], h[p])` 和 `attention(h, h, h)[p]`，两者相等。也可以看一个位置没有变的事件。
#
# </details>
#
# <details><summary><b>5.</b> 在查找任务里，让每个类型出现两次，以**后一次**的评分为答案。没有位置信息的一个头能学会吗？</summary>
#
# 不能。对它来说历史是集合，被问到的类型的两个事件有相同的键，得到的权重也相等。给每个位置配一个向量之后，后一次的得分才可能更高。
#
# </details>
#
# <details><summary><b>6.</b> 把 $d = 64$ 切成 8 个头，但代码在每个头里仍除以 $\sqrt{64}$。形状、总和与权重会怎样？</summary>
#
# 形状和总和都对，所以没有报错。每个头有 8 个数，得分的典型大小是 $\sqrt 8$；除以 8 就太小了，各行的权重会过于均匀。
#
# </details>
#
# <details><summary><b>7.</b> 历史从 200 个事件增加到 2,000 个，$d = 64$。注意力的乘法、矩阵的乘法和权重表各变为几倍？在 200 处哪一部分更大？</summary>
#
# 100 倍、10 倍和 100 倍。在 200 处，注意力要 $2 L^2 d$，即 5,120,000 次，矩阵要 $4 L d^2$，即 3,276,800 次；因为 200 大于 $2d$，所以注意力更大。
#
# </details>
#
# <details><summary><b>8.</b> 融合算子占用的内存很少。那么对 100,000 个事件的历史，它就便宜了吗？</summary>
#
# 不是。它的乘法与普通写法一样多，都是 $2 L^2 d$，只是不保留权重表。这么长的历史需要减少配对，或者改用代价随 $L$ 增长的记忆。
#
# </details>
#
# <details><summary><b>9.</b> 网站为一位有 500 个已存事件的用户生成一份列表。取 $d = 64$，如果键和值已经存好，打分与混合要做多少次乘法？全部重算呢？</summary>
#
# 只需要最后一个查询：$2 L d$，即 64,000 次。全部重算是 $2 L^2 d$，即 32,000,000 次，是前者的五百倍，而输出里只用到一行。
#
# </details>
#
# <details><summary><b>10.</b> 当 $q = k = x$ 时，你希望《异形》关注《蛋糕》，而《蛋糕》不关注《异形》。可能吗？$W_Q$ 和 $W_K$ 改变了什么？</summary>
#
# 两者之间的得分在两个方向上相同，权重的差别只能来自各行里的其他得分。有了两个矩阵，得分是 $x_i^\top W_Q^\top W_K x_j$，不必对称。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - A. Vaswani et al., *Attention Is All You Need*, NeurIPS 2017: section 3.2.1 (scaled dot-product, and the footnote on $\sqrt{d}$), section 3.2.2 (heads). [arXiv 1706.03762](https://arxiv.org/abs/1706.03762)
# - D. Bahdanau, K. Cho, Y. Bengio, *Neural Machine Translation by Jointly Learning to Align and Translate*, ICLR 2015: the weighted look back, before it was called self-attention. [arXiv 1409.0473](https://arxiv.org/abs/1409.0473)
# - In this repository: `tutorial_lib/models/attention.py`, `tests/models/test_attention.py`.

# %% [markdown] id="references-zh" lang="zh" en="50c28c8d" tags=["references"]
# ## 参考文献
#
# - A. Vaswani 等，*Attention Is All You Need*，NeurIPS 2017：3.2.1 节（缩放点积，以及关于 $\sqrt{d}$ 的脚注），3.2.2 节（多头）。[arXiv 1706.03762](https://arxiv.org/abs/1706.03762)
# - D. Bahdanau、K. Cho、Y. Bengio，*Neural Machine Translation by Jointly Learning to Align and Translate*，ICLR 2015：在“自注意力”得名之前，这种加权回看就已出现。[arXiv 1409.0473](https://arxiv.org/abs/1409.0473)
# - 本仓库：`tutorial_lib/models/attention.py`，`tests/models/test_attention.py`。
