"""Lesson 21: the service, from an event or a question to its answer, and what watches it."""

from notebooks.figures.draw import Drawing

LESSON = 21
TEXT = {
    "title": ("The service: an event in, a list out", "服务：事件进来，列表出去"),
    "alt": (
        "The service of lesson 21. Step 1: an event arrives by POST /events with user, item and its"
        " own time. Step 2: it is written to the store on the disk. Step 3: it moves the kept state"
        " of its user by one step. Step 4: a question arrives by GET /recommend with user and at,"
        " the query time. Step 5: the state is read at that time. Step 6: the best ten items are"
        " searched. Time enters twice: with the event, and with the question. Step 7: the monitor"
        " sees events and lists. The list goes back to who asked.",
        "第 21 课的服务。第 1 步：事件经 POST /events 到来，带有用户、物品和它自己的时间。第 2 步：写入磁盘上的"
        "存储。第 3 步：让该用户保存的状态走一步。第 4 步：问题经 GET /recommend 到来，带有用户和查询时刻 at。第 5"
        " 步：在那个时刻读取状态。第 6 步：搜索得分最高的十个物品。时间有两个入口：随事件进入，随问题进入。第 7"
        " 步：监控器看到事件和列表。列表返回给提问者。",
    ),
    "event": ("user, item, event time", "用户、物品、事件时间"),
    "store": ("SQLite, on the disk", "SQLite，在磁盘上"),
    "states": ("a state per user", "每位用户一个状态"),
    "state": ("one step per event", "每个事件走一步"),
    "question": ("user, `at` = query time", "用户、`at` = 查询时刻"),
    "read": ("read at the query time", "在查询时刻读取"),
    "search": ("search: the best ten", "搜索：前十个物品"),
    "list": ("list", "推荐列表"),
    "watch": ("lag, gap, rank, hits: ADWIN", "时延、间隔、名次、命中：ADWIN"),
}


def draw(d: Drawing) -> None:
    base = "tutorial_lib.serving"
    event = d.box(30, 60, 250, "`POST /events`", d("event"), kind="time", step=1)
    question = d.box(360, 60, 250, "`GET /recommend`", d("question"), kind="time", step=4)
    store = d.box(30, 150, 250, d("store"), code=f"{base}.store.Store", kind="state", step=2)
    states = d.box(30, 240, 250, d("states"), d("state"), kind="state", step=3)
    read = d.box(
        360, 240, 250, d("read"), code=f"{base}.states.StreamStates.read", kind="plain", step=5
    )
    search = d.box(360, 340, 250, d("search"), kind="learned", step=6)
    out = d.box(420, 439, 130, d("list"), kind="data")
    watch = d.box(30, 430, 250, d("watch"), code=f"{base}.watch.Monitor", kind="plain", step=7)
    d.arrow(event.bottom(), store.top(), time=True)
    d.arrow(store.bottom(), states.top())
    d.arrow(question.bottom(), read.top(), time=True)
    d.arrow(states.right(), read.left())
    d.arrow(read.bottom(), search.top(), label="[B, d]")
    d.arrow(search.bottom(), out.top())
    d.arrow(out.left(), watch.right())
    d.arrow(states.bottom(), watch.top())
