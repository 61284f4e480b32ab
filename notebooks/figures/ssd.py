"""Lesson 11: the Mamba-2 block with SSD, a state space that chooses what it keeps."""

from notebooks.figures.draw import Drawing

LESSON = 11
TEXT = {
    "title": ("The Mamba-2 block (SSD)", "Mamba-2 块（SSD）"),
    "alt": (
        "Step 1: one map makes three things of each event: channels, a raw step, a gate z. Step 2: a"
        " causal convolution over the last few events and SiLU give x, B and C. Step 3: softplus"
        " makes the step Delta, larger than 0. Step 4: SSD: the state fades by e to the power Delta"
        " A and takes up Delta B x; C reads it. Inside chunks this is a matrix, between chunks a"
        " recurrence. Step 5: D times x is added. Step 6: the gate SiLU of z multiplies. Step 7:"
        " RMSNorm. Step 8: the output map. The order enters by the state; time does not enter.",
        "第 1 步：一个映射从每个事件算出三样东西：通道、原始步长、门 z。第 2"
        " 步：对最近几个事件做因果卷积，再做 SiLU，得到 x、B 和 C。第 3 步：softplus 给出大于 0 的步长 Delta。第 4"
        " 步：SSD：状态按 e 的 Delta A 次方衰减，并吸收 Delta B x；由 C 读出。块内是矩阵，块间是递推。第 5"
        " 步：加上 D 乘 x。第 6 步：乘以门，即 z 的 SiLU。第 7 步：RMSNorm。第 8"
        " 步：输出映射。顺序通过状态进入；时间没有进入。",
    ),
    "three": (
        "x B C,  raw step,  gate z;  E = `expand` · d = H · P",
        "x B C，原始步长，门 z；E = `expand` · d = H · P",
    ),
    "conv": ("last `conv` events, SiLU", "最近 `conv` 个事件，SiLU"),
    "delta": ("Δ = softplus(· + `step_bias`)", "Δ = softplus(· + `step_bias`)"),
    "keeps": ("how much is kept", "留下多少"),
    "law": (
        "h_{t} = e^{Δ A} h_{t−1} + Δ x_{t} B_{t},   y_{t} = h_{t} C_{t}",
        "h_{t} = e^{Δ A} h_{t−1} + Δ x_{t} B_{t}，  y_{t} = h_{t} C_{t}",
    ),
    "chunks": ("matrix in chunks, recurrence between them", "块内用矩阵，块间用递推"),
    "skip": ("+ `D` · x,  x of step 2", "+ `D` · x，x 来自第 2 步"),
    "silu": ("SiLU(z)", "SiLU(z)"),
    "norm": ("RMSNorm", "RMSNorm"),
    "four": ("step 4 as a matrix:", "第 4 步写成矩阵："),
    "mask": ("a mask that fades", "会衰减的掩码"),
    "no_time": (
        "Time enters nowhere: Δ comes from the items. Lesson 12 multiplies it by a gate.",
        "时间没有进入：Δ 由物品算出。第 12 课会给它乘上一个门。",
    ),
}
FADE = tuple(tuple(0.72 ** (i - j) if j <= i else 0.0 for j in range(6)) for i in range(6))


def draw(d: Drawing) -> None:
    home = "tutorial_lib.models.mamba"
    block = f"{home}.SSDBlock"
    x = d.box(255, 52, 130, "x", kind="data")
    maps = d.box(40, 118, 560, d("three"), code=f"{block}.in_proj", kind="learned", step=1)
    d.arrow(x.bottom(), maps.top(), label="[B, L, d]")
    conv = d.box(40, 212, 210, d("conv"), code=f"{home}.CausalConv", kind="learned", step=2)
    d.arrow((145, 170), conv.top(), label="xBC [B, L, E + 2N]")
    delta = d.box(280, 212, 230, d("delta"), d("keeps"), kind="learned", step=3)
    d.arrow((395, 170), delta.top(), label="[B, L, H]")
    d.box(40, 312, 470, d("law"), d("chunks"), code=f"{home}.ssd_chunked", kind="state", step=4)
    d.arrow(conv.bottom(), (145, 312), label="x [B, L, H, P]  B, C [B, L, N]")
    d.arrow(delta.bottom(), (395, 312), label="Δ [B, L, H]")
    skip = d.box(180, 416, 190, d("skip"), kind="learned", step=5)
    d.arrow((275, 382), skip.top(), label="[B, L, H, P]")
    times = d.sign(275, 494, "×", step=6)
    d.arrow(skip.bottom(), times.top(), label="[B, L, E]")
    d.arrow((560, 170), (560, 494), times.right(), label=d("silu"), part=1)
    d.text(568, 200, "[B, L, E]", anchor="start")
    norm = d.box(200, 538, 150, d("norm"), code=f"{block}.norm", kind="learned", step=7)
    d.arrow(times.bottom(), norm.top(), label="[B, L, E]")
    out = d.box(200, 622, 150, code=f"{block}.out_proj", kind="learned", step=8)
    d.arrow(norm.bottom(), out.top(), label="[B, L, E]")
    y = d.box(210, 688, 130, "y", kind="data")
    d.arrow(out.bottom(), y.top(), label="[B, L, d]")
    d.grid(50, 548, 16, FADE)
    d.text(98, 664, d("four"), size=12)
    d.text(98, 681, d("mask"), size=12)
    d.note(d("no_time"))
