# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Nora gives her recommender four residual streams instead of one. She takes the module from the web. A learned 4×4 matrix mixes the streams around every part of the network, and an old algorithm keeps the matrix well behaved, as the paper asks. All shapes fit, the loss falls, the score is as good as before.
#
# Then she does what hardly anybody does: she exchanges the matrix. First for one that leaves the streams alone. Then for one that swaps them. Then for one full of quarters. The output of her network does not change in the twelfth digit.
#
# How can the heart of a method be replaced by anything at all, and nothing happens? The matrix is computed correctly, and every test of the module passes. In this lesson you build the three kinds of connection, from the plain residual to *manifold-constrained hyper-connections* (mHC), see what the matrix is for, and find Nora's fault. It is one line, and it stands somewhere else.

# %% [markdown] id="puzzle-zh" lang="zh" en="f7011943"
# 小雨把推荐模型里的一条残差流换成了四条，所用的模块是从网上下载的。在网络的每个子层外面，都有一个可学习的 4×4 矩阵把四条流混合起来，并按论文的要求用一种经典算法约束这个矩阵。形状全都正确，损失在下降，推荐指标也和以前一样好。
#
# 接着她做了一个很少有人会做的检查：把这个矩阵换掉。先换成单位矩阵，再换成置换各条流的矩阵，最后换成元素全为四分之一的矩阵。结果网络输出的前十二位有效数字都没有变。
#
# 一个方法最核心的部分，怎么可能随便替换都毫无影响？矩阵计算无误，模块的测试也全部通过。在这一课里，你会亲手实现三种连接，从普通的残差一直到**流形约束超连接**（manifold-constrained hyper-connections，mHC），弄清这个矩阵的作用，并找出小雨的错误。错误只有一行，而且不在矩阵的计算里。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute one step of a residual, of a hyper-connection and of mHC on paper;
# - make any matrix doubly stochastic by dividing columns and rows, and say how many steps are enough;
# - measure how much a deep stack can amplify a signal, forwards and backwards, and compare several constraints;
# - prove that mHC begins as the plain network;
# - recognise two faults that no error message reports: streams that are collapsed in every sub-layer, and streams that never part.

# %% [markdown] id="objectives-zh" lang="zh" en="1a3b40dd" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 在纸上算出残差、超连接和 mHC 的一步；
# - 通过交替归一化列与行，由任意 logit 矩阵得到双随机矩阵，并说明需要多少轮迭代；
# - 测量很深的网络在前向和反向传播中最多把信号放大多少倍，并比较几种约束方法；
# - 证明没有动态部分时，mHC 的初始状态与普通残差网络完全等价；
# - 识别两种不会报错的错误：在每个子层里都把各条流合并，以及各条流永远相同。

# %% id="setup"
import math
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_between, expect_close, expect_true, show_matrix
from tutorial_lib.evaluate import ndcg, per_user
from exercises import lesson09
from tutorial_lib.experiments.results import read_ranks, read_results
from tutorial_lib.models import build_model
from tutorial_lib.notebook import progress_bar
from tutorial_lib.statistics import bootstrap_interval, paired_bootstrap

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="tiny-en" lang="en"
# ## One stream
#
# The event *Moon* of lesson 04 has two numbers, *space* 2 and *kitchen* 1. A *sub-layer* $F$ of the network, attention or feed-forward, reads the event and gives an output. Ours is a toy: it swaps the two numbers and halves them. The **residual connection** (lesson 06) adds this output to what was there, $x \leftarrow x + F(x)$.

# %% [markdown] id="tiny-zh" lang="zh" en="30b3bebf"
# ## 一条流
#
# 第 04 课的事件《月球》（*Moon*）用两个数表示：**太空** 2，**厨房** 1。网络的一个**子层**（sub-layer）$F$，即注意力或前馈网络，读入这个事件并给出一个输出。这里用一个简单的例子：把两个数对调，再减半。**残差连接**（第 06 课）把输出加回输入，$x \leftarrow x + F(x)$。


# %% id="tiny-residual"
def toy(x):
    return x.flip(-1) / 2


moon = torch.tensor([2.0, 1.0])
table = torch.stack([moon, toy(moon), moon + toy(moon)])
show_matrix(table, ["x", "F(x)", "x + F(x)"], ["space", "kitchen"], digits=1)

# %% [markdown] id="hc-en" lang="en"
# ## Two streams: hyper-connections
#
# Everything that the network knows about the event must fit into this one vector. *Hyper-connections* (HC) carry several of them side by side, the *residual streams*, one per row of a matrix $X$. At the start all rows are copies of the event. Around every sub-layer stand three small learned mappings:
#
# $$X \leftarrow H_{res} X + H_{post}^\top F(H_{pre} X)$$
#
# - $H_{pre}$, a row of $n$ numbers: how much the sub-layer **reads** from each of the $n$ streams;
# - $H_{post}$, a row of $n$ numbers: how much of the answer is **written** to each stream;
# - $H_{res}$, an $n \times n$ matrix: how the streams are **mixed** on their way past the sub-layer. Row $m$ says how the new stream $m$ is made of the old ones.
#
# Read half of each stream; write everything to the first stream and a fifth to the second; mix with a matrix that adds half of the other stream:
#
# In the library: [`tutorial_lib.models.mhc.HyperConnection.connect`](../../tutorial_lib/models/mhc.py).

# %% [markdown] id="hc-zh" lang="zh" en="16e337b6"
# ## 两条流：超连接
#
# 网络关于这个事件的全部信息都必须存放在这一个向量里。**超连接**（hyper-connections，HC）则并行地保留多个向量，称为**残差流**（residual stream），每条流是矩阵 $X$ 的一行。开始时，各行都是事件的副本。每个子层都配有三个可学习的小映射：
#
# $$X \leftarrow H_{res} X + H_{post}^\top F(H_{pre} X)$$
#
# - $H_{pre}$，一行 $n$ 个数：子层从 $n$ 条流中各**读取**多少；
# - $H_{post}$，一行 $n$ 个数：子层的输出往每条流中各**写入**多少；
# - $H_{res}$，$n \times n$ 的矩阵：各条流绕过子层时怎样**混合**。第 $m$ 行表示新的第 $m$ 条流怎样由旧的各条流组成。
#
# 下面的例子中，子层从每条流读取一半，输出全部写入第一条流，五分之一写入第二条流，混合矩阵则给每条流加上另一条流的一半：
#
# 库中的实现：[`tutorial_lib.models.mhc.HyperConnection.connect`](../../tutorial_lib/models/mhc.py)。


# %% id="tiny-hc"
def step(streams, pre, post, res, function):
    """One sub-layer with its three mappings. streams [n, d], pre and post [n], res [n, n] -> [n, d]."""
    read = pre @ streams  # [d]
    return res @ streams + torch.outer(post, function(read))


rows, numbers = ["stream 1", "stream 2"], ["space", "kitchen"]
streams = torch.stack([moon, moon])
pre, post = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.2])
free = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
show_matrix((pre @ streams)[None], ["the sub-layer reads"], numbers)
show_matrix(toy(pre @ streams)[None], ["it says           "], numbers)
show_matrix(torch.outer(post, toy(pre @ streams)), ["written to 1", "written to 2"], numbers)
show_matrix(free @ streams, ["mixed 1", "mixed 2"], numbers)
show_matrix(step(streams, pre, post, free, toy), rows, numbers)
expect("space in stream 1 after one step", step(streams, pre, post, free, toy)[0, 0], 3.5, tol=1e-6)

# %% [markdown] id="hc-grow-en" lang="en"
# The two streams are no longer alike: the second one received less of the output. But look at the size. Before any output is added, mixing alone has made 3 out of 2.

# %% [markdown] id="hc-grow-zh" lang="zh" en="d5c250f4"
# 两条流不再相同，因为子层的输出写入第二条流的较少。但请注意大小：即使不算子层的输出，仅混合一项就把 2 变成了 3。

# %% [markdown] id="predict-depth-en" lang="en" tags=["predict"]
# **Predict before you run.** A network of five blocks has ten sub-layers. If all ten mix with this matrix, how large does the 2 become by mixing alone: about 20, about 120, or about 1,000?

# %% [markdown] id="predict-depth-zh" lang="zh" en="31a3c1cf" tags=["predict"]
# **先猜，再运行。** 五个块的网络有十个子层。如果十个都用这个矩阵混合，那么仅由于混合，2 会变成多大？大约 20、大约 120，还是大约 1,000？

# %% id="tiny-depth"
ten = torch.linalg.matrix_power(free, 10)
show_matrix(ten @ streams, rows, numbers, digits=1)
expect("factor of ten mixings", ten.sum(dim=1)[0], 57.7, tol=0.05)
expect("space after ten mixings", (ten @ streams)[0, 0], 115, tol=0.5)

# %% [markdown] id="constrained-en" lang="en"
# $1.5^{10}$ is almost 58, so the answer is 115. Each row of the matrix sums to 1.5, and the sums multiply. Sums below 1 would be no better: $0.5^{10}$ is a thousandth.
#
# ## Sums of exactly one
#
# The remedy of mHC is to allow only matrices without negative entries whose **rows and columns all sum to 1**. They are called *doubly stochastic*; the set of all of them is the *manifold* in the name.
#
# - **Rows:** each new stream is a weighted mean of the old ones, and a mean is never larger than the largest. Forwards, nothing grows.
# - **Columns:** each old stream is handed on completely, no more and no less of it. The sum of all streams stays what it was. Backwards the same matrix acts with rows and columns exchanged, so the gradient does not grow either.
#
# And the product of two such matrices is again one, however many you multiply. The same step, with 0.8 and 0.2:

# %% [markdown] id="constrained-zh" lang="zh" en="8d5f5a6d"
# $1.5^{10}$ 接近 58，因此答案是 115。矩阵每一行的和是 1.5，多次混合时这些和会连乘。和小于 1 也不行：例如 $0.5^{10}$ 约为千分之一，信号几乎消失。
#
# ## 和恰好是一
#
# mHC 只允许元素非负、并且**每一行、每一列的和都是 1** 的矩阵。这样的矩阵称为**双随机矩阵**（doubly stochastic matrix），所有这样的矩阵构成的集合，就是名称中的**流形**（manifold）。
#
# - **行：** 每条新的流都是旧流的加权平均，而平均值不会超过最大值。因此前向时数值不会变大。
# - **列：** 每条旧的流都完整地传递下去，不多也不少，因此所有流的总和保持不变。反向传播时用到的是这个矩阵的转置，行和与列和互换，所以梯度也不会变大。
#
# 此外，两个双随机矩阵的乘积仍是双随机矩阵，无论相乘多少个都是如此。下面用 0.8 和 0.2 重做刚才的一步：

# %% id="tiny-mhc"
doubly = torch.tensor([[0.8, 0.2], [0.2, 0.8]])
once = step(streams, pre, post, doubly, toy)
show_matrix(once, rows, numbers)
show_matrix(doubly @ once, ["mixed again 1", "mixed again 2"], numbers)
show_matrix(torch.linalg.matrix_power(doubly, 10) @ once, ["mixed ten times 1", "mixed ten times 2"], numbers)
expect_close("the sum of the streams stays what it was", (doubly @ once).sum(dim=0), once.sum(dim=0), tol=1e-6)
spread = once[0] - once[1]
expect_close("one mixing leaves 0.6 of the difference", (doubly @ once)[0] - (doubly @ once)[1], 0.6 * spread, 1e-6)

# %% [markdown] id="price-en" lang="en"
# Nothing explodes, but there is a price: mixing draws the streams together, and one mixing with this matrix leaves 0.6 of their difference. What keeps them apart is what the sub-layers write into them.

# %% [markdown] id="price-zh" lang="zh" en="550b4aa6"
# 数值不会爆炸，但也有代价：混合会使各条流彼此接近，用这个矩阵混合一次，差别就缩小到原来的 0.6 倍。使它们保持不同的，是各个子层写入的内容。

# %% [markdown] id="sinkhorn-en" lang="en"
# ## From any matrix to a doubly stochastic one
#
# Training moves every number freely, and no free step stays inside "rows and columns sum to 1". So the network learns a matrix of *logits* $Z$, any numbers at all, and turns it into a doubly stochastic one: take $e$ to the power of each entry, so that all are positive, then **divide each column by its sum, then each row by its sum, and repeat**. This is the *Sinkhorn-Knopp iteration*. The first round, on a 3×3 matrix:

# %% [markdown] id="sinkhorn-zh" lang="zh" en="2171f731"
# ## 把任意矩阵变成双随机矩阵
#
# 训练会自由地改变每个数，更新之后一般不再满足“行和与列和都是 1”。因此网络学习的是一个由 *logit* 组成的矩阵 $Z$，其元素可以是任意实数，再把它变成双随机矩阵：先对每个元素取指数，得到 $e$ 的幂，使其全为正数，然后**先把每一列除以该列之和，再把每一行除以该行之和，如此交替归一化**。这就是 Sinkhorn-Knopp 迭代。先在一个 3×3 的矩阵上做第一轮：

