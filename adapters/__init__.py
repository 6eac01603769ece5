"""What touches the world: logs, the codec, sources, the projector. `engine` puts it together."""
