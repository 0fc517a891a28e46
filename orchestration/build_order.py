"""The order in which dbt builds what could be built now: first what others wait for longest.

dbt goes by the depth in the graph alone, and hands its threads all that is ready at once, so that
what rests on many steps comes last.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from dbt.graph.queue import GraphQueue


@contextmanager
def first(names: Collection[str], threads: int) -> Iterator[None]:
    """While this lasts, `dbt build` begins with some models and whatever they wait for.

    Args:
        names: Names of models; those that are not selected change nothing.
        threads: How many nodes dbt builds at a time.
    """
    by_depth, taken = GraphQueue._get_scores, GraphQueue.get

    def scores(queue: GraphQueue, graph: Any) -> dict[str, int]:
        found = by_depth(queue, graph)
        awaited = _awaited(graph, [node for node in found if node.rpartition(".")[2] in names])
        return {node: depth - len(found) * (node in awaited) for node, depth in found.items()}

    def get(queue: GraphQueue, *arguments: Any, **named: Any) -> Any:
        with queue.lock:
            # what is handed out has its turn; one more than is built keeps every thread busy
            queue.some_task_done.wait_for(lambda: len(queue.in_progress) <= threads)
        return taken(queue, *arguments, **named)

    GraphQueue._get_scores, GraphQueue.get = scores, get  # type: ignore[method-assign]
    try:
        yield
    finally:
        GraphQueue._get_scores, GraphQueue.get = by_depth, taken  # type: ignore[method-assign]


def _awaited(graph: Any, wanted: list[str]) -> set[str]:
    """Some nodes and all that comes before them, the tests of what they rest on included."""
    found: set[str] = set()
    queue = list(wanted)
    while queue:
        node = queue.pop()
        if node not in found:
            found.add(node)
            queue += graph.predecessors(node)
    return found
