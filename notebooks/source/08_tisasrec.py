# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Mira and Noah have opened the same three things on the same site, in the same order: *Alien*, *Cake*, *Moon*. Mira did so in one evening, within half an hour. Noah opened the first two, then vanished for a year, and came back tonight for *Moon*. Should both get the same list?
#
# SASRec cannot even ask. It numbers the events 1, 2, 3, and to the last bit the two histories are the same to it. **TiSASRec** reads the clock as well: between every two events lies an interval, and the interval takes part in the attention.
#
# In this lesson you compute the intervals by hand, build the model the slow and obvious way, measure what that costs, and find the same numbers at a fraction of the price. Then comes the question that is often answered too fast: **does the clock help?** You ask it where the answer is known. At the end we return to Mira and Noah.

# %% [markdown] id="puzzle-zh" lang="zh" en="00655fc5"
# 小米和小诺在同一个网站上点开了同样的三部作品，次序也一样，都是《异形》（Alien）、《蛋糕》（Cake）、《月球》（Moon）。小米是在一个晚上看的，前后不到半小时。小诺看完前两部之后消失了一年，今晚才回来看《月球》。给他们的推荐列表应当相同吗？
#
# SASRec 连这个问题都无法提出。它只给事件编上 1、2、3，因此在它看来，两段历史完全相同。**TiSASRec** 还会读取时间：任何两个事件之间都有一段间隔，这段间隔也参与注意力的计算。
#
# 在这一课里，你会亲手算出间隔，先用直接但低效的办法实现模型，测出它的代价，再以小得多的代价得到同样的结果。然后要回答一个常常被草率回答的问题：**时间信息有用吗？** 我们先在答案已知的地方检验它。最后，我们回到小米和小诺。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - turn timestamps into intervals and intervals into buckets, by hand and with the library;
# - write attention that sees intervals, and measure the memory it takes;
# - rewrite it without a tensor of four dimensions, and prove values and gradients equal;
# - test what a clock may and may not change, and recognise two ways of losing it without any error message;
# - ask whether time helps: against a model without a clock, with several seeds, an interval and a control.

# %% [markdown] id="objectives-zh" lang="zh" en="0b8af6fa" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 把时间戳变成间隔，把间隔分进桶（bucket）里，既会手算，也会用库来算；
# - 写出能利用间隔的注意力，并测出它占多少内存；
# - 不用四维张量把它改写一遍，并证明数值和梯度都相等；
# - 检验时间的改变应当和不应当影响什么，并识别两种不报错却丢失时间信息的错误；
# - 检验时间是否有用：与不看时间的模型比较，用多个种子，给出区间，并设置对照。

# %% id="setup"
import math
import time
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.sequences import training_batches, widest
from tutorial_lib.data.simulate import last_gap_task
from tutorial_lib.data.splits import Split, make_split
from tutorial_lib.errors import TutorialError
from exercises import lesson08
from tutorial_lib.experiments.results import FACTS
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import build_model
from tutorial_lib.models.attention import CausalSelfAttention, causal_mask
from tutorial_lib.models.base import Dropout, SequenceModel, initialise
from tutorial_lib.models.sasrec import FeedForward
from tutorial_lib.models.tisasrec import (
    BUCKETINGS,
    MINUTE,
    IntervalBlock,
    IntervalTables,
    interval_attention,
    linear_buckets,
    log_buckets,
    personal_units,
)
from tutorial_lib.notebook import progress_bar
from tutorial_lib.statistics import bootstrap_interval, paired_bootstrap

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="parameters-en" lang="en"
# One cell decides on which data this lesson runs. The text speaks of the simulated `sample`; with `TUTORIAL_DATASET=ml-100k` in the environment the same notebook looks at real ratings.

# %% [markdown] id="parameters-zh" lang="zh" en="74f317b6"
# 本课用什么数据，由下面这个单元格决定。正文中的数字对应模拟数据 `sample`；如果设置环境变量 `TUTORIAL_DATASET=ml-100k`，同一个 notebook 就会使用真实评分。

# %% id="parameters-code" tags=["parameters"]
DATASET, USERS = settings(dataset="sample", users=None)
ON_SAMPLE = DATASET == "sample" and USERS is None  # the numbers in the text are checked only there

# %% [markdown] id="tiny-en" lang="en"
# ## Four events and their intervals
#
# *Alien*, two minutes later *Cake*, *Moon* in the same second as *Cake* (two clicks, one entry in the log each), and *Mars* a day after that. The *interval* of two events is the time between them, whichever came first. For four events that makes a table of four by four.

# %% [markdown] id="tiny-zh" lang="zh" en="857b919d"
# ## 四个事件和它们的间隔
#
# 先是《异形》，两分钟后是《蛋糕》；《月球》与《蛋糕》在同一秒（点了两次，日志里各记一条）；再过一天是《火星》（Mars）。两个事件的**间隔**就是它们之间相隔的时间，与先后无关。四个事件之间的间隔构成一张四乘四的表。

# %% id="tiny-intervals"
names = ["Alien", "Cake", "Moon", "Mars"]
clock = [0, 120, 120, 120 + 86_400]  # seconds
intervals = [[abs(a - b) for b in clock] for a in clock]
show_matrix(np.array(intervals), names, names)

# %% [markdown] id="buckets-en" lang="en"
# The model will learn a vector for each interval. It cannot learn one for every number of seconds, so intervals are sorted into *buckets* 0, 1, ..., $K$, and each bucket gets its vector. There are two ways to cut.
#
# **Linear, with a personal unit.** The paper measures each user with a ruler of their own: the unit is the smallest gap between two consecutive events of that user. A gap of 0 says nothing about a rhythm and does not count. The bucket is the number of whole units, and everything beyond $K$ is put into bucket $K$: it is *clipped*.
#
# **Logarithmic.** Buckets of equal width in $\ln(1 + \text{gap} / 1\,\text{min})$, so that they are fine for minutes and coarse for months. The last one stands for the *horizon*, the length of the longest history of the training part, and for all beyond.

# %% [markdown] id="buckets-zh" lang="zh" en="82842196"
# 模型要为间隔学习向量。由于不可能为每个秒数都学一个，因此要把间隔分到编号为 0、1、……、$K$ 的**桶**里，每个桶对应一个向量。分桶方法有两种。
#
# **线性分桶，用个人单位。** 论文为每位用户设一个单位，即这位用户相邻两个事件之间的最小间隔。间隔为 0 不反映任何节奏，因此不计入。桶号就是间隔所含整单位的个数，超过 $K$ 的一律放进第 $K$ 个桶，这叫**截断**。
#
# **对数分桶。** 各个桶在 $\ln(1 + \text{gap} / 1\,\text{min})$ 上等宽，因此在几分钟的尺度上分得细，在几个月的尺度上分得粗。最后一个桶代表 *horizon*，即训练集里最长的那段历史的时长，以及比它更长的所有间隔。

# %% [markdown] id="predict-buckets-en" lang="en" tags=["predict"]
# **Predict before you run.** What is the unit of these four events? With $K = 8$: into which linear bucket does the day fall, and into which would half an hour fall? Can the linear buckets tell the two apart? Can the logarithmic ones, with a horizon of 30 days?

# %% [markdown] id="predict-buckets-zh" lang="zh" en="44a38c34" tags=["predict"]
# **先猜，再运行。** 这四个事件的单位是多少？取 $K = 8$，一天落进第几个线性桶？半小时又会落进第几个？线性桶能区分这两者吗？horizon 为 30 天的对数桶呢？

# %% id="tiny-buckets"
K, HORIZON = 8, 30 * 86_400
unit = min(later - earlier for earlier, later in pairwise(clock) if later > earlier)


