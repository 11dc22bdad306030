"""Runs the example over `haima sum simulate` and compares the model with the one that numpy makes.

    python check.py HAIMA sums     the client of haima_sum.py alone; needs numpy
    python check.py HAIMA flower   strategy and client in Flower's own messages; needs flwr
    python check.py HAIMA classic  the same of a NumPyClient and its older strategy; needs flwr

No network: the apps are Flower's own, and its SuperLink is played by a Grid in this process, a thread a
client. trial.sh has the SuperLink, too.
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from haima_sum import Refused, Sums, sum_of

SITES, ROUNDS, INPUTS, BOUND, STEP = 3, 3, 2, 0.75, 2.0**-24
DIMENSION = INPUTS + 1


def simulation(haima: str, folder: Path) -> subprocess.Popen:
    """A simulation of haima's sums, with its sockets in a folder."""
    numbers = {"sites": SITES, "dimension": DIMENSION, "bound": BOUND, "rounds": ROUNDS}
    options = [text for name, value in numbers.items() for text in (f"--{name}", str(value))]
    command = [haima, "sum", "simulate", "--sockets", str(folder), "--wait-s", "60", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    last = folder / f"site-{SITES}.sock"
    for _ in range(600):
        if last.exists():
            return process
        assert process.poll() is None, "the simulation ended before it began"
        time.sleep(0.1)
    raise TimeoutError("no sockets within a minute")


def plain(updates: list) -> np.ndarray:
    """The sum that haima releases without noise: shortened, truncated, added."""
    total = np.zeros(DIMENSION)
    for update in updates:
        short = update * min(1.0, BOUND / np.linalg.norm(update))
        total += np.trunc(short / STEP) * STEP
    return total


def hospitals(folder: Path) -> list:
    """A file of made-up patients for each site."""
    random = np.random.default_rng(1)
    files = []
    for site in range(SITES):
        inputs = random.normal(size=(40 + 10 * site, INPUTS))
        risk = 1.0 / (1.0 + np.exp(-(2.0 * inputs[:, 0] - inputs[:, 1])))
        outcome = random.random(len(risk)) < risk
        files.append(folder / f"site-{site + 1}.csv")
        rows = np.column_stack([inputs, outcome])
        np.savetxt(files[-1], rows, delimiter=",", header="a,b,outcome", comments="")
    return files


def cut_once(folder: Path, real: str) -> str:
    """A socket that closes its first connection and hands the second on, as a restarted site does."""
    path = str(folder / "cut.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        while part := source.recv(1 << 16):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        listener.accept()[0].close()
        near = listener.accept()[0]
        far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        far.connect(real)
        threading.Thread(target=pump, args=(near, far), daemon=True).start()
        pump(far, near)

    threading.Thread(target=serve, daemon=True).start()
    return path


def check_sums(folder: Path) -> None:
    """Each round's sum is that of numpy, and what is refused is said."""
    random = np.random.default_rng(2)
    vectors = random.normal(scale=0.4, size=(ROUNDS, SITES, DIMENSION))
    cut = cut_once(folder, str(folder / "site-2.sock"))
    own_user = os.geteuid
    os.geteuid = lambda: own_user() + 1
    try:
        Sums(str(folder / "site-1.sock"))
        raise AssertionError("a socket of another user")
    except PermissionError:
        os.geteuid = own_user

    def site(at: int) -> list:
        if at == 1:
            first = sum_of(cut, 1, vectors[0, at], patience=30)
            path = str(folder / "site-2.sock")
            rest = [sum_of(path, round + 1, vectors[round, at]) for round in range(1, ROUNDS)]
            return [first, *rest]
        with Sums(str(folder / f"site-{at + 1}.sock"), timeout=60) as sums:
            assert sums.terms["dimension"] == DIMENSION and sums.terms["class"] == "simulated"
            if at == 0:
                try:
                    sums.sum(ROUNDS + 1, np.zeros(DIMENSION))
                    raise AssertionError("a round that the study has not")
                except Refused as refused:
                    assert refused.code == "round", refused.code
                try:
                    sums.sum(1, np.zeros(DIMENSION + 1))
                    raise AssertionError("a vector of another length")
                except ValueError:
                    pass
            return [sums.sum(round + 1, vectors[round, at]) for round in range(ROUNDS)]

    with ThreadPoolExecutor(SITES) as pool:
        told = list(pool.map(site, range(SITES)))
    for round in range(ROUNDS):
        expected = plain(list(vectors[round]))
        for at in range(SITES):
            got = told[at][round]
            assert np.array_equal(got.values, told[0][round].values)
            # One step of the grid a vector: numpy's norm may round otherwise.
            assert np.allclose(got.values, expected, rtol=0, atol=SITES * STEP), (got, expected)
            long = np.linalg.norm(vectors[round, at]) > BOUND
            assert (got.sites, got.own) == (SITES, "shortened" if long else "whole"), got
            assert got.noise is None


def check_flower(folder: Path) -> None:
    """Flower's strategy and clients come to the model of the same training over plain sums."""
    import client
    import strategy

    check_app(folder, strategy.app, client.app)


def check_classic(folder: Path) -> None:
    """So do a strategy and clients of its older API."""
    import classic

    check_app(folder, classic.server, classic.client)


def check_app(folder: Path, server_app, client_app) -> None:
    """Runs a ServerApp and a ClientApp a hospital, and compares the model."""
    from flwr.app import Context, Message, RecordDict
    from flwr.serverapp import Grid
    from flwr.supercore.task_identity import TaskIdentity

    from client import train

    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    files = hospitals(folder)

    class Threads(Grid):
        """Hands every message to the client app, as a SuperNode does."""

        def set_run(self, run):
            raise NotImplementedError

        @property
        def run(self):
            return SimpleNamespace(run_id=1)

        def create_message(self, content, message_type, dst_node_id, group_id, ttl=None):
            return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

        def get_node_ids(self):
            return range(SITES)

        def push_messages(self, messages):
            raise NotImplementedError

        def pull_messages(self, message_ids):
            raise NotImplementedError

        def send_and_receive(self, messages, *, timeout=None):
            with ThreadPoolExecutor(SITES) as pool:
                return list(pool.map(self._one, messages))

        def _one(self, message):
            site = message.metadata.dst_node_id
            socket = str(folder / f"site-{site + 1}.sock")
            config = {"haima-socket": socket, "data": str(files[site])}
            return client_app(message, Context(1, site, config, RecordDict(), {}))

    out = folder / "model.npy"
    config = {"sites": SITES, "rounds": ROUNDS, "dimension": DIMENSION, "out": str(out)}
    server_app(Threads(), Context(1, 1, {}, RecordDict(), config))

    model = np.zeros(DIMENSION)
    for _ in range(ROUNDS):
        rows = [np.loadtxt(file, delimiter=",", skiprows=1) for file in files]
        model = model + plain([train(model, own) - model for own in rows]) / SITES
    got = np.load(out)
    assert np.allclose(got, model, rtol=0, atol=1e-5), (got, model)
    assert np.linalg.norm(model) > 0.5, "a model that learned something"


def main() -> None:
    """Runs one of the checks."""
    haima, what = sys.argv[1:]
    check = {"sums": check_sums, "flower": check_flower, "classic": check_classic}[what]
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as name:
        process = simulation(haima, Path(name))
        try:
            check(Path(name))
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            process.wait()
    print(f"{what}: {ROUNDS} rounds over {SITES} sites, as numpy has them")


if __name__ == "__main__":
    main()
