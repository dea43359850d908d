"""A Git server tells of a push: `tandem serve` takes it, and every fabric of the branch looks at once."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import pytest

from controller.dev.gitserver import GitServer
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.manifests import config_map
from tests.support.fabrics import DEADLINE, NAME, Fabrics
from tests.support.postgres import PostgresServer
from tests.support.repository import Repository
from tests.support.serve import TOKEN, Serve, message, serving
from tests.support.tandem import Stage, Tandem
from tests.support.wait import wait_until

HOUR = {"interval": "1h", "batchWindow": "0s"}  # nothing is seen by itself
SECRET = "hook"
MANY = 40  # fabrics of one branch


@pytest.fixture(scope="module")
def module_serve(module_tandem: Tandem) -> Iterator[Serve]:
    with serving(module_tandem.launch) as serve:
        yield serve


@pytest.fixture
def serve(module_serve: Serve, tandem: Tandem) -> Serve:
    """Beside the controller that the module's tests share."""
    module_serve.wait_ready()
    return module_serve


def follow(fabrics: Fabrics, repository: Repository, name: str = NAME, **source: str) -> None:
    """A Fabric that never looks by itself, with the hook's Secret."""
    fabrics.kubectl("delete", "secret", SECRET, "--ignore-not-found")
    fabrics.kubectl("create", "secret", "generic", SECRET, f"--from-literal=token={TOKEN}")
    fabrics.apply(repository.url, name, repository={"hookSecretRef": {"name": SECRET}, **source}, sync=HOUR)


def hints(tandem: Tandem, outcome: str) -> float:
    return tandem.metrics().get(f'tandem_hints_total{{outcome="{outcome}"}}', 0.0)


def looks(server: GitServer, repository: Repository) -> int:
    """How often anybody asked where the repository's branches are."""
    path = f"/{repository.name}.git/info/refs"
    return sum(one.path == path and "upload-pack" in one.query for one in server.log.requests)


@pytest.mark.parametrize("provider", ["github", "gitea", "gitlab", "generic"])
def test_a_push_is_known_at_once(serve: Serve, fabrics: Fabrics, repository: Repository, provider: str) -> None:
    first = repository.publish({"cm.yaml": config_map("web", color="blue")})
    follow(fabrics, repository)
    fabrics.wait_synced(revision=first)
    second = repository.publish({"cm.yaml": config_map("web", color="red")})
    status, answer = serve.push(fabrics.namespace, NAME, second, provider=provider)
    assert (status, answer["status"]) == (202, "taken")
    fabrics.wait_synced(revision=second)
    third = repository.publish({"cm.yaml": config_map("web", color="green")})
    assert serve.push(fabrics.namespace, NAME, "", provider=provider)[0] == 202  # no commit is named
    fabrics.wait_synced(revision=third)


def test_what_is_not_about_the_branch_is_taken_and_does_nothing(
    serve: Serve, fabrics: Fabrics, repository: Repository, git_server: GitServer
) -> None:
    first = repository.publish({"cm.yaml": config_map("web", color="blue")})
    follow(fabrics, repository)
    fabrics.wait_synced(revision=first)
    before = looks(git_server, repository)
    assert serve.push(fabrics.namespace, NAME, "", branch="other")[1]["status"] == "other-branch"
    body, headers = message("github", "main", first, TOKEN)
    path = f"/hooks/github/{fabrics.namespace}/{NAME}"
    assert serve.send("POST", path, body, headers | {"X-GitHub-Event": "ping"})[0] == 200
    assert serve.send("POST", path, body, headers | {"X-GitHub-Event": "star"})[0] == 200
    assert serve.push(fabrics.namespace, NAME, first, delivery="one")[0] == 202
    assert serve.push(fabrics.namespace, NAME, first, delivery="one")[1]["status"] == "known"
    assert looks(git_server, repository) == before


def test_many_fabrics_of_one_branch_cost_one_row_and_hardly_a_fetch(
    serve: Serve, fabrics: Fabrics, repository: Repository, git_server: GitServer
) -> None:
    names = [f"many-{number:02}" for number in range(MANY)]
    first = repository.publish({f"{name}/cm.yaml": config_map(name, color="blue") for name in names})
    for name in names:
        follow(fabrics, repository, name, directory=name)
    for name in names:
        fabrics.wait_synced(name, first)
    second = repository.publish({f"{name}/cm.yaml": config_map(name, color="red") for name in names})
    before = looks(git_server, repository)
    assert serve.push(fabrics.namespace, names[0], second)[0] == 202
    for name in names:
        fabrics.wait_synced(name, second)
    assert looks(git_server, repository) - before == 1


def test_our_own_push_ends_at_once(
    serve: Serve, tandem: Tandem, fabrics: Fabrics, repository: Repository, git_server: GitServer
) -> None:
    first = repository.publish({"cm.yaml": config_map("web", color="blue")})
    follow(fabrics, repository)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.eventually(lambda: repository.head() != first)
    fabrics.wait_synced(revision=repository.head())
    before, known = looks(git_server, repository), hints(tandem, "known")
    assert serve.push(fabrics.namespace, NAME, repository.head())[0] == 202
    wait_until(lambda: hints(tandem, "known") == known + 1, DEADLINE)
    assert looks(git_server, repository) == before