def linear_by_hand(gap):
    return min(gap // unit, K)


def log_by_hand(gap):
    return min(round(K * math.log(1 + gap / 60) / math.log(1 + HORIZON / 60)), K)


print("unit:", unit, "s")
print("linear buckets")
show_matrix(np.array([[linear_by_hand(gap) for gap in row] for row in intervals]), names, names)
print("logarithmic buckets")
show_matrix(np.array([[log_by_hand(gap) for gap in row] for row in intervals]), names, names)
print("half an hour: linear", linear_by_hand(1800), " logarithmic", log_by_hand(1800))

# %% [markdown] id="buckets-why-en" lang="en"
# The unit is 120 s; the tie of *Cake* and *Moon* did not make it 0. Linear buckets see 16 minutes and then nothing: half an hour, a day and a year are all bucket 8. The logarithmic ones put half an hour into 3 and the day into 5.
#
# The library computes the same for whole batches. It takes differences of whole numbers first, and only then divides or takes logarithms; why that order matters, you will see below.

# %% [markdown] id="buckets-why-zh" lang="zh" en="23b52e17"
# 单位是 120 秒，《蛋糕》与《月球》的时间戳并列，并没有使它变成 0。线性桶只能区分 16 分钟以内的间隔，半小时、一天、一年全都落进 8 号桶。对数桶则把半小时放进 3 号，把一天放进 5 号。
#
# 库对整个批做同样的计算。它先求整数之差，然后再做除法或取对数；这个次序为什么重要，下面就会看到。

# %% id="buckets-check" tags=["reference-check"]
stamps = torch.tensor(clock)
gaps = (stamps[:, None] - stamps).abs()[None]  # [1, 4, 4]
units = personal_units(torch.zeros(4, dtype=torch.int64), stamps, num_users=1)
expect_true("unit as by hand", units.tolist() == [unit])
by_hand = [[linear_by_hand(gap) for gap in row] for row in intervals]
expect_true("linear buckets as by hand", linear_buckets(gaps, units, K)[0].tolist() == by_hand)
by_hand = [[log_by_hand(gap) for gap in row] for row in intervals]
expect_true("logarithmic buckets as by hand", log_buckets(gaps, torch.tensor(HORIZON), K)[0].tolist() == by_hand)
together = personal_units(torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([5, 5, 25, 0, 7, 9]), num_users=4)
expect_true("each user has a unit of their own, and 0 stands for none", together.tolist() == [20, 7, 0, 0])

# %% id="buckets-code" tags=["library"]
# show: tutorial_lib.models.tisasrec.personal_units
# show: tutorial_lib.models.tisasrec.linear_buckets
# show: tutorial_lib.models.tisasrec.log_buckets

# %% [markdown] id="noah-en" lang="en"
# ## The interval takes part
#
# Lesson 04 scored query $q_i$ against key $k_j$. Now a vector joins each side of the exchange: $r^K_b$ is added to the key and $r^V_b$ to the value, where $b = b_{ij}$ is the bucket of the interval between $i$ and $j$:
#
# $$
# s_{ij} = \frac{q_i \cdot (k_j + r^K_{b_{ij}})}{\sqrt{d}}, \qquad a_{ij} = \frac{e^{s_{ij}}}{\sum_{m \le i} e^{s_{im}}}, \qquad y_i = \sum_{j \le i} a_{ij}\, (v_j + r^V_{b_{ij}}) .
# $$
#
# The first decides **how much** an event counts after so long a time. The second lets the message say **how old** it is. (In the full model a vector for the position joins in the same way; we leave it out here.)
#
# Take the three events of lesson 04 with their two numbers, space and kitchen, and only two buckets: 0 for *this evening*, 1 for *long ago*. The vector of this evening is $(0, 0)$, that of long ago $(-1, -1)$.
#
# In the library: [`tutorial_lib.models.tisasrec.interval_attention`](../../tutorial_lib/models/tisasrec.py).

# %% [markdown] id="noah-zh" lang="zh" en="1e55114c"
# ## 让间隔参与进来
#
# 第 04 课用查询 $q_i$ 给键 $k_j$ 打分。现在给键和值各加上一个向量，键加上 $r^K_b$，值加上 $r^V_b$，其中 $b = b_{ij}$ 是 $i$ 与 $j$ 之间的间隔的桶号：
#
# $$
# s_{ij} = \frac{q_i \cdot (k_j + r^K_{b_{ij}})}{\sqrt{d}}, \qquad a_{ij} = \frac{e^{s_{ij}}}{\sum_{m \le i} e^{s_{im}}}, \qquad y_i = \sum_{j \le i} a_{ij}\, (v_j + r^V_{b_{ij}}) .
# $$
#
# 前者决定隔了这么久之后，一个事件还占**多大的权重**；后者让传递的信息带上自己**有多旧**。（在完整的模型里，位置也以同样的方式加入一个向量，这里先略去。）
#
# 取第 04 课的三个事件，每个事件用太空和厨房两个数表示；只设两个桶，0 表示**今晚**，1 表示**很久以前**。今晚的向量是 $(0, 0)$，很久以前的向量是 $(-1, -1)$。
#
# 库中的实现：[`tutorial_lib.models.tisasrec.interval_attention`](../../tutorial_lib/models/tisasrec.py)。

# %% [markdown] id="predict-noah-en" lang="en" tags=["predict"]
# **Predict.** For Mira nothing changes: *Moon* still gives 31 % to *Alien*, 7 % to *Cake* and 62 % to itself. For Noah the query *Moon* is $(2, 1)$, so a year takes $3/\sqrt{2}$ off the scores of the two old events; lesson 04 found that this is worth a factor of about an eighth. An eighth of 31 % is about 4 %. Does *Alien* keep less than that, just that, or more?

# %% [markdown] id="predict-noah-zh" lang="zh" en="6d1a434b" tags=["predict"]
# **猜一猜。** 对小米来说，什么也没有改变：《月球》仍然给《异形》31%，给《蛋糕》7%，给自己 62%。对小诺来说，查询《月球》是 $(2, 1)$，因此一年会使两个旧事件的得分各减少 $3/\sqrt{2}$；第 04 课说过，这相当于乘以大约八分之一。31% 的八分之一约是 4%。《异形》剩下的权重比这少，正好这么多，还是比这多？

# %% id="noah-weights"
three = names[:3]
x = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 1.0]])
vectors = torch.tensor([[0.0, 0.0], [-1.0, -1.0]])  # [2 buckets, 2]
YEAR = 365 * 86_400
people = {"Mira": [0, 600, 1500], "Noah": [0, 600, YEAR]}
bucket, weights = {}, {}
for person, seconds in people.items():
    stamps = torch.tensor(seconds)
    bucket[person] = log_buckets((stamps[:, None] - stamps).abs()[None], torch.tensor(YEAR), 1)[0]
    scores = (x @ x.T + (x[:, None] * vectors[bucket[person]]).sum(2)) / math.sqrt(2)  # [3, 3]
    weights[person] = scores.masked_fill(~causal_mask(3), -torch.inf).softmax(1)
    print(person)
    show_matrix(weights[person], three, three, digits=2)
for who, of, share in (("Mira", 0, 0.31), ("Mira", 1, 0.07), ("Mira", 2, 0.62), ("Noah", 0, 0.06), ("Noah", 2, 0.93)):
    expect(f"{who}: weight of {three[of]} in the row Moon", weights[who][2, of], share, tol=0.008)
expect("an eighth of Mira's weight of Alien", math.exp(-3 / math.sqrt(2)) * weights["Mira"][2, 0], 0.04, tol=0.005)

# %% [markdown] id="noah-why-en" lang="en"
# More, about 6 %: the two old events lose seven eighths of their *odds*, and then the row is shared out again, so *Moon* itself takes 93 %. Same events, same order, another mixture. Whether an old event **should** count less, nobody has told the model: the vectors are learned, and if time means nothing in the data, they may as well stay alike.

# %% [markdown] id="noah-why-zh" lang="zh" en="d4b77075"
# 比这多，约 6%。两个旧事件先乘以八分之一，然后这一行要重新归一化，所有权重都随之增大，《月球》自己增至 93%。同样的事件、同样的次序，混合的比例却不同了。旧事件**是否应当**降低权重，并没有事先规定：这些向量是学出来的，如果数据中时间没有意义，它们完全可以彼此相同。

# %% [markdown] id="naive-en" lang="en"
# ## From scratch, the obvious way
#
# The formula asks for one vector per pair. So look one up per pair: `interval_key[:, buckets]` holds a vector for each history, each query and each key, a tensor [B, L, L, d]. (Heads only cut the $d$ numbers into slices.) The published programs do exactly this.

# %% [markdown] id="naive-zh" lang="zh" en="a9175cab"
# ## 从零写起：直接的实现
#
# 公式要求每一对事件有一个向量，最直接的办法就是为每一对查表取一个：`interval_key[:, buckets]` 为每段历史、每个查询、每个键各存一个向量，是一个 [B, L, L, d] 的张量。（多个头只是把 $d$ 个数切成几段。）公开的程序正是这样做的。


# %% id="naive-code"
def naive_interval_attention(query, key, value, interval_key, interval_value, buckets):
    """query, key, value [B, H, L, d], interval_key, interval_value [H, K + 1, d], buckets [B, L, L] -> [B, H, L, d]."""
    relation_key = interval_key[:, buckets]  # [H, B, L, L, d]
    relation_value = interval_value[:, buckets]  # [H, B, L, L, d]
    scores = query @ key.transpose(2, 3) + torch.einsum("bhid,hbijd->bhij", query, relation_key)
    scores = (scores / math.sqrt(query.shape[3])).masked_fill(~causal_mask(query.shape[2]), -torch.inf)
    weights = scores.softmax(3)
    return weights @ value + torch.einsum("bhij,hbijd->bhid", weights, relation_value)


def operands(batch, heads, length, width, last, dtype=torch.float32):
    """Random arguments for one call; the first five want a gradient."""
    sizes = 3 * [(batch, heads, length, width)] + 2 * [(heads, last + 1, width)]
    learned = [torch.randn(size, dtype=dtype, requires_grad=True) for size in sizes]
    return *learned, torch.randint(last + 1, (batch, length, length))


no_message = torch.zeros(1, 2, 2)  # interval values of zero, as above
mixed = naive_interval_attention(
    x[None, None], x[None, None], x[None, None], vectors[None], no_message, bucket["Noah"][None]
)
expect_close("the naive version gives Noah's mixture", mixed[0, 0], weights["Noah"] @ x, tol=1e-6)

# %% [markdown] id="predict-memory-en" lang="en" tags=["predict"]
# **Predict.** Eight histories of 200 events, vectors of 64 numbers of 4 bytes. How many megabytes (MB, a million bytes) has one such tensor? There are two of them, and they must be kept until the backward pass. And what happens when the histories become twice as long?

# %% [markdown] id="predict-memory-zh" lang="zh" en="4a0bc061" tags=["predict"]
# **猜一猜。** 设有八段历史，每段 200 个事件，每个向量 64 个数，每个数 4 字节。这样一个张量有多少兆字节（MB，一百万字节）？这样的张量有两个，而且都要保留到反向传播。如果历史再长一倍，又会怎样？


