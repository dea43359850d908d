"""The controller as tests hold it: it starts, dies and comes back, and two never share a control plane."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import MakeTandem
from tests.support.fabrics import Fabrics
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem
from tests.support.wait import wait_until

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  colour: blue
"""


def test_a_started_controller_is_ready(tandem: Tandem) -> None:
    assert tandem.probe("/livez") == (200, "ok\n")
    assert tandem.metrics()["process_start_time_seconds"] > 0
    assert any(line["event"] == "running" for line in tandem.log_lines())


def test_one_that_is_gone_answers_nothing(own_tandem: Tandem) -> None:
    own_tandem.kill()
    assert own_tandem.exit_code == -9
    assert own_tandem.probe("/livez")[0] == 0
    own_tandem.start()
    assert own_tandem.is_ready()
    assert own_tandem.stop() == 0


def test_what_does_not_start_says_why(make_tandem: MakeTandem) -> None:
    broken = make_tandem(flags=("--metrics-bind", "nonsense"))
    broken.launch_only()
    with pytest.raises(AssertionError, match=r"ended with 1:(.|\n)*nonsense"):
        broken.wait_ready()


def test_two_never_run_at_once(tandem: Tandem, make_tandem: MakeTandem, stage: Stage) -> None:
    other = make_tandem()
    stage.enter(other)
    assert (tandem.running, other.running) == (False, True)
    stage.enter(tandem)
    assert (tandem.running, other.running) == (True, False)


def test_a_synced_fabric_is_seen(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    commit = repository.publish({"settings.yaml": CONFIG})
    fabrics.apply(repository.url)
    status = fabrics.wait_synced(revision=commit)
    assert status["inventory"]["kept"] == 1
    assert fabrics.kubectl.json("get", "configmap", "settings")["data"] == {"colour": "blue"}
    assert fabrics.wait_handled(fabrics.request())["revision"]["applied"] == commit
    assert fabrics.condition("Ready")["reason"] == "Synced"
    assert fabrics.conflicts() == []


def test_a_deadline_shows_the_status_and_the_log(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"settings.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced()
    with pytest.raises(AssertionError, match=r'"reason": "Synced"(.|\n)*controller\'s log:(.|\n)*"event":'):
        fabrics.wait_synced(revision="0" * 40, deadline=0.1)


def test_fabrics_go_also_when_nobody_takes_their_finalizers_off(
    own_tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    repository.publish({"settings.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced()
    assert fabrics.get()["metadata"]["finalizers"] == ["tandem.dev/finalizer"]
    own_tandem.kill()
    fabrics.remove_all()
    wait_until(lambda: not fabrics.kubectl.json("get", "fabrics")["items"])
