# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="intro-en" lang="en" tags=["intro"]
# A state that moves between events can be written in two ways: as a factor for the elapsed time, or as a differential equation that a solver follows step by step. In this set you use both on the same questions: read a memory at the query time, take a gap as the step, measure the order of a solver, and test whether a rule of motion may be cut anywhere. It rests on lessons 10, 11 and 13 to 17.

# %% [markdown] id="intro-zh" lang="zh" tags=["intro"]
# 在事件之间演化的状态有两种写法：乘以由经过的时间决定的因子，或者写成微分方程，由求解器一步一步求解。这一套题里，你会用两种写法回答同样的问题：在查询时刻读取记忆，把间隔当作步长，测量求解器的收敛阶，检验一条运动规律能不能在任意时刻分成两段。内容来自第 10、11 课和第 13 到 17 课。

# %% [markdown] id="aims-en" lang="en" tags=["guide"]
# ## How to mark
#
# **What it tests.** One property in two languages: two stretches of time, one after the other, must give what the whole gives. It is a product of factors in a state-space model (10.2, 11.1, 13.3) and a semigroup in a differential equation (14.3, 16.1, 17.3). Units are the second theme: hours, seconds and half-lives (13.1, 14.3).
#
# **The checkers decide.** The mistakes seen most often, all named by the checkers: the state read at the event and not at the query time (10.2); an event faded by its own step (11.1); inputs emptied while the step still fades the memory (11.2); a half-life without $\ln 2$ (13.1); the order measured on a field that does not read the clock (14.2); seconds taken as hours (14.3); the jump before the flow (16.1); a detector that tries equal parts only (17.3).
#
# **If you mark by hand as well.** In 13.3 ask which gaps were tried. 14.2 needs the table of errors and step numbers. In 17.3 ask for one example that the detector was seen to reject.
#
# **To talk about.** A state-space model moves over any gap in one multiplication, a solver needs several evaluations of the field. What must a field be able to do to be worth that price?

# %% [markdown] id="aims-zh" lang="zh" tags=["guide"]
# ## 怎样评分
#
# **考什么。** 同一个性质的两种表述：前后相接的两段时间合起来，必须与整段时间的结果相同。在状态空间模型里，这是因子的乘积（10.2、11.1、13.3）；在微分方程里，这是半群性质（14.3、16.1、17.3）。另一个主题是单位：小时、秒和半衰期（13.1、14.3）。
#
# **由检查程序判定。** 最常见的错误，检查程序都能指出来：在事件处读状态，而不是在查询时刻（10.2）；事件被自己的步长衰减（11.1）；清空了输入，步长却仍然使记忆衰减（11.2）；半衰期漏了 $\ln 2$（13.1）；在不读取时间的向量场上测量收敛阶（14.2）；把秒当成小时（14.3）；先跳跃再流动（16.1）；检测器只试等长的两段（17.3）。
#
# **如果还要人工评分。** 13.3 要问试过哪些间隔。14.2 需要误差与步数的表。17.3 请要求给出一个确实被检测器拒绝的例子。
#
# **可以讨论。** 状态空间模型经过任意间隔只需一次乘法，求解器则需要多次求值。向量场要能做到什么，才值得付出这样的代价？
