"""What is wrong with a spec that no schema can say, one row a problem."""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.v1alpha1.fabric import FabricSpec
from controller.api.v1alpha1.problems import fabric_problems
from controller.objects import Kind

PLURALS = {
    Kind("apps", "Deployment"): "deployments",
    Kind("", "Service"): "services",
    Kind("networking.k8s.io", "Ingress"): "ingresses",
    Kind("extensions.example.com", "Ingress"): "ingresses",
}


def spec(**fields: Any) -> FabricSpec:
    repository = {"url": "https://git.example.com/r.git"} | fields.pop("repository", {})
    return FabricSpec.model_validate({"repository": repository, **fields})


INGRESS = {"group": "networking.k8s.io", "kind": "Ingress"}
OTHER_INGRESS = {"group": "extensions.example.com", "kind": "Ingress"}
DEPLOYMENT = {"group": "apps", "kind": "Deployment"}

FINE: dict[str, dict[str, Any]] = {
    "nothing but a url": {},
    "a directory below the root": {"repository": {"directory": "clusters/prod"}},
    "names with dots": {"repository": {"directory": "a..b/.hidden/c.git"}},
    "two kinds with one plural, the second elsewhere": {
        "resources": [INGRESS, {**OTHER_INGRESS, "directory": "other-ingresses"}]
    },
    "directories that only begin alike": {
        "resources": [{**DEPLOYMENT, "directory": "web"}, {**INGRESS, "directory": "web-ingress"}]
    },
    "kinds that are not served and name no directory": {"resources": [{"kind": "A"}, {"kind": "B"}]},
    "globs": {"sync": {"editors": {"include": ["my-*", "!helm", "tool-[ab]", "[[]x", "[]]", "[!]]"]}}},
}

WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "the directory climbs": ({"repository": {"directory": "a/../.."}}, ("spec.repository.directory", "'a/../..'")),
    "the directory is absolute": ({"repository": {"directory": "/etc"}}, ("spec.repository.directory", "relative")),
    "the directory is Git's own": (
        {"repository": {"directory": "a/.GIT/hooks"}},
        ("spec.repository.directory", ".git"),
    ),
    "a backslash": ({"repository": {"directory": "a\\b"}}, ("spec.repository.directory", "backslashes")),
    "a kind's directory climbs": (
        {"resources": [DEPLOYMENT, {"kind": "Service", "directory": "../x"}]},
        ("spec.resources[1].directory", "'../x'"),
    ),
    "a kind's directory is hidden": (
        {"resources": [{"kind": "Service", "directory": "a/.services"}]},
        ("spec.resources[0].directory", "'a/.services'", "hidden"),
    ),
    "two kinds with one plural": (
        {"resources": [INGRESS, OTHER_INGRESS]},
        ("spec.resources[1].directory", "Ingress.extensions.example.com", "spec.resources[0]", "another one"),
    ),
    "two kinds in one directory, written differently": (
        {"resources": [{**DEPLOYMENT, "directory": "web"}, {"kind": "Service", "directory": "./web"}]},
        ("spec.resources[1].directory", "Service and Deployment.apps", "directory web"),
    ),
    "a directory with another kind's plural": (
        {"resources": [DEPLOYMENT, {"kind": "Service", "directory": "deployments"}]},
        ("spec.resources[1].directory", "deployments"),
    ),
    "one directory inside another": (
        {"resources": [{**DEPLOYMENT, "directory": "web"}, {"kind": "Service", "directory": "web/prod"}]},
        ("spec.resources[1].directory", "one inside the other"),
    ),
    "one directory around another": (
        {"resources": [{**DEPLOYMENT, "directory": "web/prod"}, {"kind": "Service", "directory": "web"}]},
        ("spec.resources[1].directory", "one inside the other"),
    ),
    "an editor that is a fabric": (
        {"sync": {"editors": {"include": ["ok", "tandem:*"]}}},
        ("spec.sync.editors.include[1]", "'tandem:*'"),
    ),
    "a fabric taken back": (
        {"sync": {"editors": {"exclude": ["!tandem:ab12:x/y"]}}},
        ("spec.sync.editors.exclude[0]",),
    ),
    "a bracket that stays open": (
        {"ignore": [{"managers": ["tool-[ab"]}]},
        ("spec.ignore[0].managers[0]", "never closed"),
    ),
    "a bracket that closes itself": ({"ignore": [{"managers": ["tool-[]"]}]}, ("spec.ignore[0].managers[0]",)),
}


