"""Repeated studies of attacks and defenses: parallel, resumable, with significance."""

# For the command line, which runs plans; not public.
from skrecsec.experiments._plan import Plan as Plan
from skrecsec.experiments._records import RecordStore as RecordStore
from skrecsec.experiments._results import RobustnessStudy
from skrecsec.experiments._running import run_by_repeat as run_by_repeat
from skrecsec.experiments._statistics import strength as strength
from skrecsec.experiments._study import robustness_study
from skrecsec.experiments._units import Seeds as Seeds

__all__ = ["RobustnessStudy", "robustness_study"]
