"""A client of haima's local sums (docs/sum.md), for any framework in Python. Needs numpy alone.

    with Sums("/run/haima/sum.sock") as sums:
        total = sums.sum(round=1, vector=update).values   # float64: the sum of all updates
"""

import json
import socket
import struct
from typing import NamedTuple, Optional

import numpy as np

PROTOCOL = "haima.sum/1"
MOST_HEADER = 4096


class Refused(Exception):
    """What the site says instead of an answer; `code` is for programs."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class Sum(NamedTuple):
    """A released sum."""

    values: np.ndarray
    """One number a coordinate, float64."""
    sites: int
    """Hospitals in it."""
    own: str
    """How this hospital's vector is in it: whole, shortened, refused or absent."""
    noise: Optional[float]
    """Standard deviation of the noise in each number; None without noise."""


class Sums:
    """A connection to the socket of `haima sum serve` or `haima sum simulate`.

    `timeout` is how long a round may take, in seconds; None waits for as long as it does.
    """

    def __init__(self, path: str, timeout: Optional[float] = None):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(path)
            answer, _ = self._ask({"op": "terms"}, b"")
        except BaseException:
            self._socket.close()
            raise
        self.terms: dict = answer["terms"]
        """What is summed: dimension, bound, rounds, class, unit and adjacency among others."""

    def sum(self, round: int, vector: np.ndarray) -> Sum:
        """Hands in the vector of a round (from 1) and waits for the sum of all hospitals.

        A vector longer than the terms' bound is shortened to it. Raises `Refused` when the round is
        over or not there yet, or the study has ended.
        """
        vector = np.ascontiguousarray(vector, dtype="<f8").reshape(-1)
        if vector.size != self.terms["dimension"]:
            raise ValueError(f"{vector.size} numbers; the study sums {self.terms['dimension']}")
        header = {"op": "sum", "round": int(round), "dtype": "f64", "len": vector.size}
        answer, values = self._ask(header, vector.tobytes())
        head = answer["sum"]
        return Sum(values, head["sites"], head["own"], head.get("noise"))

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def __enter__(self) -> "Sums":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _ask(self, header: dict, payload: bytes):
        text = json.dumps({"protocol": PROTOCOL, **header}).encode()
        self._socket.sendall(struct.pack("<I", len(text)) + text + payload)
        (length,) = struct.unpack("<I", self._read(4))
        if length > MOST_HEADER:
            raise ConnectionError("the answer is none of this protocol")
        answer = json.loads(self._read(length))
        if "error" in answer:
            raise Refused(answer["error"]["code"], answer["error"]["message"])
        head = answer.get("sum", {})
        dtype = np.dtype({"f32": "<f4", "f64": "<f8"}[head.get("dtype", "f64")])
        count = head.get("len", 0)
        if count and count != self.terms["dimension"]:
            raise ConnectionError(f"a sum of {count} numbers")
        return answer, np.frombuffer(self._read(count * dtype.itemsize), dtype).astype(np.float64)

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(min(size - len(parts), 1 << 20))
            if not part:
                raise ConnectionError("the site closed the connection; its log says why")
            parts += part
        return bytes(parts)
