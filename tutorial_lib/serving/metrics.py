"""What the service counts about itself, in the text format of Prometheus. Taught in lesson 21."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable

from tutorial_lib.serving.service import Service

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Latencies:
    """How many answers of each route took at most so long."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = defaultdict(lambda: [0] * (len(SECONDS) + 1))
        self.sums: dict[str, float] = defaultdict(float)

    def add(self, path: str, seconds: float) -> None:
        self.counts[path][bisect_left(SECONDS, seconds)] += 1
        self.sums[path] += seconds


def line(name: str, value: float, **labels: object) -> str:
    def escape(text: object) -> str:
        return str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    said = ",".join(f'{key}="{escape(label)}"' for key, label in labels.items())
    return f"{name}{{{said}}} {value:.10g}" if said else f"{name} {value:.10g}"


def family(name: str, kind: str, about: str, lines: Iterable[str]) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *lines]


def exposition(service: Service, statuses: Counter, latencies: Latencies) -> str:
    """The lines of all of them; `statuses`: (method, path, status) -> answers."""
    counts, versions = service.counts, list(service.versions.values())
    found = family(
        "http_requests_total",
        "counter",
        "Answers by status.",
        (
            line("http_requests_total", count, method=method, path=path, status=status)
            for (method, path, status), count in sorted(statuses.items())
        ),
    )
    lines = []
    for path, buckets in sorted(latencies.counts.items()):
        total = 0
        for edge, count in zip((*SECONDS, "+Inf"), buckets, strict=True):
            total += count
            lines.append(line("http_request_seconds_bucket", total, path=path, le=edge))
        lines.append(line("http_request_seconds_sum", latencies.sums[path], path=path))
        lines.append(line("http_request_seconds_count", total, path=path))
    found += family("http_request_seconds", "histogram", "Time of an answer.", lines)
    for name, about in {
        "events": "New events taken in.",
        "duplicates": "Events whose id was known.",
        "late": "Events from before the last one of their user.",
        "recommendations": "Lists answered.",
        "passes": "Passes of a model, each for all that asked meanwhile.",
    }.items():
        name, value = f"serving_{name}_total", counts[name]
        found += family(name, "counter", about, [line(name, value)])
    facts = {
        "users": ("Users with a history.", [((), len(service.memory.users))]),
        "bytes_per_user": (
            "State of one user.",
            [((v.name,), v.states.rows.bytes_per_user) for v in versions],
        ),
        "current": (
            "1 for the model that answers.",
            [((v.name,), float(v.name == service.default)) for v in versions],
        ),
        "index_recall": (
            "Share of the exact ten that the index finds, measured at the start.",
            [((v.name,), v.recall) for v in versions if v.recall is not None],
        ),
    }
    for name, (about, values) in facts.items():
        name = f"serving_{name}"
        lines = [line(name, value, **({"model": key[0]} if key else {})) for key, value in values]
        found += family(name, "gauge", about, lines)
    return "\n".join(found) + "\n"
