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
# 小罗接手了一个推荐模型。解释不清的东西，她信不过。模型有两个 Transformer 块，她数了数零件：位置、注意力、前馈网络、残差连接（residual connection）、归一化、dropout。于是她划掉一个零件，重新训练，看看分数，把零件放回去，再划掉下一个。
#
# 其中一个零件占了整整一篇论文，题目就叫 *Attention Is All You Need*（你只需要注意力）。另一个几乎看不见：它是 `x = x + attention(norm(x))` 这一行里的 `x +`。假如这两个里必须丢掉一个，你会留下哪个？把你的赌注写下来。
#
# 这一课里，你会搭出这个块，证明它与 PyTorch 自带的完全相等，然后跑一遍小罗的实验：轮流拿掉每个零件，每个变体都用同样的办法调参，每个用五个种子。赌局在两个任务上各开一次奖。

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
# - 说清有没有残差、有没有归一化时，很深的堆叠里状态会发生什么；
# - 测出一个零件值多少：拿掉它，重新调参，五个种子，配对的区间；
# - 认出两种错误：归一化用错了轴，以及上线时忘了关 dropout。

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

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="parameters-en" lang="en"
# One cell decides on which data this lesson trains. The text speaks of 1,000 users of the simulated `sample`.

# %% [markdown] id="parameters-zh" lang="zh" en="9ad93a93"
# 这一课用什么数据训练，由下面这一个单元格决定。正文说的是模拟数据 `sample` 里的 1,000 位用户。

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
# 注意力（第 04、05 课）是块里的一个零件。下面把其余的一个一个拿出来看，数字小到可以在纸上算。
#
# 一个事件有三个数：1、2、6。**层归一化**（LayerNorm）把它们调成均值 0、方差 1：减去均值 $m$，再除以标准差，也就是方差 $v$ 的平方根，
#
# $$\mathrm{norm}(x)_i = g_i \, \frac{x_i - m}{\sqrt{v + \varepsilon}} + b_i .$$
#
# 很小的 $\varepsilon$ 防止三个数相等时除以零。增益 $g$ 和平移 $b$ 是学出来的，$d$ 个数里每个数各有一对，起初分别是 1 和 0。归一化**只看一个事件**，别的事件不参与。
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
# **先猜，再运行。** 另一个事件的数是它的十倍再加 100：110、120、160。层归一化会把它变成什么？6、2、1 呢？

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
# A part of the network looks at the event and says 0.5, 0, −0.5. Without a residual that **is** the new event: 1, 2 and 6 are forgotten. With it, what was said is added to what was there, and a part that has nothing to say does no harm.
#
# The same holds on the way back. Take a chain of ten parts, each of which passes on a tenth of a nudge to its input: its slope is 0.1. The slopes multiply. With residuals each step has the slope $1 + 0.1$.

# %% [markdown] id="residual-zh" lang="zh" en="e2060e5b"
# 事件的大小不见了，留下的是它的模样。不管前面发生过什么，下一个零件拿到的总是大小熟悉的数。
#
# ## 残差：加上去，而不是换掉
#
# 网络的一个零件看了看事件，说：0.5、0、−0.5。没有残差时，这**就是**新的事件，1、2、6 被忘掉了。有残差时，说出来的话加到原有的数上；零件若是无话可说，也不会坏事。
#
# 往回走的时候也一样。设想十个零件连成一串，输入动一下，每个零件只传过去十分之一：它的斜率是 0.1。斜率会连乘。有了残差，每一步的斜率是 $1 + 0.1$。

# %% [markdown] id="predict-residual-en" lang="en" tags=["predict"]
# **Predict.** How much of a nudge at the beginning arrives behind the tenth part, without and with residuals?

# %% [markdown] id="predict-residual-zh" lang="zh" en="eb84af30" tags=["predict"]
# **猜一猜。** 在起点动一下，到第十个零件之后还剩多少？没有残差和有残差，各是多少？

# %% id="tiny-residual"
said = torch.tensor([0.5, 0.0, -0.5])
show_matrix(torch.stack([said, x + said]), ["without residual", "with residual"], ["a", "b", "c"], digits=1)
print(f"slope of ten parts: without {0.1**10:.0e}, with {1.1**10:.2f}")
expect("slope with residuals", 1.1**10, 2.59, tol=0.01)

