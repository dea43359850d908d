"""From the bytes of a repository's files to declared objects, and back into the same bytes. Pure.

    scan       bounds what a file may do to the parser before the parser sees it
    scalars    what a plain scalar means to the Kubernetes API server
    loader     YAML and JSON text to values, read as the API server reads them
    documents  a file's bytes to its declared objects or its faults
    scope      which paths of a directory count
    edit       a changed object back into its file, every other byte kept

Text that nobody has vetted is parsed only in the child process of `controller.sync.parsing`.
"""
