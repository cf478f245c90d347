"""The bundled models and the synthetic sample."""