# %% [markdown] id="gelu-en" lang="en"
# ## Feed-forward: each event thinks alone
#
# Attention mixes. Whatever its weights are, an event receives a weighted mean of events that went through a linear map; nothing in it looks at two numbers of one event and says "only if both". So the block has a second part, two linear maps with a bend between them, applied to every event by itself:
#
# $$\mathrm{ff}(x) = W_2\, \mathrm{gelu}(W_1 x + c_1) + c_2 , \qquad \mathrm{gelu}(z) = z\, \Phi(z) .$$
#
# $\Phi(z)$ is the share of a standard normal distribution that lies below $z$: where $z$ is far below zero it is 0 and the number vanishes, far above it is 1 and the number passes. In code the share comes from the error function `erf`.
#
# Here is one unit of $W_1$ with the weights 1 and 1 and the shift −3, on the events of lesson 04 and a new one, *Orbit*, a cooking show on a space station.
#
# In the library: [`tutorial_lib.models.sasrec.FeedForward`](../../tutorial_lib/models/sasrec.py).

# %% [markdown] id="gelu-zh" lang="zh" en="5174e208"
# ## 前馈网络：每个事件独自思考
#
# 注意力做的是混合。不管权重是多少，一个事件收到的总是若干事件经过线性映射后的加权平均；里面没有哪一步会看着同一个事件的两个数说：“两者都有才算。”所以块里有第二个零件：两个线性映射，中间折一下，对每个事件单独作用：
#
# $$\mathrm{ff}(x) = W_2\, \mathrm{gelu}(W_1 x + c_1) + c_2 , \qquad \mathrm{gelu}(z) = z\, \Phi(z) .$$
#
# $\Phi(z)$ 是标准正态分布落在 $z$ 以下的份额：$z$ 远小于零时它是 0，这个数就消失；远大于零时它是 1，这个数就通过。代码里，这个份额由误差函数 `erf` 算出。
#
# 下面是 $W_1$ 的一个单元，权重是 1 和 1，平移是 −3。输入是第 04 课的几个事件，外加一个新的 *Orbit*：在空间站上拍的烹饪节目。
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
# The unit speaks up for *Orbit* alone, the event with space **and** kitchen, and nearly keeps silent otherwise.
#
# ## Dropout: train with gaps
#
# While training, *dropout* sets each number to 0 with probability $p$, so that no part can rely on a single number. The survivors are divided by $1 - p$: the mean stays what it was. When serving, it does nothing. Eight ones, $p = 1/4$:

# %% [markdown] id="dropout-zh" lang="zh" en="b396e8f6"
# 这个单元只为 *Orbit* 开口，那是太空**和**厨房都有的事件；对别的事件它几乎一声不吭。
#
# ## dropout：带着缺口训练
#
# 训练时，*dropout*（随机失活）以概率 $p$ 把每个数置为 0，这样没有哪个零件能只靠某一个数。幸存的数除以 $1 - p$，平均值就保持不变。上线时它什么也不做。八个 1，$p = 1/4$：

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
# 还剩一个零件，**位置**：历史中每个位置有一个学出来的向量，在第一个块之前加到物品上（为什么要这样，第 04 课讲过）。现在把零件装到一起。一个块有两步，注意力和前馈网络；归一化放在哪里，有两种习惯：
#
# - **前置归一化**（pre-norm）：$x \leftarrow x + \mathrm{part}(\mathrm{norm}(x))$。数据流 $x$ 本身从不归一化；最后一个块之后再补一次归一化。
# - **后置归一化**（post-norm）：$x \leftarrow \mathrm{norm}(x + \mathrm{part}(x))$。这是 2017 年最早的 Transformer。
#
# 两种都写成函数，权重借自 PyTorch 的 `nn.TransformerEncoderLayer`：


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
# The witness is PyTorch's own layer. All its weights are drawn at random, those of the norms too: with gains of 1 and shifts of 0 nobody would notice that they are missing. We compare outputs **and** gradients, to twelve digits.

# %% [markdown] id="reference-zh" lang="zh" en="5ce9eddb"
# 参照是 PyTorch 自带的层。它的全部权重都随机抽取，归一化的也不例外：如果增益都是 1、平移都是 0，漏写了也没人会发现。输出**和**梯度都要比，比到十二位数字。


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
# `FeedForward` and `Block` are what every attention model of the course is made of. The block is pre-norm.

# %% [markdown] id="library-zh" lang="zh" en="73547f9a" tags=["library"]
# ## 库里的版本
#
# 课程里所有带注意力的模型都由 `FeedForward` 和 `Block` 搭成。这里的块用前置归一化。

