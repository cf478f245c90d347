"""True pairs of MDI and HMI magnetograms: found and fetched at the archive, and brought onto one grid."""
