"""True pairs of MDI and HMI magnetograms: how they are fetched from the archive and brought onto one grid."""
