"""Real Kubernetes control planes for the clusters of the local AWS endpoint."""
