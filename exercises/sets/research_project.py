# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="intro-en" lang="en" tags=["intro"]
# A claim about time-aware recommenders is easy to make and hard to check. In this project you choose one claim, write down **before** the experiment what would count against it, run the course's experiment suite, and report what it shows, whichever way it goes. A clean *no* earns as many points as a clean *yes*.
#
# Six exercises come first: how many people a test needs before a difference means anything, how settings are chosen fairly, how events are lost without a lie about time, and how a difference is tested. Then follow four written tasks. Plan about an hour of machine time; the suite can be stopped at any moment and goes on where it was cut.

# %% [markdown] id="intro-zh" lang="zh" tags=["intro"]
# 关于“考虑时间的推荐模型”，下结论容易，检验结论难。在这个项目里，你选一个主张，在实验**之前**写下什么样的结果会推翻它，运行课程的实验套件，然后如实报告它显示了什么，不管结果偏向哪一边。干净的“不成立”和干净的“成立”得同样的分。
#
# 先做六道练习：一次测试需要多少人，差别才有意义；怎样公平地选设置；怎样丢掉事件又不对时间撒谎；怎样检验一个差别。接着是四道书面题。请预留大约一小时的机器时间；套件可以随时中断，再运行时会接着做。

# %% [markdown] id="question-en" lang="en" tags=["task"]
# **A. The claim.** Choose one claim that the suite can test, for example *TiSASRec beats SASRec on the sample, and does not on the control world*, or *DeepM3 with the attractor gains only if it is told the query time*. State it in two sentences: which models, which data, which metric, which direction. Then write what result would speak against it.

# %% [markdown] id="question-zh" lang="zh" tags=["task"]
# **A. 主张。** 选一个套件能检验的主张，例如“在 sample 上 TiSASRec 胜过 SASRec，在对照世界里则不然”，或者“带吸引子的 DeepM3 只有知道查询时刻才有收益”。用两句话写清楚：哪些模型，什么数据，什么指标，什么方向。然后写出怎样的结果会对它不利。

# %% [markdown] id="question-rubric-en" lang="en" tags=["rubric"]
# 5 points: models, data, metric and direction named (2); the claim can fail (1); a result that speaks against it is described with a size, such as "the interval of the difference includes 0" (2). A claim that no result could refute gets 1 point at most.

# %% [markdown] id="question-rubric-zh" lang="zh" tags=["rubric"]
# 5 分：写明模型、数据、指标和方向（2 分）；主张有可能不成立（1 分）；写出不利的结果，并带上大小，例如“差值的区间包含 0”（2 分）。任何结果都推翻不了的主张，最多 1 分。

# %% [markdown] id="design-en" lang="en" tags=["task"]
# **B. The design, before you run anything.** Name the baseline, the twin without a clock, the split, the number of seeds and of users. Use your answers to 2.4 and 3.4: how large a difference can this test find? Say what is fixed for all models (learning rates tried, epochs, width) and what you will do if a model fails to train. Write down your prediction as a number with a range.

# %% [markdown] id="design-zh" lang="zh" tags=["task"]
# **B. 设计，在运行任何东西之前。** 写出基线、无时间信息的对照模型、切分方式、种子数和用户数。用上你对 2.4 和 3.4 的回答：这次测试能发现多大的差别？说明哪些东西对所有模型都一样（试过的学习率、轮数、宽度），以及某个模型训练不起来时怎么办。把你的预测写成一个数和一个范围。

# %% [markdown] id="design-rubric-en" lang="en" tags=["rubric"]
# 8 points: a twin that differs in the clock alone (2); the smallest difference that the test can find, computed and not guessed (2); equal budget for all models, stated (2); a prediction with a range, made before the run (2). Take 2 off where the test set is used to choose anything.

# %% [markdown] id="design-rubric-zh" lang="zh" tags=["rubric"]
# 8 分：对照模型只在时间信息上不同（2 分）；测试能发现的最小差别是算出来的，不是猜的（2 分）；写明所有模型预算相同（2 分）；在运行之前给出带范围的预测（2 分）。只要用测试集选过任何东西，扣 2 分。

# %% id="run" tags=["starter"]
# This cell takes minutes and is not run when the project is graded: keep its output, it is part of your answer.
# Smaller or larger: --users, --seeds, --models. "python -m tutorial_lib.experiments suite --help" lists everything.
from tutorial_lib.experiments.__main__ import main

main("suite --dataset sample --models sasrec,tisasrec --stages tune,significance --out project".split())

# %% id="read" tags=["starter"]
# Tables of the suite: project/STAGE/*.csv. Not run when graded; keep the output.
import pandas as pd