# %% id="library-code" tags=["library"]
# show: tutorial_lib.models.sasrec.FeedForward
# show: tutorial_lib.models.sasrec.Block

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
# 整个块画成一张图，右边把其中的注意力打开来看；数字表示先后。
#
# ![左边是整个块，右边是其中注意力的内部。第 1 步：norm1。第 2 步：一个线性映射给出查询、键和值，切成 H 个头。第 3 步：计算得分，除以每个头宽度的平方根。第 4 步：因果掩码把所有更晚的事件设为负无穷。第 5 步：对每一行做 softmax。第 6 步：每一行对值做加权平均。第 7 步：把各个头拼起来，用输出映射混合。第 8 步：把结果加到 x 上。第 9 步：norm2。第 10 步：前馈网络。第 11 步：加上它的结果。时间没有进入。](../figures/zh/block.svg)
#
# **从图上找答案。** 哪一步让一个事件读不到更晚的事件？去掉哪两步，就得到没有残差的块？
#
# <details><summary>答案</summary>
#
# 第 4 步，因果掩码。去掉第 8 步和第 11 步的两次相加。
#
# </details>

# %% [markdown] id="switch-en" lang="en"
# For Rosa's experiment we need the same block with switches. `apply_part` is the one place where residual and norm act; with every switch in its usual place it must be `Block`, to the last bit, and with `norm="post"` PyTorch's post-norm layer.

# %% [markdown] id="switch-zh" lang="zh" en="27a515de"
# 小罗的实验需要一个带开关的块。残差和归一化只在 `apply_part` 这一处起作用。所有开关都在平常位置时，它必须与 `Block` 一位不差；设 `norm="post"` 时，必须等于 PyTorch 的后置归一化层。

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
# ## 叠得很高
#
# 把 16 个块叠起来，权重随机、没有训练过，再送进去含 20 个随机事件的历史。每过一个块，测三样东西：
#
# - 状态的**大小**：它们各个数的均方根；
# - 从堆叠末端传到这里的**梯度**：如果是 0，下面的块就没法学；如果大得惊人，训练走一步就会把它们甩飞；
# - 事件之间的**相似度**：一段历史里第一个事件与后面每个事件的余弦。如果是 1，所有事件都变成了一个样，任何注意力都分不清它们。

# %% [markdown] id="predict-depth-en" lang="en" tags=["predict"]
# **Predict.** Five stacks: pre-norm; post-norm; residuals without norms; norms without residuals; neither. In which does the gradient vanish, in which does it explode? And can a stack go wrong although both size and gradient look healthy?

# %% [markdown] id="predict-depth-zh" lang="zh" en="ae508525" tags=["predict"]
# **猜一猜。** 五种堆叠：前置归一化；后置归一化；有残差、没有归一化；有归一化、没有残差；两样都没有。哪一种梯度会消失，哪一种会爆炸？有没有可能大小和梯度看上去都健康，堆叠却还是坏的？


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
# 三幅折线图，横轴是经过的块数，从 0 到 16，五种堆叠。大小（对数刻度）：没有归一化时升到几千，两样都没有时降到万分之一以下；后置归一化一直是 1，有归一化没残差的在 0.6 附近，前置归一化缓慢升到 4 左右。梯度（对数刻度）：没有归一化时，在第一个块处超过一万，两样都没有时不到万分之一；其余三种都在十分之一到十之间。相似度：都从 0 起步；没有残差的，不管有没有归一化，大约八个块之后就到 1；后置归一化和没有归一化的堆叠最后接近 1，前置归一化停在 0.55 附近。

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
# The textbook case is the last one: with neither norm nor residual, signal and gradient fade below a ten-thousandth. Norms alone cure the size, residuals alone cure the fading but let everything grow.
#
# Look at the quiet failure. **Norms without residuals** have a healthy size and a healthy gradient, and yet nothing is left to learn from: after eight blocks all events of a history are the same vector. Attention averages; without the `x +` an event survives only as a share of a mean, and then of a mean of means. The residual is not only a road for the gradient. It is the road on which **the event itself** gets through.
#
# Pre-norm and post-norm differ too. In pre-norm every part adds a change of about the same size to a stream that nobody scales down. Changes that point in random directions add up like a walk: four times the blocks, twice the size. Post-norm scales the stream down after every addition, and with it the share of the original event; at the end of this untrained stack the events are alike to 0.98. Both are starting points, not results: training can move them.

