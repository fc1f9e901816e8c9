"""A source and four functions, used as one PE: x becomes 2 x + 3."""

from dispel4py.base import create_iterative_chain
from dispel4py.examples.graph_testing.testing_PEs import TestProducer
from dispel4py.workflow_graph import WorkflowGraph


def addTwo(data: float) -> float:
    """Return ``data`` + 2."""
    return data + 2


def multiplyByFour(data: float) -> float:
    """Return 4 times ``data``."""
    return 4 * data


def divideByTwo(data: float) -> float:
    """Return half of ``data``."""
    return data / 2


def subtract(data: float, n: float) -> float:
    """Return ``data`` - ``n``."""
    return data - n


composite = create_iterative_chain(
    [addTwo, multiplyByFour, divideByTwo, (subtract, {"n": 1})]
)
producer = TestProducer()

graph = WorkflowGraph()
graph.connect(producer, "output", composite, "input")
