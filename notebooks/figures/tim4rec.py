"""Lesson 12: TiM4Rec, where the clock sets the step of the state space."""

from notebooks.figures.draw import Drawing

LESSON = 12
TEXT = {
    "title": ("TiM4Rec: the clock sets the step", "TiM4Rec：由时间决定步长"),
    "alt": (
        "TiM4Rec. Step 1: the item table, dropout and a LayerNorm turn the ids into vectors. Step"
        " 2: the clock turns times into standardised log gaps: since the event before, and, if the"
        " query time may be known, until the query. In each layer, step 3: the time gate makes one"
        " factor between 0 and 2 for each head. Step 4: the SSD block multiplies its raw step by"
        " this factor, before softplus. Step 5: the residual is added. Step 6: norm1. Step 7: the"
        " feed-forward network. Step 8: its residual is added. Step 9: norm2. Step 10: the states"
        " after the last layer give scores. Time enters at steps 2, 3 and 4.",
        "TiM4Rec。第 1 步：物品表、dropout 和层归一化把编号变成向量。第 2"
        " 步：把时间变成标准化的对数间隔：距上一个事件，以及（如果允许知道查询时刻）到查询时刻。在每一层里，第 3"
        " 步：时间门为每个头给出一个 0 到 2 之间的因子。第 4 步：SSD 块在 softplus"
        " 之前把原始步长乘以这个因子。第 5 步：加上残差。第 6 步：norm1。第 7 步：前馈网络。第 8"
        " 步：加上残差。第 9 步：norm2。第 10 步：最后一层之后的状态给出得分。时间在第 2、3、4 步进入。",
    ),
    "embed": ("`item_embedding`, `norm`", "`item_embedding`、`norm`"),
    "gaps": ("standardised log gaps", "标准化的对数间隔"),
    "gate": ("1 + tanh(W_{2} SiLU(W_{1} gaps))", "1 + tanh(W_{2} SiLU(W_{1} gaps))"),
    "between": ("one factor a head, 0 to 2", "每个头一个因子，0 到 2"),
    "ssd": ("Δ = softplus(raw · gate + bias)", "Δ = softplus(原始步长 · 门 + bias)"),
    "fade": ("h = e^{Δ A} h + Δ x B", "h = e^{Δ A} h + Δ x B"),
}


def draw(d: Drawing) -> None:
    home, layer = "tutorial_lib.models.tim4rec", "tutorial_lib.models.mamba4rec.MambaLayer"
    model, base = (
        "tutorial_lib.models.mamba4rec.Mamba4Rec",
        "tutorial_lib.models.base.SequenceModel",
    )
    down = d.column(190, 56, 260)
    down.box("`items`", d("ids"), kind="data", gives="[B, L]")
    down.box(
        d("embed"),
        code=f"{model}.embed",
        codes=(f"{base}.item_embedding", f"{model}.norm"),
        kind="learned",
        step=1,
        gives="[B, L, d]",
    )
    down.y += 32
    ssd = down.box(
        d("ssd"),
        d("fade"),
        code="tutorial_lib.models.mamba.SSDBlock",
        kind="state",
        step=4,
        gives="[B, L, d]",
    )
    first = down.sign("+", gives="[B, L, d]", step=5)
    norm1 = down.box(d("norm"), code=f"{layer}.norm1", kind="learned", step=6, gives="[B, L, d]")
    down.box(d("alone"), code=f"{layer}.feed_forward", kind="learned", step=7, gives="[B, L, d]")
    second = down.sign("+", gives="[B, L, d]", step=8)
    last = down.box(d("norm"), code=f"{layer}.norm2", kind="learned", step=9, gives="[B, L, d]")
    d.bypass((190, ssd.y - 26), first, 36)
    d.bypass(norm1.bottom(), second, 36)
    d.group(
        20, ssd.y - 34, 324, last.y + last.h - ssd.y + 64, d("post_norm"), code=layer, beside=True
    )
    down.y += 30
    down.box(d("scores"), "[B, L, V + 1]", code=f"{base}.score", step=10)
    clock = d.column(490, 56, 240, time=True)
    clock.box(d("times"), d("seconds"), kind="time", gives="[B, L]")
    clock.box(
        d("gaps"), code="tutorial_lib.models.clock.Clock", kind="time", step=2, gives="[B, L, F]"
    )
    clock.y = ssd.y - 9  # a line more than the block
    gate = clock.box(
        d("gate"), d("between"), "[B, L, heads]", code=f"{home}.TimeGate", kind="time", step=3
    )
    d.arrow(gate.left(), ssd.right(), time=True)