# %% [markdown] id="depth-why-zh" lang="zh" en="c76fd826"
# 教科书上讲的是最后一种：归一化和残差都没有，信号和梯度就会衰减到万分之一以下。只加归一化，治好了大小；只加残差，治好了衰减，却让一切越长越大。
#
# 再看那个不声不响的故障。**有归一化、没有残差**时，大小健康，梯度也健康，却已经没有东西可学：过了八个块，一段历史里所有事件都成了同一个向量。注意力是在做平均；没有 `x +`，一个事件只能作为平均的一份活下来，接着是平均的平均的一份。残差不只是梯度走的路，也是**事件本身**走的路。
#
# 前置归一化和后置归一化也不一样。前置归一化时，每个零件都往数据流上加一个差不多大的改动，而这条流没有谁来缩小。方向随机的改动，加起来就像随机走步：块数变成四倍，大小变成两倍。后置归一化则在每次相加之后都把流缩小，原来事件的份额也跟着缩小；在这个没训练过的堆叠末端，事件之间的相似度达到 0.98。两者都只是起点，不是结果：训练能把它们挪走。

# %% [markdown] id="experiment-en" lang="en"
# ## Rosa's experiment
#
# Deep stacks are for language models. Rosa's recommender has two blocks. What is each part worth **there**? Two tasks:
#
# - **sample**: the next item in the simulated world, for 1,000 users. Scored by NDCG@10 with full ranking; every event of the test period counts.
# - **replay**: six random items out of 30, then a request: *number 4 again*. The right answer is the fourth item. Scored by the share of right answers; guessing is right in 1 of 30.
#
# The rules keep the comparison fair. Each variant is SASRec with one part switched off, trained as long as the others (six passes over `sample`, 400 batches of `replay`). What is best for the whole need not be best for a part of it, so **each variant chooses its own learning rate**, 0.003, 0.01 or 0.03, by its mean on validation; the test part decides nothing. Five seeds: each draws its own users, initial weights, batches and dropout, and all variants of a seed share them. So we can take the difference to the full model within each seed, which is what *paired* means.

# %% [markdown] id="experiment-zh" lang="zh" en="2857344a"
# ## 小罗的实验
#
# 很深的堆叠是语言模型的事。小罗的推荐模型只有两个块。每个零件**在那里**值多少？看两个任务：
#
# - **sample**：模拟世界里的下一个物品，1,000 位用户。用全量排序的 NDCG@10 打分，测试期内的每个事件都算。
# - **replay**：从 30 个物品里随机放六个，然后来一个请求：**再来一次第 4 个**。正确答案就是第四个物品。按答对的比例打分；瞎猜的话，30 次里能对 1 次。
#
# 规则要保证比较公平。每个变体都是关掉一个零件的 SASRec，训练得和别的一样久（`sample` 过六遍，`replay` 练 400 个批次）。对整体最好的设置，对少了一块的未必最好，所以**每个变体自选学习率**，0.003、0.01 或 0.03，看它在验证集上的平均成绩；测试集什么也不决定。五个种子：每个种子有自己的用户、初始权重、批次顺序和 dropout，同一个种子下的所有变体共用这些。于是可以在每个种子内部求它与完整模型之差，这就是**配对**的意思。

# %% [markdown] id="predict-live-en" lang="en" tags=["predict"]
# **Predict.** Before the table, three variants live, with the first seed. On `sample`: what is left of the NDCG@10 of the full model without attention, and what without residuals? Your bet from the beginning is at stake. And on `replay`: how often will the model without attention be right?

# %% [markdown] id="predict-live-zh" lang="zh" en="21ac022f" tags=["predict"]
# **猜一猜。** 看表之前，先用第一个种子现场跑三个变体。在 `sample` 上：拿掉注意力，完整模型的 NDCG@10 还剩多少？拿掉残差呢？开头的赌注就押在这里。在 `replay` 上：没有注意力的模型能答对多少？

# %% id="live-run" tags=["nbval-ignore-output", "training"]
table = pd.read_csv(block_ablation.TABLE)
best = block_ablation.at_best_rate(table).set_index(["task", "variant", "seed"]).sort_index()
split = block_ablation.load_split(0, DATASET, USERS)
trained, live = {}, {}
for name in ("full", "no attention", "no residual"):
    rate = best.loc[("sample", name, 0), "learning_rate"]
    trained[name] = block_ablation.train_sample(VARIANTS[name], split, rate, seed=0)
    live["sample", name] = block_ablation.score_sample(trained[name], split, "test")
