"""Model folders: cards, weights, the bundled models, the Hub."""
