"""How other programs write a model, and what misleads there."""
