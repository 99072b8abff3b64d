"""The checks themselves, subject by subject; `skrecsec.utils.estimator_checks` hands them on."""
