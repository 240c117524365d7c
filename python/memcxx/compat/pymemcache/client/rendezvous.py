"""Rendezvous hashing: every node is scored for the key, and the highest score has it.

David Thaler and Chinya Ravishankar, "Using Name-Based Mappings to Increase Hit Rates".
"""

from __future__ import annotations

from typing import Any, Callable, List, Optional

from .murmur3 import murmur3_32


class RendezvousHash:
    """`nodes`: names, or whatever names itself by str(). Threads: not safe while nodes change."""

    def __init__(self, nodes: Optional[List[Any]] = None, seed: int = 0,
                 hash_function: Callable[..., int] = murmur3_32) -> None:
        self.nodes: List[Any] = [] if nodes is None else nodes
        self.seed = seed
        self.hash_function = lambda text: hash_function(text, seed)
        #: whether the core's "pymemcache" distribution places keys as this does
        self.is_usual = hash_function is murmur3_32 and seed == 0

    def add_node(self, node: Any) -> None:
        """Does nothing when the node is there."""
        if node not in self.nodes:
            self.nodes.append(node)

    def remove_node(self, node: Any) -> None:
        """ValueError: there is no such node."""
        if node not in self.nodes:
            raise ValueError(f"No such node {node} to remove")
        self.nodes.remove(node)

    def get_node(self, key: Any) -> Any:
        """The node of a key; None without nodes. Of equal scores the greater name wins."""
        if not self.nodes:
            return None
        return max(self.nodes, key=lambda node: (self.hash_function(f"{node}-{key}"), str(node)))
