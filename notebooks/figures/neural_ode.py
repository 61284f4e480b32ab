"""Lesson 15: a neural ODE forwards, and two ways back to its gradient."""

from notebooks.figures.draw import Drawing

LESSON = 15
TEXT = {
    "title": ("A neural ODE, and two ways to its gradient", "神经常微分方程，以及求梯度的两种办法"),
    "alt": (
        "Forwards. Step 1: the solver asks the network f for slopes and carries the state from z of"
        " 0 to z of T. Step 2: the loss. Back, first way: backpropagation through the solver,"
        " step 3: it walks through all stored states, from the last to the first, so memory grows"
        " with the number of steps. Second way, the adjoint: step 3: lambda at the end is the"
        " slope of the loss; step 4: one equation is solved backwards in time, for the state,"
        " lambda and the shares of the parameters together; only the start and the end are kept."
        " Time enters as the duration T, forwards and backwards.",
        "正向。第 1 步：求解器向网络 f 问斜率，把状态从时刻 0 带到时刻 T。第 2"
        " 步：损失。反向的第一种办法是穿过求解器做反向传播，第 3"
        " 步：从最后一个到第一个，走过所有保存的状态，所以内存随步数增长。第二种办法是伴随方法，第 3"
        " 步：终点的 lambda 是损失的斜率；第 4"
        " 步：逆着时间求解一个方程，状态、lambda 和参数的份额一起算；只保存起点和终点。时间以时长 T 进入，正向和反向都是。",
    ),
    "start": ("z(0)", "z(0)"),
    "solve": ("z' = f(t, z; θ), from 0 to T", "z' = f(t, z; θ)，从 0 到 T"),
    "field": ("f: a network, θ", "f：网络，参数 θ"),
    "asked": ("asked at every step", "每一步都要问"),
    "duration": ("duration T", "时长 T"),
    "loss": ("loss", "损失"),
    "one": ("back through the solver", "穿过求解器往回走"),
    "walk": ("λ_{k} = λ_{k+1} + h M^{T} λ_{k+1}", "λ_{k} = λ_{k+1} + h M^{T} λ_{k+1}"),
    "stored": ("all states are stored: memory grows", "保存所有状态：内存随步数增长"),
    "two": ("`adjoint=True`", "`adjoint=True`"),
    "lambda": ("λ(T) = ∂ loss / ∂ z(T)", "λ(T) = ∂ 损失 / ∂ z(T)"),
    "back": ("from T back to 0, together:", "从 T 回到 0，一起求解："),
    "three": ("z,  λ' = −(∂f/∂z)^{T} λ,  ∫ λ^{T} ∂f/∂θ", "z，λ' = −(∂f/∂z)^{T} λ，∫ λ^{T} ∂f/∂θ"),
    "gradient": ("gradient for z(0) [..., d] and θ", "对 z(0) [..., d] 和 θ 的梯度"),
    "end": ("keeps only start and end", "只保存起点和终点"),
}


def draw(d: Drawing) -> None:
    home = "tutorial_lib.models.ode"
    start = d.box(24, 135, 80, d("start"), kind="data")
    solve = d.box(
        180, 126, 250, d("solve"), code=f"{home}.integrate_adaptive", kind="state", step=1
    )
    d.arrow(start.right(), solve.left(), label="[..., d]")
    field = d.box(180, 52, 190, d("field"), kind="learned")
    d.arrow(field.bottom(0.3), (237, 126), label=d("asked"))
    clock = d.box(410, 52, 130, d("duration"), kind="time")
    d.arrow(clock.bottom(0.1), (423, 126), time=True, label="[...]")
    loss = d.box(520, 135, 96, d("loss"), step=2)
    d.arrow(solve.right(), loss.left(), label="z(T)")
    # the first way
    d.group(16, 206, 290, 220)
    d.text(30, 230, d("one"), anchor="start", bold=True)
    for k, x in enumerate((44, 108, 172, 236)):
        d.box(x, 318, 44, f"z_{{{k}}}", kind="state")
        if k:
            d.arrow((x, 335), (x - 20, 335))
    d.step(236, 318, 3)
    d.text(30, 276, d("walk"), anchor="start")
    d.text(76, 380, d("stored"), size=12, anchor="start")
    # the second way
    d.group(322, 206, 302, 220)
    d.text(336, 230, d("two"), anchor="start", bold=True)
    lam = d.box(370, 248, 220, d("lambda"), step=3)
    d.box(
        340, 318, 270, d("back"), d("three"), code="torchdiffeq.odeint_adjoint", kind="time", step=4
    )
    d.arrow(lam.bottom(), (480, 318), label="[..., d]")
    d.text(475, 410, d("end"), size=12)
    d.arrow((540, 169), (540, 190), (258, 190), (258, 318))
    d.arrow((568, 169), (568, 248))
    gradient = d.box(190, 478, 280, d("gradient"), kind="data")
    d.arrow((66, 352), (66, 495), gradient.left())
    d.arrow((590, 388), (590, 495), gradient.right(), time=True)
