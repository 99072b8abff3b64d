"""Repeated studies of attacks and defences: parallel, resumable, with significance."""

from skrecsec.experiments._results import RobustnessStudy
from skrecsec.experiments._study import robustness_study

__all__ = ["RobustnessStudy", "robustness_study"]
