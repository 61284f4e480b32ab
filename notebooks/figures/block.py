"""Lesson 06: the pre-norm Transformer block, and its causal attention in several heads."""

from notebooks.figures.draw import Drawing

LESSON = 6
TEXT = {
    "title": ("The Transformer block, pre-norm", "Transformer 块（前置归一化）"),
    "alt": (
        "The block on the left, the inside of its attention on the right. Step 1: norm1. Step 2:"
        " one linear map makes query, key and value, cut into H heads. Step 3: scores, divided by"
        " the root of the width of a head. Step 4: the causal mask puts minus infinity on all later"
        " events. Step 5: softmax of each row. Step 6: each row mixes the values. Step 7: the heads"
        " are joined and mixed by the output map. Step 8: the result is added to x. Step 9: norm2."
        " Step 10: the feed-forward network. Step 11: its result is added. No time enters.",
        "左边是整个块，右边是其中注意力的内部。第 1 步：norm1。第 2 步：一个线性映射给出查询、键和值，切成 H"
        " 个头。第 3 步：计算得分，除以每个头宽度的平方根。第 4 步：因果掩码把所有更晚的事件设为负无穷。第 5"
        " 步：对每一行做 softmax。第 6 步：每一行对值做加权平均。第 7 步：把各个头拼起来，用输出映射混合。第 8"
        " 步：把结果加到 x 上。第 9 步：norm2。第 10 步：前馈网络。第 11 步：加上它的结果。时间没有进入。",
    ),
    "inside": ("steps 2 to 7, right", "第 2 到 7 步，见右图"),
    "ff": ("Linear, GELU, Linear", "Linear、GELU、Linear"),
    "residual": ("residual", "残差"),
    "qkv": ("query, key, value, H heads", "query、key、value，H 个头"),
    "scores": ("query · key^{T} / √d_{head}", "query · key^{T} / √d_{head}"),
    "mask": ("later events: −∞", "更晚的事件：−∞"),
    "softmax": ("softmax of each row", "对每一行做 softmax"),
    "mix": ("weights · value", "权重 · value"),
    "join": ("join the heads, one Linear", "拼接各个头，再做 Linear"),
    "no_time": (
        "Order enters by the mask alone; time does not enter.",
        "顺序只通过掩码进入；时间没有进入。",
    ),
}
MASK = tuple(tuple(float(j <= i) for j in range(4)) for i in range(4))


def draw(d: Drawing) -> None:
    block, own = "tutorial_lib.models.sasrec.Block", "tutorial_lib.models.attention"
    left = d.column(150, 60, 180)
    x = left.box("x", kind="data", width=110, gives="[B, L, d]")
    left.box(d("norm"), code=f"{block}.norm1", kind="learned", step=1, gives="[B, L, d]")
    attention = left.box(d("inside"), code=f"{block}.attention", kind="learned", gives="[B, L, d]")
    first = left.sign("+", gives="[B, L, d]", step=8)
    left.box(d("norm"), code=f"{block}.norm2", kind="learned", step=9, gives="[B, L, d]")
    left.box(
        d("ff"),
        d("alone"),
        code=f"{block}.feed_forward",
        kind="learned",
        step=10,
        gives="[B, L, d]",
    )
    second = left.sign("+", gives="[B, L, d]", step=11)
    left.box("x", kind="data", width=110)
    d.bypass(x.bottom(), first, 36)
    d.bypass(first.bottom(), second, 36)
    d.text(30, 150, d("residual"), turn=True)
    right = d.column(462, 100, 236)
    d.group(322, 68, 296, 480, code=f"{own}.CausalSelfAttention")
    d.arrow(attention.right(), (322, attention.right()[1]), dashed=True, head=False)
    right.box(
        d("qkv"),
        code=f"{own}.CausalSelfAttention.qkv",
        kind="learned",
        step=2,
        gives="[B, H, L, d_{head}]",
    )
    right.box(d("scores"), step=3, gives="[B, H, L, L]")
    mask = right.box(d("mask"), code=f"{own}.causal_mask", step=4, gives="[B, H, L, L]", width=160)
    right.box(d("softmax"), step=5, gives="[B, H, L, L]")
    right.box(d("mix"), step=6, gives="[B, H, L, d_{head}]")
    right.box(d("join"), code=f"{own}.CausalSelfAttention.out", kind="learned", step=7)
    d.grid(mask.x + 168, mask.y + 2, 12, MASK)
    d.note(d("no_time"))
