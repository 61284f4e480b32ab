"""Lesson 10: a diagonal state space whose steps follow the clock, as in S5; S4D is the same with
equal steps.
"""

from notebooks.figures.draw import Drawing

LESSON = 10
TEXT = {
    "title": ("A state space with a clock: S5", "带时间信息的状态空间：S5"),
    "alt": (
        "Step 1: the step sizes Delta, which come from the clock, and the eigenvalues lambda give"
        " for each event a decay, e to the power lambda Delta, and a weight. Step 2: B turns the"
        " input u into P complex numbers. Step 3: the weight multiplies them. Step 4: the scan"
        " carries the state from event to event: decay times the state before, plus the weighted"
        " input. Step 5: the output is the real part of C times the state, plus D times the input."
        " Below, three events on a time axis: the longer the gap, the less is left of the state."
        " Time enters at step 1 alone.",
        "第 1 步：由真实时间得到的步长 Delta 与特征值 lambda 给出每个事件的衰减（e 的 lambda Delta"
        " 次方）和权重。第 2 步：B 把输入 u 变成 P 个复数。第 3 步：乘以权重。第 4"
        " 步：扫描把状态从一个事件带到下一个事件：衰减乘以之前的状态，加上加权的输入。第 5 步：输出是 C"
        " 乘状态的实部，加上 D 乘输入。下方是时间轴上的三个事件：间隔越长，状态留下的越少。时间只在第 1"
        " 步进入。",
    ),
    "u": ("input of each event", "每个事件的输入"),
    "steps": ("Δ: since the event before", "Δ：距上一个事件"),
    "eigen": ("λ · exp(`log_step`)", "λ · exp(`log_step`)"),
    "decay": ("decay e^{λΔ}", "衰减 decay：e^{λΔ}"),
    "weight": ("weight (e^{λΔ} − 1) / λ", "权重 weight：(e^{λΔ} − 1) / λ"),
    "project": ("B u · exp(`log_step`)", "B u · exp(`log_step`)"),
    "scan": (
        "x_{i} = decay_{i} x_{i−1} + weight_{i} B u_{i}",
        "x_{i} = decay_{i} x_{i−1} + weight_{i} B u_{i}",
    ),
    "read": ("y = Re(C x) + D u", "y = Re(C x) + D u"),
    "short": ("short gap", "间隔短"),
    "long": ("long gap: little is left", "间隔长：留下的很少"),
    "clock": ("clock", "时间"),
    "s4d": (
        "S4D: all Δ equal, so step 4 may also be a convolution.",
        "S4D：所有 Δ 相等，所以第 4 步也可以用卷积来算。",
    ),
}


def draw(d: Drawing) -> None:
    home = "tutorial_lib.models.ssm"
    u = d.box(50, 56, 220, "u", d("u"), kind="data")
    d.box(390, 56, 220, "`steps`", d("steps"), kind="time")
    eigen = d.box(330, 140, 180, d("eigen"), code=f"{home}.StableEigenvalues", kind="learned")
    d.box(
        350,
        224,
        260,
        d("decay"),
        d("weight"),
        code=f"{home}.discretise_diagonal",
        kind="time",
        step=1,
    )
    d.arrow((540, 108), (540, 224), label="[B, L]", time=True)
    d.arrow(eigen.bottom(), (420, 224), label="[P]")
    project = d.box(50, 140, 220, d("project"), code=f"{home}.S5.project", kind="learned", step=2)
    d.arrow(u.bottom(), project.top(), label="[B, L, H]")
    times = d.sign(160, 259, "×", step=3)
    d.arrow(project.bottom(), times.top(), label="[B, L, P]")
    d.arrow((350, 259), times.right(), label="[B, L, P]", time=True)
    scan = d.box(50, 326, 340, d("scan"), code=f"{home}.scan", kind="state", step=4)
    d.arrow(times.bottom(), (160, 326), label="[B, L, P]", at=0.3)
    d.arrow((500, 294), (500, 352), scan.right(), label="[B, L, P]", time=True)
    read = d.box(50, 414, 340, d("read"), code=f"{home}.S5.read_out", kind="learned", step=5)
    d.arrow((220, 378), (220, 414), label="[B, L, P]")
    d.bypass(u.bottom(), read, 24)
    y = d.box(155, 502, 130, "y", kind="data")
    d.arrow(read.bottom(), y.top(), label="[B, L, H]")
    axis, places = 664, (90, 230, 500)
    states = [d.box(x - 30, 570, 60, f"x_{{{i}}}", kind="state") for i, x in enumerate(places, 1)]
    for i, (before, after) in enumerate(zip(states, states[1:], strict=False), 2):
        d.arrow(before.right(), after.left(), time=True, label=f"× e^{{λΔ{'₂₃'[i - 2]}}}")
    for i, x in enumerate(places, 1):
        d.arrow((x, axis - 30), (x, 604), label=f"+ B u_{{{i}}}")
    d.arrow((50, axis - 16), (610, axis - 16), time=True)
    d.text(160, axis + 4, d("short"))
    d.text(365, axis + 4, d("long"))
    d.text(610, axis + 4, d("clock"), anchor="end")
    d.note(d("s4d"))
