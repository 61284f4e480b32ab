# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Rosa inherits a recommender and does not trust what she cannot explain. It has two Transformer blocks, and she counts the parts: positions, attention, a feed-forward network, residual connections, norms, dropout. So she strikes out one part, trains again, looks at the score, puts the part back and strikes out the next.
#
# One part fills a whole paper with the title *Attention Is All You Need*. Another is hardly visible: it is the `x +` in the line `x = x + attention(norm(x))`. Suppose she may lose one of these two. Which one would you keep? Write your bet down.
#
# In this lesson you build the block, prove it equal to PyTorch's own, and then run Rosa's experiment: every part removed in turn, every variant tuned alike, five seeds. The bet is decided twice, on two tasks.

# %% [markdown] id="puzzle-zh" lang="zh" en="bee18317"
# 小罗接手了一个推荐模型，但解释不清的东西她信不过。模型有两个 Transformer 块，她清点了一遍其中的组件：位置嵌入、注意力、前馈网络、残差连接（residual connection）、归一化、dropout。于是她去掉一个组件，重新训练，看看分数，再把它放回去，换下一个。
#
# 其中一个组件占了整整一篇论文，题目就叫 *Attention Is All You Need*（你只需要注意力）。另一个几乎看不见：它是 `x = x + attention(norm(x))` 这一行里的 `x +`。假如两者只能留一个，你会留哪个？先把你的选择写下来。
#
# 在这一课里，你会从零搭出这个块，证明它与 PyTorch 自带的实现相等，然后完成小罗的实验：轮流去掉每个组件，每个变体都用同样的办法调参，各跑五个种子。最后，两个任务会分别给出答案。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute a LayerNorm, a GELU, a residual and a dropout by hand;
# - write the Transformer block, pre-norm and post-norm, and prove it equal to PyTorch's layer, gradients included;
# - say what happens to the states of a deep stack with and without residual and norm;
# - measure what a part is worth: removed, tuned again, five seeds, paired intervals;
# - recognise two faults: a norm along the wrong axis, and dropout left on when serving.

# %% [markdown] id="objectives-zh" lang="zh" en="b45dc8cb" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 手算层归一化、GELU、残差和 dropout；
# - 写出前置归一化和后置归一化的 Transformer 块，并证明它与 PyTorch 的层相等，连梯度也相等；
# - 说清在有无残差、有无归一化的情况下，很深的网络里状态会发生什么变化；
# - 测出一个组件带来多大提升：去掉它，重新调参，用五个种子给出配对区间；
# - 识别两种错误：归一化用错了轴，以及上线时忘了关闭 dropout。

# %% id="setup"
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studies import block_ablation
from studies.block_ablation import VARIANTS, Switches
from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, influence, settings, show_matrix
from tutorial_lib.data.simulate import World, ceiling_ranks
from tutorial_lib.evaluate import ndcg
from exercises import lesson06
from tutorial_lib.models import build_model
from tutorial_lib.models.attention import CausalSelfAttention, attention, causal_mask
from tutorial_lib.models.base import Dropout
from tutorial_lib.notebook import progress_bar

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="parameters-en" lang="en"
# One cell decides on which data this lesson trains. The text speaks of 1,000 users of the simulated `sample`.

# %% [markdown] id="parameters-zh" lang="zh" en="9ad93a93"
# 本课用什么数据训练，由下面这个单元格决定。正文中的数字对应模拟数据 `sample` 里的 1,000 位用户。

# %% id="parameters-code" tags=["parameters"]
DATASET, USERS = settings(dataset="sample", users=1000)
ON_SAMPLE = DATASET == "sample" and USERS == 1000  # the numbers in the text are checked only there

# %% [markdown] id="tiny-en" lang="en"
# ## LayerNorm on three numbers
#
# Attention (lessons 04 and 05) is one part of the block. Here are the others, one by one, on numbers small enough for paper.
#
# An event has the numbers 1, 2 and 6. *LayerNorm* brings them to mean 0 and variance 1: subtract their mean $m$, divide by their standard deviation, the root of the variance $v$,
#
# $$\mathrm{norm}(x)_i = g_i \, \frac{x_i - m}{\sqrt{v + \varepsilon}} + b_i .$$
#
# The small $\varepsilon$ keeps three equal numbers from a division by zero. The gain $g$ and the shift $b$ are learned, one pair for each of the $d$ numbers; they begin as 1 and 0. The norm looks at **one event only**: no other event takes part.
#
# <!-- definition -->

# %% [markdown] id="tiny-zh" lang="zh" en="a584951b"
# ## 三个数上的层归一化
#
# 注意力（第 04、05 课）只是块中的一个组件。下面逐个介绍其余的组件，所用的数字小到可以在纸上算。
#
# 一个事件有三个数：1、2、6。**层归一化**（LayerNorm）把它们变换为均值 0、方差 1，做法是减去均值 $m$，再除以标准差，即方差 $v$ 的平方根：
#
# $$\mathrm{norm}(x)_i = g_i \, \frac{x_i - m}{\sqrt{v + \varepsilon}} + b_i .$$
#
# 很小的 $\varepsilon$ 防止三个数相等时除以零。增益 $g$ 和平移 $b$ 是学出来的，$d$ 个维度各有一对，初始值分别是 1 和 0。归一化**只看一个事件**，其他事件不参与。
#
# <!-- definition -->

# %% id="tiny-norm"
x = torch.tensor([1.0, 2.0, 6.0])
mean = x.mean()
deviation = x - mean
variance = deviation.square().mean()
normalised = deviation / variance.sqrt()
show_matrix(torch.stack([x, deviation, normalised]), ["event", "minus mean", "over deviation"], ["a", "b", "c"])
expect("mean", mean, 3, tol=1e-6)
expect("variance", variance, 14 / 3, tol=1e-5)

# %% [markdown] id="predict-norm-en" lang="en" tags=["predict"]
# **Predict before you run.** Another event has ten times these numbers plus 100: 110, 120, 160. What does LayerNorm make of it? And of 6, 2, 1?

# %% [markdown] id="predict-norm-zh" lang="zh" en="5a60e5c3" tags=["predict"]
# **先猜，再运行。** 另一个事件的每个数都是上面的十倍再加 100，即 110、120、160。层归一化会把它变成什么？如果是 6、2、1 呢？

# %% id="tiny-norm-scale"
events = torch.tensor([[1.0, 2.0, 6.0], [110.0, 120.0, 160.0], [6.0, 2.0, 1.0]])
show_matrix(F.layer_norm(events, (3,)), ["1 2 6", "110 120 160", "6 2 1"], ["a", "b", "c"])
expect_close(
    "ten times as large and moved by 100: the same", F.layer_norm(events[1], (3,)), F.layer_norm(events[0], (3,)), 1e-4
)

# %% [markdown] id="residual-en" lang="en"
# The size of an event is gone; what is left is its pattern. Whatever comes before, the next part gets numbers of a size it knows.
#
# ## The residual: add, do not replace
#
# A part of the network reads the event and gives 0.5, 0, −0.5. Without a residual that **is** the new event: 1, 2 and 6 are forgotten. With it, the output is added to what was there, and a part that has learned nothing and gives zeros does no harm.
#
# The same holds on the way back. Take a chain of ten parts, each of which passes on a tenth of a nudge to its input: its slope is 0.1. The slopes multiply. With residuals each step has the slope $1 + 0.1$.

# %% [markdown] id="residual-zh" lang="zh" en="b1c268e4"
# 事件的大小被去掉了，留下的是各个数之间的相对关系。因此无论前面发生过什么，下一个组件拿到的数总在它熟悉的范围里。
#
# ## 残差：加上去，而不是换掉
#
# 网络的一个组件读入这个事件，输出 0.5、0、−0.5。没有残差时，这个输出**就是**新的事件，原来的 1、2、6 就丢失了。有残差时，输出加到原有的数上；即使组件什么也没学到、输出为零，也不会造成损害。
#
# 反向传播时也是如此。设想十个组件串联，输入变化一点，每个组件只传递其中的十分之一，即斜率为 0.1。串联时斜率相乘。有了残差，每一步的斜率就是 $1 + 0.1$。

# %% [markdown] id="predict-residual-en" lang="en" tags=["predict"]
# **Predict.** How much of a nudge at the beginning arrives behind the tenth part, without and with residuals?

# %% [markdown] id="predict-residual-zh" lang="zh" en="eb84af30" tags=["predict"]
# **猜一猜。** 起点处的微小变化，经过第十个组件之后还剩多少？没有残差和有残差时分别是多少？

# %% id="tiny-residual"
said = torch.tensor([0.5, 0.0, -0.5])
show_matrix(torch.stack([said, x + said]), ["without residual", "with residual"], ["a", "b", "c"], digits=1)
print(f"slope of ten parts: without {0.1**10:.0e}, with {1.1**10:.2f}")
expect("slope with residuals", 1.1**10, 2.59, tol=0.01)

# %% [markdown] id="gelu-en" lang="en"
# ## Feed-forward: each event by itself
#
# Attention mixes. For given weights, an event receives a weighted mean of events that went through a linear map; only the choice of the weights is not linear. A rule such as "only if both numbers of this event are large" has no place there. So the block has a second part, two linear maps with a nonlinearity between them, applied to every event by itself:
#
# $$\mathrm{ff}(x) = W_2\, \mathrm{gelu}(W_1 x + c_1) + c_2 , \qquad \mathrm{gelu}(z) = z\, \Phi(z) .$$
#
# $\Phi(z)$ is the share of a standard normal distribution that lies below $z$: where $z$ is far below zero it is near 0 and the number vanishes, far above it is near 1 and the number passes. In code the share comes from the error function `erf`.
#
# Here is one unit of $W_1$ with the weights 1 and 1 and the shift −3, on the events of lesson 04 and a new one, *Orbit*, a cooking show on a space station.
#
# In the library: [`tutorial_lib.models.sasrec.FeedForward`](../../tutorial_lib/models/sasrec.py).

