# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="intro-en" lang="en" tags=["intro"]
# Between two events a state can follow a differential equation, and a jump can follow at each event: that is the idea behind ODE-RNN and DeepM3. In this set you write a solver, measure what solvers promise, let states flow over real gaps, and test whether a so-called flow is one. It rests on lessons 14 to 17.

# %% [markdown] id="intro-zh" lang="zh" tags=["intro"]
# 两个事件之间，状态可以沿着微分方程演化；每到一个事件，再跳一下：这就是 ODE-RNN 和 DeepM3 的想法。这一套题里，你会写一个求解器，测量求解器兑现了多少承诺，让状态在真实的间隔上流动，并检验一个号称“流”的东西是不是流。内容来自第 14 到 17 课。

# %% [markdown] id="aims-en" lang="en" tags=["guide"]
# ## How to mark
#
# **What it tests.** Whether a student measures an order of convergence instead of trusting a label (14.1, 14.2), keeps hours and seconds apart (14.3, 16.1, 17.1), and can say what makes a rule of motion a flow: two halves make the whole (17.3).
#
# **The checkers decide.** The mistakes seen most often, all named by the checkers: a first-order step sold as Heun, the midpoint step in its place, a slope at the old state (14.1); the order measured on a field that does not read the clock, where the false RK4 looks right (14.2); the rates of a state added, seconds taken as hours, steps rounded down (14.3); query times taken for gaps, the clock started at 0 again (14.4); the jump before the flow, a gap that rounds absolute seconds to float32 (16.1); a half-life read as a rate, or one row's half-life used for all (17.1); a gradient of an earlier call counted (17.2); a detector that tries short or equal parts only (17.3).
#
# **If you mark by hand as well.** In 14.2 ask for the table of errors and step numbers: the slope must be read where it is straight. In 17.3 ask for one example that the detector was seen to reject.
#
# **To talk about.** A higher order costs more evaluations a step. At equal numbers of evaluations, when is RK4 worse than Euler?

# %% [markdown] id="aims-zh" lang="zh" tags=["guide"]
# ## 怎样评分
#
# **考什么。** 学生是去测量收敛阶，还是相信标签（14.1、14.2）；能不能把小时和秒分清（14.3、16.1、17.1）；能不能说出一条运动规律怎样才算流：两半合起来等于整段（17.3）。
#
# **由检查程序判定。** 最常见的错误，检查程序都能指出来：把一阶的步子当成 Heun，写成了中点法，或者在旧状态上取斜率（14.1）；在不依赖时间的场上测阶，这时冒牌的 RK4 看上去是对的（14.2）；把状态各部分的速率加起来，把秒当成小时，步数向下取整（14.3）；把查询时刻当成间隔，时间又从 0 开始（14.4）；先跳再流，把绝对秒数舍入成 float32 再求间隔（16.1）；把半衰期当成速率，或者所有坐标共用一个半衰期（17.1）；把上一次调用留下的梯度也算进去（17.2）；检测器只试短的或者等长的两段（17.3）。
#
# **如果还要人工评分。** 14.2 要求交出误差与步数的表：斜率必须在直线段上读。17.3 要求给出一个亲眼看到被检测器拒绝的例子。
#
# **可以讨论。** 阶越高，每步求值次数越多。求值次数相同时，RK4 什么时候反而不如欧拉法？