# %% id="memory-code"
def megabytes_kept(function, arguments):
    """What the forward pass keeps for the backward pass: the sizes of all blocks of memory it saves, each counted once."""
    blocks = {}

    def save(tensor):
        blocks[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        result = function(*arguments)
    assert result.requires_grad
    return sum(blocks.values()) / 1e6


lengths = [25, 50, 100, 200]
kept = {"naive": [megabytes_kept(naive_interval_attention, operands(8, 1, n, 64, 64)) for n in lengths]}
counted = 8 * 200 * 200 * 64 * 4 / 1e6
expect("one tensor, counted, MB", counted, 82, tol=0.5)
expect("kept by the naive version at length 200, measured, MB", kept["naive"][3], 169, tol=5)
expect("the same, twice as long", kept["naive"][3] / kept["naive"][2], 4, tol=0.1)

# %% [markdown] id="memory-why-en" lang="en"
# 82 MB each, about 169 MB kept in all for a batch of eight, and four times as much whenever the length doubles. A usual batch of 128 histories would take sixteen times that. There must be waste in it. Where?
#
# ## The same numbers for less
#
# Look at the tensor again: it holds $L \times L$ vectors for every history, but only $K + 1$ **different** ones. So do the work once per bucket, not once per pair.
#
# - **Keys.** Multiply each query with all $K + 1$ interval vectors. That is one matrix product. For each pair, pick the product that belongs to its bucket.
# - **Values.** A weighted sum in which the same vector occurs many times: first add up the weights of all pairs in a bucket, then multiply each vector once.
#
# $$
# q_i \cdot r^K_{b_{ij}} = \left(Q R^{K\top}\right)_{i,\, b_{ij}}, \qquad \sum_{j} a_{ij}\, r^V_{b_{ij}} = \sum_{b=0}^{K} m_{ib}\, r^V_b \quad \text{with} \quad m_{ib} = \sum_{j:\, b_{ij} = b} a_{ij} .
# $$
#
# The number $m_{ib}$ is the attention that event $i$ pays to bucket $b$. For Mira and Noah:
#
# In the library: [`tutorial_lib.kernels.attention.interval_attention`](../../tutorial_lib/kernels/attention.py).

# %% [markdown] id="memory-why-zh" lang="zh" en="d37ee1db"
# 每个 82 MB，一个含八段历史的批总共要保留约 169 MB，而且长度每翻一倍，内存就变成四倍。常用的批含 128 段历史，所需内存是它的十六倍。这里面一定有浪费，浪费在哪里？
#
# ## 用更少的代价得到同样的数
#
# 再看看这个张量：每段历史里有 $L \times L$ 个向量，但**不同的**只有 $K + 1$ 个。因此每个桶只需计算一次，不必为每一对都计算一次。
#
# - **键。** 让每个查询与全部 $K + 1$ 个间隔向量相乘，这只是一次矩阵乘法。然后每一对按自己的桶号取出那个乘积。
# - **值。** 在加权求和（weighted sum）里，同一个向量出现了很多次：先把同一个桶里所有的权重加起来，每个向量再乘一次。
#
# $$
# q_i \cdot r^K_{b_{ij}} = \left(Q R^{K\top}\right)_{i,\, b_{ij}}, \qquad \sum_{j} a_{ij}\, r^V_{b_{ij}} = \sum_{b=0}^{K} m_{ib}\, r^V_b \quad \text{with} \quad m_{ib} = \sum_{j:\, b_{ij} = b} a_{ij} .
# $$
#
# 其中 $m_{ib}$ 是事件 $i$ 分给第 $b$ 个桶的注意力。小米和小诺的结果如下：
#
# 库中的实现：[`tutorial_lib.kernels.attention.interval_attention`](../../tutorial_lib/kernels/attention.py)。

# %% id="mass-code"
for person in people:
    mass = torch.zeros(3, 2).scatter_add(1, bucket[person], weights[person])  # [3 events, 2 buckets]
    print(person)
    show_matrix(mass, three, ["this evening", "long ago"], digits=2)
expect("attention that Noah's Moon pays to long ago", mass[2, 1], 0.07, tol=0.005)

# %% [markdown] id="library-en" lang="en" tags=["library"]
# The library's version is the formula in a few lines: `gather` picks, `scatter_add` adds up, and `each_head` is `x @ table`, arranged as one product per head.

# %% [markdown] id="library-zh" lang="zh" en="3b8dc471" tags=["library"]
# 库里的版本就是用几行代码写出公式：`gather` 负责取值，`scatter_add` 负责累加，`each_head` 就是 `x @ table`，只是每个头做一次乘法。

# %% id="library-code" tags=["library"]
# show: tutorial_lib.kernels.attention.each_head
# show: tutorial_lib.kernels.attention.interval_attention

# %% [markdown] id="reference-en" lang="en"
# It looks like another computation, so it needs a proof. Values **and** gradients must agree: a wrong gradient would train, only not well. Two heads, double precision.
#
# And a second reference that knows nothing about intervals. With $K = 0$ there is a single bucket: every interval is the same. Its key vector adds the same number to the whole row of scores, which the softmax ignores; its value vector is simply added to the output. So the result must be PyTorch's own causal attention plus that vector.

# %% [markdown] id="reference-zh" lang="zh" en="bcb2c06a"
# 它看上去像是另一种算法，因此需要证明二者相等。数值**和**梯度都要一致，因为梯度错了也能训练，只是训练不好。这里用两个头、双精度。
#
# 还有第二个参照，它完全不涉及间隔。取 $K = 0$ 时只有一个桶，所有间隔都相同。它的键向量给整行得分加上同一个数，不影响 softmax；它的值向量则原样加到输出上。因此结果必须等于 PyTorch 自带的因果注意力再加上这个向量。

# %% id="reference-check" tags=["reference-check"]
arguments = operands(batch=3, heads=2, length=9, width=4, last=5, dtype=torch.double)
fast, slow = interval_attention(*arguments), naive_interval_attention(*arguments)
expect_close("values: the fast version equals the naive one", fast, slow, tol=1e-12)
upstream = torch.randn_like(fast)  # any gradient that may come from above
labels = ["query", "key", "value", "interval_key", "interval_value"]
fast_gradients = torch.autograd.grad((fast * upstream).sum(), arguments[:5])
slow_gradients = torch.autograd.grad((slow * upstream).sum(), arguments[:5])
for label, ours, naive in zip(labels, fast_gradients, slow_gradients, strict=True):
    expect_close(f"gradient of {label}", ours, naive, tol=1e-11)

query, key, value, interval_key, interval_value, buckets = operands(3, 2, 9, 4, last=0, dtype=torch.double)
plain = F.scaled_dot_product_attention(query, key, value, is_causal=True)
fast = interval_attention(query, key, value, interval_key, interval_value, buckets)
expect_close("K = 0: PyTorch's attention plus one vector", fast, plain + interval_value, tol=1e-12)

# %% [markdown] id="price-en" lang="en"
# What has it saved? The same measurement for both, and the time of one forward and backward pass.

# %% [markdown] id="price-zh" lang="zh" en="e53d8157"
# 节省了多少？对两者用同样的方法再测一次，并测量一次前向与反向传播的时间。


# %% id="price-code" tags=["nbval-ignore-output"]
def seconds(function, arguments):
    """Fastest of five forward and backward passes."""
    best = math.inf
    for _ in range(5):
        begin = time.perf_counter()
        function(*arguments).sum().backward()
        best = min(best, time.perf_counter() - begin)
    return best


versions = {"naive": naive_interval_attention, "fast": interval_attention}
kept["fast"] = [megabytes_kept(interval_attention, operands(8, 1, n, 64, 64)) for n in lengths]
spent = {name: [seconds(version, operands(8, 1, n, 64, 64)) for n in lengths] for name, version in versions.items()}
for place, n in enumerate(lengths):
    print(
        f"length {n:3d}: kept {kept['naive'][place]:6.1f} and {kept['fast'][place]:4.1f} MB, "
        f"time {1000 * spent['naive'][place]:6.1f} and {1000 * spent['fast'][place]:5.1f} ms"
    )

# %% id="price-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2))
for ax, table, label in zip(
    axes, [kept, spent], ["kept for the backward pass (MB)", "one pass and back (s)"], strict=True
):
    ax.plot(lengths, table["naive"], "o-", label="naive, a vector per pair")
    ax.plot(lengths, table["fast"], "s-", label="fast, a vector per bucket")
    ax.set(xscale="log", yscale="log", xlabel="events in a history", ylabel=label)
    ax.set_xticks(lengths, lengths)
    ax.minorticks_off()
axes[0].legend()
plt.show()

# %% [markdown] id="price-alt-en" lang="en" tags=["alt"]
# Two line charts over the length of the history, 25 to 200 events, both axes logarithmic. Left: megabytes kept for the backward pass; the naive version lies far above the fast one, and the distance grows with the length. Right: seconds of one pass; again the naive version lies far above.

# %% [markdown] id="price-alt-zh" lang="zh" en="7baf8755" tags=["alt"]
# 两幅折线图，横轴是历史长度，25 到 200 个事件，两个轴都是对数刻度。左图：为反向传播保留的兆字节数；直接版本远高于快速版本，而且历史越长差距越大。右图：一次前向加反向的秒数；直接版本同样远在上方。

# %% id="price-check"
expect("kept by the fast version at length 200, MB", kept["fast"][3], 6, tol=1)
expect_true("at length 200 the naive version keeps more than 20 times as much", kept["naive"][3] > 20 * kept["fast"][3])

# %% [markdown] id="price-why-en" lang="en"
# At 200 events the fast version keeps about 6 MB instead of 169, and it is faster by far, as the right picture shows; `make bench` measures with care how much on your machine. Nothing was approximated. A sum was taken in another order. It pays as long as there are fewer buckets than events: with 257 buckets and 20 events, the products with the buckets would be more than the pairs of a row.

# %% [markdown] id="price-why-zh" lang="zh" en="8acb3908"
# 有 200 个事件时，快速版本只保留约 6 MB，而不是 169 MB。它还快得多，如右图所示；在你的机器上具体快多少，可以用 `make bench` 仔细测量。这里没有做任何近似，只是改变了求和的次序。只要桶比事件少，这样做就划算；如果有 257 个桶而只有 20 个事件，与各个桶的乘积反而比一行里的配对还多。

# %% [markdown] id="model-en" lang="en"
# ## The whole model
#
# TiSASRec is SASRec with this attention. Three things to look for in the source:
#
# - **Positions** do not enter the item vectors. Like intervals they have a table for keys and one for values; all four tables are shared by all blocks.
# - `Intervals` turns times into buckets. What it must know (horizon, units) it learns from the **training part** in `fit_time` and keeps with the weights. The published program takes the unit from the whole history, test events included: a small leak.
# - `query_time=False` is the paper: position $i$ measures from its own event. With `query_time=True` it measures from the moment at which it is asked. Remember this switch.

# %% [markdown] id="model-zh" lang="zh" en="9b2a8a56"
# ## 完整的模型
#
# TiSASRec 就是换上了这种注意力的 SASRec。读源码时留意三点：
#
# - **位置**不加到物品向量里。它和间隔一样，键有一张表，值有一张表；四张表由所有块共用。
# - `Intervals` 把时间变成桶号。它需要的信息（horizon 和各用户的单位）由 `fit_time` 从**训练集**得到，与权重一起保存。公开的程序则从整段历史取单位，连测试事件也算在内，这是一个小小的泄漏。
# - `query_time=False` 是论文的做法：位置 $i$ 从自己的事件开始计时。`query_time=True` 则从查询时刻开始计时。请记住这个选项。

# %% id="model-code" tags=["library"]
# show: tutorial_lib.models.tisasrec.Intervals
# show: tutorial_lib.models.tisasrec.IntervalAttention
# show: tutorial_lib.models.tisasrec.TiSASRec

# %% [markdown] id="drawing-en" lang="en"
# In one drawing, with everything that knows the time in one colour:
#
# ![TiSASRec. On the right, the clock. Step 1: the intervals between all pairs of events, in seconds. Step 2: each interval becomes the number of a bucket; each bucket has a row in two tables, one for keys and one for values. On the left, the events. Step 3: the item table, times the root of d; no position is added here. In each block, step 4: norm1, then query, key and value; position vectors are added to keys and values. Step 5: scores of the query with the key plus the interval's row. Step 6: causal mask and softmax. Step 7: the weights mix the value plus the interval's row. Step 8: the output map, and the residual is added. Step 9: norm2 and the feed-forward network. Step 10: its residual is added. Step 11: a last LayerNorm gives the states. Step 12: scores with the item table. Time enters at steps 1, 5 and 7.](../figures/en/tisasrec.svg)
#
# **Read it off the drawing.** In which two steps of a block does time enter? And which step would be the same in a model without a clock, although it stands between them?
#
# <details><summary>Answer</summary>
#
# Steps 5 and 7: the key and the value get the row of the interval. Step 6, mask and softmax, knows nothing of time.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="7142bfd4"
# 下图画出了整个模型，凡是用到时间的部分都用同一种颜色表示：
#
# ![TiSASRec。右边是时间信息。第 1 步：所有事件两两之间的间隔，以秒计。第 2 步：每个间隔变成一个桶的编号；每个桶在两张表里各有一行，一张给键，一张给值。左边是事件。第 3 步：查物品表，乘以 d 的平方根；这里不加位置。在每个块里，第 4 步：norm1，然后得到查询、键和值；位置向量加到键和值上。第 5 步：查询与“键加上间隔的那一行”算得分。第 6 步：因果掩码和 softmax。第 7 步：用权重对“值加上间隔的那一行”做加权平均。第 8 步：输出映射，再加上残差。第 9 步：norm2 和前馈网络。第 10 步：加上残差。第 11 步：最后的层归一化给出状态。第 12 步：用物品表打分。时间在第 1、5、7 步进入。](../figures/zh/tisasrec.svg)
#
# **从图上找答案。** 在一个块里，时间从哪两步进入？介于两者之间的哪一步，在不看时间的模型里也完全一样？
#
# <details><summary>答案</summary>
#
# 第 5 步和第 7 步：键和值各加上间隔的那一行。第 6 步的掩码和 softmax 不涉及时间。
#
# </details>

# %% [markdown] id="invariant-en" lang="en" tags=["predict"]
# ## What a clock may not change
#
# A model of intervals should not care **when** the calendar starts. And with personal linear units it should not care how fast a person lives: if all gaps are three times as long, so is the unit. **Predict:** which of these hold exactly, to the last bit, and which not at all?
#
# 1. All times are moved by the same amount, with either bucketing.
# 2. All gaps are tripled, linear bucketing, units fitted again.
# 3. All gaps are tripled, logarithmic bucketing.

# %% [markdown] id="invariant-zh" lang="zh" en="66a69667" tags=["predict"]
# ## 哪些时间变化不应影响结果
#
# 一个只看间隔的模型，不应受日历**从哪天算起**的影响。采用个人线性单位时，它也不应受用户整体节奏快慢的影响：所有间隔变成三倍，单位也变成三倍。**猜一猜：** 下面哪些严格成立、逐位相同，哪些根本不成立？
#
# 1. 所有时间平移同样的量，两种分桶都算。
# 2. 所有间隔变成三倍，线性分桶，重新拟合单位。
# 3. 所有间隔变成三倍，对数分桶。


# %% id="invariant-code"
def states_at(bucketing, times):
    """States [1, 12, 8] of a model with random weights, its unit taken from `times` themselves."""
    model = build_model("tisasrec", num_items=30, max_len=12, dim=8, num_users=1, bucketing=bucketing, seed=1).eval()
    with torch.no_grad():
        for table in (model.interval_key, model.interval_value):
            table.weight.mul_(50)  # at birth they are so small that little would be seen
        if bucketing == "linear":
            model.intervals.unit.copy_(personal_units(torch.zeros(12, dtype=torch.int64), times, 1))
        return model(torch.arange(1, 13)[None], times[None], users=torch.tensor([0]))


times = 1_700_000_000 + torch.tensor([0, 40, 40, 95, 200, 4000, 4100, 9000, 90_000, 90_070, 90_200, 400_000])
for bucketing in ("linear", "log"):
    expect_true(
        f"{bucketing}: moved by 12,345 s, the same bits",
        torch.equal(states_at(bucketing, times), states_at(bucketing, times + 12_345)),
    )
tripled = times[0] + 3 * (times - times[0])
expect_true("linear: tripled, the same bits", torch.equal(states_at("linear", times), states_at("linear", tripled)))
difference = (states_at("log", times) - states_at("log", tripled)).abs().max()
expect_true("logarithmic: tripled, other states", difference > 0.1)

# %% [markdown] id="invariant-why-en" lang="en"
# The first two hold to the last bit, because they are arithmetic on whole numbers. The third does not: the logarithmic buckets know minutes and days. Neither is better as such. A personal unit forgets whether somebody comes every hour or every month; a common clock remembers it.

# %% [markdown] id="invariant-why-zh" lang="zh" en="121764a6"
# 前两条逐位成立，因为它们只涉及整数运算。第三条不成立，因为对数桶是按分钟和天来划分的。两者本身没有优劣之分：个人单位会丢失用户是每小时来一次还是每月来一次的信息，统一的时间单位则会保留。

# %% [markdown] id="picture-en" lang="en"
# ## One user's intervals as a picture
#
# Here is a user of the data, with the intervals between all pairs of training events. Which of the two pictures shows that events come in sittings, and which also shows how far apart the sittings are?

# %% [markdown] id="picture-zh" lang="zh" en="3ffcf8d9"
# ## 一位用户的间隔图
#
# 下图取数据中的一位用户，画出训练集中任意两个事件之间的间隔。两幅图里，哪一幅能看出事件聚成了一次次会话？哪一幅还能看出会话之间相隔多久？

# %% id="data-code"
dataset = load_dataset(DATASET, users=USERS)
split = make_split(dataset, "temporal" if dataset.has_times else "leave_last_out")
users, times = (split.train[column].to_numpy() for column in ("user", "timestamp"))
same_user, seconds_between = np.diff(users) == 0, np.diff(times)
events_of = np.bincount(users, minlength=dataset.num_users)
pauses_of = np.bincount(users[1:][same_user & (seconds_between >= 3600)], minlength=dataset.num_users)
one = int((np.abs(events_of - 24) + 3 * np.abs(pauses_of - 5)).argmin())  # about 24 events in about six sittings
print(
    f"{dataset.name}: user {one} with {events_of[one]} training events and {pauses_of[one]} pauses of an hour or more"
)

# %% id="matrix-picture" tags=["picture", "nbval-ignore-output"]
stamps, owner = torch.from_numpy(times[users == one])[None], torch.tensor([one])  # [1, n], [1]
matrix = {}
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.9), sharey=True)
for ax, name in zip(axes, ("linear", "log"), strict=True):
    clock = Intervals(64, name, dataset.num_users if name == "linear" else 0)
    clock.fit_time(split)
    matrix[name] = clock(stamps, stamps, owner)[0]  # [n, n]
    past = matrix[name].float().masked_fill(~causal_mask(stamps.shape[1]), torch.nan)
    image = ax.imshow(past, cmap="cividis", vmin=0, vmax=64)
    title = (
        f"linear, unit {int(clock.unit[one])} s"
        if name == "linear"
        else f"log, horizon {int(clock.horizon) // 86_400} days"
    )
    ax.set(title=title, xlabel="key: event looked at")
    ax.grid(False)
