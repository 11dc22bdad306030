"""A Flower strategy that moves the model by sums which haima released, and sees no update alone.

Every hospital counts the same: the model moves by the mean of their updates.
"""

import numpy as np
from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


class SummedByHaima(FedAvg):
    """Asks every client in every round, as haima's rounds do; evaluates at no client."""

    def __init__(self, sites: int, rate: float = 1.0):
        super().__init__(fraction_evaluate=0.0, min_train_nodes=sites, min_available_nodes=sites)
        self._rate = rate
        self._model = np.zeros(0)

    def configure_train(self, server_round, arrays, config, grid):
        self._model = arrays.to_numpy_ndarrays()[0]
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(self, server_round, replies):
        replies, failed = self._check_and_log_replies(replies, is_train=True, validate=False)
        told = [reply.content for reply in replies]
        if not told:
            # Going on would ask for the next round, and haima is at this one still.
            raise RuntimeError(f"no client tells round {server_round}; {len(failed)} failed")
        total, about = told[0]["sum"].to_numpy_ndarrays()[0], told[0]["about"]
        for other in told[1:]:
            # The sum is one, released by the nodes: a client that tells another is wrong.
            if not np.array_equal(other["sum"].to_numpy_ndarrays()[0], total):
                raise ValueError(f"clients tell different sums of round {server_round}")
        model = self._model + self._rate * total / int(about["sites"])
        return ArrayRecord([model]), MetricRecord(dict(about))


@app.main()
def main(grid: Grid, context: Context) -> None:
    """`sites`, `rounds` and `dimension` are the study's; `out` is a file for the model."""
    config = context.run_config
    strategy = SummedByHaima(int(config["sites"]))
    start = ArrayRecord([np.zeros(int(config["dimension"]))])
    result = strategy.start(grid=grid, initial_arrays=start, num_rounds=int(config["rounds"]))
    np.save(str(config["out"]), result.arrays.to_numpy_ndarrays()[0])
