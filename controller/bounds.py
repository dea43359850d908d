"""What a repository may bring in at most. Apart from the other settings: the parser children need nothing but these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Limits on what a repository may bring in; what exceeds one is refused by name, never truncated."""

    document_bytes: int = 1 << 20
    file_bytes: int = 4 << 20
    depth: int = 64
    documents_per_file: int = 2_000
    aliases_per_file: int = 1_000
    expanded_nodes: int = 200_000
