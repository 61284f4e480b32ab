# ruff: noqa: E501 (a table reads best with one fault a line)
"""The faults that `python -m course.build check` must catch, each to be planted in the clean lesson.txt beside this file.

IN_SOURCE: name, replacements in the source, the cell that must be named (None: the file as a whole), what must be said.
NO_FAULT: name, replacements that must pass.
IN_OUTPUTS: name, a cell, the output that is put under it in both notebooks, what must be said.
"""

IN_SOURCE = [
    # ids, languages, pairs
    ("zh twin missing", [('id="puzzle-zh" lang="zh"', 'id="other-zh" lang="zh"')], "puzzle-en", "has no Chinese twin"),
    ("en twin missing", [('[markdown] id="puzzle-en" lang="en"', 'id="riddle"')], "puzzle-zh", "has no English twin"),
    ("no id", [('# %% id="check-mean" tags', "# %% tags")], "after predict-zh", "has no id"),
    ("id twice", [('# %% id="setup"', '# %% id="library"')], "library", "uses the id"),
    ("id clashes with prose", [('# %% id="setup"', '# %% id="puzzle"')], "puzzle", "uses the id"),
    ("bad id", [('# %% id="setup"', '# %% id="set up"')], "set up", "needs an id of letters"),
    ("reserved id", [('# %% id="setup"', '# %% id="header"')], "header", 'none of header'),
    ("code in one language", [('# %% id="setup"', '# %% id="setup" lang="en"')], "setup", "belongs to both languages"),
    ("first line of a solution", [("# Solution\n\nanswer = half(4)", "answer = half(4)")], "exercise1-solution", "let it be `# Solution`"),
    ("prose in no language", [('id="puzzle-en" lang="en"', 'id="puzzle-en"')], "puzzle-en", 'give it lang="en"'),
    ("tags differ", [('lang="en" tags=["predict"]', 'lang="en"')], "predict-en", "has other tags than its Chinese twin"),
    ("unknown tag", [('"place" tags=["nbval-ignore-output"]', '"place" tags=["nbval-ignore"]')], "place", 'unknown tag "nbval-ignore"'),
    # the twins say the same
    ("inline formula", [("长度为 $d$ 的", "长度为 $n$ 的")], "objectives", "formulas differ"),
    ("formula left out", [("长度为 $d$ 的", "")], "objectives", "formulas differ"),
    ("block formula", [("\\sqrt{d}}\n# $$\n#\n", "\\sqrt{n}}\n# $$\n#\n")], "objectives", "formulas differ"),
    ("link", [("[第二课](02_second.ipynb)", "[第二课](../../README.md)")], "puzzle", "links differ"),
    ("link left out", [("[第二课](02_second.ipynb)", "第二课")], "puzzle", "links differ"),
    ("code span", [("和 `half`。", "和 `halve`。")], "puzzle", "code spans differ"),
    ("code block", [("# 两个人看了", "# ```\n# x = 1\n# ```\n#\n# 两个人看了")], "puzzle", "code blocks differ"),
    ("heading", [("# ## 一个谜题", "# 一个谜题")], "puzzle", "headings differ"),
    ("number", [("平均值比 0.75 大", "平均值比 0.57 大")], "predict", "numbers differ"),
    ("not translated", [("# 一条从左到右上升的线。", "# A line.")], "drawing-alt", "holds no Chinese"),
    ("English edited", [("Two people saw", "Three people saw")], "puzzle-zh", "run `python -m course.build stamp 02 puzzle`"),
    ("glossary", [("因果掩码（causal mask）", "因果面具")], "objectives-zh", 'says "causal mask" but its Chinese twin lacks 因果掩码'),
    ("glossary, plural", [("a causal mask", "causal masks"), ("因果掩码", "因果面具")], "objectives-zh", 'says "causal mask"'),
    # links, names, pictures
    ("broken link", [("(02_second.ipynb) and", "(09_ninth.ipynb) and")], "puzzle-en", "links to 09_ninth.ipynb, which is not there"),
    ("renamed file", [("# A paper,", "# `tutorial_lib/small.py`,")], "references", "names `tutorial_lib/small.py`"),
    ("renamed object", [("# A paper,", "# `tutorial_lib.tiny.halve`,")], "references", "names `tutorial_lib.tiny.halve`"),
    ("picture in prose", [("# A line that", "# ![](../../README.md) A line that")], "drawing-alt-en", "picture without alt text"),
    ("picture in HTML", [("# A line that", '# <img src="../../README.md"> A line that')], "drawing-alt-en", "picture without alt text"),
    ("picture in an exercise", [("# **2.1 Compute · basic.** Halve four.", "# **2.1 Compute · basic.** Halve four. ![x](../../README.md)"), ("# **2.1 计算 · 基础。** 求四的一半。", "# **2.1 计算 · 基础。** 求四的一半。![图](../../README.md)")],
     "exercise1-en", "shows the picture ../../README.md, which an assignment leaves behind"),
    ("drawing of another name", [("# A line that", "# ![x](../figures/en/a.svg) A line that"), ("# 一条从左", "# ![图](../figures/zh/b.svg) 一条从左")], "drawing-alt", "picture addresses differ"),
    ("alt text of nothing", [('"puzzle-en" lang="en"', '"puzzle-en" lang="en" tags=["alt"]'), ('"puzzle-zh" lang="zh"', '"puzzle-zh" lang="zh" tags=["alt"]')],
     "puzzle", "follows no code cell"),
    # how it is set
    ("no blank line before $$", [("needs\n#\n# $$", "needs\n# $$")], "objectives-en", "$$ block without blank lines"),
    ("no blank line after $$", [("# $$\n#\n# before", "# $$\n# before")], "objectives-en", "$$ block without blank lines"),
    ("open formula", [("length $d$ needs", "length $d needs")], "objectives-en", "$ without its partner"),
    ("unfinished", [("Two people saw", "TODO Two people saw")], "puzzle-en", "still says TODO"),
    ("half-width comma", [("先想一想：", "先,想一想：")], "predict-zh", "half-width punctuation"),
    ("half-width stop", [("上升的线。", "上升的线.")], "drawing-alt-zh", "half-width punctuation"),
    ("half-width quotes", [("上升的线", '上升的"线"')], "drawing-alt-zh", "half-width punctuation"),
    ("half-width parentheses", [("（causal mask）", "(causal mask)")], "objectives-zh", "half-width parentheses"),
    ("no space at number", [("比 0.75 大", "比0.75 大")], "predict-zh", "no space between Chinese and Latin"),
    ("no space at Latin", [("在 softmax 之前", "在 softmax之前")], "objectives-zh", "no space between Chinese and Latin"),
    ("no space at code", [("和 `half`。", "和`half`。")], "puzzle-zh", "no space between Chinese and Latin"),
    ("no space at bold", [("**下一部**会是", "**next**会是")], "puzzle-zh", "no space between Chinese and Latin"),
    ("space at mark", [("先想一想：平均", "先想一想： 平均")], "predict-zh", "space beside full-width punctuation"),
    ("line break", [("从左到右上升", "从左到右\n# 上升")], "drawing-alt-zh", "line break inside a Chinese paragraph"),
    ("bold", [("**下一部**会是", "**下一部，**会是")], "puzzle-zh", "would show its stars"),
    ("bold, opening", [("**下一部**会是", "是**“下一部”**呢")], "puzzle-zh", "would show its stars"),
    ("space before %", [("below 0.75?", "below 75 %?"), ("比 0.75 大", "比 75 % 大")], "predict-zh", "a space before %"),
    ("italics", [("**下一部**会是", "*下一部*会是")], "puzzle-zh", "Chinese in italics"),
    ("space in Chinese", [("下一格之前", "下一格 之前")], "predict-zh", "a space between Chinese characters"),
    ("word to avoid", [("三部电影。", "三部电影，像孪生模型。")], "puzzle-zh", "says 孪生模型; the glossary has 对照模型"),
    ("another person", [("Two people saw", "Ida and Omar saw"), ("两个人看了", "小艾和小雨看了")], "puzzle-zh", "says 小雨, who is Nora in English"),
    ("polite you", [("你将算出", "您将算出")], "objectives-zh", "say “你”"),
    ("Chinese in code", [("half(4)", "half(4)  # 一半")], "exercise1-solution", "has Chinese in code"),
    ("untidy", [('# %% id="setup"', '# %% id="setup" collapsed=true')], None, "run `python -m course.build format 02`"),
    ("no kernel", [("#     name: python3\n", "#     name: python2\n")], None, "run `python -m course.build format 02`"),
    # numbers
    ("decimal", [("below 0.75?", "below 0.76?"), ("比 0.75 大", "比 0.76 大")], "predict-zh", "states 0.76, which no cell checks"),
    ("percentage", [("below 0.75?", "below 76 %?"), ("比 0.75 大", "比 76% 大")], "predict-en", "states 76%, which no cell checks"),
    ("in a formula", [("below 0.75?", "below $0.76$?"), ("比 0.75 大", "比 $0.76$ 大")], "predict-en", "states 0.76"),
    ("only in a comment", [("0.75?", "0.12?"), ("比 0.75", "比 0.12"), ("half(6)", "half(6)  # 0.12")], "predict-en", "states 0.12"),
    # parts of a lesson
    ("order", [('# %% id="setup"', '# %% id="setup" tags=["exercise"]')], "setup", 'comes before the first "predict"'),
    ("library first", [('"check-mean" tags=["reference-check"]', '"check-mean"'), ('"place" tags=[', '"place" tags=["reference-check", ')],
     "library", "shows the library before anything was checked"),
    (
        "no library",
        [("# show: tutorial_lib.tiny.SCALE\n\n# show: tutorial_lib.tiny.half", "half = float.__neg__")],
        None,
        'lacks the part "library"',
    ),
    ("two exercises", [(f'"exercise3-{part} tags=["exercise"]', f'"exercise3-{part}') for part in ('en" lang="en"', 'zh" lang="zh" en="b7fae349"', 'code"')], "exercise1", "begins 2 exercise(s)"),
    ("no solution", [('"exercise2-solution" tags=["solution"]', '"exercise2-solution"')], "exercise2", "has no solution"),
    ("exercise with a name of its own", [('"exercise3-en"', '"halve-en"'), ('"exercise3-zh"', '"halve-zh"')], "halve", "makes no assignment; give an exercise the prose pair exerciseN"),
    ("stub with a name of its own", [('"exercise3-code"', '"stub"')], "stub", "makes no assignment"),
    ("exercise without its question's number", [("**2.3 Compute", "**Compute"), ("**2.3 计算", "**计算")], "exercise3", "must begin its question with **2.3 ...**"),
    ("checker of another lesson", [("half(8)\n\nlesson02", "half(8)\n\nlesson03")], "exercise3-solution", "needs a line lesson02.check_...(name of the answer)"),
    ("command in an exercise", [("answer = half(8)", "%time answer = half(8)")], "exercise3-solution", "is not plain Python (line 3)"),
    ("solution in words only", [('"exercise3-solution" tags=["solution"]', '"exercise3-solution" tags=["hint"]')], "exercise3", "has no solution"),
    ("no level", [("2.2 Compute · core.", "2.2 Compute."), ("2.2 计算 · 进阶。", "2.2 计算。")], "exercise2", 'has the level ""'),
    ("unknown level", [("2.2 Compute · core.", "2.2 Compute · hard."), ("2.2 计算 · 进阶。", "2.2 计算 · 难。")], "exercise2", 'has the level "hard"; write one of basic, core, stretch'),
    ("another level in Chinese", [("2.2 计算 · 进阶。", "2.2 计算 · 基础。")], "exercise2-zh", '"core" is 进阶'),
    ("nine questions", [("<b>10.</b> What", "10. What")], "self-test-en", "asks 9 questions and answers 10"),
    ("a question without an answer", [("# 是十。\n#\n", "")], "self-test-zh", "asks 10 questions and answers 9"),
    ("self-test before the summary", [('"open-en" lang="en" tags=["open"]', '"open-en" lang="en" tags=["self-test"]'), ('lang="zh" en="6e0dad12" tags=["open"]', 'lang="zh" en="6e0dad12" tags=["self-test"]')], "open", 'is the "self-test" but a "summary" comes after it'),
    ("four lines", [("# 5. Five.\n", "")], "summary-en", "is a summary of 4 lines; write five"),
    ("six lines in Chinese", [("# 5. 五。", "# 5. 五。\n# 6. 六。")], "summary-zh", "is a summary of 6 lines; write five"),
    ("no place in the code", [("the code is in [`tutorial_lib/tiny.py`](../../tutorial_lib/tiny.py), `tutorial_lib.tiny.half`.", "no code.")],
     "references", "names no place in the code"),
    ("nothing to predict", [('"puzzle-en" lang="en"', '"puzzle-en" lang="en" tags=["predict"]'), ('"puzzle-zh" lang="zh"', '"puzzle-zh" lang="zh" tags=["predict"]')],
     "puzzle", "no code cell follows"),
    # the library
    ("show of nothing", [("# show: tutorial_lib.tiny.half", "# show: tutorial_lib.tiny.halve")], "library", "was it renamed?"),
    ("show of no module", [("# show: tutorial_lib.tiny.half", "# show: other.tiny.half")], "library", "there is no module"),
]  # fmt: skip

