"""The stages of training: what each minimizes, and what it saves."""
