"""HSTU: attention without a softmax, gated, with a bias for the distance and for the time."""

from notebooks.figures.draw import Drawing

LESSON = None  # no lesson yet
TEXT = {
    "title": ("HSTU: pointwise attention with a clock", "HSTU：带时间信息的逐点注意力"),
    "alt": (
        "HSTU. On the right, the clock. Step 1: the time since each earlier event becomes a bucket"
        " on a log scale; each bucket has one learned number w. On the left, the events. Step 2:"
        " the item table times the root of d, plus the position; dropout. In each block, step 3:"
        " norm, one map and SiLU give u, v, q and k. Step 4: the bias r, a number for how many"
        " events back plus a number for the time bucket. Step 5: SiLU of q times k plus r, divided"
        " by the number of events that may be read; no softmax. Step 6: these weights sum the"
        " values. Step 7: norm, then the gate u multiplies. Step 8: dropout, the output map and the"
        " residual. Step 9: the states are put on the unit sphere and divided by the temperature."
        " Step 10: scores with the normalised item table. Time enters at steps 1 and 4.",
        "HSTU。右边是时间信息。第 1 步：距每个更早事件的时间变成对数刻度上的一个桶；每个桶有一个可学习的数 w。左边是事件。第 2"
        " 步：查物品表，乘以 d 的平方根，加上位置，再做 dropout。在每个块里，第 3 步：norm、一个映射和 SiLU 给出"
        " u、v、q、k。第 4 步：偏置 r，等于“相隔几个事件”的数加上时间桶的数。第 5 步：对 q 乘 k 加 r 取"
        " SiLU，除以可以读到的事件数；没有 softmax。第 6 步：用这些权重对值求和。第 7 步：norm，再乘以门 u。第 8"
        " 步：dropout、输出映射和残差。第 9 步：把状态放到单位球面上，除以温度。第 10"
        " 步：用归一化的物品表打分。时间在第 1、4 步进入。",
    ),
    "bucket": ("asked_{i} − t_{j}, 129 log buckets", "asked_{i} − t_{j}，129 个对数桶"),
    "look": ("row · √d + position", "查表 · √d + 位置"),
    "uvqk": ("u, v, q, k = SiLU(norm(x) W)", "u, v, q, k = SiLU(norm(x) W)"),
    "bias": ("r_{ij} = p[i − j] + w[bucket]", "r_{ij} = p[i − j] + w[桶]"),
    "weights": (
        "a_{ij} = SiLU(q_{i} · k_{j} + r_{ij}) / i",
        "a_{ij} = SiLU(q_{i} · k_{j} + r_{ij}) / i",
    ),
    "past": ("j ≤ i only; no softmax", "只取 j ≤ i；没有 softmax"),
    "sum": ("Σ_{j} a_{ij} v_{j}", "Σ_{j} a_{ij} v_{j}"),
    "gate": ("u · norm(sum)", "u · norm(和)"),
    "out": ("dropout, Linear, + x", "dropout，Linear，+ x"),
    "sphere": ("x / |x| / 0.05", "x / |x| / 0.05"),
    "scores": ("states · normalised items^{T}", "状态 · 归一化的物品表^{T}"),
}


def draw(d: Drawing) -> None:
    home, base = "tutorial_lib.models.hstu", "tutorial_lib.models.base.SequenceModel"
    block = f"{home}.Block"
    down = d.column(220, 56, 260)
    down.box("`items`", d("ids"), kind="data", gives="[B, L]")
    down.box(
        d("look"),
        code=f"{base}.item_embedding",
        kind="learned",
        step=2,
        gives="[B, L, d]",
        codes=(f"{home}.HSTU.position_embedding",),
    )
    down.y += 32
    uvqk = down.box(
        d("uvqk"),
        "[B, L, hidden]",
        code=f"{block}.uvqk",
        kind="learned",
        step=3,
        codes=(f"{home}.norm",),
        gives="q, k [B, H, L, d_{h}]",
    )
    weights = down.box(
        d("weights"), d("past"), code=f"{home}.pointwise_attention", step=5, gives="a [B, H, L, L]"
    )
    total = down.box(d("sum"), step=6, gives="[B, L, hidden]")
    gate = down.box(d("gate"), codes=(f"{home}.norm",), step=7, gives="[B, L, hidden]")
    out = down.box(d("out"), code=f"{block}.out", kind="learned", step=8, gives="[B, L, d]")
    d.bypass((220, uvqk.y - 26), out, 26)
    for letter, start, x, end in (("u", 0.3, 46, gate), ("v", 0.75, 66, total)):
        (left, y), (_, low) = uvqk.left(start), end.left()
        d.arrow((left, y), (x, y), (x, low), end.left(), label=letter, part=1, at=0.5)
    d.group(12, uvqk.y - 34, 352, out.y + out.h - uvqk.y + 64, d("blocks"), code=block, beside=True)
    down.y += 30
    down.box(d("sphere"), codes=(f"{home}.TEMPERATURE",), step=9, gives="[B, L, d]")
    down.box(
        d("scores"),
        "[B, L, V + 1]",
        code=f"{base}.score",
        codes=(f"{home}.HSTU.item_vectors",),
        step=10,
    )
    clock = d.column(506, 56, 236, time=True)
    clock.box(d("times"), d("seconds"), kind="time", gives="[B, L]")
    clock.box(d("bucket"), code=f"{home}.time_buckets", kind="time", step=1, gives="[B, L, L]")
    clock.y = weights.y
    bias = clock.box(d("bias"), "[B, 1, L, L]", code=f"{block}.bias", kind="time", step=4)
    d.arrow(bias.left(), weights.right(), time=True)