for name in ("full", "no attention"):
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
    print(f"{task:8s}{name:23s}{value:.4f}")

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
# 完整的表用同样的办法、由一条命令（`python -m studies.block_ablation`）做出，并提交在仓库里；上面几行说明它可以重做。对每个变体，取它与完整模型的五个配对差，在均值 $m$ 周围给出区间：$m \pm 2.78\, s / \sqrt{5}$，其中 $s$ 是这些差的标准差，2.78 是学生 t 分布在 95%、五个值时的系数。

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
# 三幅点图，十个变体为行：full、no attention、no position、no feed-forward、no residual、no norm、post-norm、no dropout、1 block、4 blocks。左图是 sample 上的 NDCG@10，每个种子一点：所有变体都挤在 0.1 附近，只有没有残差的远远落在左边，靠近代表热门基线的线；另一条线是没有时钟的先知模型，在 0.15 附近，位于所有点的右边。中图是 sample 上与完整模型之差及区间：没有残差的远在画框之外，其余离 0 都不到 0.005。右图是 replay 上答对的比例：没有注意力的落在代表瞎猜的虚线上，没有位置的在三分之一附近，没有残差的散布在几乎为零到三分之二之间，其余都是 1。

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
expect_true("sample, every other variant: no interval reaches below -0.005", others["low"].min() > -0.005)
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
# The bet is decided, twice and in opposite ways.
#
# **On `sample`, attention costs nothing that we can measure.** Neither do positions, feed-forward, norms, dropout, the place of the norm or the number of blocks: the mean differences stay below 0.003 at an NDCG@10 of 0.104, and none of the intervals lies below 0. "Nothing measurable" is not "nothing": the intervals reach down to almost −0.005, so a small loss could hide in them. And with eight intervals side by side, one that just missed 0 would prove little. The missing `x +`, however, costs four fifths of the score **at this number of epochs**; what is left, 0.020, is not much more than popularity with 0.015. Do not read this loss as a limit: its best learning rate is the lowest of the grid, and here it was not trained for longer. It may be slow, or it may be unable.
#
# **On `replay`, attention is everything.** Without it the model guesses. Without positions it is right a third of the time: it knows the six items but not their places (not quite: through the causal mask an early event sees fewer others than a late one, which betrays a little). Without residuals some seeds get much further than others **within this budget** of 400 steps: it learns more slowly. (With four times as many steps it solves the task too; the next cell reads the runs.)
#
# So a part has no worth of its own. It has a worth **for a task**, in the company of the other parts. To see why `sample` is so different, ask the trained models which event they listen to.

# %% [markdown] id="table-lesson-zh" lang="zh" en="f08977da"
# 赌局开奖了，开了两次，结果正相反。
#
# **在 `sample` 上，拿掉注意力没有可测的代价。** 位置、前馈网络、归一化、dropout、归一化放哪里、块数多少，也都没有：NDCG@10 为 0.104，平均差都不到 0.003，没有一个区间落在 0 以下。“测不出”不等于“没有”：区间的下端接近 −0.005，小小的损失仍可能藏在里面。而且八个区间并排放着，就算有一个刚好不含 0，也说明不了什么。可是少了那个 `x +`，**在这个训练轮数下**，分数丢掉五分之四；剩下的 0.020，比热门基线的 0.015 多不了多少。不要把这个损失当作能力的上限：它选中的学习率是网格里最小的一个，这里也没有让它训练更久。它可能只是学得慢，也可能真的学不会。
#
# **在 `replay` 上，注意力就是一切。** 没有它，模型只能瞎猜。没有位置，能对三分之一：模型知道是哪六个物品，却不知道它们各在第几个（也不尽然：透过因果掩码，靠前的事件看到的别人比靠后的少，这会泄露一点）。没有残差时，**在 400 步的预算之内**，各个种子的结果相差很大：它学得更慢。（步数增加到四倍，它也能解出这个任务；下一个单元格读取这些运行的结果。）
#
# 所以，一个零件没有它自己的价值，只有**对一个任务**、与别的零件搭配时的价值。要明白 `sample` 为什么如此不同，就去问问训练好的模型：它们在听哪个事件说话？