pd.read_csv("project/significance/gains.csv")

# %% [markdown] id="results-en" lang="en" tags=["task"]
# **C. The results.** Report what came out: for each comparison the mean difference, its interval over users, the corrected p-value and what happens from seed to seed. One table and at most one picture. Give also what did not work, and every run that you left out with the reason. Do the same on the control world, or say why your claim does not need it.

# %% [markdown] id="results-zh" lang="zh" tags=["task"]
# **C. 结果。** 报告得到了什么：每个比较给出差值的均值、对用户的区间、校正后的 p 值，以及各个种子之间的起伏。一张表，最多一幅图。没成功的也要写，凡是略去的运行都要说明理由。在对照世界里再做一遍，或者说明你的主张为什么不需要它。

# %% [markdown] id="results-rubric-en" lang="en" tags=["rubric"]
# 9 points: differences with intervals, paired over users (3); correction for several comparisons, or a single one announced before (2); variation between seeds shown (1); the control world, or a reason (2); nothing left out silently (1). Numbers without any interval get 3 points at most. The direction of the result earns nothing.

# %% [markdown] id="results-rubric-zh" lang="zh" tags=["rubric"]
# 9 分：给出差值和区间，按用户配对（3 分）；对多个比较做了校正，或者事先只宣布了一个比较（2 分）；显示了种子之间的起伏（1 分）；做了对照世界，或给出理由（2 分）；没有悄悄略去任何东西（1 分）。只有数字、没有区间的，最多 3 分。结果偏向哪一边，不影响得分。

# %% [markdown] id="conclusion-en" lang="en" tags=["task"]
# **D. The conclusion.** Does the claim hold? Compare with your prediction: where were you wrong, and by how much? Say how far the result reaches: these data, this size, this budget. Name the most serious objection that somebody could raise, and the experiment that would answer it. At most one page.

# %% [markdown] id="conclusion-zh" lang="zh" tags=["task"]
# **D. 结论。** 主张成立吗？和你的预测对照：错在哪里，错了多少？说明结论能推广到多远：这些数据、这个规模、这份预算。写出别人可能提出的最有力的反对意见，以及能回答它的实验。最多一页。

# %% [markdown] id="conclusion-rubric-en" lang="en" tags=["rubric"]
# 8 points: a verdict that follows from the table (2); prediction and outcome compared honestly (2); limits of data, size and budget (2); the strongest objection and an experiment that would answer it (2). "More data would be better" is no objection.

# %% [markdown] id="conclusion-rubric-zh" lang="zh" tags=["rubric"]
# 8 分：结论由表推出（2 分）；如实对照预测与结果（2 分）；说明数据、规模和预算的限制（2 分）；最有力的反对意见，以及能回答它的实验（2 分）。“数据再多一些会更好”不算反对意见。

# %% [markdown] id="aims-en" lang="en" tags=["guide"]
# ## How to mark
#
# The two exercises are marked by the checkers, the four tasks by you, with the rubrics below. nbgrader lists them as *needs manual grading*; the formgrader shows each answer beside its box for points.
#
# **What it tests.** Whether a student can be surprised: a claim that can fail, a prediction made in advance, a fair comparison, a report that leaves nothing out. Neither the size nor the direction of the effect matters.
#
# **Before you start.** Look at the order of things. Was the design written before the run? The output of the two starter cells is kept as handed in and is not run again; if in doubt, let the student run the command again with you: the suite goes on from what is there and gives the same numbers.
#
# **Time.** About 15 minutes a project once you have read three. Two people who mark the same three projects first agree on the rubric faster than by talking about it.

# %% [markdown] id="aims-zh" lang="zh" tags=["guide"]
# ## 怎样评分
#
# 两道练习由检查程序评分，四道书面题由你按下面的评分细则评分。nbgrader 会把它们列为 *needs manual grading*（需要人工评分）；formgrader 会在每份答案旁边给出填分数的框。
#
# **考什么。** 学生能不能接受意外：一个可能不成立的主张，事先写下的预测，公平的比较，什么都不略去的报告。效应有多大、偏向哪一边，都不重要。
#
# **开始之前。** 先看先后次序：设计是不是在运行之前写的？两个起始单元格的输出按交来的样子保留，不会重新运行；如果有疑问，让学生当着你的面再运行一次那条命令：套件会从已有的结果接着做，给出同样的数字。
#
# **时间。** 读过三份之后，每份大约 15 分钟。两个人先各自评同样的三份，比坐下来讨论更快就能在细则上取得一致。