axes[0].set_ylabel("query: event that looks")
fig.colorbar(image, ax=axes, label="bucket, 0 to 64")
plt.show()

# %% [markdown] id="matrix-alt-en" lang="en" tags=["alt"]
# Two triangles, the looking event down, the event looked at across, coloured by bucket from 0 to 64. Linear: dark small triangles along the diagonal, with shades inside them, and one uniform bright colour everywhere else. Log: the same dark triangles without much shade, and between them rectangles in different bright shades, one for each pair of sittings.

# %% [markdown] id="matrix-alt-zh" lang="zh" en="ebf59d82" tags=["alt"]
# 两个三角形，纵向是看的事件，横向是被看的事件，颜色表示 0 到 64 的桶号。线性：沿对角线有一些深色小三角，里面有深浅，其余地方是同一种亮色。对数：同样的深色小三角，里面深浅不多，三角之间是深浅不同的亮色矩形，每两次会话之间一块。

# %% id="matrix-check"
rows, columns = torch.tril_indices(stamps.shape[1], stamps.shape[1], offset=-1)  # pairs of different events
in_last = {name: (table[rows, columns] == 64).float().mean() for name, table in matrix.items()}
expect("share of the pairs in the last bucket, linear", in_last["linear"], 0.72, tol=0.02, when=ON_SAMPLE)
expect_true("no pair in the last bucket, log", in_last["log"] == 0, when=ON_SAMPLE)

# %% [markdown] id="matrix-why-en" lang="en"
# Both show the sittings. In the linear picture everything beyond 64 units is one colour: 72 % of all pairs have the same interval, and a day looks like a year. What it has instead is detail within a sitting. The logarithmic picture spends its 64 buckets on all scales.

# %% [markdown] id="matrix-why-zh" lang="zh" en="49535234"
# 两幅图都能看出一次次会话。在线性分桶的图里，超过 64 个单位的全是同一种颜色：72% 的配对落在同一个桶里，一天与一年看起来一样，换来的是会话内部的细节。对数分桶的图则把 64 个桶分配给了所有尺度。

# %% [markdown] id="break-click-en" lang="en" tags=["break-it"]
# ## Break it, 1: one double click
#
# The unit is the **smallest** gap. This user's two closest events lie 56 s apart. Suppose the second of them had been a double click, one second after the first. Nothing else changes. **Predict** what happens to the linear picture, and to the logarithmic one.

# %% [markdown] id="break-click-zh" lang="zh" en="e03a1bc0" tags=["break-it"]
# ## 破坏实验 1：一次双击
#
# 单位取的是**最小**的间隔。这位用户最接近的两个事件相隔 56 秒。假设后一个是误触造成的双击，在前一个之后一秒就发生了，其余都不变。**猜一猜**，线性分桶的图会怎样，对数分桶的图又会怎样？

# %% id="break-click-code" tags=["break-it"]
apart = stamps[0].diff()
closest = int(torch.where(apart > 0, apart, apart.max()).argmin()) + 1  # the later of the two closest events
expect("the unit before, s", apart[closest - 1], 56, tol=0.5, when=ON_SAMPLE)
clicked = stamps.clone()
clicked[0, closest] = clicked[0, closest - 1] + 1
gaps = (clicked[:, :, None] - clicked[:, None, :]).abs()
unit = personal_units(torch.zeros_like(clicked[0]), clicked[0], num_users=1)
linear_after = linear_buckets(gaps, unit[:, None, None], 64)[0]
expect_true("the unit is now one second", unit.item() == 1)
share = (linear_after[rows, columns] == 64).float().mean()
expect("share of the pairs in the last bucket, linear, after the click", share, 0.99, tol=0.008, when=ON_SAMPLE)

log_after = log_buckets(gaps, clock.horizon, 64)[0]  # mended: no unit, no harm
touched = (log_after != matrix["log"])[rows, columns]
expect_true(
    "log: only pairs with the moved event may change", ((rows == closest) | (columns == closest))[touched].all()
)

# %% [markdown] id="break-click-why-en" lang="en"
# One click, and 99 % of the pairs of this user fall into one bucket: their time is lost, and no error was raised. A minimum can be decided by a single event. This is no rare accident. Look at `gap_q75` of MovieLens 100K in `data/facts/gap_facts.csv`: three quarters of all gaps are 37 s or less, because people rate a list, not an evening. Among so many, the smallest is soon a single second. The mend is a bucketing without a minimum, hence `bucketing="log"` as the default of this library; both stand in the tables of results.

# %% [markdown] id="break-click-why-zh" lang="zh" en="03ae0c66"
# 仅仅一次点击，这位用户 99% 的配对就落进了同一个桶，时间信息丢失了，却没有任何报错。原因在于最小值可以由单独一个事件决定。这并不罕见，看看 `data/facts/gap_facts.csv` 里 MovieLens 100K 的 `gap_q75`：四分之三的间隔不超过 37 秒，因为人们往往对着一张清单连续打分，而不是看完一部打一次。在这么多间隔里，最小的一个很容易就是一秒。改正的办法是不用最小值来分桶，因此本库默认 `bucketing="log"`；结果表里两种都有。

# %% id="facts-check"
facts = pd.read_csv(FACTS / "gap_facts.csv").set_index("dataset")
expect("upper quartile of the gaps of MovieLens 100K, s", facts.loc["ml-100k", "gap_q75"], 37, tol=0.5)

# %% [markdown] id="break-float-en" lang="en" tags=["break-it"]
# ## Break it, 2: the time as a 32-bit float
#
# Networks compute in float32, so it is easy to write `times.float()` and to take differences afterwards. Today's Unix seconds have ten digits; float32 has room for about seven. Five events with gaps of 40 s, 1 min, 3 min and 1 h:

