"""How much English a reader of the Chinese notebooks still sees.

    python -m course.chinese [NN ...]     share of English words, lesson by lesson

Counted are words of two letters or more in comments, docstrings, strings with a space and outputs,
against Chinese characters / 1.6 (a Chinese word has about that many). What is English in every
language does not count: identifiers, names of files and options, abbreviations, proper names.
"""

from __future__ import annotations

import argparse
import io
import keyword
import re
import sys
import tokenize
from collections import Counter
from pathlib import Path

import nbformat

from course.exchange import pieces
from course.format import read_notebook
from course.lessons import load_course
from course.prose import HAN

CHARACTERS_PER_WORD = 1.6
LIMIT = 0.04  # of the words that a reader sees
# Names of people, works and methods that are written in Latin letters in Chinese, too.
NAMES = frozenset(
    """adam adamax amazon arxiv bayes bellman benjamini bernoulli bonferroni cauchy colab euler
    fibonacci frobenius gauss github gumbel hochberg holm jacobi jupyter kalman kaggle knopp kutta
    laplace lebesgue legendre lipschitz lorenz lyapunov mamba markov matplotlib movielens neumann
    newton numpy okabe ito oseledets pandas poisson python pytorch runge runge-kutta scipy sigmoid
    silu sinkhorn softmax student swish torch transformer wilcoxon windows linux ok nan inf""".split()  # noqa: SIM905
)
CODE = re.compile(
    r"`[^`]*`|\$[^$]*\$|https?://\S+|[\w./\\-]*[\w-]+\.(?:py|csv|json|ipynb|md|pt|toml|po)\b"
)


def identifiers(nodes: list[nbformat.NotebookNode]) -> set[str]:
    """The words of the programs: names, their parts, and strings that are one word."""
    found = set(keyword.kwlist) | {"self"}
    for node in nodes:
        if node.cell_type != "code":
            continue
        try:
            tokens = list(tokenize.generate_tokens(io.StringIO(node.source).readline))
        except (tokenize.TokenError, SyntaxError, IndentationError):
            continue
        for token in tokens:
            if token.type == tokenize.NAME:
                found.add(token.string)
            elif token.type == tokenize.STRING:
                text = token.string.strip("rbfRBF").strip("\"'")
                if re.fullmatch(r"[\w.+-]+", text):
                    found.add(text)
    return {part.lower() for name in found for part in (name, *re.split(r"[\W_\d]+", name)) if part}


def english_words(text: str, known: set[str]) -> list[str]:
    """The words that are English, line by line: no abbreviation, no name. Identifiers (`known`) are
    what they are in a line of Chinese or of nothing else; in an English sentence they are words.
    """
    found = []
    for line in CODE.sub(" ", text).splitlines():
        words = [
            word
            for word in re.findall(r"(?<![\w.])[A-Za-z]{2,}(?:-[a-z]+)*(?![\w]|\.\w)", line)
            if word.lower() not in NAMES and not re.search("[A-Z]", word[1:])
        ]
        others = [word for word in words if word.lower() not in known]
        found += others if re.search(f"[{HAN}]", line) or not others else words
    return found


def seen(notebook: nbformat.NotebookNode) -> tuple[Counter[str], float]:
    """The English words that a reader of a notebook sees, and the number of Chinese ones."""
    known = identifiers(notebook.cells)
    english: Counter[str] = Counter()
    characters = 0
    for node in notebook.cells:
        characters += len(re.findall(f"[{HAN}]", node.source))
        if node.cell_type != "code":
            continue
        for piece in pieces(node.source):
            if piece.kind != "word":
                text = re.sub(r"\{[^{}]*\}", " ", piece.message)
                english.update(english_words(text, known))
        for output in node.get("outputs", []):
            text = output.get("text", "") or output.get("data", {}).get("text/plain", "")
            if not text.startswith("<Figure"):
                english.update(english_words(text, known))
                characters += len(re.findall(f"[{HAN}]", text))
    return english, characters / CHARACTERS_PER_WORD


def share(notebook: nbformat.NotebookNode) -> float:
    english, chinese = seen(notebook)
    return english.total() / max(english.total() + chinese, 1)


def main(arguments: list[str] | None = None) -> int:
    top = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    top.add_argument("lessons", nargs="*", metavar="NN", help="numbers of lessons (default: all)")
    options = top.parse_args(arguments)
    course = load_course(Path(__file__).resolve().parents[1])
    total = [0, 0.0]
    for row in course.written():
        notebook = read_notebook(course.notebook(row, "zh"))
        if notebook is None or (options.lessons and f"{row.number:02d}" not in options.lessons):
            continue
        english, chinese = seen(notebook)
        total = [total[0] + english.total(), total[1] + chinese]
        often = ", ".join(f"{word} {count}" for word, count in english.most_common(6))
        print(f"{row.number:02d} {share(notebook):6.1%}  {english.total():5d} words: {often}")
    print(f"all {total[0] / max(sum(total), 1):5.1%}  {total[0]:5d} words")
    return 0


if __name__ == "__main__":
    sys.exit(main())