# %% [markdown] id="gelu-zh" lang="zh" en="b7b462c3"
# ## 前馈网络：对每个事件单独作用
#
# 注意力的作用是混合。权重给定之后，一个事件收到的只是若干事件经过线性映射后的加权平均，唯一的非线性在于权重的选取。像“这个事件的两个数都大才算数”这样的规则，在这里无处表达。因此块里还有第二个组件：两个线性映射，中间夹一个非线性激活，对每个事件单独作用：
#
# $$\mathrm{ff}(x) = W_2\, \mathrm{gelu}(W_1 x + c_1) + c_2 , \qquad \mathrm{gelu}(z) = z\, \Phi(z) .$$
#
# $\Phi(z)$ 是标准正态分布落在 $z$ 以下的概率：$z$ 远小于零时它接近 0，这个数几乎被清零；远大于零时它接近 1，这个数几乎原样通过。代码中，这个概率由误差函数 `erf` 算出。
#
# 下面是 $W_1$ 的一个单元，权重是 1 和 1，偏置是 −3。输入是第 04 课的几个事件，外加一个新的《轨道》（*Orbit*），一档在空间站上拍的烹饪节目。
#
# 库中的实现：[`tutorial_lib.models.sasrec.FeedForward`](../../tutorial_lib/models/sasrec.py)。


# %% id="tiny-gelu"
def gelu(z):
    return z * (1 + torch.erf(z / math.sqrt(2))) / 2


names = ["Alien", "Cake", "Moon", "Orbit"]
films = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 1.0], [2.0, 2.0]])  # space, kitchen
unit = films @ torch.tensor([1.0, 1.0]) - 3
show_matrix(torch.stack([unit, gelu(unit)], dim=1), names, ["before", "after GELU"])
expect("GELU of -1", gelu(unit)[0], -0.159, tol=0.001)
expect("GELU of 1", gelu(unit)[3], 0.841, tol=0.001)

# %% [markdown] id="dropout-en" lang="en"
# The unit responds to *Orbit* alone, the event with space **and** kitchen; for the others it stays near zero.
#
# ## Dropout: leave numbers out while training
#
# While training, *dropout* sets each number to 0 with probability $p$, so that no part can rely on a single number. The survivors are divided by $1 - p$: the mean stays what it was. When serving, it does nothing. Eight ones, $p = 1/4$:

# %% [markdown] id="dropout-zh" lang="zh" en="93142ff4"
# 这个单元只对《轨道》（*Orbit*）有明显的响应，因为它**同时**具备太空和厨房；对其他事件，输出都接近零。
#
# ## dropout：训练时随机丢弃
#
# 训练时，*dropout*（随机失活）以概率 $p$ 把每个数置为 0，因此任何组件都不能只依赖某一个数。保留下来的数除以 $1 - p$，使均值保持不变。上线时，它什么也不做。下面取八个 1，$p = 1/4$：

# %% id="tiny-dropout"
drop = Dropout(0.25)
torch.manual_seed(1)
show_matrix(torch.stack([drop(torch.ones(8)) for _ in range(3)]), ["first", "second", "third"], digits=2)
expect("mean of 100,000 ones after dropout", drop(torch.ones(100_000)).mean(), 1.0, tol=0.01)
expect_true("when serving nothing changes", torch.equal(drop.eval()(torch.ones(8)), torch.ones(8)))

# %% [markdown] id="scratch-en" lang="en"
# ## From scratch
#
# One part is left: the **position**, a learned vector for each place in the history, added to the item before the first block (lesson 04 showed why). Now put the parts together. A block has two steps, attention and feed-forward, and there are two customs of where the norm stands:
#
# - **pre-norm**: $x \leftarrow x + \mathrm{part}(\mathrm{norm}(x))$. The stream $x$ itself is never normalised; one more norm follows the last block.
# - **post-norm**: $x \leftarrow \mathrm{norm}(x + \mathrm{part}(x))$. This is the first Transformer of 2017.
#
# Both as functions that borrow the weights of PyTorch's `nn.TransformerEncoderLayer`:

# %% [markdown] id="scratch-zh" lang="zh" en="481d7448"
# ## 从零写起
#
# 还剩一个组件，**位置嵌入**（position embedding）：历史中的每个位置有一个学出来的向量，在第一个块之前加到物品嵌入上（原因见第 04 课）。现在把各个组件组合起来。一个块有两步，先注意力，后前馈网络。至于归一化放在哪里，有两种惯例：
#
# - **前置归一化**（pre-norm）：$x \leftarrow x + \mathrm{part}(\mathrm{norm}(x))$。残差流（residual stream）$x$ 本身从不归一化，最后一个块之后再补一次归一化。
# - **后置归一化**（post-norm）：$x \leftarrow \mathrm{norm}(x + \mathrm{part}(x))$。2017 年最早的 Transformer 采用这种方式。
#
# 下面把两种都写成函数，权重取自 PyTorch 的 `nn.TransformerEncoderLayer`：


# %% id="by-hand"
def layer_norm(x, norm):
    """x [L, d]: every row to mean 0 and variance 1, then gain and shift."""
    deviation = x - x.mean(dim=-1, keepdim=True)
    variance = deviation.square().mean(dim=-1, keepdim=True)  # divided by d, not by d - 1
    return deviation / (variance + norm.eps).sqrt() * norm.weight + norm.bias


def look_back(x, part):
    """One head of causal attention. x [L, d] -> [L, d]."""
    query, key, value = (x @ part.in_proj_weight.T + part.in_proj_bias).chunk(3, dim=-1)
    return attention(query, key, value, causal_mask(len(x))) @ part.out_proj.weight.T + part.out_proj.bias


def feed_forward(x, layer):
    hidden = gelu(x @ layer.linear1.weight.T + layer.linear1.bias)
    return hidden @ layer.linear2.weight.T + layer.linear2.bias


def pre_norm_block(x, layer):
    x = x + look_back(layer_norm(x, layer.norm1), layer.self_attn)
    return x + feed_forward(layer_norm(x, layer.norm2), layer)


def post_norm_block(x, layer):
    x = layer_norm(x + look_back(x, layer.self_attn), layer.norm1)
    return layer_norm(x + feed_forward(x, layer), layer.norm2)


# %% [markdown] id="reference-en" lang="en"
# The reference is PyTorch's own layer. All its weights are drawn at random, those of the norms too: with gains of 1 and shifts of 0 nobody would notice that they are missing. We compare outputs **and** gradients, to twelve digits.

# %% [markdown] id="reference-zh" lang="zh" en="910a2f90"
# 参照是 PyTorch 自带的层。它的全部权重都随机抽取，归一化层也不例外，因为如果增益都是 1、平移都是 0，即使漏写了也看不出来。输出**和**梯度都要比较，精确到十二位数字。


# %% id="reference-check" tags=["reference-check"]
def torch_layer(dim, hidden, norm_first):
    layer = nn.TransformerEncoderLayer(
        dim,
        1,
        dim_feedforward=hidden,
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=norm_first,
        dtype=torch.double,
    )
    for weight in layer.parameters():
        nn.init.normal_(weight, std=0.5)
    return layer


def with_gradient(function, history):
    """Output, and the gradient of a fixed mixture of all its numbers with respect to the history."""
    history = history.clone().requires_grad_()
    output = function(history)
    (output * torch.linspace(-1, 1, output.numel(), dtype=torch.double).view_as(output)).sum().backward()
    return output, history.grad


history = torch.randn(9, 8, dtype=torch.double)
no_look_ahead = nn.Transformer.generate_square_subsequent_mask(9, dtype=torch.double)
layers = {"pre-norm": torch_layer(8, 16, True), "post-norm": torch_layer(8, 16, False)}
for name, by_hand in (("pre-norm", pre_norm_block), ("post-norm", post_norm_block)):
    layer = layers[name]
    ours = with_gradient(lambda x: by_hand(x, layer), history)
    witness = with_gradient(lambda x: layer(x[None], src_mask=no_look_ahead)[0], history)
    expect_close(f"{name}: our block equals nn.TransformerEncoderLayer", ours[0], witness[0], tol=1e-12)
    expect_close(f"{name}: and so do the gradients", ours[1], witness[1], tol=1e-11)

# %% [markdown] id="library-en" lang="en" tags=["library"]
# ## The library version
#
# `FeedForward` and `Block` are what every attention model of the course is made of. The block is pre-norm. The next cells count its parameters at $d = 64$: 16,640 in attention ($4 d^2 + 4 d$), 8,320 in the feed-forward network, which is only as wide as $d$ here, and 256 in the two norms. With the width $4d$ of the first Transformer the feed-forward network alone would have 33,088, twice as many as attention.

# %% [markdown] id="library-zh" lang="zh" en="869fd113" tags=["library"]
# ## 库里的版本
#
# 本课程中所有带注意力的模型都由 `FeedForward` 和 `Block` 搭成。这里的块采用前置归一化。后面的单元格会数出 $d = 64$ 时的参数量：注意力 16,640 个（$4 d^2 + 4 d$）；前馈网络 8,320 个，因为这里它的宽度只有 $d$；两个归一化 256 个。如果像最早的 Transformer 那样取宽度 $4d$，仅前馈网络就有 33,088 个参数，约为注意力的两倍。

# %% id="library-code" tags=["library"]
# show: tutorial_lib.models.sasrec.FeedForward
# show: tutorial_lib.models.sasrec.Block

# %% id="parameter-count"
def count(module):
    return sum(weight.numel() for weight in module.parameters())


narrow, wide = Block(64, 1, 64, dropout=0.0), Block(64, 1, 4 * 64, dropout=0.0)
expect("attention, d = 64", count(narrow.attention), 16_640, tol=0.5)
expect("feed-forward network of width d", count(narrow.feed_forward), 8_320, tol=0.5)
expect("feed-forward network of width 4 d", count(wide.feed_forward), 33_088, tol=0.5)
expect("the two norms", count(narrow.norm1) + count(narrow.norm2), 256, tol=0.5)

