# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="intro-en" lang="en" tags=["intro"]
# Two models can change places when the way of measuring changes, and a result can be too good to be true without a single wrong line of training code. In this set you compute ranks with ties, see what sampled candidates do to a hit rate, and find the steps that let the test set in. It rests on lessons 01 to 03.

# %% [markdown] id="intro-zh" lang="zh" tags=["intro"]
# 换一种量法，两个模型的名次就可能对调；训练代码一行都没错，结果也可能好得不真实。这一套题里，你会在有并列时计算排名，看采样候选怎样改变命中率，并找出哪些步骤让测试集混了进来。内容来自第 01 到 03 课。

# %% [markdown] id="aims-en" lang="en" tags=["guide"]
# ## How to mark
#
# **What it tests.** Exactness about small things that decide large claims: a tie, a candidate set, a count that includes the test set, a filter that is run once where it must be repeated.
#
# **The checkers decide.** The mistakes seen most often, all named by the checkers: a core whose counts go stale after a round, or whose limits are swapped (01.5); ranks that start at 0, or a tie that the true item always wins, so that a constant model gets rank 1 (02.1); a hit decided by the average rank instead of a probability (02.2); the first rank that fails given in place of the last that holds (02.3); steps from one user to the next counted as ties (03.1); items counted in the whole file (03.2).
#
# **If you mark by hand as well.** 01.4, 03.3 and 03.5 are sets of letters: ask for one sentence a letter and give half of the points for reasons. In 03.5 letter D is disputed most: dropping users by a count that includes the test event decides by the test part who is tested. A student who argues that the library's own minimum of three events does the same on a small scale has understood it.
#
# **To talk about.** A paper reports HR@10 = 0.68 among 100 sampled items. What can you say about its full ranking? (02.3: almost nothing.)

# %% [markdown] id="aims-zh" lang="zh" tags=["guide"]
# ## 怎样评分
#
# **考什么。** 在小事上是否精确，因为小事决定大结论：一个并列、一个候选集、一次把测试集也算进去的计数，一个本应重复执行、却只执行一遍的筛选。
#
# **由检查程序判定。** 最常见的错误，检查程序都能指出来：求核心时每轮之后没有重新计数，或者把两个下限弄反（01.5）；排名从 0 开始，或者并列时总让真实物品赢，于是常数模型也能排第 1（02.1）；用平均排名来判命中，而不是用概率（02.2）；把第一个不合格的排名当成最后一个合格的（02.3）；把从一个用户到下一个用户的那一步也算作并列（03.1）；在整个文件里数物品（03.2）。
#
# **如果还要人工评分。** 01.4、03.3 和 03.5 用字母的集合作答：可以要求每个字母写一句理由，理由占一半的分。03.5 里争议最大的是 D：用包含测试事件的计数来去掉用户，等于让测试集决定谁来参加测试。学生若能指出，库里“至少三个事件”的下限也在小范围内做了同样的事，就说明真懂了。
#
# **可以讨论。** 一篇论文报告，在 100 个采样物品中 HR@10 = 0.68。关于它的全量排序，你能说什么？（02.3：几乎什么都说不了。）