# %% id="longer-code"
longer = pd.read_csv(block_ablation.LONGER)  # replay with 1,600 steps in place of 400
chosen_rate = longer.groupby("learning_rate")["valid"].mean().idxmax()
patient = longer[longer["learning_rate"] == chosen_rate].set_index("seed")["test"]
show_matrix(
    np.stack([unsure.to_numpy(), patient.to_numpy()]), ["400 steps", "1,600 steps"], [f"seed {s}" for s in patient.index]
)
expect_true("no residual, 1,600 steps: right in at least 99 of 100, every seed", patient.min() > 0.99)

# %% [markdown] id="listen-en" lang="en" tags=["predict"]
# ## Whom does it listen to?
#
# Take random histories of 20 items, put another item in the place of the **last** event, and measure how far the last state moves, in units of its own length: 0 is deaf, 1 is a new state altogether. (Lesson 05 asked *whether* an output changes; this asks how much.) Then count how many of their first ten recommendations two histories share that have nothing in common.
#
# **Predict.** Without residuals, does the model hear the last event before any training? And after it?

# %% [markdown] id="listen-zh" lang="zh" en="8c8dc13e" tags=["predict"]
# ## 它在听谁说话？
#
# 取一些含 20 个物品的随机历史，把**最后**一个事件换成别的物品，看最后的状态移动了多远，以它自身的长度为单位：0 是聋子，1 是换了一个全新的状态。（第 05 课问的是输出**变没变**，这里问的是变了多少。）再数一数，两段毫无关系的历史，前十个推荐里有几个相同。
#
# **猜一猜。** 没有残差的模型，训练之前听得见最后一个事件吗？训练之后呢？


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
# In this world the mood jumps nine tenths of the way to the item just chosen (`data/README.md`, `kappa`), so the last event says most of what can be known. It has a road of its own to the score: the residual. There it arrives from the first step of training on. Attention may add the past; for 1,000 users that adds too little to be seen, although the clairvoyant with 0.15 shows that more could be had.
#
# Cut the residual, and the last event must pass through two averages among nineteen others: it moves the state by less than a twentieth. Nothing in the block forbids learning to hear it, but after six passes over the data the model still gives two strangers lists that share seven or eight of ten items, where the full model's share less than one. That is a popularity list.
#
# Whether attention pays on *your* data is a question for a measurement of this kind. The first rival to beat is the model without it.

# %% [markdown] id="listen-why-zh" lang="zh" en="92426d55"
# 在这个世界里，每次选择之后，心情会朝刚选的物品跳过去九成的距离（见 `data/README.md` 的 `kappa`），所以最后一个事件说出了能知道的大部分。它有一条自己的路通往得分：残差。从训练的第一步起，它就走得通。注意力可以把过去添进来；只有 1,000 位用户时，添的太少，看不出来，尽管先知模型的 0.15 说明还有余地。
#
# 切断残差，最后一个事件就得和另外十九个一起，从两次平均里挤过去：它只能让状态移动不到二十分之一。块的结构并不妨碍模型学会听见它，但把数据过六遍之后，模型给两个陌生人的十个物品里，仍有七八个是相同的，而完整模型给的相同不到一个。这就是一张热门榜。
#
# 在**你的**数据上注意力划不划算，要用这样的测量来回答。第一个要战胜的对手，就是没有注意力的模型。

# %% [markdown] id="rates-en" lang="en" tags=["predict"]
# ## What is the norm for, then?
#
# The table says that norms may go. But the table lets each variant pick its learning rate. Look at what happens **before** that choice.
#
# **Predict.** At the lowest rate, 0.003, and at the highest, 0.03: which of full (pre-norm), post-norm and no norm gets into trouble, and with four blocks?

# %% [markdown] id="rates-zh" lang="zh" en="b3245db1" tags=["predict"]
# ## 那么归一化是干什么用的？
#
# 表上说，归一化可以不要。但表里的每个变体都可以自选学习率。看看**选择之前**的情形。
#
# **猜一猜。** 在最低的 0.003 和最高的 0.03：完整模型（前置归一化）、后置归一化、没有归一化，哪一个会遇到麻烦？四个块的呢？

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
# Two charts over the learning rates 0.003, 0.01 and 0.03, with lines for full, post-norm, no norm and 4 blocks; small points are single seeds. Left, NDCG@10 on sample: at 0.003 the line without norm starts clearly below the others, from 0.01 on all lie together. Right, share of right answers on replay: at 0.003 the line without norm starts near 0.6 while the others are at 1; at 0.03 the seeds with 4 blocks, and single ones of post-norm, fall.