# %% [markdown] id="drawing-en" lang="en"
# The block in one drawing, its attention opened up on the right; the numbers give the order.
#
# ![The block on the left, the inside of its attention on the right. Step 1: norm1. Step 2: one linear map makes query, key and value, cut into H heads. Step 3: scores, divided by the root of the width of a head. Step 4: the causal mask puts minus infinity on all later events. Step 5: softmax of each row. Step 6: each row mixes the values. Step 7: the heads are joined and mixed by the output map. Step 8: the result is added to x. Step 9: norm2. Step 10: the feed-forward network. Step 11: its result is added. No time enters.](../figures/en/block.svg)
#
# **Read it off the drawing.** Which step keeps an event from reading a later one? And which two steps would you take out to get a block without residuals?
#
# <details><summary>Answer</summary>
#
# Step 4, the causal mask. Steps 8 and 11, the two additions.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="66dde069"
# 下图画出了整个块，右边是其中注意力的内部结构，数字表示先后顺序。
#
# ![左边是整个块，右边是其中注意力的内部。第 1 步：norm1。第 2 步：一个线性映射给出查询、键和值，切成 H 个头。第 3 步：计算得分，除以每个头宽度的平方根。第 4 步：因果掩码把所有更晚的事件设为负无穷。第 5 步：对每一行做 softmax。第 6 步：每一行对值做加权平均。第 7 步：把各个头拼起来，用输出映射混合。第 8 步：把结果加到 x 上。第 9 步：norm2。第 10 步：前馈网络。第 11 步：加上它的结果。时间没有进入。](../figures/zh/block.svg)
#
# **从图上找答案。** 哪一步使一个事件读不到更晚的事件？去掉哪两步，就得到没有残差的块？
#
# <details><summary>答案</summary>
#
# 第 4 步，因果掩码。去掉第 8 步和第 11 步的两次相加。
#
# </details>

# %% [markdown] id="switch-en" lang="en"
# For Rosa's experiment we need the same block with switches. `apply_part` is the one place where residual and norm act; with every switch in its usual place it must be `Block`, to the last bit, and with `norm="post"` PyTorch's post-norm layer.

# %% [markdown] id="switch-zh" lang="zh" en="27a515de"
# 小罗的实验需要一个带开关的块，其中残差和归一化只在 `apply_part` 这一处起作用。所有开关都取默认值时，它必须与 `Block` 逐位相同；设 `norm="post"` 时，必须等于 PyTorch 的后置归一化层。

# %% id="switch-code" tags=["library"]
# show: studies.block_ablation.SwitchBlock

# %% id="switch-check" tags=["reference-check"]
block, switched = Block(8, 1, 16, dropout=0.0).double(), SwitchBlock(8, 16, Switches(dropout=0.0)).double()
switched.load_state_dict(block.state_dict())
expect_true(
    "all switches on: the library's Block, to the last bit", torch.equal(switched(history[None]), block(history[None]))
)
for name, layer in layers.items():
    switched = SwitchBlock(8, 16, Switches(norm=name.removesuffix("-norm"), dropout=0.0)).double()
    switched.attention.qkv.weight, switched.attention.qkv.bias = (
        layer.self_attn.in_proj_weight,
        layer.self_attn.in_proj_bias,
    )
    switched.attention.out, switched.norm1, switched.norm2 = layer.self_attn.out_proj, layer.norm1, layer.norm2
    switched.feed_forward.layers[0], switched.feed_forward.layers[3] = layer.linear1, layer.linear2
    witness = layer(history[None], src_mask=no_look_ahead)
    expect_close(f"{name}: the block with switches equals PyTorch", switched(history[None]), witness, tol=1e-12)

# %% [markdown] id="depth-en" lang="en"
# ## A tall stack
#
# Stack 16 blocks with random weights, untrained, and send histories of 20 random events through. After every block we measure three things:
#
# - the **size** of the states: the root mean square of their numbers;
# - the **gradient** that arrives there from the end of the stack: if it is 0, the blocks below cannot learn; if it is huge, a step of training throws them about;
# - the **likeness** of the events: the cosine between the first event of a history and each later one. If it is 1, all events have become the same, and no attention can tell them apart.

# %% [markdown] id="depth-zh" lang="zh" en="549fdac4"
# ## 很深的网络
#
# 把 16 个未经训练、权重随机的块叠起来，输入若干段各含 20 个随机事件的历史。每经过一个块，测量三个量：
#
# - 状态的**大小**：它们各个数的均方根；
# - 从网络末端传到这里的**梯度**：如果接近 0，下面的块就学不到东西；如果极大，训练一步就会让参数剧烈变动；
# - 事件之间的**相似度**：一段历史里第一个事件与后面每个事件的余弦相似度。如果是 1，所有事件就变得完全一样，任何注意力都无法区分它们。

# %% [markdown] id="predict-depth-en" lang="en" tags=["predict"]
# **Predict.** Five stacks: pre-norm; post-norm; residuals without norms; norms without residuals; neither. In which does the gradient vanish, in which does it explode? And can a stack go wrong although both size and gradient look healthy?

# %% [markdown] id="predict-depth-zh" lang="zh" en="ae508525" tags=["predict"]
# **猜一猜。** 五种网络分别是：前置归一化；后置归一化；有残差、没有归一化；有归一化、没有残差；两者都没有。哪一种梯度会消失，哪一种会爆炸？有没有可能大小和梯度看上去都正常，网络却还是坏的？


# %% id="depth-code"
def probe(switches, seed, depth=16, dim=64):
    """Size of the states, size of the gradient and likeness of the events before the first and after every block, [17, 3]."""
    generator = torch.Generator().manual_seed(seed)
    blocks = [SwitchBlock(dim, dim, switches).double() for _ in range(depth)]
    for linear in (m for block in blocks for m in block.modules() if isinstance(m, nn.Linear)):
        nn.init.normal_(linear.weight, std=dim**-0.5, generator=generator)  # a random vector keeps its size
        nn.init.zeros_(linear.bias)
    states = [torch.randn(8, 20, dim, dtype=torch.double, generator=generator).requires_grad_()]
    for block in blocks:
        states.append(block(states[-1]))
        states[-1].retain_grad()
    end = F.layer_norm(states[-1], (dim,)) if switches.norm == "pre" else states[-1]
    (end * torch.randn(end.shape, dtype=torch.double, generator=generator)).sum().backward()
    size = torch.stack([s.detach().square().mean().sqrt() for s in states])
    gradient = torch.stack([s.grad.square().mean().sqrt() for s in states])
    likeness = torch.stack([F.cosine_similarity(s[:, :1], s[:, 1:], dim=-1).mean().detach() for s in states])
    return torch.stack([size, gradient, likeness], dim=1)


stacks = {
    "pre-norm": Switches(dropout=0.0),
    "post-norm": Switches(norm="post", dropout=0.0),
    "no norm": Switches(norm="none", dropout=0.0),
    "no residual": Switches(residual=False, dropout=0.0),
    "neither": Switches(residual=False, norm="none", dropout=0.0),
}
typical = {}  # name -> [17, 3], mean of five stacks; of the logarithms where numbers span many powers of ten
for name, switches in stacks.items():
    probes = torch.stack([probe(switches, seed) for seed in range(5)])
    typical[name] = torch.cat([probes[:, :, :2].log().mean(dim=0).exp(), probes[:, :, 2:].mean(dim=0)], dim=1)

# %% id="depth-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 3, figsize=(11, 3.5))
labels = [
    "size of the states (root mean square)",
    "gradient that arrives (root mean square)",
    "likeness of the events (cosine)",
]
for column, (ax, label) in enumerate(zip(axes, labels, strict=True)):
    for (name, values), marker in zip(typical.items(), plots.MARKERS, strict=False):
        ax.plot(range(17), values[:, column], marker=marker, markersize=4, label=name)
    ax.set(xlabel="blocks passed", ylabel=label, yscale="linear" if column == 2 else "log", xticks=range(0, 17, 4))
axes[0].legend(fontsize=9)
plt.show()

# %% [markdown] id="depth-alt-en" lang="en" tags=["alt"]
# Three line charts over the number of blocks passed, 0 to 16, with five stacks. Size, logarithmic: without norms it climbs to several thousand, with neither it falls below a ten-thousandth; post-norm stays at 1, norms without residual near 0.6, pre-norm rises slowly to about 4. Gradient, logarithmic: without norms it is above ten thousand at the first block, with neither below a ten-thousandth; the other three stay between a tenth and ten. Likeness: all begin at 0; without residuals, with norms or without, it is 1 after about eight blocks, post-norm and the stack without norms come close to 1 at the end, pre-norm stays near 0.55.

# %% [markdown] id="depth-alt-zh" lang="zh" en="e17c8008" tags=["alt"]
# 三幅折线图，横轴是经过的块数，从 0 到 16，线条是五种网络。大小（对数刻度）：没有归一化时升到几千，两者都没有时降到万分之一以下；后置归一化一直是 1，有归一化没残差的在 0.6 附近，前置归一化缓慢升到 4 左右。梯度（对数刻度）：没有归一化时，在第一个块处超过一万，两者都没有时不到万分之一；其余三种都在十分之一到十之间。相似度：都从 0 起步；没有残差的两种，不管有没有归一化，大约八个块之后就到 1；后置归一化和没有归一化的网络最后接近 1，前置归一化停在 0.55 附近。

# %% id="depth-check"
size, gradient, likeness = ({name: values[:, column] for name, values in typical.items()} for column in range(3))
expect_true("no norm: the size grows more than a thousandfold", size["no norm"][-1] > 1000)
expect_true("no norm: the gradient grows more than ten thousandfold on its way down", gradient["no norm"][0] > 10_000)
expect_true(
    "neither: size and gradient shrink below a ten-thousandth", max(size["neither"][-1], gradient["neither"][0]) < 1e-4
)
expect("pre-norm: size after 16 blocks", size["pre-norm"][-1], 4.2, tol=0.4)
expect("pre-norm: size after 16 blocks over size after 4", size["pre-norm"][-1] / size["pre-norm"][4], 2.0, tol=0.2)
expect("post-norm: size after 16 blocks", size["post-norm"][-1], 1.0, tol=0.01)
expect("no residual: size after 16 blocks", size["no residual"][-1], 0.6, tol=0.15)
healthy = torch.stack([gradient[name] for name in ("pre-norm", "post-norm", "no residual")])
expect_true("the other three gradients stay between 0.1 and 10", 0.1 < healthy.min() and healthy.max() < 10)
expect_true("no residual: the events are alike to 0.99 after 8 blocks", likeness["no residual"][8] > 0.99)
expect("post-norm: likeness after 16 blocks", likeness["post-norm"][-1], 0.98, tol=0.02)
expect("no norm: likeness after 16 blocks", likeness["no norm"][-1], 0.95, tol=0.04)
expect("pre-norm: likeness after 16 blocks", likeness["pre-norm"][-1], 0.55, tol=0.1)

