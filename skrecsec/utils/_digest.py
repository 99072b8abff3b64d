"""Digests of arrays and rating matrices, by which equal ones are known."""

from __future__ import annotations

import hashlib

import numpy as np


def digest(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of the content, shape and dtype of arrays, in hexadecimal.

    Notes
    -----
    O(size) time; arrays that are not contiguous are copied.

    Examples
    --------
    >>> import numpy as np
    >>> from skrecsec.utils._digest import digest
    >>> digest(np.arange(6)) == digest(np.arange(6).reshape(2, 3))
    False
    """
    sha = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(array.data.cast("B") if array.size else b"")
    return sha.hexdigest()


def digest_csr(X) -> str:
    """Return the digest of a CSR matrix with sorted indices, whatever its container and dtypes."""
    return digest(
        np.array(X.shape),
        X.indptr.astype(np.int64),
        X.indices.astype(np.int64),
        X.data.astype(np.float64, copy=False),
    )
