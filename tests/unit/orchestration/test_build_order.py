"""The order in which dbt is made to build."""

from types import SimpleNamespace
from typing import Any

import networkx
from dbt.graph.queue import GraphQueue

from orchestration.build_order import first


def _order(names: list[str], threads: int) -> list[str]:
    """The order in which as many threads take models: `deep` waits for `long`, and that for none.

    What is ready, by depth: long, a, b; then deep, and c, which waits for a.
    """
    graph = networkx.DiGraph()
    graph.add_edges_from([("model.long", "model.deep"), ("model.a", "model.c")])
    graph.add_nodes_from(["model.b", "model.d"])
    manifest: Any = SimpleNamespace(expect=lambda node: SimpleNamespace(unique_id=node))
    taken: list[str] = []
    with first(names, threads):
        queue = GraphQueue(graph, manifest, set(graph))
        while not queue.empty():
            taken.append(queue.get(block=False).unique_id)
            if len(queue.in_progress) > threads:
                queue.mark_done(taken[-threads - 1])
    return [node.rpartition(".")[2] for node in taken]


def test_what_is_asked_for_comes_first_with_what_it_waits_for() -> None:
    assert _order([], 1) == ["a", "b", "d", "long", "c", "deep"]
    assert _order(["deep"], 1) == ["long", "a", "deep", "b", "d", "c"]


def test_what_is_not_there_changes_nothing_and_dbt_is_left_as_it_was() -> None:
    before = GraphQueue.get, GraphQueue._get_scores
    assert _order(["of another project"], 1) == _order([], 1)
    assert (GraphQueue.get, GraphQueue._get_scores) == before
