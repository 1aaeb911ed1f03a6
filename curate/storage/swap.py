"""A product becomes visible, or is replaced by another, in one rename.

A product is several names at the top of a folder, and a rename moves one. So each name first
becomes a symbolic link into ``.curate-product/``; an older product is moved there. When the new one
is renamed to ``.curate-product``, all names show it at once; then each link is replaced by what it
points to. Whatever dies in between, the names show nothing, the older product or the newer one, as
a whole, and `settle` ends what was begun.

Where the system cannot exchange two names in one step (macOS, NFS), a name is missing for a moment
while its link is replaced. Where it has no links, the names appear one by one, the manifest last.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from curate.failpoint import reach

#: The folder through which a product is swapped.
PRODUCT = ".curate-product"

_UNSUPPORTED = {errno.EPERM, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}


def swap(root: Path, staged: Path, names: Sequence[str]) -> None:
    """Make the entries of ``staged`` the product of a folder; what it replaces is left in there.

    ``names`` are all that a product can have, the manifest last: no other is touched.
    """
    product = root / PRODUCT
    settle(root, names)
    for name in reversed(names):  # the manifest first: never a listing with the rest alone
        if _is_there(root / name):
            product.mkdir(exist_ok=True)
            reach("publish.renaming")
            _move_behind_link(root, name)
        elif _is_there(staged / name):
            reach("publish.renaming")
            _link(root / name, name)
    reach("publish.renaming")
    if not product.exists():
        staged.rename(product)
    elif not _exchanged(staged, product):
        product.rename(staged.with_name(f"{staged.name}-replaced"))
        staged.rename(product)
    sync(root)
    reach("publish.renamed")
    settle(root, names)


def settle(root: Path, names: Sequence[str]) -> None:
    """Replace the links to a product by what they point to; remove those that point to nothing."""
    product = root / PRODUCT
    for name in names:
        top, inside = root / name, product / name
        linked = top.is_symlink() and top.readlink() == Path(PRODUCT, name)
        is_whole = _is_there(inside) and not inside.is_symlink()
        if not linked and not is_whole:
            continue
        reach("publish.renaming")
        if not is_whole:
            top.unlink()
        elif inside.is_file():
            inside.replace(top)
        elif not (linked and _exchanged(inside, top)):
            top.unlink(missing_ok=True)
            inside.rename(top)
        reach("publish.renamed")
    if product.is_dir():
        shutil.rmtree(product)
        sync(root)


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _move_behind_link(root: Path, name: str) -> None:
    top, inside = root / name, root / PRODUCT / name
    if _link(inside, name):
        if _exchanged(top, inside):
            return
        inside.unlink()
    top.rename(inside)
    _link(top, name)


def _link(path: Path, name: str) -> bool:
    """Make a link to an entry of the product; return whether the file system has links."""
    try:
        path.symlink_to(f"{PRODUCT}/{name}")
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    return True


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names in one step; where that is not possible, do nothing and return False.

    renameat2(2) with RENAME_EXCHANGE, which Python does not offer.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    at_cwd, exchange = -100, 2
    if rename(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code not in _UNSUPPORTED:
        raise OSError(code, os.strerror(code), str(one), None, str(other))
    return False
