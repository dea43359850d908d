"""THE GIT SIDE: remotes and their local copies. pygit2 lives here and nowhere else.

    remote, credentials          where a repository is, and what opens it: rules before any packet leaves
    proxy                        which remotes go through the installation's proxy
    transport, transports        how the network is spoken to: one contract, and who is spoken to by which of the two
    libgit2                      plain http(s), in this process
    program, process, home,      the git program for ssh, private authorities, client certificates and proxies: its
        gitwords, clientcert     process, the empty home it lives in, what its words mean
    worker                       one thread per mirror, and callers who do not wait for ever
    repository, mirror, mirrors  the bare copy on disk, which may vanish at any time, and fetching into it
    packs                        keeping that copy small in number of files
    trees, snapshot              reading: trees by id, what changed between two, blobs, history
    merging                      what a directory would hold if a branch were merged
    heads                        what a server's list of references says
    signatures, signing          whom a commit or a tag is from; and signing our own
    forge                        the web side of a Git server: pull requests; spoken to over HTTP
    paths, trailers, commit      writing: a commit in memory, inside its directory
    push                         what is asked for, and what may come of it
    errors                       what goes wrong, translated once

Ids of commits, trees and blobs are hexadecimal strings outside this package; no pygit2 object leaves it.
"""
