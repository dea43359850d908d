"""THE CLUSTER SIDE: everything that talks to the Kubernetes API, and nothing that decides.

    config → client → discovery            what is there to talk to, and how
    projection → watch → pool              what the cluster holds, kept current and small
    apply                                  the writes, each one request
    events                                 what people read in `kubectl describe`
    errors                                 what the API server answers instead

Everything that goes over the wire goes through `client.KubeClient`: the one place to count, cut or delay it.
"""
