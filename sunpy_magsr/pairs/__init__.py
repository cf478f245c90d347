"""Pairs of MDI and HMI of the same minute: fetched, aligned, judged."""