# %% [markdown] id="depth-why-en" lang="en"
# The textbook case is the last one: with neither norm nor residual, signal and gradient fade below a ten-thousandth. Norms alone keep the size, residuals alone prevent the fading but let everything grow.
#
# Look at the quiet failure. **Norms without residuals** have a healthy size and a healthy gradient, and yet nothing is left to learn from: after eight blocks all events of a history are the same vector. Attention averages; without the `x +` an event survives only as a share of a mean, and then of a mean of means. The residual is not only a road for the gradient. It is the road on which **the event itself** gets through.
#
# Pre-norm and post-norm differ too. In pre-norm every part adds a change of about the same size to a stream that nobody scales down. Changes that point in random directions add up like a walk: four times the blocks, twice the size. Post-norm scales the stream down after every addition, and with it the share of the original event; at the end of this untrained stack the events are alike to 0.98. Both are starting points, not results: training can move them.

# %% [markdown] id="depth-why-zh" lang="zh" en="fc9a52d5"
# 教科书上讲的是最后一种情形：归一化和残差都没有，信号和梯度就会衰减到万分之一以下。只加归一化，可以稳住大小；只加残差，可以避免衰减，但数值会越来越大。
#
# 真正值得注意的是不易察觉的那种故障。**有归一化、没有残差**时，状态的大小正常，梯度也正常，却已经没有信息可学：经过八个块，一段历史里的所有事件都成了同一个向量。注意力做的是平均；没有 `x +`，一个事件就只能作为平均值的一部分保留下来，到下一层又成为平均值的平均值的一部分。因此残差不只是梯度的通路，也是**事件本身**的通路。
#
# 前置归一化和后置归一化也有差别。前置归一化时，每个组件都往残差流上加一个大小差不多的改动，而残差流本身从不缩小。方向随机的改动像随机游走一样累加，所以块数变成四倍，大小变成两倍。后置归一化则在每次相加之后都缩小残差流，原来的事件所占的比例也随之缩小；在这个未经训练的网络末端，事件之间的相似度达到 0.98。不过两者都只是训练的起点，并非结果，训练可以改变它们。

# %% [markdown] id="experiment-en" lang="en"
# ## Rosa's experiment
#
# Deep stacks are for language models. Rosa's recommender has two blocks. What is each part worth **there**? Two tasks:
#
# - **sample**: the next item in the simulated world, for 1,000 users. Scored by NDCG@10 with full ranking; every event of the test period counts.
# - **replay**: six random items out of 30, then a request: *number 4 again*. The right answer is the fourth item. Scored by the share of right answers; guessing is right in 1 of 30.
#
# The rules keep the comparison fair. Each variant is SASRec with one part switched off, trained as long as the others (six passes over `sample`, 400 batches of `replay`). What is best for the whole need not be best for a part of it, so **each variant chooses its own learning rate**, 0.001, 0.003, 0.01, 0.03 or 0.1, by its mean on validation; the test part decides nothing. Five seeds: each draws its own users, initial weights, batches and dropout, and all variants of a seed share them. So we can take the difference to the full model within each seed, which is what *paired* means.

# %% [markdown] id="experiment-zh" lang="zh" en="80ea86d4"
# ## 小罗的实验
#
# 很深的网络主要用于语言模型，而小罗的推荐模型只有两个块。**在这样的模型里**，每个组件能带来多大提升？下面用两个任务来检验：
#
# - **sample**：预测模拟世界里的下一个物品，共 1,000 位用户。评价指标是全量排序的 NDCG@10，测试期内的每个事件都计入。
# - **replay**：先从 30 个物品里随机给出六个，再给一个请求，例如“重复第 4 个”，正确答案就是第四个物品。评价指标是答对的比例；随机猜测时，30 次里能对 1 次。
#
# 为了保证比较公平，规则如下。每个变体都是关掉一个组件的 SASRec，训练量与其他变体相同（`sample` 训练六轮，`replay` 训练 400 个批）。对完整模型最好的设置，对缺少某个组件的模型未必最好，因此**每个变体各自选择学习率**，候选为 0.001、0.003、0.01、0.03 和 0.1，依据是验证集上的平均成绩，测试集不参与任何选择。一共五个种子，每个种子对应一组用户、初始权重、批的顺序和 dropout，同一个种子下的所有变体共用这些。因此可以在每个种子内部计算变体与完整模型之差，这就是**配对**的含义。

# %% [markdown] id="predict-live-en" lang="en" tags=["predict"]
# **Predict.** Before the table, three variants live, with the first seed. On `sample`: what is left of the NDCG@10 of the full model without attention, and what without residuals? Your bet from the beginning is at stake. And on `replay`: how often will the model without attention be right?

# %% [markdown] id="predict-live-zh" lang="zh" en="21ac022f" tags=["predict"]
# **猜一猜。** 看完整的表之前，先用第一个种子现场训练三个变体。在 `sample` 上，去掉注意力之后，完整模型的 NDCG@10 还剩多少？去掉残差呢？这正是本课开头的问题。在 `replay` 上，没有注意力的模型能答对多少？

# %% id="live-run" tags=["nbval-ignore-output", "training"]
table = pd.read_csv(block_ablation.TABLE)
best = block_ablation.at_best_rate(table).set_index(["task", "variant", "seed"]).sort_index()
split = block_ablation.load_split(0, DATASET, USERS)
trained, live = {}, {}
for name in progress_bar(("full", "no attention", "no residual"), "next item"):
    rate = best.loc[("sample", name, 0), "learning_rate"]
    trained[name] = block_ablation.train_sample(VARIANTS[name], split, rate, seed=0)
    live["sample", name] = block_ablation.score_sample(trained[name], split, "test")
for name in progress_bar(("full", "no attention"), "replay"):
    rate = best.loc[("replay", name, 0), "learning_rate"]
    replay = block_ablation.train_replay(VARIANTS[name], rate, seed=0)
    live["replay", name] = block_ablation.score_replay(replay, 0, "test")
marks = {"popularity": build_model("popularity", num_items=split.dataset.num_items, max_len=block_ablation.MAX_LEN)}
marks["popularity"].fit(split.train["user"].to_numpy(), split.train["item"].to_numpy())
marks["popularity"] = block_ablation.score_sample(marks["popularity"], split, "test")
if DATASET in ("sample", "control"):
    ranks = ceiling_ranks(split.dataset, split.test.row)["rank_without_clock"].to_numpy()
    marks["clairvoyant, no clock"] = pd.Series(ndcg(ranks)).groupby(split.test.user).mean().mean()
for (task, name), value in [*live.items(), *((("sample", name), value) for name, value in marks.items())]:
    print(f"{task:8s}{value:.4f}  {name}")

# %% id="live-check"
for (task, name), value in live.items():
    tolerance = 0.005 if task == "sample" else 0.015
    committed = best.loc[(task, name, 0), "test"]
    expect(f"{task}, {name}: as in the table", value, committed, tolerance, when=ON_SAMPLE or task == "replay")
expect("sample, popularity", marks["popularity"], 0.015, tol=0.002, when=ON_SAMPLE)
expect("sample, clairvoyant without clock", marks.get("clairvoyant, no clock", 0), 0.15, tol=0.005, when=ON_SAMPLE)

# %% [markdown] id="table-en" lang="en"
# The full table was made the same way, by one command (`python -m studies.block_ablation`), and is committed; the lines above show that it can be made again. For each variant we take the five paired differences to the full model and put an interval around their mean $m$: $m \pm 2.78\, s / \sqrt{5}$, where $s$ is their standard deviation and 2.78 is the factor of Student's t distribution for 95 % and five values.

# %% [markdown] id="table-zh" lang="zh" en="9325e71b"
# 完整的表是用同样的方法、由一条命令（`python -m studies.block_ablation`）得到的，并保存在仓库里；上面几行说明它可以复现。对每个变体，取它与完整模型的五个配对差，围绕均值 $m$ 给出区间 $m \pm 2.78\, s / \sqrt{5}$，其中 $s$ 是这些差的标准差，2.78 是学生 t 分布在 95%、五个值时的系数。

# %% id="table-code" tags=["nbval-ignore-output"]
STUDENT = 2.776  # 97.5 % point of Student's distribution with 4 degrees of freedom
rows = []
for (task, name), runs in best.groupby(["task", "variant"], sort=False):
    values = runs.loc[(task, name), "test"]
    difference = values - best.loc[(task, "full"), "test"]  # paired by seed
    half = STUDENT * difference.std() / math.sqrt(len(difference))
    rows.append([task, name, runs["learning_rate"].iloc[0], values.mean(), difference.mean(), half])
summary = pd.DataFrame(rows, columns=["task", "variant", "rate", "mean", "difference", "half"]).set_index(
    ["task", "variant"]
)
summary["low"], summary["high"] = summary["difference"] - summary["half"], summary["difference"] + summary["half"]
print(summary[["rate", "mean", "difference", "low", "high"]].round(4).to_string())

# %% id="table-picture" tags=["picture", "nbval-ignore-output"]
fig, (all_of_them, close, replay_ax) = plt.subplots(1, 3, figsize=(11, 3.9), sharey=True)
for place, name in enumerate(VARIANTS):
    for ax, task in ((all_of_them, "sample"), (replay_ax, "replay")):
        values = best.loc[(task, name), "test"]
        ax.plot(values, [place] * len(values), "o", color=plots.BLUE, markersize=5, alpha=0.6)
    row = summary.loc[("sample", name)]
    if name != "full":
        close.plot([row["low"], row["high"]], [place, place], color=plots.BLUE, linewidth=2.5)
        close.plot(row["difference"], place, "o", color=plots.BLUE)
close.axvline(0, color=plots.BLACK, linewidth=1)
close.set(
    xlim=(-0.008, 0.008),
    xticks=[-0.005, 0, 0.005],
    xlabel="sample: NDCG@10 minus full\n(mean and 95 % interval, 5 seeds)",
)
for (name, value), style, side in zip(
    marks.items() if ON_SAMPLE else (), plots.DASHES, ("left", "right"), strict=False
):
    all_of_them.axvline(value, color="#555555", linestyle=style, linewidth=1)
    all_of_them.annotate(name, (value, 1.01), xycoords=("data", "axes fraction"), ha=side, fontsize=9)
