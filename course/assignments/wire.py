"""How a submission and its grader talk: data over a pipe, never code.

The submission runs in a process of its own, in a sandbox (sandbox.py); the checkers run outside. A
function that a student has written reaches its checker as a function that sends the arguments over
the pipe and waits for the result. What comes from the submission is read as numbers, texts,
containers, arrays and tensors and as nothing else; objects of the library travel the other way only.

This file and runner.py are all that the sandbox needs to know of grading.
"""

import json
import operator
import pickle
import struct
import types
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import torch

LARGEST = 256 * 2**20  # bytes of a message
NUMBERS = "biufc"  # numpy's kinds that travel as raw bytes
# callable, but sent as they are; all else that can be called stays here and is called from there
WHOLE = (torch.nn.Module, type, operator.methodcaller)
TORCH = {str(t): t for t in vars(torch).values() if isinstance(t, torch.dtype)}


class Gone(BaseException):
    """The other side has ended, or does not keep to the form; no checker may catch it."""


class Object:
    """What a submission handed over and no checker can use, known by its type and its text."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def read(stream: BinaryIO) -> tuple[dict, list[bytes]]:
    """One message: its head and the raw bytes that it speaks of."""
    sizes = struct.unpack(">QI", _exactly(stream, 12))
    if sizes[0] > LARGEST or sizes[1] > LARGEST:
        raise Gone(f"a message of more than {LARGEST >> 20} MB")
    try:
        head = json.loads(_exactly(stream, sizes[0]))
        lengths = head["blobs"]
        if sum(lengths) != sizes[1] or min(lengths, default=0) < 0:
            raise ValueError("lengths")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Gone("a message of another form") from error
    return head, [_exactly(stream, length) for length in lengths]


def write(stream: BinaryIO, head: dict, blobs: list[bytes]) -> None:
    text = json.dumps(head | {"blobs": [len(blob) for blob in blobs]}).encode()
    stream.write(struct.pack(">QI", len(text), sum(map(len, blobs))) + text + b"".join(blobs))
    stream.flush()


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if data is None or len(data) < count:
        raise Gone("the other side has ended")
    return data


class Peer:
    """One end of the pipe. Both ends can call the functions that the other has handed over.

    trusting: may this end load objects that the other end has pickled? The submission's may.
    """

    def __init__(self, reader: BinaryIO, writer: BinaryIO, *, trusting: bool):
        self.reader, self.writer, self.trusting = reader, writer, trusting
        self.functions: list[Callable] = []  # handed to the other end, by number
        self.graphs: list[tuple[list[torch.Tensor], torch.Tensor]] = []  # to be differentiated
        self.named: dict[str, type] = {}  # kinds of named tuples that have been sent
        self.waiting = False

    # Values to bytes

    def encode(self, value: Any, blobs: list[bytes]) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if np.isfinite(value) else {"t": "float", "v": str(value)}
        if kind is complex:
            return {"t": "complex", "v": [str(value.real), str(value.imag)]}
        if kind is list:
            return [self.encode(part, blobs) for part in value]
        if kind in (tuple, set, frozenset):
            return {"t": kind.__name__, "v": [self.encode(part, blobs) for part in value]}
        if isinstance(value, dict):
            pairs = [[self.encode(key, blobs), self.encode(value[key], blobs)] for key in value]
            return {"t": "dict", "v": pairs}
        if value is ...:
            return {"t": "ellipsis"}
        if isinstance(value, torch.dtype):
            return {"t": "dtype", "v": str(value)}
        if isinstance(value, torch.Tensor):
            return self._tensor(value, blobs)
        if isinstance(value, np.generic | np.ndarray) and value.dtype.kind in NUMBERS:
            blobs.append(np.ascontiguousarray(value).tobytes())
            kind = "scalar" if isinstance(value, np.generic) else "array"
            return {"t": kind, "v": [len(blobs) - 1, value.dtype.str, list(value.shape)]}
        if isinstance(value, np.ndarray) and value.dtype.kind == "U":
            return {"t": "texts", "v": [value.ravel().tolist(), list(value.shape)]}
        if isinstance(value, np.str_):
            return str(value)
        if isinstance(value, Fraction | Decimal):
            return self.encode(float(value), blobs)
        if isinstance(value, pd.Series):
            parts = [self.encode(part.to_numpy(), blobs) for part in (value, value.index)]
            return {"t": "series", "v": parts}
        if isinstance(value, pd.Index):
            return self.encode(value.to_numpy(), blobs)
        if isinstance(value, np.ndarray) and value.dtype == object:
            return self.encode(value.tolist(), blobs)
        if isinstance(value, np.random.Generator):
            state = self.encode(value.bit_generator.state, blobs)
            return {"t": "generator", "v": [type(value.bit_generator).__name__, state]}
        if isinstance(value, torch.Generator):
            return {"t": "torch generator", "v": self.encode(value.get_state(), blobs)}
        if type(value) is pd.DataFrame and all(t.kind in NUMBERS for t in value.dtypes):
            columns = {str(name): value[name].to_numpy() for name in value.columns}
            parts = [self.encode(part, blobs) for part in (columns, value.index.to_numpy())]
            return {"t": "frame", "v": parts}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return self._named(value, blobs)
        return self._object(value, blobs)

    def _tensor(self, value: torch.Tensor, blobs: list[bytes]) -> dict:
        plain = value.detach().cpu().contiguous()
        if plain.is_conj():
            plain = plain.resolve_conj()
        blobs.append(
            plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        )
        about = [len(blobs) - 1, str(value.dtype), list(value.shape), value.requires_grad]
        return {"t": "tensor", "v": about}

    def _named(self, value: tuple, blobs: list[bytes]) -> dict:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        self.named[name] = type(value)
        parts = [self.encode(part, blobs) for part in value]
        if self.trusting:  # the submission: the grader knows what it has sent
            return {"t": "named", "v": [name, None, parts]}
        blobs.append(pickle.dumps(type(value)))
        return {"t": "named", "v": [name, len(blobs) - 1, parts]}

    def _object(self, value: Any, blobs: list[bytes]) -> dict:
        plain = callable(value) and not isinstance(value, WHOLE)
        if plain or (self.trusting and callable(value)):
            self.functions.append(value)
            name = str(getattr(value, "__name__", "a function"))
            return {"t": "function", "v": [len(self.functions) - 1, name]}
        if self.trusting:
            text = repr(value)[:200]
            return {"t": "object", "v": [type(value).__name__[:80], text]}
        # what a checker has put into a model to watch it stays a function of ours
        watched, grads = {}, {}
        if isinstance(value, torch.nn.Module):
            watched = {k: v for k, v in vars(value).items() if isinstance(v, types.FunctionType)}
            grads = {k: p.grad for k, p in value.named_parameters() if p.grad is not None}
        kept = {name: value.__dict__.pop(name) for name in watched}
        try:
            blobs.append(pickle.dumps(value))
        finally:
            if kept:
                value.__dict__.update(kept)
        place = len(blobs) - 1
        with_it = [{k: self.encode(v, blobs) for k, v in part.items()} for part in (watched, grads)]
        return {"t": "pickle", "v": [place, *with_it]}

    # Bytes to values

    def decode(self, tree: Any, blobs: list[bytes]) -> Any:
        if isinstance(tree, list):
            return [self.decode(part, blobs) for part in tree]
        if not isinstance(tree, dict):
            return tree
        kind, value = tree["t"], tree.get("v")
        if kind == "float":
            return float(value)
        if kind == "complex":
            return complex(float(value[0]), float(value[1]))
        if kind in ("tuple", "set", "frozenset"):
            made = {"tuple": tuple, "set": set, "frozenset": frozenset}[kind]
            return made(self.decode(part, blobs) for part in value)
        if kind == "dict":
            return {self.decode(k, blobs): self.decode(v, blobs) for k, v in value}
        if kind == "ellipsis":
            return ...
        if kind == "dtype":
            return TORCH[value]
        if kind == "tensor":
            place, dtype, shape, requires_grad = value
            raw = (
                torch.frombuffer(bytearray(blobs[place]), dtype=torch.uint8)
                if blobs[place]
                else None
            )
            dtype = TORCH[dtype]
            flat = torch.zeros(0, dtype=dtype) if raw is None else raw.view(dtype)
            return flat.reshape(shape).requires_grad_(bool(requires_grad))
        if kind in ("array", "scalar"):
            place, dtype, shape = value
            if np.dtype(dtype).kind not in NUMBERS:
                raise ValueError(dtype)
            array = np.frombuffer(bytearray(blobs[place]), dtype=dtype).reshape(shape)
            return array[()] if kind == "scalar" else array
        if kind == "texts":
            return np.array([str(text) for text in value[0]], dtype=str).reshape(value[1])
        if kind == "generator":
            maker = {"PCG64": np.random.PCG64, "PCG64DXSM": np.random.PCG64DXSM}.get(
                value[0], np.random.MT19937
            )
            generator = np.random.Generator(maker())
            generator.bit_generator.state = self.decode(value[1], blobs)
            return generator
        if kind == "torch generator":
            generator = torch.Generator()
            generator.set_state(self.decode(value, blobs))
            return generator
        if kind == "frame":
            columns, index = (self.decode(part, blobs) for part in value)
            return pd.DataFrame(columns, index=index)
        if kind == "series":
            values, index = (self.decode(part, blobs) for part in value)
            return pd.Series(values, index=index)
        if kind == "function":
            return self.remote(int(value[0]), str(value[1]))
        if kind == "named":
            name, place, parts = value
            known = pickle.loads(blobs[place]) if self.trusting else self.named[name]
            self.named[name] = known
            return known(*(self.decode(part, blobs) for part in parts))
        if kind == "pickle" and self.trusting:
            made = pickle.loads(blobs[value[0]])
            for name, function in value[1].items():
                setattr(made, name, self.decode(function, blobs))
            for name, grad in value[2].items():
                made.get_parameter(name).grad = self.decode(grad, blobs)
            return made
        if kind == "object":
            return type(str(value[0]), (Object,), {})(str(value[1]))
        raise ValueError(kind)

    # Calls

    def request(self, op: str, **values: Any) -> dict[str, Any]:
        """Ask the other end and wait; serves what it asks in the meantime."""
        self._send(op, values)
        while True:
            head, values = self._receive()
            if head == "reply":
                return values
            self.serve(head, values)

    def serve(self, op: str, values: dict[str, Any]) -> None:
        """Answer a call of one of our functions."""
        if op == "call":
            self._send("reply", self._call(**values))
        elif op == "backward":
            inputs, result = self.graphs[values["graph"]]
            grads = torch.autograd.grad(
                result, inputs, values["grad"], retain_graph=True, allow_unused=True
            )
            self._send("reply", {"grads": list(grads)})
        else:
            raise Gone(f"asked for {op}")

    def _send(self, op: str, values: dict[str, Any]) -> None:
        blobs: list[bytes] = []
        head = {"op": op, "values": {k: self.encode(v, blobs) for k, v in values.items()}}
        try:
            write(self.writer, head, blobs)
        except (OSError, ValueError) as error:
            raise Gone("the other side has ended") from error

    def _receive(self) -> tuple[str, dict[str, Any]]:
        self.waiting = True
        try:
            head, blobs = read(self.reader)
        finally:
            self.waiting = False
        try:
            return head["op"], {k: self.decode(v, blobs) for k, v in head["values"].items()}
        except Gone:
            raise
        except Exception as error:  # a message that was made to break us
            raise Gone(f"a message of another form: {error}") from error

    def _call(self, number: int, args: list, kwargs: dict, grad: bool) -> dict[str, Any]:
        function = self.functions[number]
        before: list[bytes] = []
        sent = [self.encode(value, before) for value in args]
        try:
            with torch.set_grad_enabled(grad):
                result = function(*args, **kwargs)
        except Exception as error:
            line = getattr(error, "learner_line", None) or learner_line(error)
            name = getattr(error, "type_name", None) or type(error).__name__
            return {"error": [name, str(error)[:1000], line]}
        # what the function did to its arguments happens to the caller's, too
        now: list[bytes] = []
        later = [self.encode(value, now) for value in args]
        changed = {
            i: value
            for i, value in enumerate(args)
            if not callable(value) and not self._same(sent[i], before, later[i], now)
        }
        inputs = [x for x in args if isinstance(x, torch.Tensor) and x.requires_grad]
        graph = None
        if inputs and isinstance(result, torch.Tensor) and result.requires_grad:
            self.graphs.append((inputs, result))
            graph = len(self.graphs) - 1
        return {"result": result, "changed": changed, "graph": graph}

    def _same(self, one: Any, ones: list[bytes], two: Any, twos: list[bytes]) -> bool:
        """Do two encoded values say the same? Blobs are compared, not their numbers."""
        if isinstance(one, dict) and one.get("t") in ("tensor", "array", "scalar", "pickle"):
            return (
                isinstance(two, dict)
                and one["t"] == two.get("t")
                and ones[one["v"][0]] == twos[two["v"][0]]
                and (one["t"] == "pickle" or one["v"][1:] == two["v"][1:])
            )
        if isinstance(one, list) and isinstance(two, list):
            return len(one) == len(two) and all(
                self._same(a, ones, b, twos) for a, b in zip(one, two, strict=True)
            )
        if isinstance(one, dict) and isinstance(two, dict):
            return one["t"] == two["t"] and self._same(one.get("v"), ones, two.get("v"), twos)
        return one == two

    def remote(self, number: int, name: str) -> Callable:
        """A function of the other end, to be called here."""

        def call(*args: Any, **kwargs: Any) -> Any:
            grad = torch.is_grad_enabled()
            reply = self.request("call", number=number, args=list(args), kwargs=kwargs, grad=grad)
            if reply.get("error"):
                raise _raised(*reply["error"])
            for place, value in reply["changed"].items():
                _put(args[place], value)
            result = reply["result"]
            if reply["graph"] is None:
                return result
            inputs = [x for x in args if isinstance(x, torch.Tensor) and x.requires_grad]
            return Differentiable.apply(self, reply["graph"], result.detach(), *inputs)

        call.__name__ = call.__qualname__ = name
        return call


class Differentiable(torch.autograd.Function):
    """The result of a remote call; its gradient is asked for at the other end."""

    @staticmethod
    def forward(ctx, peer: Peer, graph: int, result: torch.Tensor, *inputs: torch.Tensor):
        ctx.peer, ctx.graph, ctx.count = peer, graph, len(inputs)
        return result.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: torch.Tensor):
        grads = ctx.peer.request("backward", graph=ctx.graph, grad=grad)["grads"]
        if len(grads) != ctx.count:
            raise Gone("other gradients than were asked for")
        return (None, None, None, *grads)


def _put(target: Any, value: Any) -> None:
    """Make `target`, an argument, what the called function has left of it."""
    if isinstance(target, torch.Tensor):
        if isinstance(value, torch.Tensor) and value.shape == target.shape:
            target.detach().copy_(value)
    elif isinstance(target, np.ndarray):
        if isinstance(value, np.ndarray) and value.shape == target.shape:
            target[...] = value
    elif isinstance(target, pd.DataFrame):
        if isinstance(value, pd.DataFrame):
            kept = set(value) if len(value) == len(target) else set()  # other rows: nothing stays
            for name in [name for name in target if name not in kept]:
                del target[name]
            for name in (name for name in value if len(value) == len(target)):
                target[name] = value[name].to_numpy()
    elif isinstance(target, list) and isinstance(value, list):
        target[:] = value
    elif isinstance(target, tuple) and isinstance(value, tuple):
        for one, two in zip(target, value, strict=False):
            _put(one, two)
    elif isinstance(target, dict | set) and type(value) is type(target):
        target.clear()
        target.update(value)
    elif isinstance(target, np.random.Generator) and isinstance(value, np.random.Generator):
        target.bit_generator.state = value.bit_generator.state
    elif isinstance(target, torch.Generator) and isinstance(value, torch.Generator):
        target.set_state(value.get_state())


def _raised(name: Any, text: Any, line: Any) -> Exception:
    """The exception of the other end: one of Python's own where there is one of that name."""
    import builtins

    known = getattr(builtins, str(name), None)
    if not (isinstance(known, type) and issubclass(known, Exception)):
        known = RuntimeError
    try:
        error = known(str(text))
    except TypeError:  # UnicodeError and others want more
        error = RuntimeError(str(text))
    error.type_name = str(name)[:80]
    error.learner_line = str(line)[:200] if line else None
    return error


def learner_line(error: BaseException) -> str | None:
    """The line of the notebook in which an exception was raised."""
    import linecache

    line, place = None, error.__traceback__
    while place is not None:
        name = place.tb_frame.f_code.co_filename
        if "ipykernel_" in name or name.startswith("<ipython-input"):
            line = linecache.getline(name, place.tb_lineno).strip() or line
        place = place.tb_next
    return line