# %% id="sinkhorn-first"
positive = torch.tensor([[1.0, 2.0, 1.0], [1.0, 1.0, 4.0], [2.0, 1.0, 1.0]], dtype=torch.double)
logits = positive.log()  # so that e to the power of the logits gives these round numbers


def show_sums(name, matrix):
    """The matrix with the sums of its rows beside it and of its columns below."""
    print(name)
    wide = torch.cat([matrix, matrix.sum(dim=1, keepdim=True)], dim=1)
    show_matrix(torch.cat([wide, wide.sum(dim=0, keepdim=True)]), ["", "", "", "sum"], ["", "", "", "sum"], digits=3)


show_sums("exponential of the logits", positive)
after_columns = positive / positive.sum(dim=0, keepdim=True)
show_sums("columns divided", after_columns)

# %% [markdown] id="predict-sinkhorn-en" lang="en" tags=["predict"]
# **Predict.** The columns now sum to 1, the rows to about 0.92, 1.17 and 0.92. We divide the rows. Do the columns still sum to 1 afterwards? If not: are they nearer to 1 than the rows were, or farther away?

# %% [markdown] id="predict-sinkhorn-zh" lang="zh" en="a6cfdd01" tags=["predict"]
# **猜一猜。** 现在列和都是 1，行和大约是 0.92、1.17、0.92。接着把每一行除以行和。之后列和还是 1 吗？如果不是，与刚才的行和相比，它们离 1 更近还是更远？

# %% id="sinkhorn-second"
after_rows = after_columns / after_columns.sum(dim=1, keepdim=True)
show_sums("rows divided", after_rows)


def sinkhorn_by_loop(logits, iterations):
    """Divide columns, then rows, again and again. logits [..., n, n] -> [..., n, n]."""
    matrix = logits.exp()
    for _ in range(iterations):
        matrix = matrix / matrix.sum(dim=-2, keepdim=True)
        matrix = matrix / matrix.sum(dim=-1, keepdim=True)
    return matrix


def column_error(matrix):
    return (matrix.sum(dim=-2) - 1).abs().amax(dim=-1)


errors = [column_error(sinkhorn_by_loop(logits, t)).item() for t in range(1, 8)]
print("largest error of a column sum:", " ".join(f"{error:.0e}" for error in errors))
show_sums("after 20 rounds", sinkhorn_by_loop(logits, 20))
expect("first row sum before the rows are divided", after_columns.sum(dim=1)[0], 0.92, tol=0.005)
expect("second row sum", after_columns.sum(dim=1)[1], 1.17, tol=0.005)
expect("largest error of a column after one round", errors[0], 0.065, tol=0.001)
expect("each further round divides the error by", (errors[2] / errors[6]) ** 0.25, 6.2, tol=0.2)

# %% [markdown] id="sinkhorn-limit-en" lang="en"
# The columns are off again, by 0.065 at most where the rows had been off by 0.17; and each further round divides what is left by about 6. The rows were divided last, so they sum to 1 exactly; the columns nearly. The order is the paper's.
#
# Where does this end? For 2×2 matrices the answer is known: dividing rows and columns never changes the ratio $ad / bc$, and there is only one doubly stochastic matrix with a given ratio,
#
# $$\begin{pmatrix} a & b \\ c & d \end{pmatrix} \longrightarrow \begin{pmatrix} p & 1 - p \\ 1 - p & p \end{pmatrix}, \qquad p = \frac{\sqrt{ad}}{\sqrt{ad} + \sqrt{bc}} .$$
#
# That is a reference that does not depend on our loop. For larger matrices the same ratios exist, four entries at a time, and must survive too.
#
# <!-- definition -->

# %% [markdown] id="sinkhorn-limit-zh" lang="zh" en="e6a757a7"
# 列和又偏离了 1，最多差 0.065，而刚才的行和差 0.17；此后每多一轮，剩余的误差大约缩小到六分之一。由于最后除的是行，所以行和恰好是 1，列和接近 1。这个顺序与论文一致。
#
# 迭代的极限是什么？对 2×2 的矩阵，答案是已知的：无论除以行和还是列和，比值 $ad / bc$ 都不变，而比值给定的双随机矩阵只有一个：
#
# $$\begin{pmatrix} a & b \\ c & d \end{pmatrix} \longrightarrow \begin{pmatrix} p & 1 - p \\ 1 - p & p \end{pmatrix}, \qquad p = \frac{\sqrt{ad}}{\sqrt{ad} + \sqrt{bc}} .$$
#
# 这个闭式解不依赖我们写的循环，因此可以用来独立核对。对更大的矩阵，任取两行两列交叉处的四个元素，也可以定义这样的比值，它同样在迭代中保持不变。
#
# <!-- definition -->

# %% id="sinkhorn-reference" tags=["reference-check"]
pairs = torch.randn(200, 2, 2, dtype=torch.double)
(a, b), (c, d) = pairs.exp().permute(1, 2, 0)
p = (a * d).sqrt() / ((a * d).sqrt() + (b * c).sqrt())
limit = torch.stack([torch.stack([p, 1 - p], dim=1), torch.stack([1 - p, p], dim=1)], dim=1)
expect_close("the loop finds the closed form of 2x2 matrices", sinkhorn_by_loop(pairs, 500), limit, tol=1e-12)


def ratios(log_matrix):
    """Logarithm of a d / (b c) for neighbouring rows and columns."""
    return log_matrix.diff(dim=-1).diff(dim=-2)


survivor = sinkhorn_by_loop(logits, 20)
expect_close("the ratios of the 3x3 matrix survive", ratios(survivor.log()), ratios(logits), tol=1e-12)
expect_close("its rows sum to 1", survivor.sum(dim=1), torch.ones(3), tol=1e-12)
expect_close("and its columns", survivor.sum(dim=0), torch.ones(3), tol=1e-12)

# %% [markdown] id="sinkhorn-library-en" lang="en" tags=["library"]
# ## The library's Sinkhorn
#
# A network needs one matrix per event and sub-layer, thousands of them in every training step, and the plain loop keeps every intermediate for the gradient. So the library keeps two forms. The **formula** is your loop; it begins with logarithms, so that large logits do not overflow. The **fast form**, which the line above the formula names (`tutorial_lib/kernels/streams.py`), lays all matrices side by side and has a gradient written by hand: that of the limit, which needs no walk back through the rounds. Training uses it; `kernels.use(False)` computes by the formula. You need not read it; you must be able to check it. (We check with 200 rounds, where loop and limit agree.)

# %% [markdown] id="sinkhorn-library-zh" lang="zh" en="2eba3453" tags=["library"]
# ## 库里的 Sinkhorn
#
# 网络在每个子层、每个事件上都需要一个矩阵，每一步训练就有成千上万个，而直接的循环为了求梯度，要保留每一个中间结果。因此库里有两种实现。**参考实现**就是你写的循环，只是第一轮用对数计算，这样即使 logit 很大也不会溢出。**快速实现**由函数上方的装饰器指定（代码在 `tutorial_lib/kernels/streams.py` 里）：它对所有矩阵做批量计算，梯度公式是手工推导的：直接对迭代的极限求导，不必逐轮反向传播。训练时使用快速实现；`kernels.use(False)` 则改用参考实现。你不必阅读快速实现的代码，但要会验证它的结果。（检查时用 200 轮，这时循环与极限已经一致。）

# %% id="sinkhorn-code" tags=["library"]
from collections.abc import Callable

from tutorial_lib import kernels
from tutorial_lib.models.mhc import ITERATIONS

# show: tutorial_lib.models.mhc.sinkhorn

# %% id="sinkhorn-check" tags=["reference-check"]
many = torch.randn(300, 4, 4, dtype=torch.double)  # 300 matrices for 4 streams
mixture = torch.randn(300, 4, 4, dtype=torch.double)


def with_gradient(function, logits):
    """The matrices, and the gradient of a fixed mixture of all their entries with respect to the logits."""
    logits = logits.clone().requires_grad_()
    matrix = function(logits)
    (matrix * mixture).sum().backward()
    return matrix, logits.grad


witness = with_gradient(lambda z: sinkhorn_by_loop(z, 200), many)
for form, on in (("formula", False), ("fast form", True)):
    with kernels.use(on):
        ours = with_gradient(lambda z: sinkhorn(z, 200), many)
    expect_close(f"the {form} equals the plain loop", ours[0], witness[0], tol=1e-9)
    expect_close(f"the gradient of the {form} is that of autograd through the whole loop", ours[1], witness[1], tol=1e-4)
huge = sinkhorn(torch.tensor([[900.0, 0.0], [0.0, 900.0]]))
expect_true("logits of 900 do not overflow", torch.allclose(huge, torch.eye(2)))
expect_true(
    "the plain loop does not survive them",
    sinkhorn_by_loop(torch.tensor([[900.0, 0.0], [0.0, 900.0]]), 1).isnan().any(),
)

# %% [markdown] id="enough-en" lang="en"
# ### Are 20 rounds enough?
#
# The paper stops after 20 rounds. The rows are exact whenever we stop; the question is how far the columns still are from 1. That depends on how far the logits of a matrix lie apart. Here are 1,000 random 4×4 matrices with logits of standard deviation 1, 3 and 8.

# %% [markdown] id="enough-zh" lang="zh" en="2dec79e0"
# ### 20 轮够吗？
#
# 论文固定迭代 20 轮。无论在哪一轮停止，行和都是准确的，问题是列和离 1 还有多远。这取决于矩阵里的 logit 相差多大。下面是 1,000 个随机的 4×4 矩阵，logit 的标准差分别是 1、3、8。

