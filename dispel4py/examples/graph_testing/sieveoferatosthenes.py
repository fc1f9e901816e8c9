"""Prime numbers: each PE has a prime, and drops the multiples of it."""

from typing import Any

from dispel4py.base import IterativePE
from dispel4py.core import GenericPE
from dispel4py.examples.graph_testing.testing_PEs import IntegerProducer
from dispel4py.workflow_graph import WorkflowGraph


class Divide(GenericPE):
    """Keeps its first number, a prime; sends on numbers that are no multiples of it."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("prime")
        self._add_output("output")
        self.divisor: int | None = None
        self.single = True  # each number must pass all smaller primes

    def process(self, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """Sieve one number."""
        number = inputs["input"]
        if self.divisor is None:
            self.divisor = number
            return {"prime": number}
        return {"output": number} if number % self.divisor else None


class PrimeCollector(IterativePE):
    """Sends each item on."""

    def _process(self, data: Any) -> Any:
        return data


def sieve(limit: int, n_primes: int) -> WorkflowGraph:
    """Return a graph that finds ``n_primes`` primes among the numbers below a limit."""
    graph, primes = WorkflowGraph(), PrimeCollector()
    previous: GenericPE = IntegerProducer(2, limit)
    for _ in range(n_primes):
        divide = Divide()
        graph.connect(previous, "output", divide, "input")
        graph.connect(divide, "prime", primes, "input")
        previous = divide
    return graph


graph = sieve(100, 25)
