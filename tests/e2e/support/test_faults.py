"""The fault proxy does to kubectl, to a plain client and to a watch what it says."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from controller.dev.controlplane import ControlPlane
from tests.support.fault_rules import request
from tests.support.faults import FaultProxy
from tests.support.kubectl import Kubectl
from tests.support.wait import wait_until

BROKEN_OFF = {"IncompleteRead", "ConnectionResetError"}  # Python's ssl takes some resets for an end of file
RESET = (ConnectionError, ssl.SSLEOFError)  # while it is still sending it may tell them from one another no better


class Client:
    """A plain HTTP client of the proxy, which sees what a library would hide."""

    def __init__(self, plane: ControlPlane, faults: FaultProxy) -> None:
        self._port = faults.port
        self._trust = ssl.create_default_context(cafile=str(plane.authority.certificate))
        self._headers = {"Authorization": f"Bearer {plane.token_of('admin')}", "User-Agent": "test-client/1"}

    def send(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=10, context=self._trust)
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {**self._headers, "Content-Type": "application/json"})
        response = connection.getresponse()
        try:
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


class Watch:
    """A watch of one namespace's configmaps, read by a thread. `ended` says how it ended."""

    def __init__(self, plane: ControlPlane, faults: FaultProxy, namespace: str) -> None:
        trust = ssl.create_default_context(cafile=str(plane.authority.certificate))
        self.connection = http.client.HTTPSConnection("127.0.0.1", faults.port, timeout=30, context=trust)
        headers = {"Authorization": f"Bearer {plane.token_of('admin')}"}
        self.connection.request("GET", f"/api/v1/namespaces/{namespace}/configmaps?watch=true", headers=headers)
        self.response = self.connection.getresponse()
        self.events: list[dict[str, object]] = []
        self.ended: str | None = None
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def names(self) -> list[str]:
        return [event["object"]["metadata"].get("name", "") for event in self.events]  # type: ignore[index]

    def join(self) -> None:
        self._thread.join(10)
        self.connection.close()

    def _read(self) -> None:
        try:
            rest = b""
            while chunk := self.response.read1(65536):  # unlike readline, it tells an end from a break
                *lines, rest = (rest + chunk).split(b"\n")
                self.events += [json.loads(line) for line in lines]
            self.ended = "end"
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.ended = type(error).__name__


@contextmanager
def watching(plane: ControlPlane, faults: FaultProxy, namespace: str) -> Iterator[Watch]:
    watch = Watch(plane, faults, namespace)
    wait_until(faults.streams)
    try:
        yield watch
    finally:
        faults.cut()
        watch.join()


@pytest.fixture
def client(controlplane: ControlPlane, faults: FaultProxy) -> Client:
    return Client(controlplane, faults)


def config_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}}


def test_requests_pass_when_nothing_is_wrong(faults: FaultProxy, kubectl: Kubectl, namespace: str) -> None:
    through = kubectl.using(faults.kubeconfig).within(namespace)
    through("create", "configmap", "one", "--from-literal=a=1")
    assert through.json("get", "configmap", "one")["data"] == {"a": "1"}
    assert any(seen.method == "POST" for seen in faults.seen(request(path=f"/api/v1/namespaces/{namespace}/*")))


def test_other_users_come_through_as_themselves(faults: FaultProxy, kubectl: Kubectl) -> None:
    said = kubectl.using(faults.kubeconfig_of("alice"))("auth", "whoami", "-o", "json")
    assert json.loads(said)["status"]["userInfo"]["username"] == "alice"


@pytest.mark.parametrize("status", [410, 429, 500])
def test_an_answer_of_its_own_is_given_so_many_times(faults: FaultProxy, client: Client, status: int) -> None:
    fault = faults.answer(status, when=request(path="/version"), times=2, headers={"Retry-After": "1"})
    answers = [client.send("GET", "/version") for _ in range(3)]
    assert [code for code, _, _ in answers] == [status, status, 200]
    assert answers[0][1]["Retry-After"] == "1"
    assert json.loads(answers[0][2])["code"] == status
    assert len(fault.hits) == 2


def test_only_the_requests_meant_are_touched(faults: FaultProxy, client: Client) -> None:
    faults.answer(500, when=request(method="DELETE"))
    faults.answer(500, when=request(user_agent="somebody-else"))
    faults.answer(500, when=request(watch=True))
    assert client.send("GET", "/version")[0] == 200


def test_lifted_faults_touch_nothing(faults: FaultProxy, client: Client) -> None:
    faults.answer(500)
    assert client.send("GET", "/version")[0] == 500
    faults.lift()
    assert client.send("GET", "/version")[0] == 200


