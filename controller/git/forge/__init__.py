"""The forge beside a Git server: pull requests, comments on them, states of commits. `model.py` says what it is."""
