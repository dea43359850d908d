"""Encrypted files of Git, and the sops program that reads and writes them.

    locate    where the program is
"""
