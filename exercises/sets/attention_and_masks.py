# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="intro-en" lang="en" tags=["intro"]
# A recommender that looks back over a history must decide how much each earlier event matters, and must never look ahead. In this set you build the weights of self-attention, measure what they do, and hunt for models that see the future. It rests on lessons 04 and 05.

# %% [markdown] id="intro-zh" lang="zh" tags=["intro"]
# 推荐模型回看一段历史时，要判断每个过去的事件占多大分量，而且绝不能偷看未来。这一套题里，你会亲手写出自注意力的权重，测量它们做了什么，再把看得见未来的模型揪出来。内容来自第 04、05 课。

# %% [markdown] id="aims-en" lang="en" tags=["guide"]
# ## How to mark
#
# **What it tests.** Whether a student can turn a formula into a tensor operation along the right axis (04.1, 04.2), knows what a row of weights is (04.3), and treats causality as something to be measured and not believed (05.1 to 05.4), and knows which places of a batch a loss may count (05.5).
#
# **The checkers decide.** Each exercise is right or wrong, with a reason. The mistakes seen most often, all named by the checkers: no division by $\sqrt{d}$, or by $d$ itself; softmax over the columns; queries and keys exchanged; `exp` without subtracting the largest score, which overflows (04.1); the output divided by the temperature instead of the scores (04.2); $0 \ln 0$ giving `nan` (04.3); a window that is one event too wide, or a mask turned round (05.1); a row of the mask without any allowed key (05.2); a history too short for the leak that reaches far (05.3); a loss that is divided by all places, pads included (05.5).
#
# **If you mark by hand as well.** Give up to a third of the points of 04.1 and 05.1 where the only fault is an off-by-one and the student says in words what each axis means. In 05.3 ask for the history that was used: a correct set without a measurement is worth half.
#
# **To talk about.** Which of these faults would have raised an error by itself? None: all shapes fit. That is why a reference to compare with is worth more than careful reading.

# %% [markdown] id="aims-zh" lang="zh" tags=["guide"]
# ## 怎样评分
#
# **考什么。** 学生能不能把公式变成沿着正确的轴做的张量运算（04.1、04.2），知不知道一行权重是什么（04.3），以及是否把因果性当作要测量、而不是要相信的事（05.1 到 05.4），以及知不知道损失应当对批次里的哪些位置求平均（05.5）。
#
# **由检查程序判定。** 每道题非对即错，并给出理由。最常见的错误，检查程序都能指出来：没有除以 $\sqrt{d}$，或者除以了 $d$ 本身；沿着列做 softmax；查询和键弄反；`exp` 之前没有减去最大的得分，结果溢出（04.1）；除以温度的是输出而不是得分（04.2）；$0 \ln 0$ 得到 `nan`（04.3）；窗口多看了一个事件，或者掩码方向反了（05.1）；掩码里有一行一个键都不许看（05.2）；历史太短，测不出远处的泄漏（05.3）；损失除以了所有位置，连填充也算在内（05.5）。
#
# **如果还要人工评分。** 04.1 和 05.1 若只差一个位置，而学生能用自己的话说清每个轴的含义，可以给不超过三分之一的分。05.3 要问学生用了怎样的历史：只有正确的集合而没有测量，给一半。
#
# **可以讨论。** 这些错误里，哪些会自己报错？一个也不会：形状全都对得上。所以有一个可以比对的参照，比仔细读代码更管用。
