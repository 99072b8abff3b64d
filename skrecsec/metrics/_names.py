"""How tables and plots of studies call the metrics."""

from __future__ import annotations

# The name, with the length of the list as k, and how many decimals are written.
METRICS = {
    "test_hr": ("test HR@{k}", 4),
    "target_hr": ("target HR@{k}", 4),
    "ri": ("RI", 3),
    "ndcg": ("NDCG@{k}", 4),
    "rank_shift": ("mean rank shift", 1),
    "seconds": ("seconds of fit", 2),
    "peak_memory": ("peak memory in MiB", 0),
    "attack_seconds": ("seconds of attack", 2),
}
