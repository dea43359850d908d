"""THE GIT SIDE: remotes and their local copies. pygit2 lives here and nowhere else.

    remote, credentials          where a repository is, and what opens it: rules before any packet leaves
    transport, worker            how the network is spoken to: time-outs, headers, one thread per mirror
    repository, mirror, mirrors  the bare copy on disk, which may vanish at any time, and fetching into it
    packs                        keeping that copy small in number of files
    trees, snapshot              reading: trees by id, what changed between two, blobs, history
    paths, trailers, commit      writing: a commit in memory, inside its directory
    push                         the lease, and what the server said
    errors                       what goes wrong, translated once

Ids of commits, trees and blobs are hexadecimal strings outside this package; no pygit2 object leaves it.
"""
