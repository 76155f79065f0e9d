"""Clusters of public reports, rebuilt small: what is wrong, and what doctor must say. Nothing else may be called wrong.

What is right was written from the thread's solution, before doctor was run on the cluster.
"""

from support.reported_clusters import driver, plugin, pods, scheduling
from support.reported_clusters.table import REPORTS, Report

__all__ = ["REPORTS", "Report", "driver", "plugin", "pods", "scheduling"]
