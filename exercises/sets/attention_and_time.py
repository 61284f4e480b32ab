# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="intro-en" lang="en" tags=["intro"]
# Self-attention compares every event with every earlier one. By itself it knows the order of the events and not the time between them. In this set you build its weights and its mask, let the gaps in, once by buckets and once by decay, and find out what each of these models can see of the clock. It rests on lessons 04, 05, 07, 08 and 12.

# %% [markdown] id="intro-zh" lang="zh" tags=["intro"]
# 自注意力把每个事件与之前的每个事件作比较。它本身只知道事件的顺序，不知道事件之间隔了多久。这一套题里，你会写出注意力权重和掩码，再把间隔引入模型，一次用分桶，一次用衰减，并查明这些模型各能看到多少时间信息。内容来自第 04、05、07、08 和 12 课。

# %% [markdown] id="aims-en" lang="en" tags=["guide"]
# ## How to mark
#
# **What it tests.** Whether a student can follow time through a model: from the scores (04.1) and the mask (05.1), over the bucket of a gap (08.1, 08.3), to a state that decays between two events (12.1). Two questions end the set: which changes of the clock does a model not notice (08.4), and which signals read the time of a later event (12.3)?
#
# **The checkers decide.** The mistakes seen most often, all named by the checkers: no division by $\sqrt{d}$, softmax over the columns (04.1); a mask that is turned round or one event too wide (05.1); a leak that is looked for in histories that are too short (05.3); the length with the highest value taken instead of the smallest that is good enough (07.3); minutes given for seconds (08.1); pads counted as pairs (08.3); the step of the last event left out (12.1).
#
# **If you mark by hand as well.** In 08.4 and 12.3 ask for the reason behind one letter: the line of the model in which the time enters, or the line that removes it.
#
# **To talk about.** TiSASRec puts a gap into one of a few hundred buckets, TiM4Rec multiplies by a decay. Which of the two can tell 2 hours from 3, and which can tell one year from two?

# %% [markdown] id="aims-zh" lang="zh" tags=["guide"]
# ## 怎样评分
#
# **考什么。** 学生能不能沿着模型追踪时间信息：从注意力得分（04.1）和掩码（05.1），到间隔所在的桶（08.1、08.3），再到两个事件之间衰减的状态（12.1）。最后是两个问题：时间怎样改变，模型察觉不到（08.4）？哪些信号读取了之后事件的时间（12.3）？
#
# **由检查程序判定。** 最常见的错误，检查程序都能指出来：没有除以 $\sqrt{d}$，对列做 softmax（04.1）；掩码方向反了，或者多看一个事件（05.1）；在太短的历史里寻找泄漏（05.3）；取了指标最高的长度，而不是足够好的最短长度（07.3）；要求用秒，却给了分钟（08.1）；把填充也算作事件对（08.3）；漏掉最后一个事件的步长（12.1）。
#
# **如果还要人工评分。** 08.4 和 12.3 请追问其中一个字母的理由：时间在模型的哪一行进入，或者在哪一行被去掉。
#
# **可以讨论。** TiSASRec 把间隔放进几百个桶之一，TiM4Rec 乘以衰减因子。两者之中，哪一个能区分 2 小时和 3 小时，哪一个能区分一年和两年？
