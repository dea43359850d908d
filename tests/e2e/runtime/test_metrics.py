"""The numbers of a running controller move with what it does, and none is only declared."""

from __future__ import annotations

import os
import signal

from controller.dev.gitserver import GitServer
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.fabrics import Fabrics
from tests.support.faults import FaultProxy
from tests.support.processes import children_of
from tests.support.repository import Repository
from tests.support.tandem import Stage
from tests.support.wait import wait_until


def test_requests_git_calls_and_broken_parts_are_counted(
    fabrics: Fabrics,
    repository: Repository,
    git_server: GitServer,
    faults: FaultProxy,
    make_tandem: MakeTandem,
    stage: Stage,
) -> None:
    tandem = make_tandem(through=faults)
    stage.enter(tandem)
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "green" in repository.show("cm.yaml"))
    seen = tandem.metrics()
    assert seen['tandem_api_requests_total{code="201",verb="PATCH"}'] >= 1, "the apply that made the object"
    assert seen['tandem_api_request_seconds_count{verb="PATCH"}'] >= 1
    assert seen['tandem_git_seconds_count{call="fetch",result="ok"}'] >= 1
    assert seen['tandem_git_seconds_count{call="push",result="ok"}'] == 1

    parsers = [pid for pid, command in children_of(tandem.pid).items() if "controller.sync.parsing_child" in command]
    assert parsers
    for parser in parsers:
        os.kill(parser, signal.SIGKILL)
    repository.publish({"other.yaml": config_map("other", key="value")})
    fabrics.wait_synced(revision=repository.head())
    assert tandem.metrics()["tandem_parser_restarts_total"] >= 1

    with git_server.failing(status=503):
        fabrics.request()
        fabrics.wait_condition("SourceReady", "False", "Unreachable")
    assert tandem.metrics()['tandem_git_seconds_count{call="fetch",result="failed"}'] >= 1

    faults.cut()
    wait_until(lambda: tandem.metrics().get('tandem_watch_restarts_total{kind="ConfigMap"}', 0) >= 1, 30)
