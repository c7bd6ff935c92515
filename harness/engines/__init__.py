"""Who fits: the engine protocol, the adapters and the registry."""