# %% [markdown] id="break-float-zh" lang="zh" en="a525dfb0" tags=["break-it"]
# ## 破坏实验 2：把时间存成 32 位浮点数
#
# 网络用 float32 计算，因此有人会先写 `times.float()`，再求差。如今的 Unix 秒数有十位，而 float32 只有大约七位有效数字。下面的五个事件，间隔依次是 40 秒、1 分钟、3 分钟、1 小时：

# %% id="break-float-code" tags=["break-it"]
five = 1_750_000_000 + torch.tensor([0, 40, 100, 280, 3880])
print("true      ", five.diff().tolist())
print("float32   ", five.float().diff().long().tolist())
print("one minute later, float32", (five + 60).float().diff().long().tolist())

short = same_user & (seconds_between > 0) & (seconds_between < 3600)
true = torch.from_numpy(seconds_between[short])[None, None]  # [1, 1, gaps below an hour]
rounded = torch.from_numpy(np.diff(times.astype(np.float32))[short].astype(np.int64))[None, None]
lost = (rounded == 0).float().mean()
other = (log_buckets(rounded, clock.horizon, 64) != log_buckets(true, clock.horizon, 64)).float().mean()
expect("share of the gaps below an hour that become 0", lost, 0.12, tol=0.01, when=ON_SAMPLE)
expect("share that changes its bucket", other, 0.62, tol=0.02, when=ON_SAMPLE)
expect_true("moving the clock changes float32 gaps", five.float().diff().ne((five + 60).float().diff()).any())
expect_true("mended: whole numbers first", torch.equal(five.diff(), (five + 60).diff()))

# %% [markdown] id="break-float-why-en" lang="en"
# Between neighbouring float32 numbers of this size lie 128 s. On the sample 12 % of the gaps below an hour become 0 and 62 % land in another bucket. Even the first law is broken: move the clock by a minute, and the gaps are others. The mend is the order that the library keeps: differences in int64 first, then logarithms.

# %% [markdown] id="break-float-why-zh" lang="zh" en="4d27e705"
# 在这个量级上，相邻的两个 float32 数相差 128 秒。在 sample 上，不到一小时的间隔有 12% 变成了 0，62% 落进了别的桶。连前面的第一条不变性也被破坏了：把所有时间平移一分钟，间隔就变了。改正的办法就是库里采用的次序，即先用 int64 求差，再取对数。

# %% [markdown] id="task-en" lang="en"
# ## Does time help? First world: time is everything
#
# Now the question. We begin where the answer is known. In `last_gap_task` all items are random; the right answer is item 1 or 2, and one single gap decides: short (minutes) or long (days). The other gaps are short or long at random. It comes in two versions:
#
# - `past`: the gap between the last two events decides;
# - `query`: the gap between the last event and **the moment of asking** decides.
#
# Whoever cannot see the clock is right half of the time.

# %% [markdown] id="task-zh" lang="zh" en="eccafa1e"
# ## 时间有用吗？第一个世界：时间就是一切
#
# 现在来检验这个问题，先从答案已知的地方开始。在 `last_gap_task` 里，物品全是随机的，正确答案是物品 1 或 2，只取决于一段间隔是短（几分钟）还是长（几天），其余间隔的长短都是随机的。它有两个版本：
#
# - `past`：由最后两个事件之间的间隔决定；
# - `query`：由最后一个事件与**查询时刻**之间的间隔决定。
#
# 不看时间的模型只能答对一半。

# %% [markdown] id="predict-task-en" lang="en" tags=["predict"]
# **Predict.** Three models: SASRec; TiSASRec that measures from event to event, as published (with our logarithmic buckets in place of the published linear ones); TiSASRec with `query_time=True` (intervals from the moment of asking). Which solves which version? One of the six fields may surprise you.

# %% [markdown] id="predict-task-zh" lang="zh" en="a795f0c0" tags=["predict"]
# **猜一猜。** 三个模型：SASRec；像论文那样计算事件之间间隔的 TiSASRec（只是用我们的对数分桶代替论文的线性分桶）；`query_time=True` 的 TiSASRec（间隔从查询时刻算起）。哪个模型能解决哪个版本？六种组合中，有一种也许会让你意外。


# %% id="task-code" tags=["nbval-ignore-output"]
def last_states(model, items, times, query_times):
    return model(items, times, query_times)[torch.arange(len(items)), (items > 0).sum(1) - 1]


