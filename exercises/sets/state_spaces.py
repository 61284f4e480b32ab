# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="intro-en" lang="en" tags=["intro"]
# A state-space model carries a memory that fades with the clock. In this set you join stretches of a history, read the memory between events, measure how long it lasts, and find the laws of forgetting that are not honest about time. It rests on lessons 10 to 13.

# %% [markdown] id="intro-zh" lang="zh" tags=["intro"]
# 状态空间模型带着一份随时间衰减的记忆。这一套题里，你会把历史的各段接起来，在事件之间读取记忆，测量它能维持多久，并找出不满足时间一致性的遗忘规律。内容来自第 10 到 13 课。

# %% [markdown] id="aims-en" lang="en" tags=["guide"]
# ## How to mark
#
# **What it tests.** One idea in many forms: between events a state is multiplied by a factor that depends on the elapsed time, and factors multiply. Units, signs and the question *before or after the event?* are where it goes wrong.
#
# **The checkers decide.** The mistakes seen most often, all named by the checkers: the earlier state not faded by the later stretch, or the two stretches exchanged (10.1); the state read at the event and not at the query time, or the real part alone returned (10.2); the formula for a real eigenvalue used for a complex one (10.3); an event faded by its own step (11.1); inputs emptied while the step still fades the memory (11.2); mean and variance divided by the length of the window instead of the number of real events (12.2); a half-life without $\ln 2$, a turn to the right (13.1); `exp(x) - 1` for a tiny wait (13.2).
#
# **If you mark by hand as well.** 10.2 and 13.2 are the hardest. Give half of the points where the formula on paper is right and only the bookkeeping of gaps is not. In 13.3 ask which gaps were tried: a set found with a single pair of gaps is luck.
#
# **To talk about.** Which of these models would give the same list if every timestamp were ten times as large? Which should?

# %% [markdown] id="aims-zh" lang="zh" tags=["guide"]
# ## 怎样评分
#
# **考什么。** 同一个想法的许多样子：事件之间，状态乘上一个由经过的时间决定的因子，而因子可以相乘。出错的地方总是单位、正负号，以及“在事件之前还是之后”。
#
# **由检查程序判定。** 最常见的错误，检查程序都能指出来：前一段的状态没有随后一段消退，或者两段弄反（10.1）；在事件处读状态，而不是在查询时刻，或者只返回实部（10.2）；把实特征值的公式用在复特征值上（10.3）；事件被自己的步长消退（11.1）；清空了输入，步长却还在让记忆消退（11.2）；均值和方差除以窗口长度，而不是真实事件的个数（12.2）；半衰期漏了 $\ln 2$，或者转反了方向（13.1）；等待极短时用 `exp(x) - 1`（13.2）。
#
# **如果还要人工评分。** 10.2 和 13.2 最难。纸上的公式对、只是间隔的簿记不对的，给一半的分。13.3 要问学生试了哪些间隔：只用一对间隔找到的集合是运气。
#
# **可以讨论。** 如果所有时间戳都变成十倍，这些模型里哪些会给出同样的列表？哪些应当如此？
