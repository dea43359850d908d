"""Encrypted files of Git: the sops program, and the age keys that they are encrypted for.

    locate    where the program is
    keys      identities out of a Secret, and recipients
    room      private folders in memory, for the moment in which a text is not encrypted
    program   decrypt, edit and encrypt, by running sops

What a file says and which objects are in it is not known here; `controller.sync.sealing` brings both together.
"""
