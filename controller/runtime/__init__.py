"""How everything runs: the work queue, background tasks, Events, status, metrics, logs, and the glue to kopf.

Nothing here knows what a fabric is made of; the families bring their handlers, `bootstrap` puts both together.
"""
