"""What providers and their authors speak to: calls about their own resources, and the registry of manifests."""
