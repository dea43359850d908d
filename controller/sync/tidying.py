"""What this process keeps for a time only: finished SyncJobs, the history of runs, mirrors that nobody uses."""

from __future__ import annotations

import structlog

from controller.errors import TandemError
from controller.sync.fabrics import Fabrics
from controller.sync.tools import Tools

HISTORY_SECONDS = 90 * 24 * 3600.0  # that a run stays in the history: a quarter, as audits ask for

log = structlog.get_logger(__name__)


async def tidy(tools: Tools, fabrics: Fabrics, mirror_quota: int) -> None:
    """Remove what has had its time. What fails is tried again the next time; nothing else waits for it."""
    usage = await tools.source.evict(mirror_quota)
    tools.metrics.mirror_bytes(usage.size)
    if usage.evicted:
        log.info("mirrors were evicted", mirrors=[path.name for path in usage.evicted], bytes_left=usage.size)
    if usage.size > mirror_quota:
        log.warning(
            "the Git mirrors in use take more than --mirror-quota; raise it, or lower maxBytes of Fabrics",
            bytes_used=usage.size,
            quota=mirror_quota,
        )
    try:
        await fabrics.jobs.remove_old()
        await tools.store.history.trim(tools.wall() - HISTORY_SECONDS)
    except TandemError as error:
        log.warning("old records could not be removed", reason=error.reason.value, problem=error.message)