@pytest.mark.parametrize("row", FINE)
def test_a_valid_spec_has_no_problems(row: str) -> None:
    assert fabric_problems(spec(**FINE[row]), PLURALS) == []


@pytest.mark.parametrize("row", WRONG)
def test_a_problem_names_its_field_and_what_to_do(row: str) -> None:
    fields, parts = WRONG[row]
    (problem,) = fabric_problems(spec(**fields), PLURALS)
    for part in parts:
        assert part in problem


KEYS = {"keysSecretRef": {"name": "keys"}}
SIGNER = {"signWithSecretRef": {"name": "signer"}}
READS = {"direction": "GitToCluster"}


@pytest.mark.parametrize(
    ("repository", "more", "said"),
    [
        ({"verify": {"mode": "None"}}, {}, ""),
        ({"verify": {"mode": "Head"}, **SIGNER}, {}, "verify.keysSecretRef: name the Secret"),
        ({"verify": {"mode": "Head", **KEYS}}, {}, "signWithSecretRef: verify mode Head with a direction that writes"),
        ({"verify": {"mode": "Head", **KEYS}, **SIGNER}, {}, ""),
        ({"verify": {"mode": "Head", **KEYS}}, {"sync": READS}, ""),
        (
            {"verify": {"mode": "Head", **KEYS}},
            {"sync": READS, "resources": [{"kind": "ConfigMap", "direction": "ClusterToGit"}]},
            "signWithSecretRef",
        ),
        ({"verify": {"mode": "Tag", **KEYS}, **SIGNER}, {}, "Tag is for direction GitToCluster alone"),
        ({"verify": {"mode": "Tag", **KEYS}}, {"sync": READS}, ""),
        (
            {"verify": {"mode": "Tag", **KEYS}},
            {"sync": READS, "resources": [{"kind": "ConfigMap", "direction": "Bidirectional"}]},
            "Tag is for direction GitToCluster alone",
        ),
        (
            {"verify": {"mode": "Tag", **KEYS}},
            {"sync": READS, "resources": [{"kind": "Job", "direction": "Disabled"}]},
            "",
        ),
    ],
)
def test_what_tandem_commits_is_trusted_or_not_written(
    repository: dict[str, object], more: dict[str, object], said: str
) -> None:
    problems = fabric_problems(spec(repository=repository, **more))
    assert len(problems) == bool(said)
    assert said in "".join(problems)


def test_plurals_matter_only_where_they_are_known() -> None:
    both = spec(resources=[INGRESS, OTHER_INGRESS])
    assert fabric_problems(both) == []
    assert len(fabric_problems(both, PLURALS)) == 1


def test_all_problems_are_told_at_once() -> None:
    wrong = spec(
        repository={"directory": "../x"},
        resources=[{**DEPLOYMENT, "directory": "a"}, {"kind": "Service", "directory": "a"}],
        sync={"editors": {"exclude": ["[x"]}},
    )
    assert len(fabric_problems(wrong)) == 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "spec.encryption.identitySecretRef: recipients with a direction that writes need it"),
        ({"sync": READS}, ""),
        ({"sync": READS, "resources": [{"kind": "Secret", "direction": "ClusterToGit"}]}, "identitySecretRef"),
    ],
)
def test_what_tandem_encrypts_it_must_be_able_to_read(more: dict[str, Any], said: str) -> None:
    recipients = {"recipients": ["age1ynef964y9td00t69wuvf3qeq8unn4ty7rt2xjy9lql0w2jhs9pkqr02pgv"]}
    found = fabric_problems(
        FabricSpec.model_validate(
            {"repository": {"url": "https://git.example.com/a.git"}, "encryption": recipients, **more}
        )
    )
    assert [said in problem for problem in found] == ([True] if said else [])
    with_identity = {**recipients, "identitySecretRef": {"name": "age"}}
    spec = {"repository": {"url": "https://git.example.com/a.git"}, "encryption": with_identity, **more}
    assert fabric_problems(FabricSpec.model_validate(spec)) == []
