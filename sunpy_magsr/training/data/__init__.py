"""Data of training: from FITS files to a store, and from the store to batches."""
