"""THE RECEIVERS' SIDE: messages to people and programs outside, over HTTP and SMTP. Only it talks to them.

A sender is given everything as values and says in an `Outcome` what became of one try; who is told what, and when it is
tried again, is decided by `controller.sync`.
"""