def test_a_commit_that_never_comes_is_looked_for_for_a_while(
    serve: Serve, tandem: Tandem, fabrics: Fabrics, repository: Repository, git_server: GitServer
) -> None:
    first = repository.publish({"cm.yaml": config_map("web", color="blue")})
    follow(fabrics, repository)
    fabrics.wait_synced(revision=first)
    before, lapsed = looks(git_server, repository), hints(tandem, "lapsed")
    assert serve.push(fabrics.namespace, NAME, "1" * 40)[0] == 202
    wait_until(lambda: hints(tandem, "lapsed") == lapsed + 1, DEADLINE)
    assert 2 <= looks(git_server, repository) - before <= 6
    second = repository.publish({"cm.yaml": config_map("web", color="red")})
    assert serve.push(fabrics.namespace, NAME, second)[0] == 202
    fabrics.wait_synced(revision=second)


def test_a_push_that_is_told_during_a_run_is_not_dropped(
    serve: Serve, fabrics: Fabrics, repository: Repository, git_server: GitServer
) -> None:
    """The first answer of the server is held, so that the second push comes while the fabric is looking."""
    first = repository.publish({"cm.yaml": config_map("web", color="blue")})
    follow(fabrics, repository)
    fabrics.wait_synced(revision=first)
    second = repository.publish({"cm.yaml": config_map("web", color="red")})
    before = looks(git_server, repository)
    with git_server.failing(delay=2.0):
        assert serve.push(fabrics.namespace, NAME, second)[0] == 202
        third = repository.publish({"cm.yaml": config_map("web", color="green")})
        assert serve.push(fabrics.namespace, NAME, third)[0] == 202
    fabrics.wait_synced(revision=third)
    assert looks(git_server, repository) > before


def test_who_does_not_know_the_secret_is_told_what_is_wrong(
    serve: Serve, fabrics: Fabrics, repository: Repository
) -> None:
    first = repository.publish({"cm.yaml": config_map("web", color="blue")})
    follow(fabrics, repository)
    fabrics.wait_synced(revision=first)
    body, headers = message("github", "main", "", TOKEN)
    path = f"/hooks/github/{fabrics.namespace}/{NAME}"
    unsigned = {name: value for name, value in headers.items() if "Signature" not in name}

    def refused(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        status, text = serve.send("POST", path, body, headers)
        assert TOKEN not in text
        return status, text

    for status, word, found in (
        (401, "signature_invalid", refused(path, body + b" ", headers)),
        (401, "signature_missing", refused(path, body, unsigned)),
        (404, "fabric_unknown", refused(f"{path}-nobody", body, headers)),
        (404, "provider_unknown", refused(path.replace("github", "sourceforge"), body, headers)),
        (413, "body_too_large", refused(path, b" " * ((1 << 20) + 1), headers)),
        (400, "body_invalid", refused(path, *message_of(b"["))),
        (401, "timestamp_invalid", refused(path.replace("github", "generic"), body, {"X-Tandem-Timestamp": "7"})),
    ):
        assert found[0] == status, found
        assert f'"error": "{word}"' in found[1]
    assert serve.get(path)[0] == 405
    rotated = "another long text"
    fabrics.kubectl.patch("secret", SECRET, {"stringData": {"token": rotated}})
    second = repository.publish({"cm.yaml": config_map("web", color="red")})
    wait_until(lambda: serve.push(fabrics.namespace, NAME, second, rotated)[0] == 202, DEADLINE, poll=0.5)
    fabrics.wait_synced(revision=second)
    fabrics.kubectl.patch("secret", SECRET, {"data": {"token": None}})
    wait_until(lambda: serve.push(fabrics.namespace, NAME, "", "third")[0] == 503, DEADLINE, poll=0.5)
    assert TOKEN not in serve.log()
    assert rotated not in serve.log()
    fabrics.patch({"repository": {"hookSecretRef": None}})
    wait_until(lambda: serve.push(fabrics.namespace, NAME, "", rotated)[0] == 404, DEADLINE)


def message_of(body: bytes) -> tuple[bytes, dict[str, str]]:
    """Any body, signed for GitHub."""
    digest = hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest()
    return body, {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={digest}"}


def test_a_flood_of_one_source_is_slowed_down(serve: Serve, fabrics: Fabrics) -> None:
    path = f"/hooks/github/{fabrics.namespace}/nobody"
    wait_until(lambda: serve.send("POST", path, b"{}", {})[0] == 429, DEADLINE, poll=0.0)
    wait_until(lambda: serve.send("POST", path, b"{}", {})[0] == 404, DEADLINE)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The URL of a database, "" for a file of the controller's own."""
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(request.getfixturevalue("postgres_database"))


def test_it_waits_for_a_controller_and_a_controller_finds_what_was_told_meanwhile(
    database: str, make_tandem: MakeTandem, stage: Stage, fabrics: Fabrics, repository: Repository
) -> None:
    tandem = make_tandem(database=database)
    with serving(tandem.launch) as serve:
        status, text = serve.get("/readyz")
        assert (status, "not ready" in text) == (503, True)
        stage.enter(tandem)
        serve.wait_ready()
        first = repository.publish({"cm.yaml": config_map("web", color="blue")})
        follow(fabrics, repository)
        fabrics.wait_synced(revision=first)
        second = repository.publish({"cm.yaml": config_map("web", color="red")})
        wait_until(lambda: serve.push(fabrics.namespace, NAME, second)[0] == 202, DEADLINE)
        fabrics.wait_synced(revision=second)
        tandem.stop()
        third = repository.publish({"cm.yaml": config_map("web", color="green")})
        assert serve.push(fabrics.namespace, NAME, third)[0] == 202
        tandem.start()
        fabrics.wait_synced(revision=third)
        wait_until(lambda: hints(tandem, "known") + hints(tandem, "met") >= 1, DEADLINE)
        assert 'tandem_hooks_total{outcome="taken",provider="github"} 2.0' in serve.get("/metrics")[1]
        assert serve.stop() == 0
