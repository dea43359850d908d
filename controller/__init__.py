"""Tandem: a directory of a Git repository and the objects of a cluster, kept in step in both directions.

A commit becomes a live object, a live edit becomes a commit. The rooms, in the order in which data walks through them:

    cli, bootstrap   what was typed; everything that runs, built in one place (`tandem run` is `bootstrap.Controller`)
    runtime          kopf tells that a Fabric changed; the work queue runs one piece of work per Fabric at a time
    sync             the way of a Fabric; `sync/service.py` is that way, step by step. Beside it, pure:
      sync/parse       bytes of a file to documents, and edits back into the same bytes
      sync/plan        base, declared and actual to a change, or to a conflict; the decision table is `plan/decide.py`
    git              the mirror: fetch a branch, compare trees, read blobs, build a commit, push it
    sops             encrypted files: the sops program, and age's keys
    notify           people and programs that are told: webhooks and mail out
    kube             the cluster: lists and watches in, applies, patches and deletes out
    store            the database: what both sides last agreed on, pushes, confirmations, history
    api              the custom resources, declared once; `crds/` is written from here
    web, dev         probes and metrics; a real control plane and Git server on this machine

`objects` has the values that go from room to room, `errors` whose fault something is, `settings` every knob, `process`
runs programs of others. Imports go downward only. One commit and one live edit, followed through all of this:
`docs/architecture.md`.
"""
