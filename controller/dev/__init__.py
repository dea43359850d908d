"""The local control plane: a real Kubernetes and Git server on this machine, for `tandem dev`, the demo and the tests.

locate.py finds the programs, build.py makes them where there are none, controlplane.py runs them; gitserver.py is the
Git server. session.py puts it all together with a sample and a controller; dev.py and demo.py are the two commands.
"""