all_of_them.set(xlim=(0, 0.16), xticks=[0, 0.05, 0.1, 0.15], xlabel="sample: NDCG@10, test\n(one point a seed)")
replay_ax.axvline(1 / 30, color="#555555", linestyle="--", linewidth=1)
replay_ax.set(xlim=(0, 1.05), xlabel="replay: share of right answers\n(one point a seed; dashed: chance)")
all_of_them.set_yticks(range(len(VARIANTS)), list(VARIANTS))
all_of_them.invert_yaxis()
plt.show()

# %% [markdown] id="table-alt-en" lang="en" tags=["alt"]
# Three dot charts with ten variants as rows: full, no attention, no position, no feed-forward, no residual, no norm, post-norm, no dropout, 1 block, 4 blocks. Left, NDCG@10 on sample, one point a seed: all variants lie together near 0.1, only no residual lies far to the left, near the line of popularity; a second line, the clairvoyant without clock, stands to the right of all, near 0.15. Middle, differences to the full model on sample with intervals: all but no residual, which is far outside the frame, lie within 0.005 of 0. Right, share of right answers on replay: no attention at the dashed line of chance, no position near one third, no residual scattered between nearly nothing and two thirds, all others at 1.

# %% [markdown] id="table-alt-zh" lang="zh" en="fbee6195" tags=["alt"]
# 三幅点图，十个变体为行：full、no attention、no position、no feed-forward、no residual、no norm、post-norm、no dropout、1 block、4 blocks。左图是 sample 上的 NDCG@10，每个种子一点：所有变体都挤在 0.1 附近，只有没有残差的远远落在左边，靠近代表热门基线的线；另一条线是不看时间的先知模型，在 0.15 附近，位于所有点的右边。中图是 sample 上与完整模型之差及区间：没有残差的远在画框之外，其余离 0 都不到 0.005。右图是 replay 上答对的比例：没有注意力的落在代表随机猜测的虚线上，没有位置的在三分之一附近，没有残差的各点分布在几乎为零到三分之二之间，其余都是 1。

# %% id="table-check"
on_sample, on_replay = summary.loc["sample"], summary.loc["replay"]
others = on_sample.drop(index=["full", "no residual"])
expect_true("five seeds of every variant on both tasks", (best.groupby(["task", "variant"]).size() == 5).all())
expect("sample, full: NDCG@10", on_sample.loc["full", "mean"], 0.104, tol=0.002)
expect("sample, no residual: NDCG@10", on_sample.loc["no residual", "mean"], 0.020, tol=0.002)
kept = on_sample.loc["no residual", "mean"] / on_sample.loc["full", "mean"]
expect("sample, no residual: share of the full NDCG@10", kept, 0.2, tol=0.02)
expect_true("sample, no residual: the interval of the loss is far from 0", on_sample.loc["no residual", "high"] < -0.08)
expect_true(
    "sample, every other variant: mean difference to full below 0.003", others["difference"].abs().max() < 0.003
)
expect_true("sample, every other variant: no interval lies below 0", (others["high"] > 0).all())
expect("sample, every other variant: the lowest end of an interval", others["low"].min(), -0.004, tol=0.0006)
expect("replay, no attention: share of right answers", on_replay.loc["no attention", "mean"], 0.035, tol=0.005)
expect("replay, no position", on_replay.loc["no position", "mean"], 0.34, tol=0.03)
unsure = best.loc[("replay", "no residual"), "test"]
expect_true(
    "replay, no residual: no seed reaches 0.8, and the seeds differ by more than 0.4",
    unsure.max() < 0.8 and np.ptp(unsure) > 0.4,
)
right = on_replay.drop(index=["no attention", "no position", "no residual"])
expect_true("replay, every other variant: right in at least 99 of 100", right["mean"].min() > 0.99)

# %% [markdown] id="table-lesson-en" lang="en"
# The question of the beginning has two answers, and they are opposite.
#
# **On `sample`, taking attention out costs nothing that we can measure.** Neither does taking out positions, feed-forward, norms or dropout, or changing the place of the norm or the number of blocks: the mean differences stay below 0.003 at an NDCG@10 of 0.104, and none of the intervals lies below 0. "Nothing measurable" is not "nothing": the intervals reach down to −0.004, so a small loss could hide in them. And with eight intervals side by side, one that just missed 0 would prove little. The missing `x +`, however, costs four fifths of the score **at this number of epochs**; what is left, 0.020, is not much more than popularity with 0.015. Do not read this loss as a limit: its best learning rate lies inside the grid, but it was not trained for longer. It may be slow, or it may be unable.
#
# **On `replay`, attention is everything.** Without it the model guesses. Without positions it is right a third of the time: knowing the six items but not their places would make it right once in six. (The causal mask betrays some of the place: an early event sees fewer others than a late one.) Without residuals some seeds get much further than others **within this budget** of 400 steps: it learns more slowly. (With four times as many steps it solves the task too; the next cell reads the runs.)
#
# So a part has no worth of its own. It has a worth **for a task**, in the company of the other parts. To see why `sample` is so different, find out which event the trained models rely on.

# %% [markdown] id="table-lesson-zh" lang="zh" en="c9e8671c"
# 答案出来了，而且两个任务的结论正好相反。
#
# **在 `sample` 上，去掉注意力没有可测的损失。** 去掉位置、前馈网络、归一化、dropout，或者改变归一化的位置和块数，也同样如此：NDCG@10 为 0.104，平均差都不到 0.003，没有一个区间完全落在 0 以下。但“测不出”不等于“没有”，因为区间的下端达到 −0.004，较小的损失仍可能藏在里面。而且八个区间并列时，即使有一个刚好不含 0，也说明不了什么。然而少了那个 `x +`，**在这个训练轮数下**，分数就会丢掉五分之四；剩下的 0.020 只比热门基线的 0.015 略高。不要把这个损失当作能力的上限：它选中的学习率虽然不在候选的边缘，但这里没有让它训练更久。它可能只是学得慢，也可能确实学不会。
#
# **在 `replay` 上，注意力决定一切。** 没有注意力，模型只能随机猜测。没有位置，它能答对三分之一。如果只知道是哪六个物品，而完全不知道各自排第几，就只能答对六分之一。（因果掩码泄露了一部分位置信息：靠前的事件看到的事件比靠后的少。）没有残差时，**在 400 步的预算之内**，各个种子的结果相差很大，因为它学得更慢。（步数增加到四倍，它也能解出这个任务；下一个单元格读取这些运行的结果。）
#
# 所以，不能脱离任务谈一个组件的价值，它的价值总是**针对某个任务**、在与其他组件搭配时体现出来的。要弄清 `sample` 为什么如此不同，可以检查训练好的模型：它们主要依赖哪个事件？

# %% id="longer-code"
longer = pd.read_csv(block_ablation.LONGER)  # replay with 1,600 steps in place of 400
chosen_rate = longer.groupby("learning_rate")["valid"].mean().idxmax()
patient = longer[longer["learning_rate"] == chosen_rate].set_index("seed")["test"]
show_matrix(
    np.stack([unsure.to_numpy(), patient.to_numpy()]), ["400 steps", "1,600 steps"], [f"seed {s}" for s in patient.index]
)
expect_true("no residual, 1,600 steps: right in at least 99 of 100, every seed", patient.min() > 0.99)

# %% [markdown] id="listen-en" lang="en" tags=["predict"]
# ## Which event does the model rely on?
#
# Take random histories of 20 items, put another item in the place of the **last** event, and measure how far the last state moves, in units of its own length: 0 means that the event makes no difference, 1 that the state is new altogether. (Lesson 05 asked *whether* an output changes; this asks how much.) Then count how many of their first ten recommendations two histories share that have nothing in common.
#
# **Predict.** Without residuals, does the state depend on the last event before any training? And after it?

# %% [markdown] id="listen-zh" lang="zh" en="89a9ba65" tags=["predict"]
# ## 模型依赖哪个事件？
#
# 取若干段含 20 个物品的随机历史，把**最后**一个事件换成别的物品，看最后的状态移动了多远。距离以状态自身的长度为单位：0 表示这个事件毫无影响，1 表示状态完全变了。（第 05 课问的是输出**有没有变**，这里问的是变了多少。）再数一数，两段毫无关系的历史，前十个推荐里有几个相同。
#
# **猜一猜。** 没有残差的模型，训练之前，状态受最后一个事件影响吗？训练之后呢？


# %% id="listen-code" tags=["nbval-ignore-output"]
@torch.no_grad()
def listens(model, length=20, pairs=64):
    """How far the last state moves when the last event changes, and how many of ten two unrelated histories share."""
    items = torch.randint(1, model.num_items + 1, (2 * pairs, length), generator=torch.Generator().manual_seed(0))
    changed = items.clone()
    changed[:, -1] = items[:, -1] % model.num_items + 1
    before, after = model.eval()(items)[:, -1], model(changed)[:, -1]  # [2 pairs, d]
    lists = [set(row.tolist()) for row in model.score(before).topk(10).indices]
    shared = np.mean([len(a & b) for a, b in zip(lists[:pairs], lists[pairs:], strict=True)])
    return ((after - before).norm(dim=1) / before.norm(dim=1)).mean().item(), shared


heard = {}
for name in ("full", "no residual"):
    fresh = block_ablation.build(VARIANTS[name], split.dataset.num_items, block_ablation.MAX_LEN, seed=0)
    for when, model in (("untrained", fresh), ("trained", trained[name])):
        heard[name, when] = listens(model)
        print(
            f"{name:12s} {when:10s} state moves by {heard[name, when][0]:.3f}, shared of ten {heard[name, when][1]:.1f}"
        )

# %% id="listen-check"
expect_true(
    "untrained, full: the last event moves the state by more than its length", heard["full", "untrained"][0] > 1
)
expect_true("untrained, no residual: by less than a twentieth of it", heard["no residual", "untrained"][0] < 0.05)
expect_true("trained, full: two strangers share less than one of ten", heard["full", "trained"][1] < 1, when=ON_SAMPLE)
expect("share of the way to the chosen item that the mood jumps", World().kappa, 0.9, tol=0.001)
expect("trained, no residual: shared of ten", heard["no residual", "trained"][1], 7.5, tol=1, when=ON_SAMPLE)

