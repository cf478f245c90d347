"""The front door: from a Map and options to a super-resolved Map or an ensemble."""