def learn(name, gap, seed, **options):
    """One block of width 16, 100 steps of fresh sequences: nothing can be learned by heart."""
    model = build_model(name, num_items=12, max_len=8, dim=16, seed=seed, blocks=1, dropout=0.0, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(100):
        *inputs, answer = last_gap_task(128, 8, seed=1000 * seed + step, gap=gap)
        loss = full_softmax(last_states(model, *inputs), model.item_embedding.weight, answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@torch.no_grad()
def is_right(model, gap):
    """For 2,000 new sequences: was the answer right?"""
    *inputs, answer = last_gap_task(2000, 8, seed=99_999, gap=gap)
    return (model.score(last_states(model, *inputs)).argmax(1) == answer).numpy()


contestants = {
    "SASRec": ("sasrec", {}),
    "TiSASRec, as published": ("tisasrec", {}),
    "TiSASRec, query time": ("tisasrec", {"query_time": True}),
}
right, trained = {}, {}  # right: bool [5 seeds, 2000]
for gap, label in progress_bar([(gap, label) for gap in ("past", "query") for label in contestants], "model"):
    name, options = contestants[label]
    models = [learn(name, gap, seed, **options) for seed in progress_bar(range(5), "seed")]
    right[gap, label], trained[gap, label] = np.stack([is_right(model, gap) for model in models]), models[0]
for (gap, label), each in right.items():
    print(f"{gap:6s} {bootstrap_interval(each)}  each seed {each.mean(1)}  {label}")

# %% id="task-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(9.5, 2.4), sharex=True, sharey=True)
for ax, gap in zip(axes, ("past", "query"), strict=True):
    table = {label: bootstrap_interval(right[gap, label]) for label in contestants}
    plots.metric_bars(table, {"guessing": 0.5}, ax=ax, xlabel="share of right answers")
    ax.set_xlabel(f"share of right answers, version '{gap}'\n(mean of 5 seeds, 95 % interval over sequences)")
plt.show()

# %% [markdown] id="task-alt-en" lang="en" tags=["alt"]
# Two dot charts of the share of right answers, with a dashed line for guessing at one half. Version past: SASRec on the line, TiSASRec as published at 1, TiSASRec with query time between the two. Version query: SASRec and TiSASRec as published on the line, TiSASRec with query time at 1.

# %% [markdown] id="task-alt-zh" lang="zh" en="a814d414" tags=["alt"]
# 两幅点图，画的是答对的比例，虚线在二分之一处，表示随机猜测。past 版本：SASRec 在线上，论文里的 TiSASRec 在 1 处，用查询时刻的 TiSASRec 在两者之间。query 版本：SASRec 和论文里的 TiSASRec 在线上，用查询时刻的 TiSASRec 在 1 处。

# %% id="task-check"
published, asking = "TiSASRec, as published", "TiSASRec, query time"
expect_true("past: as published, every seed above 0.99", right["past", published].mean(1).min() > 0.99)
expect_true("query: with query time, every seed above 0.99", right["query", asking].mean(1).min() > 0.99)
for gap, label in (("past", "SASRec"), ("query", "SASRec"), ("query", published)):
    expect(f"{gap}: {label} guesses", right[gap, label].mean(), 0.5, tol=0.03)
expect("past: with query time", right["past", asking].mean(), 0.68, tol=0.04)
loss = paired_bootstrap(right["past", published], right["past", asking])
gain = paired_bootstrap(right["past", asking], right["past", "SASRec"])
expect_true("past: query time loses against published, interval above 0.25", loss.low > 0.25)
expect_true("past: query time still beats guessing, interval above 0.1", gain.low > 0.1)

items, times, query_times, answer = last_gap_task(2000, 8, seed=99_999, gap="past")
last = (items > 0).sum(1) - 1
to_query = (query_times - times)[torch.arange(2000), last].numpy()  # seconds from the last event to the question
just_now = right["past", asking][:, to_query < 3600].mean()
days_ago = right["past", asking][:, to_query >= 3600].mean()
expect_true("past, query time: much better if the question follows within minutes", just_now > days_ago + 0.2)

# %% [markdown] id="task-why-en" lang="en"
# Where time decides, the clock is worth everything, **if the model measures from the right moment**. As published TiSASRec solves `past` and only guesses in `query`: it knows when each event happened, but not what time it is now. (A recommender always knows what time it is now. To use it is a choice, not a leak: the moment of asking is no secret, only what is chosen then.)
#
# The surprise is the field with 68 %. With `query_time=True` all intervals start from now. A gap between two old events is then the **difference** of two intervals, and nothing in attention subtracts one bucket from another. It answers much better when the question follows the last event within minutes, for then "from now" and "from the last event" are nearly the same. So no choice is the better one everywhere: it belongs among the settings that you select on validation.

# %% [markdown] id="task-why-zh" lang="zh" en="fd60d72f"
# 如果答案完全由时间决定，时间信息就是关键，**前提是模型用对了时间**。论文里的 TiSASRec 能解决 `past`，在 `query` 上却只能随机猜测，因为它知道每个事件发生在何时，却不知道现在是什么时刻。（推荐系统总是知道当前时刻的。是否使用它是一种选择，不算泄漏：查询的时刻不是秘密，那时选了什么才是。）
#
# 出乎意料的是 68% 的那一格。使用 `query_time=True` 时，所有间隔都从当前时刻算起。两个旧事件之间的间隔就成了两段间隔之**差**，而注意力里没有哪一步会用一个桶减去另一个桶。如果查询在最后一个事件之后几分钟内发生，它的表现就好得多，因为这时“从现在算起”和“从最后一个事件算起”几乎相同。因此没有哪种选择在所有情况下都更好，它属于应当用验证集来选择的设置。

# %% [markdown] id="twins-en" lang="en"
# ## Does time help? Worlds in which it is not everything
#
# Next a world closer to life. In `sample` moods follow the clock, but tastes, clusters and the last choice count as well; what the clock is worth there is known, for the clairvoyant exists with and without it. In `control` the timestamps are the very same, but the mood advances one fixed step per event: the clock is a decoration, and **nothing may be gained** from it. After them MovieLens 100K and Amazon Grocery, where nobody knows the answer.
#
# What should TiSASRec be compared with? Not with SASRec alone: the two differ in more than the clock, for positions enter in another way and there are more tables. The sharp comparison is with **its own twin**: the same model, trained and tested in the same way, on the same events in the same order with the same targets, but with a clock that says nothing. Two such clocks:
#
# - *constant*: all gaps are equal; only the order is left;
# - *shuffled*: each user's gaps change places; they are as irregular as before, but they stand at the wrong events.
#
# The tables hold the constant twin of `query_time=True` for the two simulated worlds, and both twins of the published form for the real data; their rows with `_mhc` belong to lesson 09. Five seeds of everything; each user's NDCG@10 is averaged over the seeds, and the interval resamples the users in pairs, as in lesson 07.

# %% [markdown] id="twins-zh" lang="zh" en="b24a003e"
# ## 时间有用吗？时间并非一切的世界
#
# 接下来的世界更接近现实。在 `sample` 里，短期兴趣随真实时间变化，但长期兴趣、类别和上一次选择也同样重要；时间信息在那里带来多大提升是已知的，因为先知模型有看时间和不看时间的两种。在 `control` 里，时间戳完全相同，但每过一个事件，短期兴趣只前进固定的一步：时间戳与结果无关，**从中不应得到任何提升**。再往后是 MovieLens 100K 和 Amazon Grocery，那里的答案没有人知道。
#
# TiSASRec 应当与谁比较？不能只与 SASRec 比较，因为两者的差别不止时间信息：位置的加入方式不同，表也更多。真正能说明问题的，是与**它自己的对照模型**比较：同一个模型，训练和测试的方式相同，事件、次序和目标都相同，只是它得到的时间不含任何信息。这样的时间有两种：
#
# - *constant*（恒定间隔）：所有间隔都相等，只剩下次序；
# - *shuffled*（打乱的间隔）：把每位用户的间隔打乱顺序，不规则的程度不变，但不再与原来的事件对应。
#
# 结果表里，两个模拟世界有 `query_time=True` 时恒定间隔的对照模型，真实数据有论文形式的两种对照模型；其中带 `_mhc` 的行属于第 09 课。每种都用五个随机种子；每位用户的 NDCG@10 先对种子取平均，区间来自对用户的成对重抽样，与第 07 课相同。

# %% [markdown] id="predict-twins-en" lang="en" tags=["predict"]
# **Predict.** For each of the four data sets: will the difference between the real and the constant clock lie above 0, around 0 or below? On which of them would you believe a gain, and on which would you suspect a fault in the comparison?

# %% [markdown] id="predict-twins-zh" lang="zh" en="34526f42" tags=["predict"]
# **猜一猜。** 对四个数据集中的每一个，真实时间与恒定间隔之差会在 0 以上、0 附近，还是 0 以下？在哪几个数据集上你会相信有提升，在哪几个上你会怀疑比较本身有问题？


# %% id="twins-code" tags=["nbval-ignore-output"]
from tutorial_lib.data.simulate import ceiling_ranks
from tutorial_lib.evaluate import ndcg
from tutorial_lib.experiments.results import read_quality


def gains(quality):
    """{(options, rival): Interval}: TiSASRec with the real clock minus its two twins and minus SASRec."""
    [plain] = [values for (model, _, clock), values in quality.items() if (model, clock) == ("sasrec", "real")]
    found = {}
    for (model, options, clock), values in quality.items():
        if (model, clock) == ("tisasrec", "real"):
            for twin, rival in (("constant", "constant clock"), ("shuffled", "shuffled clock")):
                if (model, options, twin) in quality:
                    found[options, rival] = paired_bootstrap(values, quality[model, options, twin])
            found[options, "SASRec"] = paired_bootstrap(values, plain)
    return found


tables = {
    "sample": "attention_sample_temporal",
    "control": "attention_control_temporal",
    "MovieLens 100K": "attention_ml-100k_leave_last_out",
    "Amazon Grocery": "attention_amazon-grocery_temporal",
}
clocks = {}  # {world: {(model, options, clock): NDCG@10 [5, users]}}
for world, table in tables.items():
    clocks[world] = {
        key: values for key, values in read_quality(table).items() if key[0] not in ("popularity", "markov")
    }
    for key, values in clocks[world].items():
        seeds = values.mean(axis=1)
        print(f"{world:14s} {' '.join(key):48s} NDCG@10 {seeds.mean():.4f}, from seed to seed +-{seeds.std():.4f}")
gained = {world: gains(quality) for world, quality in clocks.items()}
value_of_time = {}
for world in ("sample", "control"):
    simulated = load_dataset(world)
    ranks = ceiling_ranks(simulated, make_split(simulated, "temporal").test.row)
    with_clock, without = (ndcg(ranks[f"rank_{which}_clock"].to_numpy()).mean() for which in ("with", "without"))
    value_of_time[world] = with_clock - without
    print(f"{world}: the clock is worth {value_of_time[world]:.4f} to the clairvoyant")

# %% id="twins-picture" tags=["picture", "nbval-ignore-output"]
rivals = ["constant clock", "shuffled clock", "SASRec"]
fig, axes = plt.subplots(2, 2, figsize=(10, 6))
for ax, (world, found) in zip(axes.flat, gained.items(), strict=True):
    rows = {}
    for (options, rival), interval in found.items():
        rows.setdefault((options or "defaults").replace(" ", "\n"), {})[rival] = interval
    plots.differences(rows, rivals=rivals, title=world, ax=ax)
    if value_of_time.get(world, 0) > 0:
        ax.axvline(value_of_time[world], color="0.4", linestyle="--", label="value of the clock, clairvoyant")
once = {label: mark for ax in axes.flat for mark, label in zip(*ax.get_legend_handles_labels(), strict=True)}
fig.legend(once.values(), once.keys(), loc="outside lower center", ncols=4)
plt.show()

# %% [markdown] id="twins-alt-en" lang="en" tags=["alt"]
# Four panels: sample, control, MovieLens 100K and Amazon Grocery. Each row is one setting of TiSASRec, with up to three points and their 95 % intervals: the NDCG@10 with the real clock minus that with the constant clock, with the shuffled clock, and of SASRec. A line marks 0; in the panel of sample a dashed line marks what the clock is worth to the clairvoyant.

# %% [markdown] id="twins-alt-zh" lang="zh" en="7aaf6cb8" tags=["alt"]
# 四幅图：sample、control、MovieLens 100K、Amazon Grocery。每一行是 TiSASRec 的一种设置，最多有三个点和它们的 95% 区间：用真实时间时的 NDCG@10，分别减去用恒定间隔、用打乱的间隔，以及 SASRec 的 NDCG@10。一条线标出 0；在 sample 那一幅里，虚线标出时间信息给先知模型带来的提升。

# %% id="twins-check"
expect_true(
    "five seeds of everything, and all models of a table have as many users",
    all(
        len({values.shape for values in quality.values()}) == 1 and len(values) == 5
        for quality in clocks.values()
        for values in quality.values()
    ),
)
expect("value of the clock in sample", value_of_time["sample"], 0.04, tol=0.004)
expect_true("in control it is worth nothing, exactly", value_of_time["control"] == 0)
with_query, as_published = gained["sample"]["query_time=True", "constant clock"], gained["sample"]["", "SASRec"]
expect("sample, told the query time: gain over the constant clock", with_query.mean, 0.013, tol=0.003)
expect_true("its interval lies above 0", with_query.low > 0)
expect("share of what the clock is worth", with_query.mean / value_of_time["sample"], 0.32, tol=0.08)
expect_true("sample, as published: the difference to SASRec is not clear of 0", not as_published.excludes_zero)
expect_true(
    "control: nothing gained from the clock", not gained["control"]["query_time=True", "constant clock"].excludes_zero
)
films, groceries = gained["MovieLens 100K"], gained["Amazon Grocery"]
expect("MovieLens 100K: TiSASRec minus SASRec", films["", "SASRec"].mean, 0.006, tol=0.0015)
expect_true("its interval lies above 0", films["", "SASRec"].low > 0)
twins_of_films = [films["", twin] for twin in ("constant clock", "shuffled clock")]
expect_true("but neither twin differs clearly", not any(interval.excludes_zero for interval in twins_of_films))
expect("Amazon Grocery: real minus constant clock", groceries["", "constant clock"].mean, 0.0006, tol=0.0003)
expect_true("its interval lies just above 0", 0 < groceries["", "constant clock"].low < 0.0003)
expect_true("with shuffled gaps it does as well", abs(groceries["", "shuffled clock"].mean) < 0.0003)
by_unit = [table["bucketing=linear buckets=256", "SASRec"] for table in (films, groceries)]
expect_true(
    "linear buckets: no clear gain over SASRec on either", not any(interval.excludes_zero for interval in by_unit)
)

# %% [markdown] id="twins-why-en" lang="en"
# How to read the picture. A point to the right of 0 says that the model did better with the real clock; an interval that contains 0 says that these users cannot tell. Start with `control`: there the truth is 0, so whatever stands away from 0 shows how far such a comparison can err, and no gain elsewhere deserves more trust than this panel allows. Then compare the circle (the constant clock) with the diamond (SASRec). If TiSASRec beats SASRec but not its twin with the constant clock, it is **not time** that helped, but the other parts.
#
# Mind two more things. Each row is one setting, and with several rows one of them will look best by chance; decide by validation, not by this picture. And a gain over the constant clock with `query_time=True` answers another question than without: there the model is told how long the user has been away.

# %% [markdown] id="twins-why-zh" lang="zh" en="04477753"
# 这幅图应当这样读。点在 0 的右边，说明模型用真实时间时表现更好；区间包含 0，说明用这些用户分不出优劣。先看 `control`：那里的真实差异是 0，因此任何偏离 0 的结果都反映了这种比较本身的误差有多大，别处的提升再可信，也不会超过这一幅所允许的程度。然后把圆点（恒定间隔）和菱形（SASRec）对照着看。如果 TiSASRec 胜过了 SASRec，却没有胜过恒定间隔的对照模型，那么起作用的**不是时间**，而是其他组件。
#
# 还要注意两点。第一，每一行是一种设置，行数多了，总有一行会偶然显得最好，因此应当用验证集来选择，而不是用这幅图。第二，`query_time=True` 时相对于恒定间隔的提升，与不用它时回答的是不同的问题，因为那时模型还知道这位用户离开了多久。

# %% [markdown] id="twins-result-en" lang="en"
# What came out:
#
# - **`control`**: nothing is gained from the clock. So it must be, and now the other panels deserve a look.
# - **`sample`**: told the query time, TiSASRec gains 0.013 over its twin with the constant clock: about a third of the 0.04 that the clock is worth to the clairvoyant. As published, it measures from event to event and never up to the query, and there is no clear difference to SASRec.
# - **MovieLens 100K**: TiSASRec beats SASRec by 0.006, and the interval excludes 0. A report could end here and say *time helps*. But with shuffled gaps it is just as good, and with the constant clock no worse. What helped is something else in which the two models differ, such as positions that enter the keys and values of every block.
# - **Amazon Grocery**: the real clock is 0.0006 ahead of the constant one, and the interval just misses 0. With shuffled gaps the model is as good as with true ones. If this is more than one lucky interval among many, then it is the size of a user's gaps that says something, and not the place where they stand.
#
# Linear buckets with personal units show no clear gain over SASRec on either of the two.

# %% [markdown] id="twins-result-zh" lang="zh" en="f7777ae6"
# 结果如下：
#
# - **`control`**：时间信息没有带来任何提升。理应如此，因此其余几幅图才值得分析。
# - **`sample`**：告诉 TiSASRec 查询时刻之后，它比恒定间隔的对照模型高出 0.013，约占先知模型所得提升 0.04 的三分之一。论文的形式只计算事件之间的间隔，不计算到查询时刻的间隔，与 SASRec 没有明显差别。
# - **MovieLens 100K**：TiSASRec 比 SASRec 高 0.006，区间不含 0。一份报告写到这里，就可以宣布“时间有用”。然而把间隔打乱之后，它的表现同样好；换成恒定间隔，也不更差。真正起作用的是两个模型之间的其他差别，例如位置加入了每个块的键和值。
# - **Amazon Grocery**：真实时间比恒定间隔高 0.0006，区间刚好不含 0。但使用打乱的间隔时，模型的表现与使用真实时间时一样好。如果这不只是许多区间中偶然的一个，那么起作用的是用户间隔的大小，而不是间隔所在的位置。
#
# 采用个人单位的线性分桶，在这两个数据集上都没有明显胜过 SASRec。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **8.1 Implement · basic.** To read a learned table you must know what a bucket stands for. Write the inverse of the logarithmic bucketing: `bucket_centre(bucket, horizon, last)` is the gap in seconds at which the formula, before rounding, gives exactly this bucket.

# %% [markdown] id="exercise1-zh" lang="zh" en="3f2678de" tags=["exercise"]
# ## 练习
#
# **8.1 实现 · 基础。** 要读懂学到的表，需要知道一个桶代表什么。请写出对数分桶的逆函数：`bucket_centre(bucket, horizon, last)` 返回一个以秒计的间隔，公式在取整之前恰好给出这个桶号。


# %% id="exercise1-code" tags=["exercise"]
def bucket_centre(bucket, horizon, last):
    """bucket 0..last, horizon in seconds -> gap in seconds."""
    ...


lesson08.check_bucket_centre(bucket_centre)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def bucket_centre(bucket, horizon, last):
    return 60 * math.expm1(bucket * math.log1p(horizon / 60) / last)  # expm1(x) = e^x - 1


lesson08.check_bucket_centre(bucket_centre)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **8.2 Modify · core.** Perhaps what matters is the time of day: 23 hours later is almost the same time again. Write buckets for the distance on the dial of a 24-hour clock. Take the gap modulo one day, then the way to the nearest full day, forward or back, and count whole hours: 0 to 12. Whole numbers throughout.

# %% [markdown] id="exercise2-zh" lang="zh" en="a6464820" tags=["exercise"]
# **8.2 修改 · 进阶。** 也许重要的是一天中的时刻：过了 23 小时，差不多又是同一时刻。请按 24 小时表盘上的距离来分桶。先取间隔对一天的余数，再取它到最近的整天的距离（向前向后均可），然后取整小时数，结果为 0 到 12。全程使用整数。


# %% id="exercise2-code" tags=["exercise"]
def dial_buckets(gaps):
    """gaps int64 [B, L, L] seconds -> int64 [B, L, L], 0 to 12."""
    ...


lesson08.check_dial_buckets(dial_buckets)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def dial_buckets(gaps):
    since = gaps % 86_400
    return torch.minimum(since, 86_400 - since) // 3600


lesson08.check_dial_buckets(dial_buckets)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **8.3 Measure · core.** How much of the clock do linear buckets keep on the whole data? Write `saturated(buckets, lengths, last)`: the share of the pairs in the bucket `last`, among all pairs of an event $i$ and an **earlier** event $j < i$ of a batch. Pads stand on the right and count for nothing. The cell of the solution measures it on one batch for both bucketings.

# %% [markdown] id="exercise3-zh" lang="zh" en="d99a8867" tags=["exercise"]
# **8.3 测量 · 进阶。** 在全部数据上，线性桶保留了多少时间信息？请写出 `saturated(buckets, lengths, last)`：在一个批里，由事件 $i$ 和**更早的**事件 $j < i$ 组成的所有配对中，落在桶 `last` 里的比例。填充在右边，不算在内。参考答案所在的单元格会在一个批上，对两种分桶各测一次。


# %% id="exercise3-code" tags=["exercise"]
def saturated(buckets, lengths, last):
    """buckets int64 [B, L, L] (query, key), lengths int64 [B] -> share between 0 and 1."""
    ...


lesson08.check_saturated(saturated)


# %% id="exercise3-solution" tags=["solution"]
# Solution

def saturated(buckets, lengths, last):
    place = torch.arange(buckets.shape[1])
    pairs = (place < place[:, None]) & (
        place[:, None] < lengths[:, None, None]
    )  # the query is real, then so is the key
    return (buckets[pairs] == last).double().mean().item()


lesson08.check_saturated(saturated)
batch = next(training_batches(split, max_len=60, batch_size=512, seed=0, epoch=0))
share = {}
for name in ("linear", "log"):
    clock = Intervals(64, name, dataset.num_users if name == "linear" else 0)
    clock.fit_time(split)
    share[name] = saturated(clock(batch.times, batch.times, batch.users), batch.lengths, 64)
expect("share of all pairs in the last linear bucket", share["linear"], 0.9, tol=0.04, when=ON_SAMPLE)
expect_true("and in the last logarithmic one: below one in a hundred", share["log"] < 0.01)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **8.4 Think · stretch.** Take a trained TiSASRec as published (`query_time=False`). Which changes leave **all its states** as they were, whatever the numbers? Give a set of letters.
#
# - A: a year is added to all timestamps
# - B: all timestamps are multiplied by 3, linear buckets, units fitted again
# - C: all timestamps are multiplied by 3, logarithmic buckets
# - D: the same vector is added to every row of the key table $R^K$
# - E: the same vector is added to every row of the value table $R^V$
# - F: all query times are moved by a day
# - G: two events of the same second change places

# %% [markdown] id="exercise4-zh" lang="zh" en="84f9ce98" tags=["exercise"]
# **8.4 思考 · 挑战。** 取一个训练好的、论文形式的 TiSASRec（`query_time=False`）。哪些改动，无论数值如何，都不会改变**它的所有状态**？用字母的集合作答。
#
# - A：所有时间戳加上一年
# - B：所有时间戳乘以 3，线性分桶，重新拟合单位
# - C：所有时间戳乘以 3，对数分桶
# - D：给键表 $R^K$ 的每一行加上同一个向量
# - E：给值表 $R^V$ 的每一行加上同一个向量
# - F：所有查询时刻移动一天
# - G：同一秒的两个事件互换位置

# %% id="exercise4-code" tags=["exercise"]
unchanged = ...

lesson08.check_unchanged(unchanged)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A and B are the invariances above. D adds q_i . c to the whole row of scores, which the softmax ignores. F: without
# query_time they are never read. C: minutes become other minutes. E: the weights of a row sum to 1, so c is added to the
# output. G: a tie has interval 0, but the two events trade their positions, and items and positions belong together.
unchanged = {"A", "B", "D", "F"}

lesson08.check_unchanged(unchanged)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** A table knows nothing of pauses that it has never seen, and its rows do not know that they are neighbours. Mend this. Begin with `learn("tisasrec", "past", seed)` and the cell `answer-code` below, and let Noah's pause run from a minute to ten years. Then change one thing: tie neighbouring rows by a penalty, interpolate between the rows, or clip pauses at the longest one seen in training. A good report shows the share of right answers over the length of the pause, before and after, for five seeds; says where it still fails; and names a task on which your change must be worse than the table.

# %% [markdown] id="open-zh" lang="zh" en="06ee49b2" tags=["open"]
# **开放任务。** 分桶的表对从未见过的停顿一无所知，它的各行也不知道彼此相邻。请改进这一点。从 `learn("tisasrec", "past", seed)` 和下面的单元格 `answer-code` 开始，让小诺的停顿从一分钟变化到十年。然后只改动一处：用惩罚项约束相邻的行，或者在各行之间插值，或者把停顿截断到训练中见过的最大值。一份好的报告应当画出改动前后答对的比例随停顿长度的变化（五个种子），说明在哪里仍然会失败，并举出一个任务，使你的改动必定不如原来的表。

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "before": ...,  # {pause in seconds: shares of right answers, five seeds}
    "after": ...,  # the same after your change
    "still_fails": ...,  # where it still fails
    "worse_on": ...,  # a task on which the change must be worse than the table
    "picture": ...,  # the figure, with a label on each axis
}
lesson08.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Mira and Noah, answered
#
# Take the models of the first world, version `past`, and one and the same list of items for both. In Mira's history a quarter of an hour lies before the last event. Noah's pause shall first be five days, and then the full year.

# %% [markdown] id="answer-zh" lang="zh" en="00f3e58d"
# ## 回答开头的问题
#
# 取第一个世界里 `past` 版本的模型，给两个人同样的物品序列。在小米的历史里，最后一个事件之前隔了一刻钟。小诺的停顿先设为五天，再设为整整一年。

# %% id="answer-code"
items = torch.tensor([[5, 9, 7]])
pauses = {"Mira": 900, "Noah, five days": 5 * 86_400, "Noah, a year": YEAR}
choice, state = {}, {}
with torch.no_grad():
    for person, pause in pauses.items():
        times = 1_750_000_000 + torch.tensor([[0, 600, 600 + pause]])
        for label in ("SASRec", published):
            model = trained["past", label]
            state[person, label] = model(items, times, times)[0, -1]
            choice[person, label] = model.score(state[person, label])[1:3].argmax().item() + 1
expect_true(
    "SASRec: Mira and Noah, the same bits", torch.equal(state["Mira", "SASRec"], state["Noah, a year", "SASRec"])
)
expect_true(
    "TiSASRec: item 1 for Mira, item 2 for Noah after five days",
    [choice[p, published] for p in list(pauses)[:2]] == [1, 2],
)

newborn = build_model("tisasrec", num_items=12, max_len=8, dim=16, seed=0, blocks=1, dropout=0.0)
of_a_year = newborn.intervals(times, times, None)[0, 2, 0]
expect_true(
    "the vector of a year is what it was at birth: no training sequence was so long",
    torch.equal(newborn.interval_key.weight[of_a_year], trained["past", published].interval_key.weight[of_a_year]),
)

# %% [markdown] id="answer2-en" lang="en"
# SASRec gives both the same list, bit for bit. TiSASRec gives them different ones, and in a world where the pause decides, the right ones: item 1 for a quarter of an hour, item 2 for five days.
#
# And the year? The bucket of a year was never touched in training; its vector is what chance made it. A table learns only the intervals it has seen, and it does not know that bucket 50 lies between 49 and 51. So the answer to the puzzle is: the two **can** get different lists now; whether they **should** is for the data to say, against a control; and about pauses longer than any in the training part, this model knows nothing. Later lessons replace the table by a law in continuous time.

# %% [markdown] id="answer2-zh" lang="zh" en="2ef76a61"
# SASRec 给两个人的列表逐位相同。TiSASRec 给出的列表不同，而且在一个由停顿决定结果的世界里是正确的：一刻钟对应物品 1，五天对应物品 2。
#
# 如果停顿是一年呢？一年对应的桶在训练中从未用到，它的向量还是随机初始化时的样子。一张表只能学到它见过的间隔，它也不知道 50 号桶位于 49 号和 51 号之间。因此，对开头那个问题，可靠的回答是：现在两个人**可以**得到不同的列表；**是否应当**不同，要由数据来判断，并且要有对照；如果停顿比训练集里的所有停顿都长，这个模型就一无所知。后面的课会用连续时间里的规律来代替这张表。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. TiSASRec adds to key and value a vector for the interval of the two events; order stays, the clock joins it.
# 2. Intervals are sorted into buckets: linear with a personal unit, or logarithmic. One double click can spoil a personal unit.
# 3. A vector per pair costs a tensor [B, L, L, d]; a product per bucket gives the same values and gradients from far less memory.
# 4. Take differences of timestamps as whole numbers; then moving the clock changes nothing, to the last bit.
# 5. Time helps where the answer hangs on a gap that the model can see. On both real data sets a clock with shuffled gaps did as well.

# %% [markdown] id="summary-zh" lang="zh" en="9e4ad598" tags=["summary"]
# ## 小结
#
# 1. TiSASRec 给键和值各加上一个代表两事件间隔的向量；次序保留，时间信息加了进来。
# 2. 间隔要分桶，可以用个人单位线性分桶，也可以按对数分桶。一次双击就能使个人单位失效。
# 3. 如果每一对用一个向量，就需要一个 [B, L, L, d] 的张量；每个桶只算一次乘积，数值和梯度都相同，内存却少得多。
# 4. 时间戳应当先用整数求差，这样平移所有时间不会改变任何结果，逐位相同。
# 5. 当答案取决于某段间隔、而模型又能得到它时，时间才有用。在两个真实数据集上，使用打乱的间隔时表现同样好。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> A user's closest two events lie 90 s apart; linear buckets, $K = 64$. One more event arrives, a second after the last. Up to which gap could the model tell intervals apart before, and up to which now?</summary>
#
# Before, up to $64 \cdot 90 = 5{,}760$ s, about an hour and a half. Now the unit is one second, and everything beyond 64 s is the last bucket. Logarithmic buckets have no unit to lose.
#
# </details>
#
# <details><summary><b>2.</b> You train with 128 histories of 50 events, $d = 64$, 4 bytes a number. How large is one tensor of a vector per pair, and what does it become with 100 events?</summary>
#
# $128 \cdot 50 \cdot 50 \cdot 64 \cdot 4$ bytes, 82 MB; there are two of them. With 100 events it is four times as large.
#
# </details>
#
# <details><summary><b>3.</b> With $K = 8$ and a horizon of 30 days, half an hour lies in bucket 3. An hour does too. What would you change so that the model can tell them apart, and what does it cost?</summary>
#
# More buckets: with $K = 64$ they lie in 21 and 25. The tables grow with $K$, each bucket is seen less often in training, and the fast version does one product more for each bucket.
#
# </details>
#
# <details><summary><b>4.</b> A log stores Unix seconds in a float32 column. Your model uses gaps in days only. Does it matter? And for a model of sittings of minutes?</summary>
#
# Neighbouring float32 numbers of this size are 128 s apart: for days that is nothing, for minutes it is fatal. Worse, moving all times by a minute changes the gaps. Store int64 and take differences before anything else.
#
# </details>
#
# <details><summary><b>5.</b> TiSASRec beats SASRec on your data by 0.006, the interval excludes 0. Which two further trainings decide whether *time* helped, and which results would make you say no?</summary>
#
# The same TiSASRec with constant gaps and with shuffled gaps, trained and tested alike. If it is as good with either, something else helped, such as positions in keys and values: so it was on MovieLens 100K.
#
# </details>
#
# <details><summary><b>6.</b> In the world `control` your new time-aware model gains 0.004 over its twin, and the interval lies above 0. Is that a success?</summary>
#
# No. There the truth is 0, so the comparison errs, by chance among many intervals or by a fault, such as a different number of parameters, other training, or a leak. Until it is found, no gain of this size elsewhere deserves trust.
#
# </details>
#
# <details><summary><b>7.</b> In a third version of the task, the gap between the **first** event and the last decides. Which of the two settings, as published or `query_time=True`, do you expect to solve it, and why is the other at a loss?</summary>
#
# As published: the last position sees its interval to the first event directly. With `query_time=True` the model sees both events from now, and the wanted gap is the difference of two buckets, which no step of attention forms.
#
# </details>
#
# <details><summary><b>8.</b> After training, somebody subtracts the mean of all rows from the key table $R^K$, and from the value table $R^V$. Which of the two changes the lists?</summary>
#
# Only the second. The same vector on all rows of $R^K$ adds one number to each whole row of scores, which the softmax ignores. In $R^V$ it goes into the output, because weights sum to 1.
#
# </details>
#
# <details><summary><b>9.</b> Your longest training history spans 30 days. A user comes back after three years. Which bucket does the pause get, and can you trust what the model makes of it?</summary>
#
# The last one, as everything beyond the horizon. If no training pair ever fell into it, its vector is still random; if some did, it speaks of 30 days. The table knows nothing of three years.
#
# </details>
#
# <details><summary><b>10.</b> A colleague's fast interval attention gives the right outputs, but the model trains badly. Which test is missing, and which special case would catch a fault in the value part without any second implementation?</summary>
#
# The gradients: compare them with those of the naive version in double precision. With $K = 0$ the result must be PyTorch's causal attention plus one vector, and the gradient of that vector is the sum of the upstream gradient.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="7e388ad6" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 一位用户最接近的两个事件相隔 90 秒，采用线性分桶，$K = 64$。这时又来了一个事件，在上一个之后一秒。之前模型能区分多大的间隔？现在呢？</summary>
#
# 之前能区分到 $64 \cdot 90 = 5{,}760$ 秒，约一个半小时。现在单位变成一秒，超过 64 秒的全部落进最后一个桶。对数分桶没有个人单位，不受影响。
#
# </details>
#
# <details><summary><b>2.</b> 你用 128 段历史训练，每段 50 个事件，$d = 64$，每个数 4 字节。每一对一个向量的张量有多大？如果每段有 100 个事件呢？</summary>
#
# $128 \cdot 50 \cdot 50 \cdot 64 \cdot 4$ 字节，即 82 MB，这样的张量有两个。如果有 100 个事件，就是它的四倍。
#
# </details>
#
# <details><summary><b>3.</b> 取 $K = 8$、horizon 为 30 天时，半小时落在 3 号桶，一小时也落在 3 号桶。要让模型能区分两者，应当改什么？代价是什么？</summary>
#
# 增加桶数：取 $K = 64$ 时，它们分别落在 21 号和 25 号。代价是表随 $K$ 变大，每个桶在训练中出现得更少，而且快速版本每多一个桶就要多算一次乘积。
#
# </details>
#
# <details><summary><b>4.</b> 一份日志用 float32 的列保存 Unix 秒数。你的模型只用以天为单位的间隔，这要紧吗？如果模型关注的是几分钟的会话呢？</summary>
#
# 在这个量级上，相邻的 float32 数相差 128 秒。对以天计的间隔没有影响，对以分钟计的间隔则是致命的。而且平移所有时间一分钟，间隔也会改变。应当用 int64 保存，并首先求差。
#
# </details>
#
# <details><summary><b>5.</b> 在你的数据上，TiSASRec 比 SASRec 高 0.006，区间不含 0。还要做哪两次训练，才能判断是不是**时间**起了作用？什么结果会让你否定？</summary>
#
# 用恒定间隔和打乱的间隔各训练并测试一次同样的 TiSASRec。如果其中任何一种表现同样好，起作用的就是别的因素，例如加到键和值上的位置：MovieLens 100K 上正是如此。
#
# </details>
#
# <details><summary><b>6.</b> 在 `control` 世界里，你的新模型比它的对照模型高 0.004，区间在 0 以上。这算成功吗？</summary>
#
# 不算。那里的真实差异是 0，因此是比较出了错：可能是许多区间中的偶然结果，也可能有缺陷，例如参数量不同、训练方式不同或存在泄漏。在查清之前，别处同样大小的提升都不可信。
#
# </details>
#
# <details><summary><b>7.</b> 在这个任务的第三个版本中，由**第一个**事件与最后一个事件之间的间隔决定答案。论文形式和 `query_time=True` 这两种设置，你预计哪一种能解决？另一种为什么不行？</summary>
#
# 论文形式可以，因为最后一个位置能直接看到它与第一个事件的间隔。使用 `query_time=True` 时，模型只知道两个事件各自距现在多久，所需的间隔是两个桶之差，而注意力里没有哪一步会求这个差。
#
# </details>
#
# <details><summary><b>8.</b> 训练之后，有人从键表 $R^K$ 的各行中减去它们的均值，又对值表 $R^V$ 做同样的处理。哪一个会改变推荐列表？</summary>
#
# 只有后者。给 $R^K$ 的各行加上同一个向量，相当于给整行得分加上同一个数，softmax 不受影响。对 $R^V$ 则会进入输出，因为权重之和为 1。
#
# </details>
#
# <details><summary><b>9.</b> 训练集里最长的历史跨度是 30 天。一位用户三年后回来，这段停顿落进哪个桶？模型对它的处理可信吗？</summary>
#
# 落进最后一个桶，超出 horizon 的都是如此。如果训练中没有配对落进这个桶，它的向量就仍是随机的；如果有，它反映的也只是 30 天左右的间隔。这张表对三年一无所知。
#
# </details>
#
# <details><summary><b>10.</b> 一位同事的快速间隔注意力输出正确，但模型训练效果很差。缺少哪项测试？哪种特殊情形不需要另一个实现，就能发现值的部分的错误？</summary>
#
# 缺少梯度的测试：应当与直接实现的梯度在双精度下比较。取 $K = 0$ 时，结果必须等于 PyTorch 的因果注意力加上一个向量，而这个向量的梯度就是上游梯度之和。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - J. Li, Y. Wang, J. McAuley, *Time Interval Aware Self-Attention for Sequential Recommendation*, WSDM 2020: section 3.2 (personal units), section 3.3 and what follows (the model). [doi 10.1145/3336191.3371786](https://doi.org/10.1145/3336191.3371786)
# - P. Shaw, J. Uszkoreit, A. Vaswani, *Self-Attention with Relative Position Representations*, NAACL 2018: a vector per pair, for positions; section 3.3 on doing it with less memory. [arXiv 1803.02155](https://arxiv.org/abs/1803.02155)
# - In this repository: `tutorial_lib/models/tisasrec.py`, `tests/models/test_last_gap.py`, `data/results/README.md`.

# %% [markdown] id="references-zh" lang="zh" en="b88064e0" tags=["references"]
# ## 参考文献
#
# - J. Li、Y. Wang、J. McAuley，*Time Interval Aware Self-Attention for Sequential Recommendation*，WSDM 2020：第 3.2 节（个人单位），第 3.3 节及其后（模型）。[doi 10.1145/3336191.3371786](https://doi.org/10.1145/3336191.3371786)
# - P. Shaw、J. Uszkoreit、A. Vaswani，*Self-Attention with Relative Position Representations*，NAACL 2018：同样是每一对一个向量，用于位置；第 3.3 节讲怎样少用内存。[arXiv 1803.02155](https://arxiv.org/abs/1803.02155)
# - 本仓库：`tutorial_lib/models/tisasrec.py`，`tests/models/test_last_gap.py`，`data/results/README.md`。
