"""What all stages share: the loop, checkpoints, logs and validation."""
