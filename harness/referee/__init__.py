"""Who is right: an independent likelihood with analytic derivatives."""
