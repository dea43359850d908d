"""Reading an audit log: each request once, by user agent, from a mark on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.audit import AuditLog


def line(audit_id: str, *, agent: str = "tandem/1", verb: str = "get", seconds: float = 0, **more: object) -> str:
    event = {
        "auditID": audit_id,
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces?limit=500&watch=true",
        "verb": verb,
        "user": {"username": "admin"},
        "userAgent": agent,
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z"),
        **more,
    }
    return json.dumps(event) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.log")


def write(log: AuditLog, *lines: str) -> None:
    with log.path.open("a") as file:
        file.writelines(lines)


def test_a_request_is_read_whole(log: AuditLog) -> None:
    write(log, line("a", verb="list"))
    (request,) = log.requests()
    assert (request.verb, request.path, request.status, request.user) == ("list", "/api/v1/namespaces", 200, "admin")
    assert request.query == {"limit": ["500"], "watch": ["true"]}
    assert str(request) == "list /api/v1/namespaces → 200 (tandem/1)"


def test_a_watch_counts_once(log: AuditLog) -> None:
    write(log, line("a", verb="watch", stage="ResponseStarted"), line("a", verb="watch", seconds=9))
    assert len(log.requests()) == 1


def test_only_the_user_agent_asked_for_counts(log: AuditLog) -> None:
    write(log, line("a"), line("b", agent="kubectl/v1"), line("c", agent="not-tandem/1"))
    assert [request.user_agent for request in log.requests("tandem")] == ["tandem/1"]
    assert len(log.requests()) == 3


def test_only_what_was_received_after_the_mark_counts(log: AuditLog) -> None:
    write(log, line("a", seconds=-5))
    mark = log.mark()
    write(log, line("old watch", verb="watch", seconds=-5), line("b", verb="patch", seconds=5))
    assert [request.verb for request in log.requests(since=mark)] == ["patch"]


def test_before_the_first_request_there_is_no_log(log: AuditLog) -> None:
    mark = log.mark()
    write(log, line("a", seconds=5))
    assert len(log.requests(since=mark)) == 1


def test_a_line_that_is_being_written_waits(log: AuditLog) -> None:
    write(log, line("a"), line("b")[:40])
    assert len(log.requests()) == 1


def test_somebody_who_is_impersonated_is_the_user(log: AuditLog) -> None:
    write(log, line("a", impersonatedUser={"username": "alice"}))
    assert log.requests()[0].user == "alice"


def test_requests_come_in_the_order_they_were_received(log: AuditLog) -> None:
    write(log, line("a", verb="get", seconds=2), line("b", verb="list", seconds=1))
    assert [request.verb for request in log.requests()] == ["list", "get"]
