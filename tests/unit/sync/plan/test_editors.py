# ruff: noqa: E501 - tables read as tables
from __future__ import annotations

import pytest

from controller.sync.plan.editors import Verdict, matches, verdict_on
from controller.sync.plan.model import EditorRules

EDITORS = [
    "kubectl", "kubectl-edit", "kubectl-client-side-apply", "kubectl-patch", "k9s", "lens", "lens-desktop", "headlamp",
    "Mozilla", "dashboard", "kubernetes-dashboard", "openshift-dashboard-x", "tandem-rest", "kubectl-rollout",
]  # fmt: skip
EXCLUDED = [
    "kube-controller-manager", "kube-scheduler", "kubelet", "kustomize-controller", "cloud-controller-manager",
    "postgres-operator", "manager", "helm", "argocd-controller", "argocd", "flux", "fluxcd", "velero", "velero-server",
    "cainjector", "istiod", "keda", "keda-admission", "karpenter", "vpa-updater", "cluster-autoscaler",
    "cert-manager-certificates", "tandem-handover",
]  # fmt: skip
OTHERS = ["terraform", "my-script", "mozilla", "managers", "Kubectl", "before-first-apply", "", "tandem:ab:shop/web"]


@pytest.mark.parametrize(
    ("manager", "verdict"),
    [
        *((name, Verdict.EDIT) for name in EDITORS),
        *((name, Verdict.EXCLUDED) for name in EXCLUDED),
        *((name, Verdict.OTHER) for name in OTHERS),
    ],
)
def test_without_rules_of_its_own_the_defaults_decide(manager: str, verdict: Verdict) -> None:
    assert verdict_on(manager, EditorRules()) is verdict


RULES = [
    ("an include makes an editor", ("terraform",), (), "terraform", Verdict.EDIT),
    ("an include goes before a default exclude", ("my-operator",), (), "my-operator", Verdict.EDIT),
    ("other defaults stay", ("my-operator",), (), "your-operator", Verdict.EXCLUDED),
    ("an exclude goes before a default include", (), ("kubectl-patch",), "kubectl-patch", Verdict.EXCLUDED),
    ("at equal level exclude wins", ("ci*",), ("ci-bot",), "ci-bot", Verdict.EXCLUDED),
    ("a glob names the whole manager", ("ci",), (), "ci-bot", Verdict.OTHER),
    ("a default include is taken back", ("!kubectl-label",), (), "kubectl-label", Verdict.OTHER),
    ("a default exclude is taken back", (), ("!manager",), "manager", Verdict.OTHER),
    ("one of its own is taken back", ("ci*", "!ci-bot"), (), "ci-bot", Verdict.OTHER),
    ("taken back, the other list decides", ("my-operator",), ("*-operator", "!my-operator"), "my-operator", Verdict.EDIT),
    ("a fabric is named by no glob", ("*",), ("*",), "tandem:ab:shop/web", Verdict.OTHER),
]  # fmt: skip


@pytest.mark.parametrize(
    ("include", "exclude", "manager", "verdict"), [case[1:] for case in RULES], ids=[case[0] for case in RULES]
)
def test_rules_of_the_fabric(
    include: tuple[str, ...], exclude: tuple[str, ...], manager: str, verdict: Verdict
) -> None:
    assert verdict_on(manager, EditorRules(include, exclude)) is verdict


def test_no_globs_name_nobody() -> None:
    assert not matches((), "kubectl")
