# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="intro-en" lang="en" tags=["intro"]
# TiSASRec lets attention see the gaps between events; mHC replaces the one residual stream by several that are mixed without growing. In this set you work with buckets of time, find out what a model cannot notice, and keep matrices doubly stochastic. It rests on lessons 08 and 09.

# %% [markdown] id="intro-zh" lang="zh" tags=["intro"]
# TiSASRec 让注意力看见事件之间的间隔；mHC 把一条残差流换成几条，混合时又不让它们变大。这一套题里，你会和时间的分桶打交道，弄清一个模型察觉不到什么，并让矩阵保持双随机。内容来自第 08、09 课。

# %% [markdown] id="aims-en" lang="en" tags=["guide"]
# ## How to mark
#
# **What it tests.** Units and boundaries of time features (08.1 to 08.3), reasoning about invariances (08.4), and the order of operations in a constraint (09.1, 09.2) as well as seeing when a part of a network does nothing (09.3).
#
# **The checkers decide.** The mistakes seen most often, all named by the checkers: the inverse of a logarithm taken in minutes instead of seconds, or without subtracting 1 (08.1); hours rounded down before wrapping round the dial (08.2); pads, the diagonal or both halves of the table counted (08.3); rows divided before columns, or row sums taken from the old matrix (09.1); $H_{res}$ transposed, $H_{pre}$ and $H_{post}$ exchanged, the sub-layer called once for every stream (09.2); outputs compared with `==` instead of a small tolerance (09.3).
#
# **If you mark by hand as well.** In 08.4 and 09.4 ask for one reason a letter. A good reason for 09.4 E is a counterexample of two rows; a good one for A is a sum written out.
#
# **To talk about.** 08.3 shows that linear buckets put nine pairs of ten into the last bucket. What does the model learn about a year from them?

# %% [markdown] id="aims-zh" lang="zh" tags=["guide"]
# ## 怎样评分
#
# **考什么。** 时间特征的单位和边界（08.1 到 08.3），对不变性的推理（08.4），约束中运算的次序（09.1、09.2），以及能否看出网络的某个部分其实什么也没做（09.3）。
#
# **由检查程序判定。** 最常见的错误，检查程序都能指出来：对数的反函数得到的是分钟而不是秒，或者忘了减 1（08.1）；绕表盘之前先把小时向下取整（08.2）；把填充、对角线或者表的上下两半都数了进去（08.3）；先除行再除列，或者行的和取自旧矩阵（09.1）；$H_{res}$ 转置了，$H_{pre}$ 和 $H_{post}$ 对调，给每条流各调用一次子层（09.2）；用 `==` 比较输出，而不是用很小的容差（09.3）。
#
# **如果还要人工评分。** 08.4 和 09.4 可以要求每个字母写一条理由。09.4 的 E，好的理由是一个两行的反例；A，好的理由是把和写出来。
#
# **可以讨论。** 08.3 表明，线性的桶把十对里的九对放进了最后一个桶。关于“一年”，模型还能从中学到什么？