# %% [markdown] id="listen-why-en" lang="en"
# In this world the mood jumps nine tenths of the way to the item just chosen (`data/README.md`, `kappa`), so the last event holds most of what can be known. It has a direct path to the score, the residual, which is open from the first step of training on. Attention may add the past; for 1,000 users that adds too little to be seen, although the clairvoyant with 0.15 shows that more could be had.
#
# Cut the residual, and the last event must pass through two averages among nineteen others: it moves the state by less than a twentieth. Nothing in the block forbids learning to use it, but after six passes over the data the model still gives two strangers lists that share seven or eight of ten items, where the full model's share less than one. That is a popularity list.
#
# Whether attention pays on *your* data is a question for a measurement of this kind. The first rival to beat is the model without it.

# %% [markdown] id="listen-why-zh" lang="zh" en="474c2147"
# 在这个世界里，用户每次选择之后，短期兴趣会朝刚选的物品移动九成的距离（见 `data/README.md` 中的 `kappa`），因此最后一个事件包含了大部分可以利用的信息。它有一条直接通往得分的通路，也就是残差，从训练的第一步起就畅通。注意力可以补充更早的信息；但只有 1,000 位用户时，补充得太少，测不出来，尽管先知模型的 0.15 说明还有提升的余地。
#
# 去掉残差，最后一个事件就必须与另外十九个事件一起经过两次平均，它只能让状态移动不到二十分之一。块的结构并不妨碍模型学会利用它，但训练六轮之后，模型给两位毫不相干的用户推荐的十个物品里，仍有七八个是相同的，而完整模型平均不到一个。这样的列表实际上就是热门榜。
#
# 在**你的**数据上，注意力是否值得使用，要靠这样的测量来回答。首先要超过的对手，就是没有注意力的模型。

# %% [markdown] id="rates-en" lang="en" tags=["predict"]
# ## What is the norm for, then?
#
# The table says that norms may go. But the table lets each variant pick its learning rate. Look at what happens **before** that choice.
#
# **Predict.** At a low rate, 0.003, and at a high one, 0.03: which of full (pre-norm), post-norm and no norm gets into trouble, and with four blocks?

# %% [markdown] id="rates-zh" lang="zh" en="fd64f9de" tags=["predict"]
# ## 那么归一化有什么用？
#
# 从表上看，归一化似乎可以不要。但表中的每个变体都各自选择了学习率，所以要看看**选择之前**的情形。
#
# **猜一猜。** 在较低的学习率 0.003 和较高的 0.03 下，完整模型（前置归一化）、后置归一化和没有归一化的模型，哪一个会遇到困难？四个块的模型呢？

# %% id="rates-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(10, 3.4))
shown = ["full", "post-norm", "no norm", "4 blocks"]
for ax, task in zip(axes, ("sample", "replay"), strict=True):
    for shift, (name, marker) in enumerate(zip(shown, plots.MARKERS, strict=False)):
        runs = table[(table["task"] == task) & (table["variant"] == name)]
        offset = 1.06 ** (shift - 1.5)  # side by side, so that equal points do not hide each other
        means = runs.groupby("learning_rate")["valid"].mean()
        ax.plot(means.index * offset, means, marker=marker, label=name)
        ax.plot(runs["learning_rate"] * offset, runs["valid"], ".", color=f"C{shift}", alpha=0.5)
    ax.set(xscale="log", xlabel="learning rate", ylim=(0, None))
    ax.set_xticks(block_ablation.RATES, [str(rate) for rate in block_ablation.RATES])
    ax.minorticks_off()
axes[0].set_ylabel("sample: NDCG@10, validation")
axes[1].set_ylabel("replay: share right, validation")
axes[1].legend()
plt.show()

# %% [markdown] id="rates-alt-en" lang="en" tags=["alt"]
# Two charts over the learning rates from 0.001 to 0.1, with lines for full, post-norm, no norm and 4 blocks; small points are single seeds. Left, NDCG@10 on sample: at 0.003 the line without norm starts clearly below the others, at 0.01 and 0.03 all lie together, at 0.1 all fall. Right, share of right answers on replay: at 0.003 the line without norm starts near 0.6 while the others are at 1; at 0.03 the seeds with 4 blocks, and single ones of post-norm, fall; at 0.1 all lie below 0.2.

# %% [markdown] id="rates-alt-zh" lang="zh" en="bd7552d1" tags=["alt"]
# 两幅图，横轴是从 0.001 到 0.1 的学习率，线条是 full、post-norm、no norm 和 4 blocks，小点是单个种子。左图是 sample 上的 NDCG@10：在 0.003 处，没有归一化的线明显低于其他，在 0.01 和 0.03 处都重合在一起，在 0.1 处全部掉下。右图是 replay 上答对的比例：在 0.003 处，没有归一化的从 0.6 附近起步，其余都是 1；在 0.03 处，四个块的若干种子和后置归一化的个别种子掉了下来；在 0.1 处全都低于 0.2。

# %% id="rates-check"
by_rate = table.set_index(["task", "variant", "learning_rate", "seed"])["valid"].sort_index()


def paired_interval(task, a, b, rate):
    """95 % interval of the mean difference a - b over the seeds, on validation."""
    difference = by_rate.loc[(task, a, rate)] - by_rate.loc[(task, b, rate)]
    half = STUDENT * difference.std() / math.sqrt(len(difference))
    return difference.mean() - half, difference.mean() + half


for task in ("sample", "replay"):
    expect_true(
        f"{task}: at 0.003 the full model beats no norm, interval above 0",
        paired_interval(task, "full", "no norm", 0.003)[0] > 0,
    )
full, bare = (by_rate.loc[("sample", name, 0.003)].mean() for name in ("full", "no norm"))
expect("sample at 0.003: share of the NDCG@10 that seems to hang on the norm", 1 - bare / full, 0.3, tol=0.1)
expect("sample at 0.003: share of the full NDCG@10 that no norm reaches", bare / full, 0.7, tol=0.1)
expect("replay at 0.003: no norm is right in", by_rate.loc[("replay", "no norm", 0.003)].mean(), 0.6, tol=0.08)
works = by_rate.loc[("replay", "full", slice(0.001, 0.03))]
expect_true("replay: full is right in 99 of 100 from 0.001 to 0.03", works.min() > 0.99)
too_fast = by_rate.loc[("replay", slice(None), 0.1)].groupby("variant").mean()
expect_true("replay: at 0.1 every variant is right in less than a fifth", (too_fast < 0.2).all())
expect_true(
    "no variant chose an edge of the grid on sample", best.loc["sample", "learning_rate"].isin([0.003, 0.01, 0.03]).all()
)
expect_true("sample at 0.1: no norm diverges with every seed", by_rate.loc[("sample", "no norm", 0.1)].isna().all())
expect_true("replay at 0.03: some seeds with 4 blocks fail", by_rate.loc[("replay", "4 blocks", 0.03)].min() < 0.5)
expect_true("replay at 0.03: a seed of post-norm fails", by_rate.loc[("replay", "post-norm", 0.03)].min() < 0.6)

# %% [markdown] id="rates-lesson-en" lang="en"
# The norm does not raise the best score here. It widens **the range of learning rates that work**: with pre-norm and two blocks, every rate from 0.001 to 0.03 solves `replay`; without norm, the rate 0.003 reaches about 60 %, and on `sample` about 70 % of the full NDCG@10. The rate 0.03 trips up single seeds of post-norm, and some with four blocks. At 0.1 nothing here solves `replay`, and on `sample` the loss of the network without norm becomes NaN.
#
# Had Rosa kept one learning rate for all, 0.003 say, she would have reported that the norm is worth 30 % of the score. That number would have been about her learning rate. This is why each variant gets its own.

# %% [markdown] id="rates-lesson-zh" lang="zh" en="295bd5ec"
# 在这里，归一化并没有提高最好成绩，它扩大的是**可用的学习率范围**。采用前置归一化、两个块时，从 0.001 到 0.03 的每个学习率都能解出 `replay`；没有归一化时，学习率 0.003 只能答对约 60%，在 `sample` 上也只达到完整模型 NDCG@10 的约 70%。学习率 0.03 则会使后置归一化的个别种子以及四个块的若干种子失败。到了 0.1，这里没有一个变体能解出 `replay`，而在 `sample` 上，没有归一化的网络损失会变成 NaN。
#
# 假如小罗让所有变体共用一个学习率，比如 0.003，她就会报告说归一化贡献了 30% 的分数。但这个数字反映的其实是她选的学习率。因此，每个变体都应当各自选择学习率。

# %% [markdown] id="break-axis-en" lang="en" tags=["break-it"]
# ## Break it, 1: a norm along the wrong axes
#
# `F.layer_norm(x, x.shape[-2:])` normalises over all events of a history together. Every shape is right, and the numbers look as tame as before. But mean and variance now contain **the later events**. The table of lesson 05, `influence`, finds it at once.

# %% [markdown] id="break-axis-zh" lang="zh" en="86352cd0" tags=["break-it"]
# ## 破坏实验 1：归一化用错了轴
#
# `F.layer_norm(x, x.shape[-2:])` 把一段历史的所有事件合在一起归一化。形状全都正确，数值看起来也和之前一样正常，但均值和方差里现在包含了**后面的事件**。用第 05 课的影响表 `influence` 可以立即发现这个错误。

# %% id="break-axis-code" tags=["break-it"]
torch.manual_seed(0)
embedding, part = nn.Embedding(40, 16), CausalSelfAttention(16)
items = torch.tensor([3, 14, 15, 9, 2, 6, 5, 35])
ahead = torch.ones(8, 8, dtype=torch.bool).triu(1)


def one_step(items, axes):
    x = embedding(items)
    return x + part(F.layer_norm(x, x.shape[-axes:]))


broken, mended = (influence(lambda items: one_step(items, axes), items) for axes in (2, 1))
expect_true("broken: every event is reached by all later ones", broken[ahead].all())
expect_true("mended, the last axis only: nothing comes from ahead", not mended[ahead].any())

# %% [markdown] id="break-dropout-en" lang="en" tags=["break-it"]
# ## Break it, 2: dropout left on when serving
#
# A module starts in training mode and stays there until somebody calls `model.eval()`. Forget it, and dropout goes on drawing. Nothing fails. The same user asks twice and gets two lists, which differ in two or three places of ten.

# %% [markdown] id="break-dropout-zh" lang="zh" en="b68c9645" tags=["break-it"]
# ## 破坏实验 2：上线时忘了关 dropout
#
# 模块一开始处于训练模式，直到调用 `model.eval()` 为止。如果忘了这一句，dropout 就会一直随机丢弃。程序不会报错，只是同一位用户请求两次，会得到两份不同的列表，十个里有两三个不同。


