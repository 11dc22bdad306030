"""A client of haima's local sums (docs/sum.md), for any framework in Python. Needs numpy alone.

    total = sum_of("/run/haima/sum.sock", round=1, vector=update).values   # float64: of all hospitals

`sum_of` asks again when its site is restarted; `Sums` is one connection.
"""

import json
import os
import socket
import struct
import time
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
    """How this hospital's vector is in it: `whole` or `shortened`; `refused` (the site sent zeros in
    its place) or `absent` (it came too late, or the sum was made without this site)."""
    noise: Optional[float]
    """Standard deviation of the noise in each number; None without noise."""


class Sums:
    """A connection to the socket of `haima sum serve` or `haima sum simulate`.

    `timeout` is how long a round may take, in seconds; None waits for as long as it does. A process of
    another user at that path is refused with `PermissionError` before it is sent anything.
    """

    def __init__(self, path: str, timeout: Optional[float] = None):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(path)
            owner = _user(self._socket, path)
            if owner != os.geteuid():
                raise PermissionError(f"{path}: user {owner} serves it, not user {os.geteuid()}")
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
            raise ValueError("the answer is none of this protocol")
        answer = json.loads(self._read(length))
        if "error" in answer:
            raise Refused(answer["error"]["code"], answer["error"]["message"])
        head = answer.get("sum", {})
        dtype = np.dtype({"f32": "<f4", "f64": "<f8"}[head.get("dtype", "f64")])
        count = head.get("len", 0)
        if count and count != self.terms["dimension"]:
            raise ValueError(f"a sum of {count} numbers")
        return answer, np.frombuffer(self._read(count * dtype.itemsize), dtype).astype(np.float64)

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(min(size - len(parts), 1 << 20))
            if not part:
                raise ConnectionError("the site closed the connection; its log says why")
            parts += part
        return bytes(parts)


def sum_of(path: str, round: int, vector: np.ndarray, patience: float = 600.0) -> Sum:
    """Hands in the vector of a round and waits for the sum, as `Sums.sum`.

    Connects again, for `patience` seconds from the loss on, when the site is not there or goes away: the
    first vector of a round counts, so asking twice adds nothing twice.
    """
    until = None
    while True:
        try:
            with Sums(path) as sums:
                until = None
                return sums.sum(round, vector)
        except (ConnectionError, FileNotFoundError):
            until = until or time.monotonic() + patience
            if time.monotonic() >= until:
                raise
        time.sleep(1.0)


def _user(connection: socket.socket, path: str) -> int:
    """User id of the process at the other end; where the system does not say it, of the socket's file."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.stat(path).st_uid
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return struct.unpack("3i", credentials)[1]