# %% id="enough-code"
rounds = [1, 2, 5, 10, 20, 50]
spreads = (1, 3, 8)
raw = torch.randn(1000, 4, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
left_over = {
    sd: torch.stack([column_error(sinkhorn_by_loop(sd * raw, t)) for t in rounds]) for sd in spreads
}  # [6, 1000]
typical = {sd: error.median(dim=1).values for sd, error in left_over.items()}
worst = {sd: error.amax(dim=1) for sd, error in left_over.items()}

# %% id="enough-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(6.8, 3.5))
for sd, color, marker in zip(spreads, plots.PALETTE, plots.MARKERS, strict=False):
    ax.plot(rounds, worst[sd], marker=marker, color=color, label=f"logits of sd {sd}, worst of 1,000")
    ax.plot(
        rounds,
        typical[sd],
        marker=marker,
        color=color,
        linestyle=":",
        markerfacecolor="white",
        label=f"sd {sd}, median",
    )
ax.axvline(20, color="0.5", linewidth=1)
ax.set(xscale="log", yscale="log", xlabel="rounds", ylabel="largest error of a column sum", ylim=(1e-10, 4))
ax.set_xticks(rounds, rounds)
ax.minorticks_off()
ax.legend(loc="lower left", fontsize=8)
plt.show()

# %% [markdown] id="enough-alt-en" lang="en" tags=["alt"]
# Largest error of a column sum over the number of rounds, both axes logarithmic. With logits of standard deviation 1 even the worst matrix is below one thousandth after 20 rounds, and the median far below. With 3 the worst is at about 5 percent, with 8 at about 25 percent after 20 rounds; there even the median is near 2 percent.

# %% [markdown] id="enough-alt-zh" lang="zh" en="065a0728" tags=["alt"]
# 横轴是轮数，纵轴是列和的最大误差，都是对数刻度。logit 的标准差为 1 时，20 轮之后最差的矩阵也低于千分之一，中位数还要低得多。标准差为 3 时，最差的约为百分之五；为 8 时约为百分之二十五，连中位数都在百分之二左右。

# %% id="enough-check"
at20 = rounds.index(20)
for sd, value, tol in ((3, 0.05, 0.01), (8, 0.25, 0.05)):
    expect(f"logits of sd {sd}, 20 rounds, worst of 1,000", worst[sd][at20], value, tol=tol)
expect("logits of sd 8, 20 rounds, median", typical[8][at20], 0.025, tol=0.006)
expect_true("logits of sd 1, 20 rounds: even the worst is below 0.001", worst[1][at20] < 0.001)
expect_true("logits of sd 1, 20 rounds: the median is below 1e-10", typical[1][at20] < 1e-10)

# %% [markdown] id="enough-lesson-en" lang="en"
# For mild logits 20 rounds are plenty. For extreme ones they are not: with a standard deviation of 8 the worst columns are still off by about 0.25. So "doubly stochastic" is exact for the rows and only approximate for the columns, and the backward gain of a real network can lie a little above 1. The paper says so too.
#
# ## The whole connection
#
# Fixed mappings would treat every event alike. So each of the three has a *static* part, a learned bias $b$, and a *dynamic* part that looks at the streams of the event: write all $n$ streams of $d$ numbers into one long vector, divide it by its root mean square (call that $\hat x$), and multiply by a learned matrix $\varphi$ (phi). A learned number $\alpha$ (alpha), 0.01 at the start, says how much the dynamic part counts:
#
# $$H_{pre} = \sigma(\alpha_1 \hat x \varphi_1 + b_1), \qquad H_{post} = 2\,\sigma(\alpha_2 \hat x \varphi_2 + b_2), \qquad H_{res} = \mathrm{Sinkhorn}(\alpha_3 \hat x \varphi_3 + b_3) .$$
#
# $\sigma$ is the sigmoid, so the sub-layer reads between 0 and 1 of each stream and writes between 0 and 2. For one event, as plain as possible:
#
# In the library: [`tutorial_lib.models.mhc.HyperConnection.mappings`](../../tutorial_lib/models/mhc.py).

# %% [markdown] id="enough-lesson-zh" lang="zh" en="0d994996"
# 如果 logit 相差不大，20 轮绰绰有余；相差悬殊时就不够：标准差为 8 时，最差的列和还差 0.25 左右。所以“双随机”对行来说是精确的，对列来说只是近似，真实网络的反向增益可能略大于 1。论文也指出了这一点。
#
# ## 完整的连接
#
# 固定的映射对每个事件都相同，不能随事件调整。因此三个映射都由两部分组成：一个是**静态**部分，即可学习的偏置 $b$；另一个是**动态**部分，取决于这个事件的各条流：把 $n$ 条 $d$ 维的流展平成一个长向量，除以它的均方根（记作 $\hat x$），再乘以可学习的矩阵 $\varphi$（phi）。可学习的标量 $\alpha$（alpha）决定动态部分的比重，初始值为 0.01：
#
# $$H_{pre} = \sigma(\alpha_1 \hat x \varphi_1 + b_1), \qquad H_{post} = 2\,\sigma(\alpha_2 \hat x \varphi_2 + b_2), \qquad H_{res} = \mathrm{Sinkhorn}(\alpha_3 \hat x \varphi_3 + b_3) .$$
#
# $\sigma$ 是 sigmoid 函数，因此子层对每条流的读取系数在 0 到 1 之间，写入系数在 0 到 2 之间。对单个事件，可以直接实现如下：
#
# 库中的实现：[`tutorial_lib.models.mhc.HyperConnection.mappings`](../../tutorial_lib/models/mhc.py)。


# %% id="by-hand"
def mhc_by_hand(streams, connection, function):
    """One event: streams [n, d] -> [n, d], with the bias, phi and alpha of a library connection."""
    n = len(streams)
    long = streams.flatten()
    long = long / (long.square().mean() + 1e-6).sqrt()
    dynamic = long @ connection.phi  # [n + n + n * n], in the order pre, post, res
    alpha, bias = connection.alpha, connection.bias
    pre = torch.sigmoid(alpha[0] * dynamic[:n] + bias[:n])
    post = 2 * torch.sigmoid(alpha[1] * dynamic[n : 2 * n] + bias[n : 2 * n])
    res = sinkhorn_by_loop((alpha[2] * dynamic[2 * n :] + bias[2 * n :]).view(n, n), 20)
    return step(streams, pre, post, res, function)


# %% [markdown] id="connection-library-en" lang="en" tags=["library"]
# The library does the same for all events of a batch: `mappings` computes the three, `connect` uses them. Its fast form leaves $H_{res}$ out at two places where the constraint leaves it without effect; which they are, and why, you will find out below. `kind="hc"` leaves the mappings unbounded; it is there so that we can compare.

# %% [markdown] id="connection-library-zh" lang="zh" en="4beb77bc" tags=["library"]
# 库对一个批里的所有事件做同样的计算：`mappings` 算出三个映射，`connect` 使用它们。有两处 $H_{res}$ 在约束下不起作用，快速实现会跳过它们；是哪两处、为什么，后面会讲到。`kind="hc"` 不限制这些映射，仅供比较之用。

# %% id="connection-code" tags=["library"]
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.mhc import KINDS, Mappings

# show: tutorial_lib.models.mhc.HyperConnection

# %% id="connection-check" tags=["reference-check"]
torch.manual_seed(1)
connection = HyperConnection(dim=6, streams=4, alpha=1.0).double()
nn.init.normal_(connection.bias)
carried = torch.randn(2, 5, 4, 6, dtype=torch.double)  # 2 histories, 5 events, 4 streams, 6 numbers
said = nn.Linear(6, 6).double()
by_hand = torch.stack([mhc_by_hand(x, connection, said) for x in carried.flatten(0, 1)]).view_as(carried)
expect_close("the library equals the formulas, event by event", connection(carried, said), by_hand, tol=1e-9)


def connection_and_gradients(on):
    """By the fast form (True) or the formula (False): the streams behind the connection, and all gradients in one vector."""
    leaf = carried.clone().requires_grad_()
    with kernels.use(on):
        after = connection(leaf, said)
    found = torch.autograd.grad((after * carried.flip(0)).sum(), [leaf, *connection.parameters(), *said.parameters()])
    return after, torch.cat([gradient.flatten() for gradient in found])


connection.iterations = 200  # so that the gradient of the limit is that of the loop
for part, ours, formula in zip(("streams", "gradients"), connection_and_gradients(True), connection_and_gradients(False)):
    expect_close(f"{part}: the fast form equals the formula", ours, formula, tol=1e-6)

# %% [markdown] id="network-en" lang="en"
# Now the network. Each block of SASRec (lesson 07) has two sub-layers, so it gets two connections. Mind where the streams begin and end: copied **once** before the first block, averaged **once** after the last.

# %% [markdown] id="network-zh" lang="zh" en="c7a58c1b"
# 再来看整个网络。SASRec（第 07 课）的每个块有两个子层，因此需要两个连接。注意各条流在哪里开始、在哪里结束：第一个块之前复制**一次**，最后一个块之后平均**一次**。

# %% id="network-code" tags=["library"]
from tutorial_lib.models.tisasrec import IntervalTables

# show: tutorial_lib.models.mhc.HyperBlock
# show: tutorial_lib.models.mhc.through_streams

# %% [markdown] id="drawing-en" lang="en"
# One connection in a drawing, and where the streams begin and end:
#
# ![Step 1: the vector of each event is copied into n streams X, once, before the first block. Step 2: from all streams of an event one matrix phi makes the logits of three mappings; a sigmoid gives H pre, twice a sigmoid gives H post, Sinkhorn gives the doubly stochastic H res. Step 3: H pre reads one vector out of the streams. Step 4: the sub-layer F, a norm and attention, works on that vector. Step 5: H res mixes the streams. Step 6: H post writes the output of F into each stream, added to the mixed streams. Step 7: the same again around the feed-forward network, with mappings of its own. Step 8: after the last block the mean over the streams is taken, once. Time does not enter.](../figures/en/mhc.svg)
#
# **Read it off the drawing.** Right after step 1 all streams are equal. Which step can then change nothing, and why?
#
# <details><summary>Answer</summary>
#
# Step 5. Each row of $H_{res}$ sums to 1, so a mixture of equal streams is the same stream again. Step 6 makes them differ, as $H_{post}$ writes to each with its own weight.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="a108debd"
# 下图画出了一个连接，并标出各条流从哪里开始、到哪里结束：
#
# ![第 1 步：在第一个块之前，把每个事件的向量复制成 n 条流 X，只做一次。第 2 步：矩阵 phi 从一个事件的全部流算出三个映射的 logits；sigmoid 给出 H pre，两倍的 sigmoid 给出 H post，Sinkhorn 给出双随机的 H res。第 3 步：H pre 从各条流中读出一个向量。第 4 步：子层 F（归一化加注意力）处理这个向量。第 5 步：H res 混合各条流。第 6 步：H post 把 F 的输出写进每条流，加到混合后的流上。第 7 步：围绕前馈网络再做一遍，用它自己的映射。第 8 步：最后一个块之后，对各条流取平均，只做一次。时间没有进入。](../figures/zh/mhc.svg)
#
# **从图上找答案。** 刚完成第 1 步时，各条流都相等。这时哪一步不起任何作用？为什么？
#
# <details><summary>答案</summary>
#
# 第 5 步。$H_{res}$ 的每一行和为 1，所以相等的流混合之后仍是原来的流。第 6 步使它们变得不同，因为 $H_{post}$ 写进每条流的权重不同。
#
# </details>

# %% [markdown] id="start-en" lang="en"
# ## It begins as the plain network
#
# A new part should do no harm before it has learned anything. At the start the biases give $H_{pre}$ the value $1/n$ for every stream and $H_{post}$ the value 1. With $\alpha = 0$, so without the dynamic part, mHC is then **exactly** the plain network: the streams begin as copies; each row of $H_{res}$ sums to 1, so mixing copies gives copies; every stream receives the same answer. Whatever $H_{res}$ is! We set its biases at random to make sure.

# %% [markdown] id="start-zh" lang="zh" en="6bf84eac"
# ## 一开始就是普通的网络
#
# 新加入的组件在训练之前，不应当使模型变差。偏置的初始值使 $H_{pre}$ 对每条流都是 $1/n$，$H_{post}$ 都是 1。当 $\alpha = 0$，也就是没有动态部分时，mHC **恰好**就是普通的网络：各条流起初是副本；$H_{res}$ 每一行的和是 1，副本混合之后还是副本；每条流收到同样的输出。无论 $H_{res}$ 是哪个双随机矩阵，这一点都成立。为了验证这一点，我们把它的偏置设成随机数。


# %% id="start-check" tags=["reference-check"]
def connections_of(model):
    """The hyper-connections of a model, in the order of the computation."""
    return [part for block in model.blocks for part in (block.around_attention, block.around_feed_forward)]


sizes = {"num_items": 30, "max_len": 12, "dim": 16, "blocks": 3, "dropout": 0.0}
plain = build_model("sasrec", **sizes, seed=1).double()
mhc = build_model(
    "sasrec_mhc", **sizes, seed=1
).double()  # the same seed draws the same weights for the parts in common
history = torch.randint(1, 31, (4, 12))
with torch.no_grad():
    for connection in connections_of(mhc):
        connection.alpha.zero_()
        connection.bias[8:].normal_()
    expect_close("alpha = 0: mHC is the plain network", mhc(history), plain(history), tol=1e-9)
    for connection in connections_of(mhc):
        connection.alpha.fill_(0.01)
        connection.bias[8:] = 3 * (torch.eye(4) - 1).flatten()
    start = (mhc(history) - plain(history)).abs().max()
expect_true("with alpha = 0.01, as training begins, the states move by less than 0.01", start < 0.01)
at_start = sinkhorn(3 * (torch.eye(4) - 1))
show_matrix(at_start, digits=2)
expect("share of its own that a stream keeps at the start", at_start[0, 0], 0.87, tol=0.005)
extra = sum(p.numel() for p in HyperConnection(64, 4).parameters())
expect_true("at width 64 with 4 streams each sub-layer costs 6,171 more parameters", extra == 6171)
block = build_model("sasrec", num_items=1, max_len=1, dim=64).blocks[0]
expect("two of them over the block's own parameters", 2 * extra / sum(p.numel() for p in block.parameters()), 0.49, tol=0.01)

# %% [markdown] id="gain-en" lang="en"
# The price: 6,171 more parameters for each sub-layer. The two of a block come to about half of what its attention and feed-forward have, and what is carried takes four times the memory. Training takes longer as well; the last section has the times.
#
# ## Gain against depth
#
# What does the constraint buy? Follow the streams past many sub-layers, looking at the mixing alone: after $k$ of them the streams of the input have been multiplied by the product $H_k \cdots H_2 H_1$. The paper measures it by its **gain**:
#
# - **forwards**, the largest sum of absolute values in a *row* of the product: how much larger than the largest input stream an output stream can become;
# - **backwards**, the largest sum of absolute values in a *column*: the same for the gradient.
#
# A plain residual passes the stream on unchanged: gain 1, at any depth.

# %% [markdown] id="gain-zh" lang="zh" en="1c7f5013"
# 代价是每个子层多 6,171 个参数，一个块的两个子层加起来，约为注意力与前馈网络参数总数的一半；残差流要占四倍内存。训练时间也会更长，具体耗时见最后一节。
#
# ## 增益随深度的变化
#
# 这个约束带来了什么好处？只考虑混合，跟踪各条流经过许多子层的变化：经过 $k$ 个子层之后，输入的各条流乘上了 $H_k \cdots H_2 H_1$。论文用这个乘积的**增益**来衡量：
#
# - **前向**：乘积各**行**绝对值之和的最大值，表示输出流中元素的绝对值，最多是输入流中最大绝对值的多少倍；
# - **反向**：各**列**绝对值之和的最大值，对梯度有同样的含义。
#
# 普通的残差让流原样通过，无论多深，增益都是 1。


# %% id="gain-code"
def gains(mappings):
    """H_res of each sub-layer in turn, [depth, ..., n, n] -> gain of the product so far, [depth, ..., 2]: forwards, backwards."""
    product, found = torch.eye(mappings.shape[-1], dtype=mappings.dtype), []
    for mapping in mappings:
        product = mapping @ product  # the newest stands on the left: it acts last
        size = product.abs()
        found.append(torch.stack([size.sum(dim=-1).amax(dim=-1), size.sum(dim=-2).amax(dim=-1)], dim=-1))
    return torch.stack(found)


two = gains(torch.stack([free, doubly]))
show_matrix(two, ["after the free matrix", "and the doubly stochastic one"], ["forwards", "backwards"])

# %% [markdown] id="predict-gain-en" lang="en" tags=["predict"]
# **Predict.** Fifty sub-layers with random mappings for four streams. HC: the identity plus random numbers of standard deviation 0.15 or 0.3. (The first is about what training does to them, as you will see.) mHC: Sinkhorn of the starting logits plus random numbers of standard deviation 1.5 or 3, ten times as large. Which gains stay below 2 at depth 50? Which exceed 100?

# %% [markdown] id="predict-gain-zh" lang="zh" en="7128c339" tags=["predict"]
# **猜一猜。** 设有五十个子层、四条流，映射是随机的。HC 的映射是单位矩阵加上标准差为 0.15 或 0.3 的随机数。（前者大致就是训练造成的偏离，下面会看到。）mHC 的映射是初始的 logit 加上标准差为 1.5 或 3 的随机数，即大十倍，再做 Sinkhorn。深度为 50 时，哪些增益仍在 2 以下？哪些超过 100？

# %% id="gain-random"
DEPTH, TRIALS = 50, 20
noise = torch.randn(DEPTH, TRIALS, 4, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
eye = torch.eye(4, dtype=torch.double)
random_gains = {"plain residual": gains(eye.expand(DEPTH, 1, 4, 4))}  # [50, trials, 2]
for size in (0.15, 0.3):
    random_gains[f"HC, {size}"] = gains(eye + size * noise)
    random_gains[f"mHC, {10 * size:g}"] = gains(sinkhorn(3 * (eye - 1) + 10 * size * noise))
typical_gain = {name: g[-1, :, 0].log().mean().exp().item() for name, g in random_gains.items()}  # forwards, depth 50
largest_gain = {name: g.amax().item() for name, g in random_gains.items()}
expect("HC, 0.15, depth 50: typical gain forwards", typical_gain["HC, 0.15"], 11, tol=3)
expect_between("HC, 0.3, depth 50: typical gain forwards", typical_gain["HC, 0.3"], 100, 1000)
expect_true(
    "mHC forwards: never above 1", max(random_gains[f"mHC, {s}"][..., 0].amax() for s in ("1.5", "3")) < 1 + 1e-9
)
expect_true("mHC backwards, 1.5: never above 1.02", largest_gain["mHC, 1.5"] < 1.02)
expect_true("mHC backwards, 3: never above 1.2", largest_gain["mHC, 3"] < 1.2)

# %% [markdown] id="gain-trained-en" lang="en"
# Random mappings pull in random directions, now up, now down. Does training do the same? Here is a task to find out: histories of eight items out of eight kinds, and at every place the model must name the item **two places back**. We train a SASRec with 8 blocks, so 16 sub-layers, with HC and with mHC, five seeds each, and multiply what they have learned.

# %% [markdown] id="gain-trained-zh" lang="zh" en="3885d2c0"
# 随机映射的方向互不相关，时而放大，时而缩小。训练得到的映射也是这样吗？下面用一个任务来检验：历史由八个物品组成，物品共有八种，模型在每个位置上都要给出**两步之前**的物品（当前物品之前的第二个）。我们训练 8 个块、也就是 16 个子层的 SASRec，HC 和 mHC 各五个种子，再把它们学到的矩阵乘起来。


# %% id="task-code"
def two_back(size, generator):
    """Histories [size, 8] of items 1 to 8; answers [size, 6]: the item two places before, for places 3 to 8."""
    items = torch.randint(1, 9, (size, 8), generator=generator)
    return items, items[:, :-2]


def build(kind, blocks, seed):
    return build_model("sasrec_mhc", num_items=8, max_len=8, dim=16, blocks=blocks, dropout=0.0, kind=kind, seed=seed)


def train(model, seed, steps, watch=None):
    """Adam on the cross-entropy; watch(model, items) is noted every tenth step. Returns the notes."""
    optimizer, generator, notes = torch.optim.Adam(model.parameters(), lr=1e-2), torch.Generator().manual_seed(seed), []
    for now in range(steps + 1):
        items, answers = two_back(16, generator)
        if watch and now % 10 == 0:
            notes.append(watch(model, items))
        scores = model.score(model(items)[:, 2:])
        optimizer.zero_grad()
        F.cross_entropy(scores.flatten(0, 1), answers.flatten()).backward()
        optimizer.step()
    return notes


@torch.no_grad()
def mixing_matrices(model, items):
    """H_res of every sub-layer for every event, [sub-layers, events, n, n], noted while the model runs."""
    found = []

    def note(connection, given):
        streams = given[0].expand(-1, -1, connection.streams, -1)  # at first one stands for all
        found.append(connection.mappings(streams).res.flatten(0, 1))

    hooks = [connection.register_forward_pre_hook(note) for connection in connections_of(model)]
    model(items)
    for hook in hooks:
        hook.remove()
    return torch.stack(found)


# %% id="gain-train" tags=["nbval-ignore-output", "training"]
probe = two_back(32, torch.Generator().manual_seed(99))[0]
trained_gains, deviation, agreement = {}, {}, {}
all_networks = {kind: [build(kind, blocks=8, seed=seed) for seed in range(5)] for kind in ("hc", "mhc")}
for kind, seed in progress_bar([(kind, seed) for kind in all_networks for seed in range(5)], "network"):
    train(all_networks[kind][seed], seed, steps=40)
for kind, networks in all_networks.items():
    matrices = [mixing_matrices(network, probe) for network in networks]
    trained_gains[kind] = torch.stack([gains(m).mean(dim=1) for m in matrices], dim=1)  # [16, 5, 2], mean over events
    deviation[kind] = torch.stack([(m - torch.eye(4)).square().mean().sqrt() for m in matrices])
    pulls = [F.normalize((m.mean(dim=1) - torch.eye(4)).flatten(1), dim=1) for m in matrices]  # [16, 16]: one direction a sub-layer
    agreement[kind] = torch.stack([(p @ p.T)[~torch.eye(16, dtype=torch.bool)].mean() for p in pulls])  # mean cosine
    print(kind, "gain forwards at the end, five seeds:", [f"{g:.3g}" for g in trained_gains[kind][-1, :, 0].tolist()])
    print(kind, "distance of H_res from the identity:", [f"{d:.2f}" for d in deviation[kind].tolist()])

# %% id="gain-picture" tags=["picture", "nbval-ignore-output"]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
colors = {"plain residual": "black", "HC, 0.15": plots.ORANGE, "HC, 0.3": plots.VERMILION}
colors |= {"mHC, 1.5": plots.SKY, "mHC, 3": plots.BLUE}
dashes = {"HC, 0.15": "-", "HC, 0.3": "--", "mHC, 1.5": "-", "mHC, 3": "--", "plain residual": ":"}
for name, color in colors.items():
    larger = random_gains[name].amax(dim=2)  # of forwards and backwards
    depths = range(1, len(larger) + 1)
    left.plot(depths, larger[:, :5], color=color, alpha=0.35, linewidth=0.8)
    left.plot(depths, larger.log().mean(dim=1).exp(), dashes[name], color=color, linewidth=2, label=name, zorder=3)
left.set(title="random mappings", xlabel="sub-layers passed", ylabel="gain (larger of forwards and backwards)")
for kind, color in (("hc", plots.VERMILION), ("mhc", plots.BLUE)):
    larger = trained_gains[kind].amax(dim=2)
    right.plot(range(1, 17), larger, color=color, alpha=0.5, linewidth=1)
    right.plot(
        range(1, 17), larger.log().mean(dim=1).exp(), color=color, linewidth=2.5, label=f"{kind.replace('hc', 'HC')}"
    )
right.axhline(1, color="black", linestyle=":", label="plain residual")
right.set(title="learned mappings, 8 blocks, 5 seeds", xlabel="sub-layers passed")
for ax, ticks in ((left, [1, 2, 5, 10, 20, 50]), (right, [1, 2, 4, 8, 16])):
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
    ax.legend(loc="upper left")
plt.show()

# %% [markdown] id="gain-alt-en" lang="en" tags=["alt"]
# Gain over the number of sub-layers passed, all axes logarithmic. Left, random mappings: the plain residual and both mHC lines lie flat at 1; HC with 0.15 climbs to somewhat above 10 at depth 50, HC with 0.3 to several hundred. Right, learned mappings of networks with 16 sub-layers: mHC flat at 1; HC climbs with all five seeds, and the steeper the deeper, to values from above a hundred to above a thousand.

# %% [markdown] id="gain-alt-zh" lang="zh" en="791018a1" tags=["alt"]
# 横轴是经过的子层数，纵轴是增益，都是对数刻度。左图是随机映射：普通残差和两条 mHC 线都保持在 1；标准差 0.15 的 HC 在深度 50 处升到十以上，0.3 的升到几百。右图是 16 个子层的网络学到的映射：mHC 保持在 1；HC 的五个种子都在上升，越深越陡，最后从一百多到一千多。

# %% id="gain-check"
last = trained_gains["hc"][-1].amin(dim=1)  # the smaller of the two directions, five seeds
expect_true("learned HC, 16 sub-layers: the gain exceeds 50 with every seed", last.min() > 50)
expect_true("learned HC: typical gain above 200, in both directions", last.log().mean().exp() > 200)
expect_true("learned mHC: below 1.1 with every seed, in both directions", trained_gains["mhc"].max() < 1.1)
expect_true("mean cosine between the deviations of two sub-layers, HC: above 0.5", agreement["hc"].mean() > 0.5)
expect("distance of the learned H_res from the identity, HC", deviation["hc"].mean(), 0.15, tol=0.04)
same_size = (random_gains["HC, 0.15"][15].log().mean()).exp()  # random mappings of that size after 16 sub-layers
expect_between("random HC mappings of that size after 16 sub-layers", same_size, 3, 7)

# %% [markdown] id="gain-lesson-en" lang="en"
# Two things to keep from this picture.
#
# **The constraint holds.** Row sums of 1 give a forward gain of 1 whatever is learned; backwards the columns that Sinkhorn left a little off show, but they stay below 1.1 in the trained networks.
#
# **Learned mappings are worse than random ones of the same size.** After training, each entry of HC's $H_{res}$ is about 0.15 away from the identity. Random mappings of that size reach a gain between 3 and 7 in 16 sub-layers, the learned ones more than 50 with every seed and typically more than 200. A product grows like that when its factors pull in the same direction, and they do: the deviations of two sub-layers from the identity have a mean cosine above a half, where independent random ones have 0.
#
# The paper reports the same for a language model of 27 billion parameters: a gain of HC up to about 3000, of mHC at most about 1.6. <!-- literature -->

# %% [markdown] id="gain-lesson-zh" lang="zh" en="e4d29cc6"
# 从这张图可以得出两点。
#
# **约束有效。** 由于行和是 1，所以无论学到什么，前向增益都是 1；反向时，Sinkhorn 没有完全收敛的列和会带来少许偏差，但在训练好的网络里始终低于 1.1。
#
# **学到的映射比同样大小的随机映射放大得更多。** 训练之后，HC 的 $H_{res}$ 的每个元素与单位矩阵相差约 0.15。同样大小的随机映射经过 16 个子层，增益在 3 到 7 之间；而学到的映射，每个种子都超过 50，典型值超过 200。只有各个因子方向一致时，乘积才会这样增长。事实正是如此：任意两个子层与单位矩阵之差的平均余弦超过二分之一，而互不相关的随机矩阵，平均余弦的期望为 0。
#
# 论文在一个 270 亿参数的语言模型上也报告了同样的现象：HC 的增益最高约 3000，mHC 最高约 1.6。 <!-- literature -->

# %% [markdown] id="tame-en" lang="en" tags=["predict"]
# ## What else could tame the product?
#
# The gain looks at the largest number. For the length of the streams the measure is the **spectral norm**, the largest singular value. A doubly stochastic matrix is a weighted mean of permutations (Birkhoff), and a permutation changes no length; so its spectral norm is at most 1, exactly 1 because equal streams stay as they are, and that holds for every product. Where all entries are positive, as Sinkhorn makes them, all other singular values are smaller. At the start the second one is 0.83, and $0.83^{16}$ is 0.05: past 16 sub-layers, mixing alone leaves a twentieth of what made the streams differ.
#
# Other constraints were possible. Rows of a *softmax* sum to 1, their columns do not. An *orthogonal* matrix changes no length at all. *Spectral normalisation* divides a free matrix by its spectral norm.
#
# **Predict.** For 50 random mappings of each kind: which product keeps the spectral norm at exactly 1, which keeps the differences between the streams, and which loses everything?

# %% [markdown] id="tame-zh" lang="zh" en="1932820f" tags=["predict"]
# ## 还有哪些办法可以约束乘积？
#
# 增益衡量的是绝对值最大的元素。如果衡量的是流的欧几里得范数，相应的量就是**谱范数**（spectral norm），即最大的奇异值。双随机矩阵是若干置换（permutation）矩阵的加权平均（Birkhoff），而置换不改变长度，所以它的谱范数不超过 1；又因为相等的流混合后不变，谱范数恰好是 1，对任意多个的乘积也是如此。Sinkhorn 得到的矩阵元素全为正，这时其余的奇异值都小于 1。初始时第二个奇异值是 0.83，而 $0.83^{16}$ 是 0.05：经过 16 个子层，仅混合一项就使各条流之间的差别只剩二十分之一。
#
# 也可以采用其他约束。逐行 softmax 的行和为 1，但列和不一定为 1。**正交矩阵**完全不改变长度。**谱归一化**（spectral normalisation）把不受约束的矩阵除以它的谱范数。
#
# **猜一猜。** 每种各取 50 个随机映射相乘：哪种乘积的谱范数恰好是 1？哪种能保持各条流之间的差别？哪种会使信号衰减到几乎为零？

# %% id="tame-code"
import pandas as pd

free_mappings, start_logits = eye + 0.15 * noise, 3 * (eye - 1) + 1.5 * noise
candidates = {
    "free (HC)": free_mappings,
    "softmax of the rows": start_logits.softmax(dim=-1),
    "doubly stochastic (mHC)": sinkhorn(start_logits, 200),
    "orthogonal": torch.linalg.matrix_exp(0.15 * (noise - noise.mT) / 2**0.5),
    "spectral normalisation": free_mappings / torch.linalg.matrix_norm(free_mappings, 2)[..., None, None],
}
centre = eye - 0.25  # takes the mean of the streams away: what is left are their differences


def tamed(mappings):
    """Typical spectral norm of the product of 50 mappings, its gain backwards, what it leaves of differences."""
    product = eye.expand(TRIALS, 4, 4)
    for mapping in mappings:
        product = mapping @ product
    norm, of_differences = (torch.linalg.matrix_norm(p, 2).log().mean().exp() for p in (product, centre @ product @ centre))
    return [norm.item(), gains(mappings)[-1, :, 1].mean().item(), of_differences.item()]


columns_of_table = ["spectral norm", "gain backwards", "differences left"]
kinds_of_mixing = pd.DataFrame({name: tamed(m) for name, m in candidates.items()}, index=columns_of_table).T
display(kinds_of_mixing.map(lambda number: f"{number:.2g}"))
norms, backwards, differences = (kinds_of_mixing[name] for name in columns_of_table)
expect("free: spectral norm", norms["free (HC)"], 7, tol=1)
expect("softmax of the rows: gain backwards", backwards["softmax of the rows"], 1.8, tol=0.2)
expect("doubly stochastic: spectral norm", norms["doubly stochastic (mHC)"], 1, tol=1e-3)
expect_true("doubly stochastic: less than a millionth of the differences left", differences["doubly stochastic (mHC)"] < 1e-6)
expect("orthogonal: spectral norm", norms["orthogonal"], 1, tol=1e-9)
expect_true("orthogonal: differences are not lost", differences["orthogonal"] > 0.5)
expect_true("spectral normalisation: a ten-thousandth or less is left", norms["spectral normalisation"] < 1e-4)
second = torch.linalg.svdvals(at_start)[1]
expect("second singular value at the start", second, 0.83, tol=0.005)
expect("the same past 16 sub-layers", second**16, 0.05, tol=0.005)

# %% [markdown] id="tame-why-en" lang="en"
# Doubly stochastic keeps the norm at 1 in both directions, and it forgets: what the streams had apart at the beginning is gone after 50 such mixings, and only what sub-layers write keeps them different. Orthogonal matrices forget nothing. But they may turn signs, copies do not stay copies, and the network would no longer begin as the plain one. Spectral normalisation bounds each factor by 1, and the product, whose factors disagree about the largest direction, fades.

# %% [markdown] id="tame-why-zh" lang="zh" en="f41a523e"
# 双随机矩阵在前向和反向上都把范数保持为 1，但会抹平各条流的差别：各条流开始时的差别经过 50 次这样的混合就消失了，只有子层写入的内容才能使它们保持不同。正交矩阵保留全部差别，但它的元素可以为负，行和也不为 1，相同的流混合之后不再相同，网络一开始也就不再等于普通网络。谱归一化把每个因子的范数限制为 1，但各个因子的最大奇异方向并不一致，所以乘积会逐渐衰减。

# %% [markdown] id="collapse-en" lang="en" tags=["break-it"]
# ## Break it: collapse the streams
#
# Now Nora's module. It promises to fit into any network: one vector in, one vector out. So it copies the event into four streams at its entrance, applies the formula with a correct $H_{res}$, and sums the streams at its exit. **In every sub-layer.** Here it is, around four small sub-layers, with all parameters random and $\alpha = 1$, as if training had long begun.

# %% [markdown] id="collapse-zh" lang="zh" en="c3dba957" tags=["break-it"]
# ## 破坏实验：把各条流合并
#
# 现在来看小雨的模块。它号称适用于任何网络：输入一个向量，输出一个向量。因此它在入口处把事件复制成四条流，用正确的 $H_{res}$ 按公式计算，在出口处把各条流加起来。**每个子层都这样做。** 下面就是这个模块，用在四个小子层外面，所有参数都是随机的，$\alpha = 1$，相当于已经训练了一段时间。


# %% id="collapse-code" tags=["break-it"]
class Collapsing(HyperConnection):
    """x [B, L, d] -> [B, L, d]: copies in, the formula, sum out."""

    def forward(self, x, function):
        copies = x[:, :, None].repeat(1, 1, self.streams, 1)
        return super().forward(copies, function).sum(dim=2)


class Part(nn.Module):
    """A sub-layer with its own norm. [B, L, d] -> [B, L, d]."""

    def __init__(self, dim):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(dim), nn.Linear(dim, dim)

    def forward(self, x):
        return self.linear(self.norm(x)).tanh()


def make_parts(connection, seed=0, dim=8, depth=4):
    """`depth` connections and sub-layers with random parameters; the same numbers for either class."""
    torch.manual_seed(seed)
    connections = nn.ModuleList(connection(dim, 4, alpha=1.0) for _ in range(depth)).double()
    for part in connections:
        nn.init.normal_(part.bias)
        nn.init.normal_(part.phi, std=0.2)
    return connections, nn.ModuleList(Part(dim) for _ in range(depth)).double()


def run_collapsing(parts, x):
    """The states before the first and after each sub-layer."""
    states = [x]
    for connection, part in zip(*parts, strict=True):
        states.append(connection(states[-1], part))
    return states


x = torch.randn(2, 5, 8, dtype=torch.double)
collapsing = make_parts(Collapsing)
before = run_collapsing(collapsing, x)

# %% [markdown] id="predict-collapse-en" lang="en" tags=["predict"]
# **Predict.** Nora's experiment: put other doubly stochastic matrices in the place of $H_{res}$: the identity, a swap of the streams, all quarters. How much does the output change? And the size of the state: what happens to it in each of the four sub-layers?

# %% [markdown] id="predict-collapse-zh" lang="zh" en="21c8da3f" tags=["predict"]
# **猜一猜。** 重做小雨的实验，把 $H_{res}$ 换成别的双随机矩阵：单位矩阵、调换各条流的矩阵、元素全是四分之一的矩阵。输出会变多少？状态的大小经过每个子层会怎样变化？

# %% id="collapse-swap" tags=["break-it"]
others = {
    "identity": torch.eye(4),
    "swap": torch.eye(4).roll(1, dims=0),
    "quarters": torch.full((4, 4), 0.25),
}


def with_matrix(parts, run, x, matrix):
    """The output when every H_res is this matrix."""
    connection = type(parts[0][0])
    original = connection.mappings

    def instead(*given):
        mappings = original(*given)
        return mappings._replace(res=matrix.to(x).expand_as(mappings.res))

    with kernels.use(False), patch.object(connection, "mappings", instead):  # by the formula
        return run(parts, x)[-1]


with torch.no_grad():
    for name, matrix in others.items():
        expect_close(
            f"collapsed: {name} instead of H_res, the same output",
            with_matrix(collapsing, run_collapsing, x, matrix),
            before[-1],
            tol=1e-10,
        )
change, said = before[1] - 4 * x, collapsing[1][0](x)
g = (change * said).sum(dim=2, keepdim=True) / said.square().sum(dim=2, keepdim=True)
expect_close("the first sub-layer gives 4 x + g F(x)", before[1], 4 * x + g * said, tol=1e-3)
expect_true("with g between 0 and 8", 0 < g.min() and g.max() < 8)
sizes_after = torch.stack([state.square().mean().sqrt() for state in before]).detach()
show_matrix(sizes_after[None], ["size of the state"], ["input", "1", "2", "3", "4"], digits=1)
growth = (sizes_after[-1] / sizes_after[0]) ** 0.25
expect("growth of the size in each sub-layer", growth, 4, tol=0.2)

# %% [markdown] id="collapse-why-en" lang="en"
# The calculation fits on one line. If all streams are copies of $x$ and the rows of $H_{res}$ sum to 1, then $H_{res} X = X$, whatever the matrix. Summed at the exit,
#
# $$\mathrm{output} = n\,x + g\,F(\ldots), \qquad g = \textstyle\sum_m H_{post,m} .$$
#
# So the module is a plain residual with a gate $g$ and an unwanted factor $n = 4$: the state grows four times in every sub-layer, 256 times in two blocks. The last norm of the network hides that. What it cannot hide is that the outputs of the sub-layers count for less and less beside $4x$.
#
# No test of the *module* can find this: Sinkhorn is right, the shapes are right. What finds it is a look at the **gradient**. A part that has no effect receives none. Here is the largest gradient in the biases of $H_{pre}$, $H_{post}$ and $H_{res}$, for each sub-layer; beside it the same parameters with **persistent streams**, copied once and averaged once. That is the mend.
#
# <!-- definition -->

# %% [markdown] id="collapse-why-zh" lang="zh" en="8295855b"
# 只需一行就能算清楚。如果各条流都是 $x$ 的副本，而 $H_{res}$ 每一行的和是 1，那么无论矩阵是什么，都有 $H_{res} X = X$。在出口处求和，得到
#
# $$\mathrm{output} = n\,x + g\,F(\ldots), \qquad g = \textstyle\sum_m H_{post,m} .$$
#
# 因此这个模块只是一个带门 $g$ 的普通残差，外加一个多余的因子 $n = 4$：状态每经过一个子层就放大四倍，两个块之后放大 256 倍。网络最后的归一化掩盖了这一点。但掩盖不了的是，与 $4x$ 相比，各个子层的输出所占的比重越来越小。
#
# 对**模块**本身做任何测试都发现不了这个错误，因为 Sinkhorn 是对的，形状也是对的。要发现它，应当检查**梯度**：不起作用的组件得不到梯度。下面给出每个子层中 $H_{pre}$、$H_{post}$、$H_{res}$ 的偏置的最大梯度；作为对照，同样的参数也用在**贯穿始终的流**上，即只复制一次，只平均一次。这就是改正的办法。
#
# <!-- definition -->

# %% id="collapse-gradient" tags=["break-it"]
def run_persistent(parts, x):
    """The same parameters, streams kept through all sub-layers: copied once, averaged once."""
    streams = [x[:, :, None].repeat(1, 1, 4, 1)]
    for connection, part in zip(*parts, strict=True):
        streams.append(connection(streams[-1], part))
    return [state.mean(dim=2) for state in streams]


def largest_gradients(parts, run):
    """Largest gradient in the biases of H_pre, H_post and H_res of every sub-layer, [depth, 3]."""
    end = F.layer_norm(run(parts, x)[-1], (8,))
    (end * torch.linspace(-1, 1, end.numel(), dtype=torch.double).view_as(end)).sum().backward()
    found = [[part.abs().max() for part in connection.bias.grad.split([4, 4, 16])] for connection in parts[0]]
    return torch.tensor(found)


persistent = make_parts(HyperConnection)
broken, mended = largest_gradients(collapsing, run_collapsing), largest_gradients(persistent, run_persistent)
layers = [f"sub-layer {i}" for i in range(1, 5)]
print("collapsed (10 to the power of ...)")
show_matrix(broken.clamp(min=1e-15).log10(), layers, ["H_pre", "H_post", "H_res"], digits=0)
print("persistent (10 to the power of ...)")
show_matrix(mended.clamp(min=1e-15).log10(), layers, ["H_pre", "H_post", "H_res"], digits=0)
expect_true("collapsed: no H_res has a gradient above rounding", broken[:, 2].max() < 1e-14)
expect_true("collapsed: H_pre has next to none either", broken[:, 0].max() < 1e-5)
expect_true("persistent: H_res of sub-layers 2 and 3 has one", mended[1:3, 2].min() > 1e-4)
expect_true(
    "persistent: H_res of the first has none, of the last next to none", mended[0, 2] < 1e-14 and mended[3, 2] < 1e-5
)
with torch.no_grad():
    kept = run_persistent(persistent, x)[-1]
    for name, matrix in others.items():
        moved = (with_matrix(persistent, run_persistent, x, matrix) - kept).abs().max()
        expect_true(f"persistent: {name} instead of H_res changes the output by more than 0.01", moved > 0.01)

# %% [markdown] id="collapse-lesson-en" lang="en"
# Collapsed, every $H_{res}$ has a gradient of zero but for rounding. It takes memory and time in the optimizer, and it stays at its initial value. ($H_{pre}$ hardly moves either: it only scales $x$, and the norm inside $F$ removes the scale.) With persistent streams the size stays healthy and the matrices in the middle learn.
#
# Look at the first and the last row of the mended table, though. The **first** $H_{res}$ has no effect here either: it mixes copies. And the **last** one can do nothing for the mean of the streams, because the columns sum to 1. A network with one block has two sub-layers, so there *no* $H_{res}$ does anything; with two blocks, two of four. That is not a bug, it is what the constraint means, and a reason not to expect much of mHC in a shallow network.

# %% [markdown] id="collapse-lesson-zh" lang="zh" en="6e2e21ea"
# 合并之后，每个 $H_{res}$ 的梯度除了舍入误差就是零。它占用优化器（optimizer）的内存和时间，却永远停在初始值。（$H_{pre}$ 也几乎不变，因为它只是缩放 $x$，而 $F$ 里面的归一化会消除缩放。）使用贯穿始终的流之后，状态的大小恢复正常，中间的矩阵也能学习了。
#
# 不过，请看改正之后那张表的第一行和最后一行。**第一个** $H_{res}$ 在这里同样不起作用，因为它混合的是副本。**最后一个**对各条流的平均也没有影响，因为列和是 1。只有一个块的网络有两个子层，因此**没有一个** $H_{res}$ 起作用；有两个块时，四个里有两个起作用。这不是错误，而是约束本身的结果；也正因如此，在很浅的网络里不要对 mHC 期望过高。

# %% [markdown] id="apart-en" lang="en" tags=["break-it"]
# ## Break it again: streams that never part
#
# Persistent streams are still copies at the start. What makes them part? Suppose all biases treat the streams alike, as ours do at the start, and $\varphi = 0$, the tidy choice for "no dynamic part yet". Then every stream reads the same and receives the same. So every stream has the same gradient, for ever: nothing in the calculation tells stream 1 from stream 2. The library therefore starts $\varphi$ with small random numbers.
#
# We train the task *two places back* with 2 blocks and watch the **distance** between the streams: the root mean square of their distance from their mean, divided by that of the mean itself. Five seeds of each.

# %% [markdown] id="apart-zh" lang="zh" en="d6cf441a" tags=["break-it"]
# ## 破坏实验：永远相同的流
#
# 贯穿始终的流，起初也还是副本。是什么使它们变得不同？假设所有偏置对各条流都相同，我们的初始值正是如此；再假设 $\varphi = 0$，这是暂时去掉动态部分的最简单的做法。那么每条流的读取和写入都相同，于是梯度也永远相同，因为计算中没有任何因素能区分第 1 条流和第 2 条流。因此库让 $\varphi$ 从很小的随机数开始。
#
# 我们用 2 个块训练“两步之前”的任务，观察各条流之间的**距离**，即各条流到其平均值的距离的均方根除以平均值本身的均方根。每种设置用五个种子。

# %% [markdown] id="predict-apart-en" lang="en" tags=["predict"]
# **Predict.** With $\varphi = 0$: does the distance stay exactly 0? Does it matter whether we calculate with 7 digits (float32) or with 16 (float64)?

# %% [markdown] id="predict-apart-zh" lang="zh" en="3516d6ad" tags=["predict"]
# **猜一猜。** $\varphi = 0$ 时，距离会恰好保持 0 吗？用 float32（约 7 位有效数字）和 float64（约 16 位）计算，有没有区别？


# %% id="apart-train" tags=["break-it", "nbval-ignore-output", "training"]
@torch.no_grad()
def distance_of_streams(model, items):
    """Root mean square distance of the streams from their mean behind the last block, divided by the size of the mean."""
    seen, last = [], model.blocks[-1].around_feed_forward
    # given: streams, sub-layer, and that only the mean is wanted; here all streams are
    hook = last.register_forward_pre_hook(lambda connection, given: seen.append(connection.connect(*given[:2])))
    model(items)
    hook.remove()
    mean = seen[0].mean(dim=2, keepdim=True)
    return ((seen[0] - mean).square().mean() / mean.square().mean()).sqrt().item()


starts = {"random phi (the library)": (1, torch.float32), "phi = 0, 7 digits": (0, torch.float32)}
starts["phi = 0, 16 digits"] = (0, torch.float64)
distance = {}  # [5 seeds, 7 looks]
for name, (scale, digits) in progress_bar(starts.items(), "start"):
    curves = []
    for seed in progress_bar(range(5), "seed"):
        model = build("mhc", blocks=2, seed=seed).to(digits)
        with torch.no_grad():
            for connection in connections_of(model):
                connection.phi.mul_(scale)
        curves.append(train(model, seed, steps=60, watch=distance_of_streams))
    distance[name] = np.array(curves)
for name, curves in distance.items():
    print("distance at the end:", [f"{curve[-1]:.1e}" for curve in curves], name)

# %% id="apart-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(6.8, 3.5))
for (name, curves), marker in zip(distance.items(), plots.MARKERS, strict=False):
    line = ax.plot(range(0, 61, 10), np.exp(np.log(curves).mean(axis=0)), marker=marker, label=name)[0]
    ax.plot(range(0, 61, 10), curves.T, color=line.get_color(), alpha=0.35, linewidth=0.8)
ax.set(
    yscale="log", xlabel="training steps", ylabel="distance between the streams\n(share of their size)", ylim=(1e-17, 1)
)
ax.legend(loc="center right", bbox_to_anchor=(1.0, 0.42))
plt.show()

# %% [markdown] id="apart-alt-en" lang="en" tags=["alt"]
# Distance between the streams over 60 training steps, on a logarithmic axis, three bundles of five lines. With random phi the distance begins below one ten-thousandth and rises to about one hundredth within a few tens of steps. With phi = 0 and 7 digits it begins near the seventh place behind the point, with phi = 0 and 16 digits near the sixteenth, and both rise only a little.

# %% [markdown] id="apart-alt-zh" lang="zh" en="405343c1" tags=["alt"]
# 60 步训练中各条流之间的距离，纵轴是对数刻度，三组线，每组五条。phi 随机时，距离从不到万分之一开始，几十步之内升到百分之一左右。phi = 0、7 位有效数字时，从小数点后第七位附近开始；phi = 0、16 位有效数字时，从第十六位附近开始；两者都只上升一点点。

# %% id="apart-check"
ends = {name: curves[:, -1] for name, curves in distance.items()}
PHI, SEVEN, SIXTEEN = starts
expect_true("random phi: the streams part, by more than 0.001 with every seed", ends[PHI].min() > 0.001)
expect_true("phi = 0, 7 digits: less than a tenth of that with every seed", (ends[SEVEN] < 0.1 * ends[PHI]).all())
expect_true("phi = 0, 16 digits: below one billionth with every seed", ends[SIXTEEN].max() < 1e-9)
expect_true(
    "phi = 0: nine more digits, a distance at least 1,000 times smaller", (1000 * ends[SIXTEEN] < ends[SEVEN]).all()
)

# %% [markdown] id="apart-lesson-en" lang="en"
# The distance is not exactly 0, but look where it comes from: with nine more digits it is at least a thousand times smaller. It is **rounding and nothing else**. In exact arithmetic the streams would stay copies for ever, and $H_{res}$ would have nothing to mix. In long training the last digit may grow until it counts, because a stream that is a little different is treated a little differently; but do not rely on rounding in place of an initialisation. The mend is the line with `0.02 * torch.randn` in `HyperConnection`; random biases would break the symmetry too.

# %% [markdown] id="apart-lesson-zh" lang="zh" en="6f4d39a4"
# 距离并不恰好是 0，但它的来源很清楚：有效数字增加九位，它就缩小到不足原来的千分之一。可见这**纯粹是舍入误差**。如果计算绝对精确，各条流会永远是副本，$H_{res}$ 也就没有内容可以混合。训练时间长了，舍入误差也许会逐渐放大，直到真正起作用，因为稍有不同的流会得到稍有不同的更新；但不应当依靠舍入误差来代替初始化。改正的办法就是 `HyperConnection` 里写着 `0.02 * torch.randn` 的那一行；把偏置随机初始化，同样能打破对称。

# %% [markdown] id="depth-table-en" lang="en"
# ## What does it change for a recommender?
#
# Everything so far was about mechanics. Does mHC recommend better? The table below was made by the command line of this repository (`data/results/README.md` has the commands) on 600 users of the simulated `sample`: SASRec, and TiSASRec of lesson 08, with 2, 4 and 8 blocks; each plain and with mHC; same loss, width, learning rate and number of epochs, five seeds. Each user's NDCG@10 is averaged over the seeds, and each variant is compared with the **plain twin of the same depth**, user by user.

# %% [markdown] id="depth-table-zh" lang="zh" en="1639c9d9"
# ## 对推荐效果有什么影响？
#
# 到目前为止讨论的都是机制。mHC 能改善推荐效果吗？下面的表由本仓库的命令行程序得到（命令见 `data/results/README.md`），使用模拟数据 `sample` 的 600 位用户：SASRec 和第 08 课的 TiSASRec，各有 2、4、8 个块；每种都有普通的和带 mHC 的；损失、宽度、学习率、轮数都相同，各五个种子。每位用户的 NDCG@10 先对种子取平均，每个变体再逐个用户与**同样深度的普通模型**比较。

# %% [markdown] id="predict-table-en" lang="en" tags=["predict"]
# **Predict.** Plain SASRec with 8 blocks: better or worse than with 2? Where will mHC help most, if it helps: at 2, 4 or 8 blocks?

# %% [markdown] id="predict-table-zh" lang="zh" en="a4734fd2" tags=["predict"]
# **猜一猜。** 8 个块的普通 SASRec，比 2 个块的更好还是更差？如果 mHC 有帮助，会在 2、4、8 个块中的哪一处最大？


# %% id="depth-table-code" tags=["nbval-ignore-output"]
def option(options, name, default):
    """The value of one option in a text such as "blocks=4 kind=hc"; empty means all defaults."""
    chosen = dict(part.split("=", 1) for part in options.split())
    return chosen.get(name, default)


runs = read_results("depth_sample_temporal")
runs = runs[runs["clock"].fillna("real") == "real"]
options = runs["options"].fillna("")
runs["blocks"] = [int(option(text, "blocks", 2)) for text in options]
runs["family"] = runs["model"].str.removesuffix("_mhc")
kinds = [option(text, "kind", "mhc") for text in options]
runs["variant"] = np.where(runs["model"].str.endswith("_mhc"), kinds, "plain")
quality = {}  # (family, variant, blocks) -> NDCG@10, [seeds, users]
for key, rows in runs.groupby(["family", "variant", "blocks"]):
    ranks = [read_ranks(run) for run in rows.sort_values("seed")["run"]]
    quality[key] = np.stack([per_user(r, ndcg(r)) for r in ranks])
gain_over_plain = {}  # (family, variant, blocks) -> interval of the difference to the plain twin
for (family, variant, blocks), values in sorted(quality.items()):
    text = f"{family:8s} {variant:6s} {blocks} blocks {len(values)} seeds NDCG@10 {bootstrap_interval(values)}"
    if variant != "plain":
        gain_over_plain[family, variant, blocks] = paired_bootstrap(values, quality[family, "plain", blocks])
        text += f"  minus plain {gain_over_plain[family, variant, blocks]}"
    print(f"{text}  spread {values.mean(axis=1).std():.4f}")
cost = runs.groupby(["family", "variant", "blocks"])[["parameters", "train_seconds"]].median()
print(cost.to_string())

# %% id="depth-table-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(2, 2, figsize=(9.5, 5.6), sharex=True, sharey="row")
depths, names = [2, 4, 8], {"sasrec": "SASRec", "tisasrec": "TiSASRec"}
looks = {"plain": ("black", "o", 0.0), "mhc": (plots.BLUE, "D", -0.06)}
for column, (family, title) in enumerate(names.items()):
    for variant, (color, marker, shift) in looks.items():
        known = [blocks for blocks in depths if (family, variant, blocks) in quality]
        if not known:
            continue
        places = [
            math.log2(blocks) + shift for blocks in known
        ]  # a little aside, so that intervals do not hide each other
        means = [quality[family, variant, blocks].mean() for blocks in known]
        label = {"plain": "plain model", "mhc": "mHC"}[variant]
        axes[0, column].plot(places, means, color=color, marker=marker, label=label)
        if variant != "plain":
            found = [gain_over_plain[family, variant, blocks] for blocks in known]
            axes[1, column].vlines(places, [f.low for f in found], [f.high for f in found], color=color, linewidth=2)
            axes[1, column].plot(places, [f.mean for f in found], color=color, marker=marker, linestyle="", label=label)
    axes[0, column].set(title=title)
    axes[1, column].set(xlabel="number of blocks")
    axes[1, column].axhline(0, color="0.5", linewidth=1)
    axes[1, column].set_xticks([math.log2(blocks) for blocks in depths], depths)
    axes[0, column].legend()
axes[0, 0].set_ylabel("NDCG@10, test")
axes[1, 0].set_ylabel("NDCG@10 minus plain twin\n(95 % interval over users)")
plt.show()

# %% [markdown] id="depth-table-alt-en" lang="en" tags=["alt"]
# Four panels, SASRec left and TiSASRec right. Above, NDCG@10 over 2, 4 and 8 blocks for the plain model and for mHC: the two lines nearly coincide and fall at 8 blocks. Below, the difference of mHC to the plain model of the same depth, with intervals over users: all six contain the line at 0.

# %% [markdown] id="depth-table-alt-zh" lang="zh" en="0d60253b" tags=["alt"]
# 四个小图，左边 SASRec，右边 TiSASRec。上排是普通模型和 mHC 在 2、4、8 个块时的 NDCG@10：两条线几乎重合，到 8 个块时下降。下排是 mHC 与同样深度的普通模型之差，带有对用户求出的区间：六个区间都包含 0。

# %% id="depth-table-check"
expect_true("five seeds of every model", all(len(values) == 5 for values in quality.values()))
found = {(family, variant, blocks) for family in names for variant in looks for blocks in depths}
expect_true("2, 4 and 8 blocks: SASRec and TiSASRec, plain and mHC", set(quality) == found)
expect("NDCG@10 of plain SASRec, 2 blocks", quality["sasrec", "plain", 2].mean(), 0.106, tol=0.003)
expect("NDCG@10 of plain SASRec, 8 blocks", quality["sasrec", "plain", 8].mean(), 0.0955, tol=0.003)
lost = [paired_bootstrap(quality[f, v, 8], quality[f, v, 2]) for f in names for v in looks]
expect_true("8 blocks are worse than 2, for both models, plain or not", all(one.high < 0 for one in lost))
expect_true("no interval of mHC minus plain excludes 0", not any(one.excludes_zero for one in gain_over_plain.values()))
seconds = cost["train_seconds"]
dearer = [seconds[family, "mhc", blocks] / seconds[family, "plain", blocks] for family in names for blocks in depths]
expect_true("training with mHC takes longer in all six", min(dearer) > 1)

# %% [markdown] id="depth-table-lesson-en" lang="en"
# None of the six intervals of mHC lies clear of 0. On this data, at this width and with this budget, we can see neither help nor harm from mHC; it costs time and memory. Depth itself is no gain here either: 8 blocks are worse than 2, plain or not. So there was nothing for a more stable residual to mend: what fails at 8 blocks in so few steps of training is not the gain of a signal.
#
# That does not contradict the paper. Its gains come from language models with many more layers and billions of parameters, and it makes no statement about recommenders.
#
# Take the result for what it is: one simulated world, 600 users, settings that were chosen for the plain model with 2 blocks and taken over unchanged by all others. What you have seen above, the gain and the gradient, holds everywhere; what it is worth for ranking must be measured on your data. On MovieLens 100K and Amazon Grocery, with 2 blocks, the tables of lesson 08 hold the same comparison.

# %% [markdown] id="depth-table-lesson-zh" lang="zh" en="ce904966"
# mHC 的六个区间全都包含 0。在这份数据、这个宽度和这样的训练量下，看不出 mHC 带来明显的提升或损失，它只是多花时间和内存。加深网络在这里也没有好处：8 个块不如 2 个块，普通模型如此，带 mHC 的模型也如此。可见这里并没有需要靠更稳定的残差来解决的问题：在这么少的训练步数里，8 个块表现不好，原因不在信号的增益。
#
# 这与论文并不矛盾。论文中的提升来自层数多得多、参数以十亿计的语言模型，并没有涉及推荐。
#
# 这个结果的适用范围是有限的：一个模拟世界，600 位用户，一套为 2 个块的普通模型选出的设置，其他模型都原样沿用。前面看到的增益和梯度的性质普遍成立；至于它对排序带来多大提升，要在你自己的数据上测量。在 MovieLens 100K 和 Amazon Grocery 上，2 个块的同样比较见第 08 课的结果表。

# %% [markdown] id="depth-real-en" lang="en"
# Here are those two comparisons, read from the same tables.

# %% [markdown] id="depth-real-zh" lang="zh" en="d0eec63e"
# 下面就是这两个比较，数据读自同样的结果表。

# %% id="depth-real-code" tags=["nbval-ignore-output"]
real_gain = {}
for name, table in {"MovieLens 100K": "ml-100k_leave_last_out", "Amazon Grocery": "amazon-grocery_temporal"}.items():
    rows = read_results(f"attention_{table}").fillna({"options": ""})
    rows = rows[(rows["clock"] == "real") & (rows["options"] == "") & (rows["loss"] != "counts")]
    means = {}
    for model, group in rows.groupby("model"):
        means[model] = np.stack([per_user(r, ndcg(r)) for r in map(read_ranks, group.sort_values("seed")["run"])])
    for family in names:
        real_gain[name, family] = paired_bootstrap(means[f"{family}_mhc"], means[family])
        print(f"{name}: {names[family]} {means[family].mean():.4f}, mHC minus plain {real_gain[name, family]}")

# %% id="depth-real-check"
expect_true("none of these four intervals excludes 0 either", not any(one.excludes_zero for one in real_gain.values()))

# %% [markdown] id="depth-real-read-en" lang="en"
# The same verdict: with 2 blocks no difference can be seen, on either data set, for either model: all four intervals contain 0.

# %% [markdown] id="depth-real-read-zh" lang="zh" en="a7f94246"
# 结论相同：2 个块时，两个数据集、两个模型都看不出差别，四个区间全都包含 0。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **9.1 Debug · basic.** A colleague's round of Sinkhorn-Knopp, `faulty_round`, has **two** faults: after it the rows do not sum to 1, and who calls it twice with the same matrix gets two different results. Write `sinkhorn_round` without them: columns first, then rows.

# %% [markdown] id="exercise1-zh" lang="zh" en="c9e3b71f" tags=["exercise"]
# ## 练习
#
# **9.1 调试 · 基础。** 一位同事写了函数 `faulty_round`，用来做一轮 Sinkhorn-Knopp，其中有**两处**错误：做完之后行和不是 1，而且用同一个矩阵调用两次，得到的结果不同。请写出改正后的 `sinkhorn_round`，先列后行。

# %% id="exercise1-code" tags=["exercise"]
def faulty_round(matrix):
    of_columns, of_rows = matrix.sum(dim=0, keepdim=True), matrix.sum(dim=1, keepdim=True)
    matrix /= of_columns
    return matrix / of_rows


def sinkhorn_round(matrix):
    """matrix [n, n], all entries positive -> [n, n]."""
    ...


lesson09.check_sinkhorn_step(sinkhorn_round)

# %% id="exercise1-solution" tags=["solution"]
# Solution

def sinkhorn_round(matrix):
    matrix = matrix / matrix.sum(dim=0, keepdim=True)  # a new matrix, so the given one stays as it is
    return matrix / matrix.sum(dim=1, keepdim=True)  # the sums of the new rows


lesson09.check_sinkhorn_step(sinkhorn_round)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **9.2 Design · stretch.** Two streams, two sub-layers $F$ and then $G$; copied once before, averaged once behind, as in `through_streams`. Find mappings with which this network computes the *parallel block* $x + F(x) + G(x)$, in which $G$ does **not** read what $F$ gave. Stay within what mHC allows: entries of $H_{pre}$ from 0 to 1, of $H_{post}$ from 0 to 2, $H_{res}$ doubly stochastic. `pre` and `post` are [2, 2], `res` is [2, 2, 2]; the first index is the sub-layer.

# %% [markdown] id="exercise2-zh" lang="zh" en="64a0582b" tags=["exercise"]
# **9.2 设计 · 挑战。** 设有两条流，两个子层依次为 $F$ 和 $G$；与 `through_streams` 一样，之前复制一次，之后平均一次。请找出一组映射，使这个网络计算的是**并行块** $x + F(x) + G(x)$，其中 $G$ **不**读取 $F$ 的输出。映射必须在 mHC 允许的范围内：$H_{pre}$ 的元素在 0 到 1 之间，$H_{post}$ 的元素在 0 到 2 之间，$H_{res}$ 是双随机矩阵。`pre` 和 `post` 的形状是 [2, 2]，`res` 是 [2, 2, 2]，第一个下标表示子层。

# %% id="exercise2-code" tags=["exercise"]
mappings = ...  # (pre, post, res); pre[0] says what F reads of the two streams, pre[1] what G reads

lesson09.check_parallel(mappings)

# %% id="exercise2-solution" tags=["solution"]
# Solution

pre = [[1, 0], [0, 1]]  # F reads stream 1, G reads stream 2, in which x is still alone
post = [[2, 0], [0, 2]]  # each writes where it read, and twice: the mean of two streams halves it
res = [[[1, 0], [0, 1]], [[1, 0], [0, 1]]]  # streams that never mix
mappings = (pre, post, res)

lesson09.check_parallel(mappings)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **9.3 Measure · core.** Five sealed networks, `lesson09.sealed["A"]` to `["E"]`. Each takes events, float64 [N, 8], and the matrices $H_{res}$ of its six sub-layers, [6, 4, 4], and returns [N, 8]. In which of them does a doubly stochastic $H_{res}$ do nothing at all? Make two different stacks of matrices and compare the outputs. (Rounding is not an effect.)

# %% [markdown] id="exercise3-zh" lang="zh" en="e1cf916a" tags=["exercise"]
# **9.3 测量 · 进阶。** 有五个黑盒网络，`lesson09.sealed["A"]` 到 `["E"]`。每个都接收事件 float64 [N, 8]，以及六个子层的矩阵 $H_{res}$，形状 [6, 4, 4]，返回 [N, 8]。在哪些网络里，双随机的 $H_{res}$ 完全不起作用？构造两组不同的矩阵，比较输出。（只引起舍入误差的，视为不起作用。）

# %% id="exercise3-code" tags=["exercise"]
does_nothing = ...  # a set of letters

lesson09.check_idle(does_nothing)

# %% id="exercise3-solution" tags=["solution"]
# Solution

# B and D collapse the streams in every sub-layer, by sum and by mean; C keeps them, but reads and writes all streams alike,
# so they stay copies. E uses the transposed matrices, which are doubly stochastic as well: another network, but no idle one.
some_events = torch.randn(6, 8, dtype=torch.double)
first, second = sinkhorn(torch.randn(2, 6, 4, 4, dtype=torch.double), 200)
moved = {
    name: (network(some_events, first) - network(some_events, second)).abs().max()
    for name, network in lesson09.sealed.items()
}
does_nothing = {name for name, size in moved.items() if size < 1e-9}

lesson09.check_idle(does_nothing)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **9.4 Think · core.** Which statements hold for **every** doubly stochastic matrix $H$ and all streams $X$? Give a set of letters.
#
# - A: the product of two such matrices is doubly stochastic
# - B: the mean of the streams is the same before and after mixing
# - C: mixing can make the largest number in a column of $X$ larger
# - D: if all streams are equal, mixing changes nothing
# - E: if $H$ can be inverted, its inverse is doubly stochastic too

# %% [markdown] id="exercise4-zh" lang="zh" en="bfb4244f" tags=["exercise"]
# **9.4 思考 · 进阶。** 下面哪些结论对**每个**双随机矩阵 $H$ 和任意的流 $X$ 都成立？用字母的集合作答。
#
# - A：两个这样的矩阵相乘，结果仍是双随机的
# - B：混合前后，各条流的平均不变
# - C：混合可以让 $X$ 某一列中最大的数变得更大
# - D：如果各条流都相等，混合什么也不改变
# - E：如果 $H$ 可逆，它的逆也是双随机的

# %% id="exercise4-code" tags=["exercise"]
always_true = ...

lesson09.check_statements(always_true)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A, B, D: the sums of 1. C is false, a weighted mean never exceeds the largest. E is false: the inverse has sums of 1, but
# negative entries, unless H only exchanges streams. To un-mix you must subtract.
show_matrix(torch.linalg.inv(torch.tensor([[0.75, 0.25], [0.25, 0.75]])), digits=1)
always_true = {"A", "B", "D"}

lesson09.check_statements(always_true)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** Doubly stochastic matrices forget the differences between streams, orthogonal ones keep them. Does it matter for learning? Begin with `class Orthogonal(HyperConnection)`, whose `mappings` replaces the Sinkhorn by `torch.linalg.matrix_exp(Z - Z.mT)` (call it under `kernels.use(False)`, as the fast form relies on sums of 1), and train it on *two places back* with `train`, for 2, 4 and 8 blocks and five seeds. A good report has the loss over the steps with the spread of the seeds, the spectral norm of the learned product, a picture, and a doubt: this task needs two events only. Which task would need many streams?

# %% [markdown] id="open-zh" lang="zh" en="4c08218a" tags=["open"]
# **开放任务。** 双随机矩阵会抹平各条流之间的差别，正交矩阵则会保持。这对学习有影响吗？从 `class Orthogonal(HyperConnection)` 开始，在它的 `mappings` 里用 `torch.linalg.matrix_exp(Z - Z.mT)` 代替 Sinkhorn（在 `kernels.use(False)` 下调用，因为快速实现依赖于和为 1），再用 `train` 在“两步之前”的任务上训练，分别取 2、4、8 个块，各五个种子。一份好的报告应当包含：损失随步数的变化及种子之间的波动，学到的乘积的谱范数，一张图，以及一点疑问：这个任务只涉及两个事件，什么样的任务才真正需要多条流？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "loss_orthogonal": ...,  # {blocks: losses at the end, five seeds}
    "loss_doubly_stochastic": ...,  # the same for the Sinkhorn version
    "norms": ...,  # {blocks: spectral norm of the learned product}, orthogonal
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson09.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Nora's module, answered
#
# Nora could put any matrix into her module because it had nothing to mix. Four copies of one vector, mixed with rows that sum to 1, are four copies of that vector; summed, they are four times what came in. The line with the fault is the `sum` at the exit of every sub-layer. Take it out, carry the streams through the whole network, and the matrix has something to mix.
#
# And the habit to take home: when you build in a new part, exchange it for nonsense and watch the output; then look at its gradient. A part that leaves no trace in either has no effect.

# %% [markdown] id="answer-zh" lang="zh" en="44a48402"
# ## 回答开头的问题
#
# 小雨的模块里放什么矩阵都一样，因为矩阵没有可以混合的内容。同一个向量的四个副本，用行和为 1 的矩阵混合之后，还是这个向量的四个副本；相加之后就是输入的四倍。出错的那一行，就是每个子层出口处的 `sum`。去掉它，让各条流贯穿整个网络，矩阵才能发挥作用。
#
# 请养成这个习惯：加入一个新组件之后，先把它换成任意的内容，观察输出，再检查它的梯度。如果输出和梯度都没有变化，这个组件就没有起作用。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. Hyper-connections carry several residual streams; three mappings say what a sub-layer reads, where it writes, how streams mix.
# 2. Free mixing matrices multiply: learned ones amplify a signal far more with depth than random ones of the same size.
# 3. mHC keeps them doubly stochastic by Sinkhorn-Knopp, columns then rows: rows exact, columns nearly, products of spectral norm 1.
# 4. Streams must persist through the whole network and must start apart; collapsed or symmetric ones leave the matrix without effect.
# 5. Look at the gradient: a part that receives none has no effect. The first and the last $H_{res}$ never have one.

# %% [markdown] id="summary-zh" lang="zh" en="019bac32" tags=["summary"]
# ## 小结
#
# 1. 超连接并行地保留多条残差流；三个映射决定子层读取什么、写到哪里、各条流怎样混合。
# 2. 不受约束的混合矩阵会连乘：随着深度增加，学到的矩阵放大信号的倍数，远超同样大小的随机矩阵。
# 3. mHC 用 Sinkhorn-Knopp 使混合矩阵近似双随机，先归一化列、再归一化行：行和精确为 1，列和近似为 1，乘积的谱范数约为 1。
# 4. 各条流必须贯穿整个网络，初始化必须打破对称；合并的或对称的流会使矩阵不起作用。
# 5. 检查梯度：得不到梯度的组件不起作用。第一个和最后一个 $H_{res}$ 永远不起作用。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> A mixing matrix has rows that sum to 1.5. Ten sub-layers use it. By how much do equal streams grow, and what would rows that sum to a half do?</summary>
#
# By $1.5^{10}$, almost 58; with a half, $0.5^{10}$ leaves a thousandth. Only sums of 1 do neither.
#
# </details>
#
# <details><summary><b>2.</b> Rows of a softmax sum to 1 as well. Why is a softmax over the rows not enough, and in which direction does the trouble show?</summary>
#
# Its columns may sum to anything up to $n$, so the gain forwards is 1 and the gain backwards is not: in the lesson it typically reached 1.8 over 50 random mappings. Gradients use the transposed matrix.
#
# </details>
#
# <details><summary><b>3.</b> You divide the rows first and the columns last, and stop after 20 rounds with extreme logits. What is exact now, and which of the two gains may exceed 1?</summary>
#
# The columns are exact, the rows nearly. So the gain backwards is 1 and the one forwards may lie a little above, the other way round than in the paper.
#
# </details>
#
# <details><summary><b>4.</b> Somebody reports that mHC brings nothing in a network with one block. Could it have brought anything?</summary>
#
# Through $H_{res}$ no. One block has two sub-layers: the first matrix mixes copies, the last one cannot change the mean of the streams. Reading and writing ($H_{pre}$, $H_{post}$) still act as gates.
#
# </details>
#
# <details><summary><b>5.</b> A new module trains well and its parameters hardly change. Name two tests that tell "it was good from the start" from "it has no effect".</summary>
#
# Exchange it for something else, such as an identity or a random matrix, and compare the outputs. And look at the gradient of its parameters: where there is no effect, it is zero but for rounding.
#
# </details>
#
# <details><summary><b>6.</b> All streams start as copies, biases treat them alike, $\varphi = 0$. Will longer training in float64 part them? What do you change?</summary>
#
# No: every stream has the same gradient for ever, and only rounding parts them, which is smaller in float64. Start $\varphi$, or the biases, with small random numbers.
#
# </details>
#
# <details><summary><b>7.</b> A $2 \times 2$ matrix has the entries 4, 1, 1, 1 in reading order. To which doubly stochastic matrix does Sinkhorn-Knopp lead?</summary>
#
# $p = \sqrt{ad} / (\sqrt{ad} + \sqrt{bc}) = 2 / 3$: two thirds on the diagonal, one third beside it. The ratio $ad / bc$ is 4 before and after.
#
# </details>
#
# <details><summary><b>8.</b> At the start a stream keeps 0.87 of its own. What is left of the differences between streams past 16 sub-layers if nothing is written, and which constraint would keep them?</summary>
#
# A twentieth: the second singular value is 0.83, and $0.83^{16}$ is 0.05. Orthogonal matrices would keep them, but copies would not stay copies.
#
# </details>
#
# <details><summary><b>9.</b> Each entry of two sets of 16 mappings is about 0.15 away from the identity. One set reaches a gain of 5, the other of 300. How is that possible, and what do you measure?</summary>
#
# In the second set the deviations point in the same direction, so they add up; independent ones partly cancel. Measure the mean cosine between the deviations of two sub-layers: above a half for the trained HC, near 0 for random ones.
#
# </details>
#
# <details><summary><b>10.</b> You compare mHC with the plain model at equal depth. It has about half as many parameters again in each block and takes longer to train. What would a fair comparison add?</summary>
#
# A plain model with as many parameters (wider or deeper), and one that was trained for the same time; a learning rate of its own for each; several seeds. Without these a gain may belong to the size.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="d81660e5" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 一个混合矩阵的行和是 1.5，有十个子层使用它。相等的流会放大多少倍？如果行和是二分之一呢？</summary>
#
# 放大 $1.5^{10}$ 倍，接近 58 倍；行和为二分之一时，$0.5^{10}$ 约为千分之一。只有和为 1 时才既不放大也不缩小。
#
# </details>
#
# <details><summary><b>2.</b> 对各行做 softmax，行和也是 1。为什么这还不够？问题出现在哪个方向？</summary>
#
# 它的列和可以是 0 到 $n$ 之间的任何值，因此前向增益为 1，反向增益则不是：在本课中，50 个随机映射的反向增益典型值达到 1.8。梯度用到的是转置矩阵。
#
# </details>
#
# <details><summary><b>3.</b> 你改成先除行、后除列，在 logit 相差悬殊时做 20 轮就停止。现在哪一个是精确的？哪一个增益可能超过 1？</summary>
#
# 列和精确，行和近似。因此反向增益为 1，前向增益可能略大于 1，与论文的情形相反。
#
# </details>
#
# <details><summary><b>4.</b> 有人报告说，在只有一个块的网络里，mHC 没有带来任何提升。它有可能带来提升吗？</summary>
#
# 通过 $H_{res}$ 不可能。一个块有两个子层，第一个矩阵混合的是副本，最后一个矩阵不能改变各条流的平均。不过读取和写入（$H_{pre}$、$H_{post}$）仍然起到门的作用。
#
# </details>
#
# <details><summary><b>5.</b> 一个新模块训练正常，但它的参数几乎不变。请给出两种检验，区分“一开始就很好”和“没有起作用”。</summary>
#
# 把它换成别的内容，例如单位矩阵或随机矩阵，比较输出；再检查它的参数的梯度，如果没有起作用，梯度除舍入误差外为零。
#
# </details>
#
# <details><summary><b>6.</b> 所有流从副本开始，偏置对它们都相同，$\varphi = 0$。用 float64 训练更久，能使它们变得不同吗？应当改什么？</summary>
#
# 不能。每条流的梯度永远相同，只有舍入误差会造成差别，而 float64 的舍入误差更小。应当用很小的随机数初始化 $\varphi$ 或偏置。
#
# </details>
#
# <details><summary><b>7.</b> 一个 $2 \times 2$ 矩阵的元素依次是 4、1、1、1。Sinkhorn-Knopp 会得到哪个双随机矩阵？</summary>
#
# $p = \sqrt{ad} / (\sqrt{ad} + \sqrt{bc}) = 2 / 3$，因此对角线上是三分之二，其余是三分之一。比值 $ad / bc$ 前后都是 4。
#
# </details>
#
# <details><summary><b>8.</b> 初始时，一条流保留自身的比例为 0.87。如果子层什么也不写入，经过 16 个子层，各条流之间的差别还剩多少？哪种约束能保持差别？</summary>
#
# 剩二十分之一，因为第二个奇异值是 0.83，而 $0.83^{16}$ 是 0.05。正交矩阵能保持差别，但副本混合之后就不再是副本。
#
# </details>
#
# <details><summary><b>9.</b> 两组各 16 个映射，每个元素与单位矩阵都相差约 0.15。一组的增益是 5，另一组是 300。这怎么可能？应当测什么？</summary>
#
# 第二组的偏离方向一致，影响会逐层累积；互不相关的偏离则部分抵消。应当测两个子层的偏离之间的平均余弦：训练后的 HC 超过二分之一，随机的接近 0。
#
# </details>
#
# <details><summary><b>10.</b> 你在同样深度下比较 mHC 和普通模型。mHC 的每个块多出约一半的参数，训练时间也更长。公平的比较还应当增加什么？</summary>
#
# 增加一个参数量相同（更宽或更深）的普通模型，以及一个训练时间相同的普通模型；每个模型各自选择学习率；使用多个种子。否则，提升可能只是来自模型的大小。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - Z. Xie et al., *mHC: Manifold-Constrained Hyper-Connections*, 2025: sections 3 (instability of HC) and 4 (the constraint, Sinkhorn-Knopp). [arXiv 2512.24880](https://arxiv.org/abs/2512.24880)
# - D. Zhu et al., *Hyper-Connections*, 2024: section 2. [arXiv 2409.19606](https://arxiv.org/abs/2409.19606)
# - R. Sinkhorn, P. Knopp, *Concerning Nonnegative Matrices and Doubly Stochastic Matrices*, Pacific Journal of Mathematics 21, 1967.
# - In this repository: `tutorial_lib/models/mhc.py`, `tutorial_lib/kernels/streams.py`, `tests/models/test_mhc.py`, `tests/test_kernels.py`.

# %% [markdown] id="references-zh" lang="zh" en="c4c11727" tags=["references"]
# ## 参考文献
#
# - Z. Xie 等，*mHC: Manifold-Constrained Hyper-Connections*，2025：第 3 节（HC 的不稳定），第 4 节（约束与 Sinkhorn-Knopp）。[arXiv 2512.24880](https://arxiv.org/abs/2512.24880)
# - D. Zhu 等，*Hyper-Connections*，2024：第 2 节。[arXiv 2409.19606](https://arxiv.org/abs/2409.19606)
# - R. Sinkhorn、P. Knopp，*Concerning Nonnegative Matrices and Doubly Stochastic Matrices*，Pacific Journal of Mathematics 21，1967。
# - 本仓库：`tutorial_lib/models/mhc.py`，`tutorial_lib/kernels/streams.py`，`tests/models/test_mhc.py`，`tests/test_kernels.py`。