# %% id="break-dropout-code" tags=["break-it"]
@torch.no_grad()
def top_ten(model, histories):
    return [set(row.tolist()) for row in model.score(model(histories)[:, -1]).topk(10).indices]


histories = torch.randint(1, split.dataset.num_items + 1, (200, 20), generator=torch.Generator().manual_seed(3))
model = trained["full"].train()  # as it was left after training
torch.manual_seed(0)
shared = [len(a & b) for a, b in zip(top_ten(model, histories), top_ten(model, histories), strict=True)]
expect("dropout on: shared by two calls, of ten", np.mean(shared), 7.5, tol=1, when=ON_SAMPLE)
model.eval()
expect_true("mended, model.eval(): both calls agree", top_ten(model, histories) == top_ten(model, histories))

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **6.1 Implement · basic.** Newer models, among them several of this course, use *RMSNorm*: no mean is subtracted, and each event is divided by its root mean square, $x / \sqrt{\mathrm{mean}(x^2) + \varepsilon}$, then multiplied by the gain. $\varepsilon = 10^{-5}$.

# %% [markdown] id="exercise1-zh" lang="zh" en="59356f72" tags=["exercise"]
# ## 练习
#
# **6.1 实现 · 基础。** 较新的模型，包括本课程里的好几个，用的是 *RMSNorm*。它不减均值，而是把每个事件除以自己的均方根，$x / \sqrt{\mathrm{mean}(x^2) + \varepsilon}$，再乘上增益。$\varepsilon = 10^{-5}$。


# %% id="exercise1-code" tags=["exercise"]
def rms_norm(x, gain):
    """x [..., d], gain [d] -> [..., d]."""
    ...


lesson06.check_rms_norm(rms_norm)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def rms_norm(x, gain):
    mean_square = x.square().mean(dim=-1, keepdim=True)
    return x / (mean_square + 1e-5).sqrt() * gain


lesson06.check_rms_norm(rms_norm)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **6.2 Modify · core.** In a *parallel block* attention and feed-forward work side by side: both read the same normalised input, and both results are added to the stream. Rewrite the pre-norm block in this way. `norm`, `attend` and `think` are functions from [L, d] to [L, d].

# %% [markdown] id="exercise2-zh" lang="zh" en="686ff642" tags=["exercise"]
# **6.2 修改 · 进阶。** 在**并行块**里，注意力和前馈网络并列工作：两者读取同一个归一化后的输入，两个结果都加到残差流上。请照此改写前置归一化的块。`norm`、`attend` 和 `think` 都是从 [L, d] 到 [L, d] 的函数。


# %% id="exercise2-code" tags=["exercise"]
def parallel_block(x, norm, attend, think):
    """x [L, d] -> [L, d]."""
    ...


lesson06.check_parallel_block(parallel_block)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def parallel_block(x, norm, attend, think):
    y = norm(x)  # computed once, read twice
    return x + attend(y) + think(y)


lesson06.check_parallel_block(parallel_block)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **6.3 Measure · stretch.** Four sealed parts, `lesson06.sealed["A"]` to `["D"]`, map [L, 16] to [L, 16]. One is pre-norm, one post-norm, one has no residual, one has no norm. Find out which is which without looking inside. Feed each `x` and `10 * x`, and look at the mean and variance of every row of the output, and at output minus input.

# %% [markdown] id="exercise3-zh" lang="zh" en="edcb7816" tags=["exercise"]
# **6.3 测量 · 挑战。** 有四个黑盒模块，`lesson06.sealed["A"]` 到 `["D"]`，把 [L, 16] 映射到 [L, 16]。其中一个是前置归一化，一个是后置归一化，一个没有残差，一个没有归一化。请在不看内部代码的前提下判断各是哪一种。可以给每个模块输入 `x` 和 `10 * x`，观察输出每一行的均值和方差，再观察输出与输入之差。

# %% id="exercise3-code" tags=["exercise"]
kinds = ...  # a dictionary such as {"A": "pre-norm", "B": "post-norm", "C": "no residual", "D": "no norm"}

lesson06.check_kinds(kinds)

# %% id="exercise3-solution" tags=["solution"]
# Solution

x = torch.randn(6, 16, dtype=torch.double)
kinds = {}
for name, part in lesson06.sealed.items():
    once, tenfold = part(x), part(10 * x)
    if (once.mean(dim=1).abs() < 1e-6).all():
        kinds[name] = "post-norm"  # the norm is the last thing that happened
    elif torch.allclose(once, tenfold, atol=1e-3):
        kinds[name] = "no residual"  # the norm erases the size, and nothing carries it past
    elif torch.allclose(once - x, tenfold - 10 * x, atol=1e-3):
        kinds[name] = "pre-norm"  # the change knows nothing of the size, the stream does
    else:
        kinds[name] = "no norm"

lesson06.check_kinds(kinds)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **6.4 Think · basic.** A history $x$, one event per row, goes through LayerNorm (gain 1, shift 0; leave $\varepsilon$ aside). Which changes of $x$ leave the result as it was, whatever the numbers? Give a set of letters.
#
# - A: 5 is added to all numbers of one event
# - B: all numbers of one event are multiplied by 3
# - C: the first number of every event is multiplied by 3
# - D: all numbers are multiplied by −1
# - E: every event is multiplied by a positive factor of its own

# %% [markdown] id="exercise4-zh" lang="zh" en="361116f1" tags=["exercise"]
# **6.4 思考 · 基础。** 一段历史 $x$，每行一个事件，经过层归一化（增益 1，平移 0，$\varepsilon$ 忽略不计）。对 $x$ 的哪些改动，无论数值如何，都不会改变结果？用字母的集合作答。
#
# - A：给一个事件的所有数都加上 5
# - B：把一个事件的所有数都乘以 3
# - C：把每个事件的第一个数乘以 3
# - D：所有数都乘以 −1
# - E：每个事件各乘以一个不同的正数

# %% id="exercise4-code" tags=["exercise"]
unmoved = ...

lesson06.check_unmoved(unmoved)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A moves the mean by 5 and the deviations not at all. B and E multiply deviations and standard deviation of an event by the
# same factor, and each event has its own. C changes one deviation and not the others. D turns the sign of all deviations.
unmoved = {"A", "B", "E"}

lesson06.check_unmoved(unmoved)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** On `sample` with 1,000 users attention adds nothing that five seeds can find, and yet the clairvoyant shows that more could be had. From how many users on does attention pay? Begin with `split = block_ablation.load_split(seed, "sample", 3000)` and `block_ablation.train_sample(VARIANTS["no attention"], split, rate, seed)` beside `VARIANTS["full"]`. A good report holds the paired difference with its interval for two or three numbers of users, the learning rate that each variant chose on validation, a picture, and a doubt: with more users, six passes are also more steps. How would you tell the two apart?

# %% [markdown] id="open-zh" lang="zh" en="33145c29" tags=["open"]
# **开放任务。** 在 `sample` 上只有 1,000 位用户时，五个种子测不出注意力带来的提升，而先知模型表明还有提升的余地。用户多到什么程度，注意力才开始有用？从 `split = block_ablation.load_split(seed, "sample", 3000)` 和 `block_ablation.train_sample(VARIANTS["no attention"], split, rate, seed)` 开始，与 `VARIANTS["full"]` 比较。一份好的报告应当包含：两三种用户数下的配对差及其区间，各变体在验证集上选出的学习率，一张图，以及一个疑点：用户增多时，同样六轮也意味着更多的步数，怎样区分这两种影响？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "differences": ...,  # {users: (mean, low, high)} of full - no attention
    "rates": ...,  # {variant: {learning rate: score on the validation set}}
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson06.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## The bet, answered
#
# Attention or the `x +`? For the recommender that Rosa inherited, keep the `x +`: without it four fifths of the score are gone at equal training time, without attention nothing that five seeds could find. For a task whose answer lies further back, attention is all, and the `x +` gets there sooner. Rosa writes beside each part not "important" but the task, the interval and the learning rate. Lesson 07 assembles the parts into SASRec.

# %% [markdown] id="answer-zh" lang="zh" en="5feb9fbf"
# ## 回答开头的问题
#
# 注意力还是 `x +`？对小罗接手的推荐模型来说，应当留下 `x +`：在训练量相同的条件下，没有它，分数会丢掉五分之四；而没有注意力，五个种子也测不出任何损失。但如果任务的答案藏在更早的历史里，注意力就不可缺少，`x +` 则能让模型学得更快。因此，小罗在每个组件旁边写下的不是“重要”二字，而是任务、区间和学习率。第 07 课将用这些组件搭建 SASRec。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A block is attention and feed-forward, each with a residual and a norm; ours equals PyTorch's layer, gradients included.
# 2. LayerNorm keeps the pattern of an event and forgets its size; it looks at one event only, along the last axis.
# 3. The residual carries the event itself: without it all events of a deep stack become the same, even where size and gradient look healthy.
# 4. The worth of a part belongs to a task: without attention nothing measurable on `sample`, everything on `replay`.
# 5. The norm widens the range of learning rates that work; an ablation with one rate for all measures the rate.

