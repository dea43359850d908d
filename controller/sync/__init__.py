"""Fabrics: Git → parse → plan → apply → record, and back: edit → commit → push → record."""