PUZZLE, RIDDLE = "Two people saw the same three films.", "两个人看了同样的三部电影。"

NO_FAULT = [
    (
        "number of a paper",
        [
            (PUZZLE, "A paper reports 0.182.<!-- literature -->"),
            (RIDDLE, "有论文报告 0.182。<!-- literature -->"),
        ],
    ),
    ("number of a section", [(PUZZLE, "See section 3.2."), (RIDDLE, "见第 3.2 节。")]),
    ("a share as a percentage", [("below 0.75?", "below 75 %?"), ("比 0.75 大", "比 75% 大")]),
    ("a rounded number", [("mean = (0.5 + 1.0) / 2", "mean = (0.5 + 1.0) / 2 + 0 * 0.7461")]),
    (
        "words in a formula",
        [("$d$ needs", "$d_{\\text{last}}$ needs"), ("为 $d$ 的", "为 $d_{\\text{最后}}$ 的")],
    ),
    ("plural of a term", [("a causal mask", "causal masks")]),
    (
        "link to the twin",
        [
            ("(02_second.ipynb) and", "(../zh/02_second.ipynb) and"),
            ("(02_second.ipynb)和", "(../en/02_second.ipynb)和"),
        ],
    ),
    ("bold run-in heading", [(PUZZLE, "**A start.** " + PUZZLE), (RIDDLE, "**开头。** " + RIDDLE)]),
    (
        "code in a block",
        [
            ("# A line that", "# ```\n# f(x,您)$\n# ```\n#\n# A line that"),
            ("# 一条", "# ```\n# f(x,您)$\n# ```\n#\n# 一条"),
        ],
    ),
    ("Chinese in quotes and dashes", [(RIDDLE, "“两个人”——看了《电影》……")]),
]

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGP8z8DEwAAABQ0BA7hKXG8AAAAASUVORK5CYII="
ADDRESS, STREAM = "<Model at 0x7f3a5c1d2e80>", {"output_type": "stream", "name": "stdout"}
IN_OUTPUTS = [
    (
        "error",
        "setup",
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []},
        "ended in an error",
    ),
    (
        "warning",
        "setup",
        STREAM | {"name": "stderr", "text": "UserWarning: old"},
        "prints to stderr",
    ),
    (
        "address",
        "setup",
        {
            "output_type": "execute_result",
            "data": {"text/plain": ADDRESS},
            "metadata": {},
            "execution_count": 1,
        },
        "object address",
    ),
    ("home", "setup", STREAM | {"text": "saved in /home/ann/course/runs"}, "absolute path"),
    ("Windows", "setup", STREAM | {"text": "saved in C:\\Users\\ann"}, "absolute path"),
    ("progress", "setup", STREAM | {"text": " 40%|####      | 4/10"}, "progress bar"),
    (
        "picture",
        "setup",
        {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}, "metadata": {}},
        "picture without alt text",
    ),
    (
        "blurred picture",
        "drawing",
        {"output_type": "display_data", "data": {"image/png": PICTURE}, "metadata": {}},
        "without twice the pixels of its width",
    ),
    (
        "picture lost",
        "drawing",
        STREAM | {"text": "a picture"},
        'tagged "picture" but its output has none',
    ),
]