# %% [markdown] id="summary-zh" lang="zh" en="0924a3d0" tags=["summary"]
# ## 小结
#
# 1. 一个块由注意力和前馈网络组成，各带一个残差连接和一个归一化；我们的实现与 PyTorch 的层相等，梯度也相等。
# 2. 层归一化保留事件内部的相对关系，去掉其大小；它只看一个事件，只沿最后一个轴。
# 3. 残差传递的是事件本身：没有它，很深的网络里所有事件会变得一样，即使大小和梯度看上去都正常。
# 4. 组件的价值取决于任务：去掉注意力，在 `sample` 上测不出损失，在 `replay` 上则只剩随机猜测的水平。
# 5. 归一化扩大了可用的学习率范围；如果所有变体共用一个学习率，消融（ablation）实验测到的其实是学习率的影响。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> A colleague normalises each history with `F.layer_norm(x, x.shape[-2:])`. Offline, where whole histories go through at once, the score is high; online it is lower. What leaked, which check shows it, and what will that check look like?</summary>
#
# Mean and variance contain the later events, so every event sees the future. `influence` shows it: the whole triangle above the diagonal is filled. Normalise along the last axis only.
#
# </details>
#
# <details><summary><b>2.</b> LayerNorm without gain and shift maps 1, 2, 6 to a vector $y$. Without calculating: what does it make of 3, 6, 18, of −1, −2, −6, and of 8, 9, 13?</summary>
#
# $y$, $-y$ and $y$. A positive factor and an added constant vanish; a negative factor turns the sign.
#
# </details>
#
# <details><summary><b>3.</b> Twenty-four parts in a row have the slope 0.1 each. How much of a small change at the beginning arrives at the end, without and with residuals?</summary>
#
# Without residuals $0.1^{24} = 10^{-24}$, which is nothing; with residuals $1.1^{24}$, about ten times the change.
#
# </details>
#
# <details><summary><b>4.</b> A stack of 12 blocks does not learn. The states have a root mean square of 0.7 everywhere, the gradients lie between 0.2 and 3. What do you measure next, and which wiring do you suspect?</summary>
#
# The likeness of the events, as the cosine between the first event and the later ones. If it is 1 after some blocks, the events have become one vector: norms without residuals do that, with healthy size and gradient.
#
# </details>
#
# <details><summary><b>5.</b> An untrained pre-norm stack has states of size 2 after 4 blocks. Which size do you expect after 36 blocks, and why is it not nine times as large?</summary>
#
# About 6. Each part adds a change of about the same size in a random direction; such changes add up like a random walk, with the root of their number, and the root of 9 is 3.
#
# </details>
#
# <details><summary><b>6.</b> A paper trains all variants with the learning rate 0.003 and reports that the norm is worth 30 % of the score. Which one change to the protocol would you ask for, and what might happen to the number?</summary>
#
# Each variant chooses its learning rate on validation. On `sample` the loss of 30 % then disappears: the norm widened the range of rates that work and did not raise the best score.
#
# </details>
#
# <details><summary><b>7.</b> The same request twice gives two lists that share eight of ten items; the log shows no error. Name the suspect and the shortest test.</summary>
#
# Dropout is still on. `model.training` is then `True`; after `model.eval()` both calls agree in all ten.
#
# </details>
#
# <details><summary><b>8.</b> With 0.104 for the full model, the interval of the difference for *no attention* reaches from −0.002 to +0.003. May Rosa write "attention is useless"? What may she write?</summary>
#
# No. The interval allows a loss of 0.002, a fiftieth of the score, and it holds for this task, this number of users and this training. She may write that on this task no loss was found and that one of more than 0.002 is unlikely.
#
# </details>
#
# <details><summary><b>9.</b> You believe that a new part helps because it looks five events back. On `sample` it changes nothing. Which property of `sample` may hide the gain, and which kind of task would show it?</summary>
#
# There the last event holds most of what can be known, because the mood jumps nine tenths of the way to it. Take a task whose answer stands further back by construction, as in `replay`, where chance is known, and keep the model without the part as a rival.
#
# </details>
#
# <details><summary><b>10.</b> At $d = 64$ you may spend about 25,000 further parameters on a block with a feed-forward width of $d$. Which one change of the feed-forward network costs about that, and where do most parameters of the block sit then?</summary>
#
# The width $4d$: the network grows from 8,320 to 33,088 parameters. It then holds about two thirds of the block's 49,984; attention keeps its 16,640.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="a10ad9cd" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 一位同事用 `F.layer_norm(x, x.shape[-2:])` 归一化每段历史。离线评价时整段历史一次输入，分数很高；上线后分数变低。泄漏了什么？用什么检查可以发现？检查结果会是什么样？</summary>
#
# 均值和方差包含了后面的事件，所以每个事件都看到了未来。用 `influence` 可以发现：对角线以上的整个三角都被填满。应当只沿最后一个轴归一化。
#
# </details>
#
# <details><summary><b>2.</b> 不带增益和平移的层归一化把 1、2、6 变成向量 $y$。不用计算，说出它把 3、6、18，−1、−2、−6 和 8、9、13 分别变成什么。</summary>
#
# 分别是 $y$、$-y$ 和 $y$。正的倍数和加上的常数会被消去，负的倍数会使符号反转。
#
# </details>
#
# <details><summary><b>3.</b> 24 个组件串联，每个的斜率是 0.1。起点处的微小变化，到末端还剩多少？分别考虑没有残差和有残差的情况。</summary>
#
# 没有残差时为 $0.1^{24} = 10^{-24}$，等于没有；有残差时为 $1.1^{24}$，变化放大到约十倍。
#
# </details>
#
# <details><summary><b>4.</b> 一个 12 层的网络学不动。状态的均方根处处约为 0.7，梯度在 0.2 到 3 之间。接下来应该测什么？你怀疑哪种连接方式？</summary>
#
# 测事件之间的相似度，即第一个事件与后面各事件的余弦。如果经过几个块之后变成 1，说明所有事件成了同一个向量；有归一化而没有残差时就会这样，大小和梯度却都正常。
#
# </details>
#
# <details><summary><b>5.</b> 一个未经训练的前置归一化网络，经过 4 个块后状态大小为 2。经过 36 个块后大约是多少？为什么不是九倍？</summary>
#
# 约 6。每个组件都往随机方向加一个大小差不多的改动，这些改动像随机游走一样累加，与个数的平方根成正比，而 9 的平方根是 3。
#
# </details>
#
# <details><summary><b>6.</b> 一篇论文让所有变体都用学习率 0.003，并报告归一化贡献了 30% 的分数。你会要求对实验方案做哪一处修改？这个数字可能会怎样变化？</summary>
#
# 让每个变体在验证集上各自选择学习率。在 `sample` 上，这 30% 的损失就消失了：归一化扩大的是可用的学习率范围，并没有提高最好成绩。
#
# </details>
#
# <details><summary><b>7.</b> 同一个请求发两次，得到的两份列表只有八个物品相同，日志里没有错误。最可疑的是什么？最短的检验方法是什么？</summary>
#
# dropout 没有关闭，这时 `model.training` 是 `True`。调用 `model.eval()` 之后，两次的十个物品应当完全一致。
#
# </details>
#
# <details><summary><b>8.</b> 完整模型为 0.104，去掉注意力后差值的区间是 −0.002 到 +0.003。小罗可以写“注意力没有用”吗？她可以怎么写？</summary>
#
# 不可以。区间允许 0.002 的损失，约占分数的五十分之一，而且结论只适用于这个任务、这个用户数和这种训练设置。她可以写：在这个任务上没有测出损失，并且损失不太可能超过 0.002。
#
# </details>
#
# <details><summary><b>9.</b> 你认为一个新组件有用，因为它能利用五个事件之前的信息，但在 `sample` 上毫无变化。`sample` 的什么性质可能掩盖了提升？什么样的任务能把它显示出来？</summary>
#
# 在那里，短期兴趣每次朝刚选的物品移动九成，最后一个事件已经包含了大部分可用信息。应当选一个答案必定在更早历史里的任务，例如 `replay`，其随机猜测的水平是已知的，并以不含该组件的模型作为对手。
#
# </details>
#
# <details><summary><b>10.</b> 在 $d = 64$、前馈网络宽度为 $d$ 的块上，你还可以增加约 25,000 个参数。对前馈网络做哪一处修改大约需要这么多？这时块的大部分参数在哪里？</summary>
#
# 把宽度改为 $4d$：前馈网络从 8,320 个参数增加到 33,088 个，约占全块 49,984 个参数的三分之二；注意力仍是 16,640 个。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - A. Vaswani et al., *Attention Is All You Need*, NeurIPS 2017: section 3.1 (residuals, post-norm), section 3.3 (feed-forward). [arXiv 1706.03762](https://arxiv.org/abs/1706.03762)
# - J. L. Ba, J. R. Kiros, G. E. Hinton, *Layer Normalization*, 2016: section 3. [arXiv 1607.06450](https://arxiv.org/abs/1607.06450)
# - K. He, X. Zhang, S. Ren, J. Sun, *Deep Residual Learning for Image Recognition*, CVPR 2016: section 3. [arXiv 1512.03385](https://arxiv.org/abs/1512.03385)
# - D. Hendrycks, K. Gimpel, *Gaussian Error Linear Units*, 2016: section 2. [arXiv 1606.08415](https://arxiv.org/abs/1606.08415)
# - R. Xiong et al., *On Layer Normalization in the Transformer Architecture*, ICML 2020: pre-norm against post-norm. [arXiv 2002.04745](https://arxiv.org/abs/2002.04745)
# - Y. Dong, J.-B. Cordonnier, A. Loukas, *Attention is Not All You Need: Pure Attention Loses Rank Doubly Exponentially with Depth*, ICML 2021: why events become alike. [arXiv 2103.03404](https://arxiv.org/abs/2103.03404)
# - In this repository: `tutorial_lib/models/sasrec.py`, `tutorial_lib/models/base.py`, `studies/block_ablation.py`.

# %% [markdown] id="references-zh" lang="zh" en="4d6371f5" tags=["references"]
# ## 参考文献
#
# - A. Vaswani 等，*Attention Is All You Need*，NeurIPS 2017：第 3.1 节（残差、后置归一化），第 3.3 节（前馈网络）。[arXiv 1706.03762](https://arxiv.org/abs/1706.03762)
# - J. L. Ba、J. R. Kiros、G. E. Hinton，*Layer Normalization*，2016：第 3 节。[arXiv 1607.06450](https://arxiv.org/abs/1607.06450)
# - K. He、X. Zhang、S. Ren、J. Sun，*Deep Residual Learning for Image Recognition*，CVPR 2016：第 3 节。[arXiv 1512.03385](https://arxiv.org/abs/1512.03385)
# - D. Hendrycks、K. Gimpel，*Gaussian Error Linear Units*，2016：第 2 节。[arXiv 1606.08415](https://arxiv.org/abs/1606.08415)
# - R. Xiong 等，*On Layer Normalization in the Transformer Architecture*，ICML 2020：前置与后置归一化的对比。[arXiv 2002.04745](https://arxiv.org/abs/2002.04745)
# - Y. Dong、J.-B. Cordonnier、A. Loukas，*Attention is Not All You Need: Pure Attention Loses Rank Doubly Exponentially with Depth*，ICML 2021：事件为什么会变得一样。[arXiv 2103.03404](https://arxiv.org/abs/2103.03404)
# - 本仓库：`tutorial_lib/models/sasrec.py`，`tutorial_lib/models/base.py`，`studies/block_ablation.py`。