# %% [markdown] id="rates-alt-zh" lang="zh" en="48fd9eef" tags=["alt"]
# 两幅图，横轴是学习率 0.003、0.01、0.03，线条是 full、post-norm、no norm 和 4 blocks，小点是单个种子。左图是 sample 上的 NDCG@10：在 0.003 处，没有归一化的线明显低于其他，从 0.01 起都挤在一起。右图是 replay 上答对的比例：在 0.003 处，没有归一化的从 0.6 附近起步，其余都是 1；在 0.03 处，四个块的若干种子和后置归一化的个别种子掉了下来。

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
expect_true("replay: full is right in 99 of 100 at every rate", by_rate.loc[("replay", "full")].min() > 0.99)
expect_true("replay at 0.03: some seeds with 4 blocks fail", by_rate.loc[("replay", "4 blocks", 0.03)].min() < 0.5)
expect_true("replay at 0.03: a seed of post-norm fails", by_rate.loc[("replay", "post-norm", 0.03)].min() < 0.6)

# %% [markdown] id="rates-lesson-en" lang="en"
# The norm does not raise the best score here. It widens **the range of learning rates that work**: with pre-norm and two blocks, every rate solves `replay`; without norm, the lowest rate reaches about 60 %, and on `sample` about 70 % of the full NDCG@10. The highest rate trips up single seeds of post-norm, and some with four blocks.
#
# Had Rosa kept one learning rate for all, 0.003 say, she would have reported that the norm is worth 30 % of the score. That number would have been about her learning rate. This is why each variant gets its own.

# %% [markdown] id="rates-lesson-zh" lang="zh" en="d738e14e"
# 归一化在这里并没有抬高最好成绩。它拓宽的是**能用的学习率的范围**：前置归一化、两个块时，每个学习率都能解出 `replay`；没有归一化，最低的学习率只能答对约 60%，在 `sample` 上只有完整模型 NDCG@10 的约 70%。最高的学习率则会绊倒后置归一化的个别种子，以及四个块的若干种子。
#
# 要是小罗对所有变体只用一个学习率，比如 0.003，她就会报告说：归一化值 30% 的分数。那个数字说的其实是她的学习率。所以每个变体都得有自己的学习率。

# %% [markdown] id="break-axis-en" lang="en" tags=["break-it"]
# ## Break it, 1: a norm along the wrong axes
#
# `F.layer_norm(x, x.shape[-2:])` normalises over all events of a history together. Every shape is right, and the numbers look as tame as before. But mean and variance now contain **the later events**. The table of lesson 05, `influence`, finds it at once.

# %% [markdown] id="break-axis-zh" lang="zh" en="86352cd0" tags=["break-it"]
# ## 弄坏它之一：归一化用错了轴
#
# `F.layer_norm(x, x.shape[-2:])` 把一段历史的所有事件合在一起归一化。形状全对，数看起来也和先前一样规矩。可是均值和方差里现在有了**后面的事件**。第 05 课的那张表，`influence`，一下就能发现。

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
# ## 弄坏它之二：上线时忘了关 dropout
#
# 模块一开始处于训练模式，直到有人调用 `model.eval()` 为止。忘了这一句，dropout 就会一直抽下去。什么错也不报，只是同一位用户问两次，会得到两份列表，十个里有两三个不同。


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
# **6.1 Implement.** Newer models, among them several of this course, use *RMSNorm*: no mean is subtracted, and each event is divided by its root mean square, $x / \sqrt{\mathrm{mean}(x^2) + \varepsilon}$, then multiplied by the gain. $\varepsilon = 10^{-5}$.

# %% [markdown] id="exercise1-zh" lang="zh" en="d716ac63" tags=["exercise"]
# ## 练习
#
# **6.1 实现。** 较新的模型，包括本课程里的好几个，用的是 *RMSNorm*：不减均值，每个事件除以它的均方根，$x / \sqrt{\mathrm{mean}(x^2) + \varepsilon}$，再乘上增益。$\varepsilon = 10^{-5}$。


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
# **6.2 Modify.** In a *parallel block* attention and feed-forward do not wait for each other: both read the same normalised input, and both results are added to the stream. Rewrite the pre-norm block in this way. `norm`, `attend` and `think` are functions from [L, d] to [L, d].

