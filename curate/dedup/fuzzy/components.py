"""Components: which documents have to be compared together. They divide the work, nothing else.

A spanning forest has one form, the star: every document that is not the smallest of its component,
paired with that smallest one. So merging stars in any order gives the same star.
"""

from __future__ import annotations

import numpy as np

from curate.dedup.fuzzy.minhash import agree
from curate.errors import InternalError
from curate.kernels.jit import inline, kernel


@inline
def _root(parent: np.ndarray, x: int) -> int:
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@inline
def _link(parent: np.ndarray, x: int, y: int) -> bool:
    """Put the larger root below the smaller one; return whether there were two."""
    x, y = _root(parent, x), _root(parent, y)
    if x == y:
        return False
    if x < y:
        parent[y] = x
    else:
        parent[x] = y
    return True


@kernel
def _link_all(parent: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    for i in range(left.shape[0]):
        _link(parent, left[i], right[i])
    for x in range(parent.shape[0]):
        parent[x] = _root(parent, x)


@kernel
def _link_buckets(
    parent: np.ndarray,
    members: np.ndarray,
    offsets: np.ndarray,
    limit: int,
    signatures: np.ndarray,
    min_equal: int,
) -> None:
    for bucket in range(offsets.shape[0] - 1):
        first, last = offsets[bucket], offsets[bucket + 1]
        if last - first > limit:
            for i in range(first + 1, last):
                _link(parent, members[first], members[i])
            continue
        for i in range(first + 1, last):
            x = members[i]
            for j in range(first, i):
                y = members[j]
                if _root(parent, x) == _root(parent, y):
                    continue
                if agree(signatures, x, y, min_equal):
                    _link(parent, x, y)
    for x in range(parent.shape[0]):
        parent[x] = _root(parent, x)


def _star(documents: np.ndarray, parent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    below = np.flatnonzero(parent != np.arange(len(parent)))
    return documents[below], documents[parent[below]]


def contract(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Contract edges between document numbers to the star of their components.

    >>> [side.tolist() for side in contract(np.array([1, 2, 9]), np.array([2, 3, 8]))]
    [[2, 3, 9], [1, 1, 8]]
    """
    documents, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    parent = np.arange(len(documents))
    _link_all(parent, places[: len(left)], places[len(left) :])
    return _star(documents, parent)


def bucket_star(
    documents: np.ndarray,
    members: np.ndarray,
    offsets: np.ndarray,
    signatures: np.ndarray,
    *,
    limit: int,
    min_equal: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Join the documents of buckets, and contract at once.

    `members` are positions in the sorted `documents`, bucket by bucket; `offsets` separate the
    buckets. In a bucket of at most `limit` members a pair is joined when its signatures agree in at
    least `min_equal` values; the members of a larger one are all joined, which takes linear time.
    `signatures` are those of `documents`; rows of documents that occur only in large buckets are
    never read.
    """
    parent = np.arange(len(documents))
    _link_buckets(parent, members, offsets, limit, signatures, min_equal)
    return _star(documents, parent)


def label_components(child: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each document of a star with its component's number, sorted by document.

    Raise InternalError if the star is not a fixed point: if a root is itself below another root, or
    a child is below two.
    """
    if len(np.unique(child)) != len(child) or np.isin(root, child).any():
        raise InternalError("components did not converge", where="fuzzy_dedup components")
    roots = np.unique(root)
    documents = np.concatenate([child, roots])
    component = np.concatenate([root, roots])
    order = np.argsort(documents, kind="stable")
    return documents[order], component[order]
