"""Lesson 14: one step of three solvers, each question to the field where its time stands."""

from notebooks.figures.draw import VERMILION, Drawing

LESSON = 14
TEXT = {
    "title": ("One step of size h, by three solvers", "一个大小为 h 的步，三种求解器"),
    "alt": (
        "Three rows over one time axis from t to t + h. Euler, step 1: the slope k1 at the start;"
        " step 2: follow it for h. Midpoint, step 1: k1 at the start; step 2: k2 half-way, at the"
        " state that half an Euler step reaches; step 3: follow k2 from the start for h."
        " Runge-Kutta, step 1: k1 at the start; step 2: k2 half-way along k1; step 3: k3 half-way"
        " again, along k2; step 4: k4 at the end, along k3; step 5: follow the mean in which k2 and"
        " k3 count double. Time enters as t and h.",
        "三行图画在同一条从 t 到 t + h 的时间轴上。欧拉法，第 1 步：起点的斜率 k1；第 2 步：沿它走"
        " h。中点法，第 1 步：起点的 k1；第 2 步：半步欧拉法到达的状态处的 k2；第 3 步：从起点沿 k2 走"
        " h。龙格-库塔法，第 1 步：起点的 k1；第 2 步：沿 k1 走到一半处的 k2；第 3 步：再到一半处，但沿 k2 走，得到"
        " k3；第 4 步：沿 k3 走到终点处的 k4；第 5 步：沿平均斜率走，其中 k2、k3 加倍计算。时间以 t 和 h 进入。",
    ),
    "asks": (
        "each slope k asks the field once: k = f(time, state)",
        "每个斜率 k 都问一次场：k = f(时间，状态)",
    ),
    "euler": ("1 slope, order 1", "1 个斜率，1 阶"),
    "midpoint": ("2 slopes, order 2", "2 个斜率，2 阶"),
    "rk4": ("4 slopes, order 4", "4 个斜率，4 阶"),
    "end": ("state after the step", "走完这一步的状态"),
}
START, MIDDLE, END = 210, 335, 460  # pixels of t, t + h / 2, t + h


def draw(d: Drawing) -> None:
    home = "tutorial_lib.models.ode"
    d.text(24, 62, d("asks"), anchor="start")
    for x, label in ((START, "t"), (MIDDLE, "t + h / 2"), (END, "t + h")):
        d.guide(x, 96, 540)
        d.text(x, 90, label, colour=VERMILION, bold=True)
    d.text(575, 90, d("end"), size=12)

    def slope(x: float, y: float, name: str, state: str, step: int):
        return d.box(x - 52, y, 104, name, state, step=step)

    def end(y: float, formula: str, step: int):
        return d.box(528, y, 100, *formula.split("|"), kind="data", step=step, height=52)

    y = 116
    d.box(18, y, 128, d("euler"), code=f"{home}.euler_step")
    k1 = slope(START, y, "k_{1}", "f(t, z)", 1)
    d.arrow(k1.right(), end(y, "z + h k_{1}", 2).left(), label="[..., d]", at=0.85)
    y = 216
    d.box(18, y, 128, d("midpoint"), code=f"{home}.midpoint_step")
    k1 = slope(START, y, "k_{1}", "f(t, z)", 1)
    k2 = slope(MIDDLE, y, "k_{2}", "z + h/2 k_{1}", 2)
    d.arrow(k1.right(), k2.left())
    d.arrow(k2.right(), end(y, "z + h k_{2}", 3).left(), label="[..., d]", at=0.77)
    y = 316
    d.box(18, y, 128, d("rk4"), code=f"{home}.rk4_step")
    k1 = slope(START, y, "k_{1}", "f(t, z)", 1)
    k2 = slope(MIDDLE, y, "k_{2}", "z + h/2 k_{1}", 2)
    k3 = d.box(304, y + 84, 92, "k_{3}", "z + h/2 k_{2}", step=3)
    k4 = d.box(420, y + 84, 92, "k_{4}", "z + h k_{3}", step=4)
    d.arrow(k1.right(), k2.left())
    d.arrow((350, k2.bottom()[1]), k3.top())
    d.arrow((292, k2.bottom()[1]), (292, y + 168))
    d.arrow(k3.right(), k4.left())
    mean = d.box(
        160, y + 168, 352, "z + h/6 (k_{1} + 2 k_{2} + 2 k_{3} + k_{4})", kind="data", step=5
    )
    d.arrow(k1.bottom(0.25), (k1.bottom(0.25)[0], mean.y))
    d.arrow(k3.bottom(), (350, mean.y))
    d.arrow(k4.bottom(), (466, mean.y), label="[..., d]")
    d.arrow((START, 556), (END, 556), time=True)
    d.text(MIDDLE, 574, "h", colour=VERMILION, bold=True)