# %% [markdown] id="exercise2-zh" lang="zh" en="2b4bac3b" tags=["exercise"]
# **6.2 修改。** 在**并行块**里，注意力和前馈网络互不等待：两者读同一个归一化后的输入，两个结果都加到数据流上。照这样改写前置归一化的块。`norm`、`attend` 和 `think` 都是从 [L, d] 到 [L, d] 的函数。


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
# **6.3 Measure.** Four sealed parts, `lesson06.sealed["A"]` to `["D"]`, map [L, 16] to [L, 16]. One is pre-norm, one post-norm, one has no residual, one has no norm. Find out which is which without looking inside. Feed each `x` and `10 * x`, and look at the mean and variance of every row of the output, and at output minus input.

# %% [markdown] id="exercise3-zh" lang="zh" en="f45f4015" tags=["exercise"]
# **6.3 测量。** 四个封装好的零件，`lesson06.sealed["A"]` 到 `["D"]`，把 [L, 16] 映射到 [L, 16]。一个是前置归一化，一个是后置归一化，一个没有残差，一个没有归一化。不看内部，找出谁是谁。给每个零件喂 `x` 和 `10 * x`，看输出每一行的均值和方差，再看输出减输入。

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
# **6.4 Think.** A history $x$, one event per row, goes through LayerNorm (gain 1, shift 0; leave $\varepsilon$ aside). Which changes of $x$ leave the result as it was, whatever the numbers? Give a set of letters.
#
# - A: 5 is added to all numbers of one event
# - B: all numbers of one event are multiplied by 3
# - C: the first number of every event is multiplied by 3
# - D: all numbers are multiplied by −1
# - E: every event is multiplied by a positive factor of its own

# %% [markdown] id="exercise4-zh" lang="zh" en="ca84ccce" tags=["exercise"]
# **6.4 思考。** 一段历史 $x$，每行一个事件，经过层归一化（增益 1，平移 0，$\varepsilon$ 忽略不计）。对 $x$ 的哪些改动，无论数值如何，都会让结果保持原样？用字母的集合作答。
#
# - A：给一个事件的所有数都加上 5
# - B：把一个事件的所有数都乘以 3
# - C：把每个事件的第一个数乘以 3
# - D：所有数都乘以 −1
# - E：每个事件各乘以一个自己的正数

# %% id="exercise4-code" tags=["exercise"]
unmoved = ...

lesson06.check_unmoved(unmoved)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A moves the mean by 5 and the deviations not at all. B and E multiply deviations and standard deviation of an event by the
# same factor, and each event has its own. C changes one deviation and not the others. D turns the sign of all deviations.
unmoved = {"A", "B", "E"}

lesson06.check_unmoved(unmoved)

# %% [markdown] id="answer-en" lang="en"
# ## The bet, answered
#
# Attention or the `x +`? For the recommender that Rosa inherited, keep the `x +`: without it four fifths of the score are gone at equal training time, without attention nothing that five seeds could find. For a task whose answer lies further back, attention is all, and the `x +` gets there sooner. Rosa writes beside each part not "important" but the task, the interval and the learning rate. Lesson 07 assembles the parts into SASRec.

# %% [markdown] id="answer-zh" lang="zh" en="5feb9fbf"
# ## 回答开头的赌局
#
# 注意力还是 `x +`？对小罗接手的那个推荐模型，留下 `x +`：训练时间相同，没有它分数就丢掉五分之四；没有注意力，五个种子也找不出任何损失。如果一个任务的答案藏在更早的历史里，注意力就是一切，而 `x +` 能让模型更快学会。小罗在每个零件旁边写下的不是“重要”，而是任务、区间和学习率。第 07 课把这些零件组装成 SASRec。

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
# 1. 一个块就是注意力加前馈网络，各带一条残差、一个归一化；我们的块与 PyTorch 的层相等，连梯度也相等。
# 2. 层归一化留下事件的模样，忘掉它的大小；它只看一个事件，只沿最后一个轴。
# 3. 残差运送的是事件本身：没有它，很深的堆叠里所有事件会变成一个样，哪怕大小和梯度看上去都健康。
# 4. 零件的价值取决于任务：没有注意力，在 `sample` 上测不出损失，在 `replay` 上丢掉一切。
# 5. 归一化拓宽了能用的学习率的范围；如果所有变体共用一个学习率，消融（ablation）实验测到的就是学习率。

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
