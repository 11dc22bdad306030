"""The same for an app that has a `NumPyClient` and a strategy with `aggregate_fit`: Flower's older API.

In pyproject.toml: serverapp = "classic:server", clientapp = "classic:client".
"""

import numpy as np
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server import Server, ServerAppComponents, ServerConfig, SimpleClientManager
from flwr.server.strategy import FedAvg
from flwr.serverapp import ServerApp

from client import train
from haima_sum import sum_of


class SummingClient(NumPyClient):
    """Its update goes into haima's sum; the sum is what it answers."""

    def __init__(self, socket: str, rows: np.ndarray):
        self._socket, self._rows = socket, rows

    def fit(self, parameters, config):
        update = train(parameters[0], self._rows) - parameters[0]
        total = sum_of(self._socket, int(config["server-round"]), update)
        # One example, whatever there are: their number is no business of the server's.
        return [total.values], 1, {"sites": total.sites, "noise": total.noise or 0.0}


class SummedByHaima(FedAvg):
    """Moves the model by the mean of the released sum, and keeps it in a file."""

    def __init__(self, sites: int, start: np.ndarray, out: str, rate: float = 1.0):
        super().__init__(
            fraction_evaluate=0.0,
            min_fit_clients=sites,
            min_available_clients=sites,
            on_fit_config_fn=lambda server_round: {"server-round": server_round},
            initial_parameters=ndarrays_to_parameters([start]),
        )
        self._model, self._out, self._rate = start, out, rate

    def aggregate_fit(self, server_round, results, failures):
        if not results:
            raise RuntimeError(f"no client tells round {server_round}: {failures}")
        totals = [parameters_to_ndarrays(result.parameters)[0] for _, result in results]
        if any(not np.array_equal(total, totals[0]) for total in totals):
            raise ValueError(f"clients tell different sums of round {server_round}")
        about = results[0][1].metrics
        self._model = self._model + self._rate * totals[0] / int(about["sites"])
        np.save(self._out, self._model)
        return ndarrays_to_parameters([self._model]), dict(about)


def client_fn(context):
    rows = np.loadtxt(str(context.node_config["data"]), delimiter=",", skiprows=1, ndmin=2)
    return SummingClient(str(context.node_config["haima-socket"]), rows).to_client()


def server_fn(context):
    config = context.run_config
    sites = int(config["sites"])
    start = np.zeros(int(config["dimension"]))
    strategy = SummedByHaima(sites, start, str(config["out"]))
    server = Server(client_manager=SimpleClientManager(), strategy=strategy)
    # All clients at the same time: each waits for a sum that needs every other one.
    server.set_max_workers(sites)
    return ServerAppComponents(server=server, config=ServerConfig(num_rounds=int(config["rounds"])))


client = ClientApp(client_fn=client_fn)
server = ServerApp(server_fn=server_fn)