def test_a_refused_request_never_arrives(faults: FaultProxy, client: Client, kubectl: Kubectl, namespace: str) -> None:
    faults.refuse(when=request(method="POST"), times=1)
    with pytest.raises(RESET):
        client.send("POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map("one"))
    assert kubectl.within(namespace).find("configmap", "one") is None


def test_a_lost_answer_belongs_to_a_request_that_was_carried_out(
    faults: FaultProxy, client: Client, kubectl: Kubectl, namespace: str
) -> None:
    faults.lose_answer(when=request(method="POST"), times=1)
    with pytest.raises(RESET):
        client.send("POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map("one"))
    assert kubectl.within(namespace).find("configmap", "one") is not None


def test_a_slow_answer_comes_after_others(faults: FaultProxy, client: Client) -> None:
    faults.slow(1.0, when=request(path="/version"), times=1)
    order: list[str] = []

    def ask(name: str, path: str) -> None:
        client.send("GET", path)
        order.append(name)

    slow = threading.Thread(target=ask, args=("slow", "/version"))
    slow.start()
    wait_until(lambda: faults.seen(request(path="/version")))
    ask("fast", "/readyz")
    slow.join()
    assert order == ["fast", "slow"]


@pytest.mark.parametrize("answered", [False, True], ids=["before the API server", "after the API server"])
def test_a_gate_leaves_time_to_do_something_in_between(
    faults: FaultProxy, client: Client, kubectl: Kubectl, namespace: str, *, answered: bool
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    statuses: list[int] = []
    gate = (faults.hold_answer if answered else faults.hold)(when=request(method="POST", path=path))
    assert not gate.arrived
    with gate:
        asking = threading.Thread(target=lambda: statuses.append(client.send("POST", path, config_map("one"))[0]))
        asking.start()
        gate.wait()
        assert (kubectl.within(namespace).find("configmap", "one") is not None) == answered
        assert statuses == []
    asking.join()
    assert statuses == [201]
    assert client.send("POST", path, config_map("two"))[0] == 201  # an open gate is no gate


def test_a_watch_comes_through_as_it_happens(
    controlplane: ControlPlane, faults: FaultProxy, kubectl: Kubectl, namespace: str
) -> None:
    with watching(controlplane, faults, namespace) as watch:
        kubectl.within(namespace)("create", "configmap", "one")
        wait_until(lambda: "one" in watch.names())
        assert watch.ended is None


def test_a_cut_watch_ends_in_an_error(controlplane: ControlPlane, faults: FaultProxy, namespace: str) -> None:
    with watching(controlplane, faults, namespace) as watch:
        assert faults.cut() == 1
        assert wait_until(lambda: watch.ended) in BROKEN_OFF
        wait_until(lambda: not faults.streams())


def test_an_ended_watch_ends_properly(controlplane: ControlPlane, faults: FaultProxy, namespace: str) -> None:
    with watching(controlplane, faults, namespace) as watch:
        assert faults.end() == 1
        assert wait_until(lambda: watch.ended) == "end"


def test_an_expired_watch_says_410(controlplane: ControlPlane, faults: FaultProxy, namespace: str) -> None:
    with watching(controlplane, faults, namespace) as watch:
        assert faults.expire() == 1
        assert wait_until(lambda: watch.ended) == "end"
        assert watch.events[-1]["type"] == "ERROR"
        assert watch.events[-1]["object"]["code"] == 410  # type: ignore[index]


def test_a_half_closed_watch_breaks_off(controlplane: ControlPlane, faults: FaultProxy, namespace: str) -> None:
    with watching(controlplane, faults, namespace) as watch:
        assert faults.half_close() == 1
        assert wait_until(lambda: watch.ended) in BROKEN_OFF


def test_a_frozen_watch_is_silent_until_it_thaws(
    controlplane: ControlPlane, faults: FaultProxy, kubectl: Kubectl, namespace: str
) -> None:
    with watching(controlplane, faults, namespace) as frozen, watching(controlplane, faults, namespace) as other:
        wait_until(lambda: len(faults.streams()) == 2)
        faults.freeze()
        faults.thaw(lambda seen: seen is faults.streams()[0])
        kubectl.within(namespace)("create", "configmap", "one")
        wait_until(lambda: ("one" in frozen.names()) != ("one" in other.names()))
        assert frozen.ended is None and other.ended is None
        faults.thaw()
        wait_until(lambda: "one" in frozen.names() and "one" in other.names())


def test_a_watch_whose_client_went_away_is_forgotten(
    controlplane: ControlPlane, faults: FaultProxy, namespace: str
) -> None:
    with watching(controlplane, faults, namespace):
        assert len(faults.streams()) == 1
    wait_until(lambda: not faults.streams())
