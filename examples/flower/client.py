"""A Flower client whose update goes into haima's sum, and from which only the sum goes on.

Its SuperNode says where socket and data are:
    flower-supernode ... --node-config 'haima-socket="/run/haima/sum.sock" data="cohort.csv"'
"""

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from haima_sum import sum_of

app = ClientApp()


def train(weights: np.ndarray, rows: np.ndarray, steps: int = 10, rate: float = 0.5) -> np.ndarray:
    """Logistic regression by gradient descent; the last column is the outcome, 0 or 1."""
    inputs, outcome = rows[:, :-1], rows[:, -1]
    inputs = np.hstack([inputs, np.ones((len(rows), 1))])
    for _ in range(steps):
        risk = 1.0 / (1.0 + np.exp(-inputs @ weights))
        weights = weights - rate * inputs.T @ (risk - outcome) / len(rows)
    return weights


@app.train()
def one_round(message: Message, context: Context) -> Message:
    """Trains from the common model; the hospital's own update leaves through haima alone."""
    start = message.content["arrays"].to_numpy_ndarrays()[0]
    rows = np.loadtxt(str(context.node_config["data"]), delimiter=",", skiprows=1, ndmin=2)
    update = train(start, rows) - start
    server_round = int(message.content["config"]["server-round"])
    total = sum_of(str(context.node_config["haima-socket"]), server_round, update)
    # The released sum, and what is public of it. Not the number of patients, not the loss: what a
    # client tells its server beside the sum, nothing hides.
    answer = RecordDict(
        {
            "sum": ArrayRecord([total.values]),
            "about": MetricRecord({"sites": total.sites, "noise": total.noise or 0.0}),
        }
    )
    return Message(answer, reply_to=message)
